"""What a carrier does to its delivery: cancel, assign a courier, reschedule."""

from collections.abc import Mapping
from datetime import datetime

from delivery.model import Assigned, Delivery, Read, Window
from delivery.placing import check_courier, check_window
from delivery.ports import Cars, Couriers
from delivery.problems import CourierNamed, KeyOnPhone, NoKeyLeft, NoSuchDelivery, NoSuchParcel, OnlySimulated
from delivery.service import Deliveries, Turn, told
from delivery.states import BEFORE_ANSWER, UNDER_WAY, Act, State, require
from spine.facts.delivery import (
    CourierAssigned,
    DeliveryCancelled,
    DeliveryRequested,
    DeliveryRescheduled,
    ParcelWithdrawn,
)
from spine.ids import CarrierId, CourierId, DeliveryId, named_after, new_id, partition_of
from spine.store import Saved


def yours(read: Read, carrier: CarrierId) -> None:
    """Raises ``NoSuchDelivery`` for another carrier's: both are told alike."""
    if read.body.carrier != carrier:
        raise NoSuchDelivery(read.id)


class CarrierDesk:
    """The acts of a carrier."""

    def __init__(self, deliveries: Deliveries, couriers: Couriers, cars: Cars) -> None:
        self._deliveries = deliveries
        self._couriers = couriers
        self._cars = cars

    async def read(self, carrier: CarrierId, delivery: DeliveryId) -> Read:
        """Raises ``NoSuchDelivery``."""
        found = await self._deliveries.read(delivery)
        yours(found, carrier)
        return found

    async def cancel(self, carrier: CarrierId, delivery: DeliveryId, *, parcel: str | None = None) -> Read:
        """Cancel the visit, or one of its parcels by reference; the last parcel's cancels the visit.

        Again: no change. Raises ``StepNotAllowed`` once the car was asked to open.
        """
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            yours(read, carrier)
            if read.state is State.CANCELLED:
                return None
            left = tuple(one for one in read.body.parcels if one.reference != parcel)
            if parcel is not None and left == read.body.parcels:
                raise NoSuchParcel(parcel)
            read.require(Act.CANCEL)
            if parcel is not None and left:
                return Turn(read.body.but(parcels=left), [told(ParcelWithdrawn, read, now)])
            return Turn(read.body, [told(DeliveryCancelled, read, now)])

        return await self._deliveries.change(delivery, decide)

    async def assign(self, carrier: CarrierId, delivery: DeliveryId, courier: CourierId) -> Read:
        """Name the courier whose device is to open, or another one (keys.md 3.9, "One live key").

        Raises ``CourierUnfit``; ``CourierNamed`` where the owner is shown another one; ``KeyOnPhone`` with
        the time of the key's death where it could still open and the car cannot be told.
        """
        found = await self.read(carrier, delivery)
        view = check_courier(await self._couriers.courier(courier), carrier)
        online = found.body.key is not None and await self._online(found)
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            yours(read, carrier)
            before = read.body.courier
            former = before.courier if before and before.courier != courier else None
            if before is not None and (before.courier, before.jkt) == (courier, view.jkt):
                return None
            read.require(Act.ASSIGN)
            _refuse_unless_free(
                read, courier, view.jkt, online=online, now=now, most=self._deliveries.limits.keys_most
            )
            # the same whether or not there is a car that was asked: an answer here must not say so
            named = read.body.approval is None or bool(before and before.named)
            body = read.body.but(
                courier=Assigned(courier=courier, jkt=view.jkt, at=now, named=named),
                epoch=read.body.epoch + 1,
            )
            if read.state in UNDER_WAY:
                body = body.but(arrival=None)
            return Turn(
                body, [told(CourierAssigned, read, now, courier=courier, jkt=view.jkt, former=former)]
            )

        return await self._deliveries.change(delivery, decide)

    async def reschedule(self, carrier: CarrierId, delivery: DeliveryId, window: Window) -> Read:
        """End this delivery and begin a new one for the same car in another window; the owner is asked anew.

        Asked again it gives the same new delivery. Raises ``WindowUnfit``, ``StepNotAllowed``.
        """
        now, limits = self._deliveries.clock.now(), self._deliveries.limits
        successor = DeliveryId(new_id("dlv", partition_of(delivery)))
        made: list[DeliveryId] = []

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            made.clear()
            yours(read, carrier)
            if read.body.successor is not None:
                made.append(read.body.successor)
                return None
            require(read.state, Act.RESCHEDULE)
            check_window(window, now, limits)
            if read.body.test is not None:
                raise OnlySimulated("place a new test order instead")
            new = self._again(read, successor, window, now)
            first = told(
                DeliveryRequested, Read(id=successor, state=State.NEW, body=new), now,
                drop=new.kind, livemode=new.livemode,
            )  # fmt: skip
            made.append(successor)
            return Turn(
                read.body.but(successor=successor),
                [told(DeliveryRescheduled, read, now, successor=successor)],
                writes={successor: self._deliveries.first(new, [first], now)},
                others=[first],
            )

        await self._deliveries.change(delivery, decide, also=[successor])
        return await self._deliveries.read(made[0])

    def _again(self, read: Read, successor: DeliveryId, window: Window, now: datetime) -> Delivery:
        """The same order for another window: whatever was agreed or happened is not carried over.

        The address was erased when it was resolved; what it led to is looked at anew when the owner is asked.
        """
        old, limits = read.body, self._deliveries.limits
        return Delivery(
            carrier=old.carrier,
            livemode=old.livemode,
            kind=old.kind,
            act=old.act,
            parcels=old.parcels,
            requested_at=now,
            window=window,
            approve_by=min(window.end, now + limits.answer_within),
            address=old.address,
            visit=named_after("vis", successor),
            order=old.order,
            predecessor=read.id,
            vehicle=old.vehicle,
            via=old.via,
        )

    async def _online(self, read: Read) -> bool:
        if read.body.vehicle is None:
            return False
        car = await self._cars.car(read.body.vehicle, now=self._deliveries.clock.now())
        return car.online


def _refuse_unless_free(
    read: Read, courier: CourierId, jkt: str, *, online: bool, now: datetime, most: int
) -> None:
    before, key = read.body.courier, read.body.key
    # the same before and after the question went out: an answer here must not say that there is a car
    if before is not None and before.named and (before.courier, before.jkt) != (courier, jkt):
        raise CourierNamed(
            "another courier or device was named before the answer: reschedule, and the owner is asked again"
        )
    if read.state in BEFORE_ANSWER or key is None:
        return
    if key.n >= most:
        raise NoKeyLeft("every key inside this approval was made: reschedule")
    if key.dead:
        return
    if key.handed_out and not online:
        dies = key.dies_at or key.exp
        raise KeyOnPhone(
            f"the key is on a phone and the car is offline; it is dead at {dies.isoformat()}",
            retry_after=max(1, int((dies - now).total_seconds())),
        )
