"""What a garage does: its own appointments and its own slots, and nothing of any other garage's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from maintenance.appointing import Appointing
from maintenance.appointments import Appointment
from maintenance.booking import Booking
from maintenance.capacity import Capacity
from maintenance.garage_links import GarageLink
from maintenance.garage_model import Garage
from maintenance.garage_problems import NoSuchAppointment, NoSuchSlot
from maintenance.garages import Garages
from maintenance.lists_garages import OF_GARAGE
from maintenance.model import Read
from maintenance.slots import Slot
from maintenance.visit_views import GarageAppointmentOut, garage_appointment_out
from spine.ids import AppointmentId, GarageId, SlotId
from spine.index import Index
from spine.store import Store

Act = Literal["received", "done", "no_show", "cancel"]
ACTS: Final[tuple[Act, ...]] = ("received", "done", "no_show", "cancel")


@dataclass(frozen=True, slots=True)
class Visits:
    """A page of a garage's appointments, the latest start first. ``next``: give it as ``after``."""

    data: Sequence[GarageAppointmentOut]
    next: str | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """A page of those that something is to be said of, the soonest first. ``next``: give it as ``start``."""

    data: Sequence[GarageAppointmentOut]
    next: datetime | None


class GarageDesk:
    """Every act asks first whether it is the garage's own; another's and none at all are answered alike."""

    def __init__(
        self,
        store: Store,
        garages: Garages,
        capacity: Capacity,
        booking: Booking,
        appointing: Appointing,
        index: Index,
    ) -> None:
        self._store = store
        self._garages = garages
        self._capacity = capacity
        self._booking = booking
        self._appointing = appointing
        self._index = index

    async def appointments(self, garage: GarageId, *, after: str | None = None, limit: int = 50) -> Visits:
        """Its appointments. Raises ``NoSuchGarage``, ``BadCursor``."""
        there = await self._garages.read(garage)
        page = await self._index.page(OF_GARAGE, garage, after=after, limit=limit)
        saved = await self._store.load_many(page.members)
        found = [Appointment.of(saved[one]) for one in page.members]
        mine = [one for one in found if one is not None and one.body.garage == garage]
        return Visits([await self._view(there, one) for one in mine], page.next)

    async def appointment(self, garage: GarageId, appointment: AppointmentId) -> GarageAppointmentOut:
        """One of its own. Raises ``NoSuchAppointment``."""
        there = await self._garages.read(garage)
        return await self._view(there, await self._own(garage, appointment))

    async def act(self, garage: GarageId, appointment: AppointmentId, act: Act) -> GarageAppointmentOut:
        """Raises ``NoSuchAppointment``, ``AppointmentChanged``, ``TooEarly``."""
        there = await self._garages.read(garage)
        await self._own(garage, appointment)
        match act:
            case "received":
                after = await self._appointing.received(appointment)
            case "done":
                after = await self._appointing.done(appointment)
            case "no_show":
                after = await self._appointing.missed(appointment)
            case _:
                after = await self._appointing.cancel(appointment, by=garage, why="garage")
        return await self._view(there, after)

    async def move(self, garage: GarageId, appointment: AppointmentId, slot: SlotId) -> GarageAppointmentOut:
        """To another slot of its own; its own notice does not bind it. Raises what ``Booking.move`` raises."""
        there = await self._garages.read(garage)
        await self._own(garage, appointment)
        if (await self._capacity.slot(slot)).body.garage != garage:
            raise NoSuchSlot("there is no such slot")
        after = await self._booking.move(appointment, slot, by=garage, notice=False)
        return await self._view(there, after)

    async def slots(self, garage: GarageId, start: datetime, end: datetime) -> list[Slot]:
        """Its slots that start from ``start`` until ``end``."""
        return await self._capacity.of_garage(await self._garages.read(garage), start, end)

    async def free(self, garage: GarageId, most: int) -> list[Slot]:
        """Its next free slots, from now on."""
        return await self._capacity.free(await self._garages.read(garage), most=most, notice=False)

    async def publish(self, garage: GarageId, bay: int, start: datetime, end: datetime | None) -> Slot:
        """Raises ``SlotUnfit``."""
        return await self._capacity.publish(await self._garages.read(garage), bay, start, end)

    async def withdraw(self, garage: GarageId, slot: SlotId) -> None:
        """Raises ``NoSuchSlot``, ``SlotInUse``."""
        await self._capacity.withdraw(garage, slot)

    async def shown(self, link: GarageLink, *, start: datetime | None = None) -> Ahead:
        """What a mail's link shows: the one it is for, or those of which something is to be said, the soonest first.

        ``start``: from then on. Without it: also past ones of which the garage may not have spoken yet.
        """
        if link.appointment is not None:
            return Ahead([await self.appointment(link.garage, link.appointment)], None)
        there = await self._garages.read(link.garage)
        limits = self._capacity.limits
        since = start or self._capacity.now() - limits.unheard_booked
        found = await self._appointing.of_garage(link.garage, since)
        most = limits.visits_shown
        while most < len(found) and found[most].body.start == found[most - 1].body.start:
            most += 1  # a page ends between two moments, so that the next one can begin with a moment
        following = found[most].body.start if most < len(found) else None
        return Ahead([await self._view(there, one) for one in found[:most]], following)

    async def _own(self, garage: GarageId, appointment: AppointmentId) -> Appointment:
        found = await self._appointing.read(appointment)
        if found.body.garage != garage:
            raise NoSuchAppointment("there is no such appointment")
        return found

    async def _view(self, garage: Garage, found: Appointment) -> GarageAppointmentOut:
        if found.body.garage != garage.id:  # moved away by somebody else a moment ago
            raise NoSuchAppointment("there is no such appointment")
        read = Read.of(await self._store.load(found.body.case))
        return garage_appointment_out(found, read, garage.details.languages[0])
