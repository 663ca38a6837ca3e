"""What a courier does: see the jobs, set out, arrive, photograph, fail, say done, ask for another key."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from delivery.life import settling
from delivery.limits import DeliveryLimits
from delivery.model import Arrival, Photo, Read
from delivery.photos import Photos, named
from delivery.place import Nearness, Point, distance, nearness, outside
from delivery.ports import Car, Cars, Keys
from delivery.problems import (
    CarReachable,
    CarUnreachable,
    NoKey,
    NoSuchDelivery,
    OnlySimulated,
    OutOfPlaceNow,
    ReasonNeeded,
    TooFar,
    TooLateForAgain,
    TooManyPhotos,
)
from delivery.service import Deliveries, Turn, told
from delivery.states import BEFORE_ANSWER, Act, State
from spine.facts.delivery import (
    CourierArrived,
    CourierSetOut,
    DeliveryDelivered,
    DeliveryFailed,
    KeyWantedAgain,
    OutOfPlace,
    PhotoTaken,
)
from spine.ids import CourierId, DeliveryId
from spine.store import Saved

Reason = Literal["car_not_there", "car_unreachable", "no_room", "too_big", "unsafe", "other"]


@dataclass(frozen=True, slots=True)
class Device:
    """The courier as signed in: with the device key whose thumbprint is ``jkt``."""

    courier: CourierId
    jkt: str


def assigned(read: Read, device: Device) -> None:
    """Raises ``NoSuchDelivery`` unless this device is assigned: other jobs do not exist for it."""
    job = read.body.courier
    if job is None or (job.courier, job.jkt) != (device.courier, device.jkt):
        raise NoSuchDelivery(read.id)
    if read.state in BEFORE_ANSWER or read.body.approval is None:
        raise NoSuchDelivery(read.id)


class CourierDesk:
    """The acts of a courier, but for those that ask something of the car (``delivery.opening``)."""

    def __init__(self, deliveries: Deliveries, cars: Cars, keys: Keys, photos: Photos) -> None:
        self._deliveries = deliveries
        self._cars = cars
        self._keys = keys
        self._photos = photos

    async def read(self, device: Device, delivery: DeliveryId) -> Read:
        """Raises ``NoSuchDelivery``."""
        read = await self._deliveries.read(delivery)
        assigned(read, device)
        return read

    async def key(self, device: Device, delivery: DeliveryId) -> str:
        """The key's token, for the device it is bound to; from now on it may be used offline.

        Raises ``NoKey``, also while the delivery has not heard yet that it is signed (or the phone could set
        out before the delivery lets it), and what the key service says (``KeyOver``).
        """
        read = await self.read(device, delivery)
        key = read.body.key
        if key is None or not key.signed or key.dead or key.jkt != device.jkt or read.over:
            raise NoKey("there is no key for this device now")
        return await self._keys.hand_out(key.key, jkt=device.jkt, now=self._deliveries.clock.now())

    async def set_out(self, device: Device, delivery: DeliveryId, *, anyway: bool = False) -> Read:
        """Begin to drive. The car must stand in its place, and be reachable unless ``anyway``.

        Out of place: the owner is told how far. Raises ``OutOfPlaceNow``, ``CarUnreachable`` (delivery.md,
        Reachability: said before the courier drives), ``StepNotAllowed``.
        """
        before = await self.read(device, delivery)
        if before.state is State.EN_ROUTE:
            return before
        before.require(Act.SET_OUT)
        car = await self._car(before)
        out_by = round(outside(before.body.place, car.position)) if car.position else 0
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            assigned(read, device)
            if read.state is State.EN_ROUTE:
                return None
            read.require(Act.SET_OUT)
            if out_by > 0:
                known = read.body.out_by == out_by
                return None if known else Turn(read.body.but(out_by=out_by), [told(OutOfPlace, read, now)])
            if not car.online and not anyway:
                raise CarUnreachable(f"the car is {car.reach.replace('_', ' ')}")
            return Turn(read.body.but(out_by=None), [told(CourierSetOut, read, now)])

        read = await self._deliveries.change(delivery, decide)
        if out_by > 0:
            raise OutOfPlaceNow("the car does not stand where it should; its owner is told")
        return read

    async def arrive(self, device: Device, delivery: DeliveryId, at: Point, *, reason: str = "") -> Read:
        """The courier's phone is at the car. Raises ``TooFar``, ``ReasonNeeded``, ``StepNotAllowed``."""
        before = await self.read(device, delivery)
        before.require(Act.ARRIVE)
        arrival = near(
            await self._car(before), at, reason, self._deliveries.limits, self._deliveries.clock.now()
        )

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            assigned(read, device)
            read.require(Act.ARRIVE)
            facts = [] if read.state is State.ARRIVED else [told(CourierArrived, read, arrival.at)]
            return Turn(read.body.but(arrival=arrival), facts)

        return await self._deliveries.change(delivery, decide)

    async def photograph(self, device: Device, delivery: DeliveryId, data: bytes) -> Read:
        """Keep a photo; with one, a closed delivery is done. The same photo again: no change.

        Raises ``PhotoUnfit``, ``PhotoTooLarge``, ``TooManyPhotos``, ``StepNotAllowed``.
        """
        before = await self.read(device, delivery)
        before.require(Act.PHOTO)
        known, most = {photo.sha256 for photo in before.body.photos}, self._deliveries.limits.photos_most
        if len(known) >= most and await asyncio.to_thread(named, data) not in known:
            raise TooManyPhotos(f"at most {most}")  # before its file would lie there, which nobody deletes
        sha256, media = await self._photos.keep(delivery, data)
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            assigned(read, device)
            have = read.body.photos
            if any(photo.sha256 == sha256 for photo in have):
                return None
            read.require(Act.PHOTO)
            if len(have) >= most:
                raise TooManyPhotos(f"at most {most}")
            at_work = read.state in {State.OPEN, State.LEFT_OPEN, State.CLOSED}
            photo = Photo(sha256=sha256, media=media, at=now, own=True)
            body = read.body.but(photos=(*have, photo), done=read.body.done or at_work)
            return Turn(body, [told(PhotoTaken, read, now, sha256=sha256), *settled(read, now)])

        return await self._deliveries.change(delivery, decide)

    async def done(self, device: Device, delivery: DeliveryId) -> Read:
        """The parcel is in (or out) and the boot is shut; without this it settles by itself after a while."""
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            assigned(read, device)
            if read.state is State.DELIVERED:
                return None
            read.require(Act.DONE)
            body = read.body.but(done=True)
            return Turn(body, settled(read, now))

        return await self._deliveries.change(delivery, decide)

    async def fail(self, device: Device, delivery: DeliveryId, reason: Reason) -> Read:
        """It cannot be done. Not while an opening is on its way or the boot is open: shut it first.

        ``car_unreachable`` is looked at: raises ``CarReachable`` where the car can be reached after all.
        """
        now = self._deliveries.clock.now()
        if reason == "car_unreachable" and not (before := await self.read(device, delivery)).over:
            car = await self._car(before)
            if car.online:
                raise CarReachable("the car can be reached now")

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            assigned(read, device)
            if read.state is State.FAILED:
                return None
            read.require(Act.FAIL)
            return Turn(read.body, [told(DeliveryFailed, read, now, reason=reason)])

        return await self._deliveries.change(delivery, decide)

    async def again(self, device: Device, delivery: DeliveryId) -> Read:
        """Ask for a replacement of a used or burnt key: it did not fit (keys.md 3.9).

        By the same device, within three minutes of ``locked``, or when the car could not say what happened.
        Raises ``TooLateForAgain``, ``StepNotAllowed``.
        """
        now, limits = self._deliveries.clock.now(), self._deliveries.limits

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            assigned(read, device)
            if read.body.wants_again:
                return None
            read.require(Act.AGAIN)
            key, locked = read.body.key, read.body.locked_at
            in_time = read.state is State.UNSURE or (
                locked is not None and now < locked + limits.again_within
            )
            if (
                key is None
                or read.body.draft is not None
                or not key.dead
                or key.jkt != device.jkt
                or key.n >= limits.keys_most
                or not in_time
            ):
                raise TooLateForAgain("no other key inside this approval: the delivery has to be rescheduled")
            wanted = told(KeyWantedAgain, read, now)
            return Turn(read.body.but(wants_again=True, done=False), [wanted])

        return await self._deliveries.change(delivery, decide)

    async def _car(self, read: Read) -> Car:
        if read.body.test is not None or read.body.vehicle is None:
            raise OnlySimulated("a test delivery plays by itself")
        return await self._cars.car(read.body.vehicle, now=self._deliveries.clock.now())


def settled(read: Read, now: datetime) -> list[DeliveryDelivered | DeliveryFailed]:
    """What makes an end of a closed delivery whose courier is done: only once the car said it is locked."""
    if read.state is not State.CLOSED or read.body.locked_at is None:
        return []
    return [settling(read, read.body, now)]


def near(car: Car, phone: Point, reason: str, limits: DeliveryLimits, now: datetime) -> Arrival:
    """Delivery.md, "Courier near". Where the car does not say where it is, a reason is asked for."""
    metres = None if car.position is None else round(distance(car.position, phone))
    verdict = (
        Nearness.WITH_REASON
        if metres is None
        else nearness(metres, near=limits.near, with_reason=limits.near_with_reason)
    )
    match verdict:
        case Nearness.TOO_FAR:
            raise TooFar(f"{metres} m from the car: at most {limits.near_with_reason:.0f}")
        case Nearness.WITH_REASON if not reason.strip():
            where = "the car does not say where it is" if metres is None else f"{metres} m from the car"
            raise ReasonNeeded(f"{where}: say why you open it from there")
        case _:
            return Arrival(at=now, metres=metres, reason=reason.strip())
