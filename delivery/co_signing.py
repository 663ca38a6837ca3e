"""Cars that open for no key without their owner's passkey: what the owner is asked to sign, and what becomes of it."""

from datetime import datetime

from delivery.model import Read
from delivery.place import Anywhere, Circle, Polygon, fence
from delivery.ports import Cars, Keys
from delivery.questions import Question
from delivery.service import Deliveries
from delivery.states import UNDER_WAY
from keys.car.claims import OwnerState
from keys.drafts import Draft
from keys.model import Wanted, key_id
from keys.problems import KeyAlive, TooManyKeys
from spine.ids import UnitId, VehicleId
from vehicle_gateway.registry import NoSuchVehicle


class CoSigning:
    """One draft for the courier's device that the owner is shown; with the owner's signature it is the key."""

    def __init__(self, deliveries: Deliveries, keys: Keys, cars: Cars) -> None:
        self._deliveries = deliveries
        self._keys = keys
        self._cars = cars

    async def unit_of(self, vehicle: VehicleId) -> UnitId | None:
        """The car's unit, if it said that it wants its owner's signature with every key."""
        try:
            unit = await self._cars.unit(vehicle)
        except NoSuchVehicle:
            return None
        return unit if await self._keys.drafts.required(unit) else None

    async def said_by(self, vehicle: VehicleId) -> OwnerState | None:
        """What the car last said of the passkeys that are paired in it; None where it never did."""
        try:
            unit = await self._cars.unit(vehicle)
        except NoSuchVehicle:
            return None
        return await self._keys.drafts.owner(unit)

    async def draft(
        self, read: Read, vehicle: VehicleId, unit: UnitId, place: Circle | Polygon | Anywhere, now: datetime
    ) -> Draft | None:
        """What the owner is asked to sign, for the courier's device as ``read`` has it; again: the same.

        One for a device that is not assigned any more, or another place, is burnt first. None where no more is made for this
        delivery, or it would be over already.
        """
        job = read.body.courier
        assert job is not None
        for n in range(1, self._deliveries.limits.keys_most + 1):
            wanted = Wanted(
                delivery=read.id,
                n=n,
                vehicle=vehicle,
                unit=unit,
                jkt=job.jkt,
                act="open:trunk+cabin" if read.body.act == "cabin" else "open:trunk",
                not_before=read.body.window.start,
                expires=read.body.window.end,
                geo=fence(place),
            )
            try:
                found = await self._keys.drafts.read(await self._keys.draft(wanted, now=now))
            except (KeyAlive, TooManyKeys):
                return None  # the owner has answered an earlier one, or the car has all the keys it can have
            if found is not None and found.jkt == job.jkt and self.is_for(found, place):
                return found
            if found is not None:
                await self._keys.revoke(key_id(read.id, n), reason="outdated", now=now)
        return None

    @staticmethod
    def is_for(draft: Draft, place: Circle | Polygon | Anywhere) -> bool:
        """Whether the draft opens at this place."""
        return list(draft.claims.get("geo") or ()) == list(fence(place) or ())

    async def turn(self, read: Read) -> None:
        """After the owner's yes: the draft becomes the key, with the signature that came with the answer."""
        if read.body.draft is None or read.body.question is None or read.state not in UNDER_WAY:
            return
        question = Question.of(await self._deliveries.store.load(read.body.question))
        if question is None or question.decided is None or question.decided.own is None:
            return
        now = self._deliveries.clock.now()
        await self._keys.drafts.turn(read.body.draft, question.decided.own, now=now)
