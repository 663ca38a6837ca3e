"""Hold, book and move a slot for a case: the slot is taken first, the appointment follows; a saga of two partitions.

The slot (garage's partition) says who has it. Whether its case takes it (vehicle's partition) is decided by
``maintenance.appointments.verdict``, by whoever comes first: the request itself, the log's reader, or the slot's timer.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from maintenance.appointments import (
    LIVING,
    Appointment,
    Verdict,
    appointment_of,
    by_people,
    made,
    moved,
    verdict,
    write,
)
from maintenance.capacity import Capacity
from maintenance.garage_model import Garage
from maintenance.garage_problems import (
    AlreadyBooked,
    AppointmentChanged,
    BookedTooOften,
    MovedTooOften,
    NoSuchAppointment,
    NoSuchGarage,
    NoSuchSlot,
    NotBookable,
    SlotTaken,
    SlotTooSoon,
)
from maintenance.giving_back import GivingBack, freed
from maintenance.limits import MaintenanceLimits
from maintenance.model import Read, SlotBody
from maintenance.offers import Offers
from maintenance.service import Cases, Turn
from maintenance.slots import Slot, emptied, garage_of, written
from maintenance.starting import Story, answered
from maintenance.states import OPEN, AppointmentState, SlotState
from spine.clock import Clock
from spine.facts.maintenance import SlotBooked, SlotFact, SlotHeld
from spine.ids import AppointmentId, CaseId, NotAnId, SlotId, prefix_of
from spine.store import Change, Saved, Store, Write

A, S = AppointmentState, SlotState
_DAY: Final = timedelta(days=1)
_Taking = Callable[[SlotBody, datetime], tuple[SlotBody, SlotFact]]
_TAKEN: Final = frozenset({Verdict.MAKE, Verdict.STANDS, Verdict.MOVE})


class Booking:
    """For owners, agents, garages and contact centers alike: ``by`` is their id. Who may is asked before."""

    def __init__(
        self,
        store: Store,
        cases: Cases,
        capacity: Capacity,
        offers: Offers,
        clock: Clock,
        limits: MaintenanceLimits,
    ) -> None:
        self._store = store
        self._cases = cases
        self._capacity = capacity
        self.offers = offers
        self._clock = clock
        self._limits = limits
        self._back = GivingBack(store, clock, limits.garages)

    async def hold(self, case: CaseId, slot: SlotId, *, by: str) -> Slot:
        """Keep a slot for a case while somebody chooses: ``limits.garages.hold`` from now; one slot at a time.

        Again: longer. Raises ``NoSuchCase``, ``NotBookable``, ``NoSuchSlot``, ``NoSuchGarage``, ``SlotTaken`` and
        ``SlotTooSoon``.
        """
        read = await self._bookable(case)
        until = self._clock.now() + self._limits.garages.hold

        def taking(body: SlotBody, now: datetime) -> tuple[SlotBody, SlotFact]:
            held = SlotHeld(
                at=now, slot=slot, garage=body.garage, start=body.start, end=body.end, case=case, until=until
            )
            return emptied(body).but(case=case, held_until=until, by=by), held

        await self._take(read, slot, taking)
        former: list[SlotId | None] = [None]

        def decide(here: Read, _: Mapping[str, Saved]) -> Turn | None:
            former[0] = here.body.trigger.held
            if former[0] == slot:
                return None
            return Turn(here.body.but(trigger=here.body.trigger.but(held=slot)))

        await self._cases.change(case, decide)
        if former[0] is not None and former[0] != slot:
            await self.release(case, former[0])
        return await self._capacity.slot(slot)

    async def book(self, case: CaseId, slot: SlotId, *, by: str, notice: bool = True) -> Appointment:
        """Book a slot for a case that has no appointment. The same again gives the same appointment.

        ``notice``: also ask whether it starts late enough for the garage. Raises what ``hold`` raises, ``AlreadyBooked``
        and ``BookedTooOften``.
        """
        read = await self._bookable(case)
        there = await self._living(read)
        if there is not None:
            if there.body.slot == slot:
                return there
            raise AlreadyBooked("there is an appointment already: move or cancel it")
        if read.body.trigger.appointment is not None:
            raise AlreadyBooked(
                "the garage has finished: it is waited for that the car shows no fault any more"
            )
        await self._not_too_often(case, read.body.trigger.appointments)
        appointment = appointment_of(case, read.body.trigger.appointments + 1)
        await self._take(read, slot, self._booked(slot, case, appointment, by, 0), notice=notice)
        said = await self.settle(slot)
        after = Appointment.of(await self._store.load(appointment))
        if said in _TAKEN and after is not None and after.body.slot == slot:
            return after
        await self._bookable(case)
        raise AlreadyBooked("this case was booked at another time meanwhile")

    async def move(
        self, appointment: AppointmentId, slot: SlotId, *, by: str, notice: bool = True
    ) -> Appointment:
        """Move an appointment: the new slot is taken first, then the old one is given back. Again: the same.

        Raises ``NoSuchAppointment``, ``AppointmentChanged`` (also for one that is over), ``MovedTooOften`` where the
        people of its car moved it ``moves_most`` times already, and what ``hold`` raises.
        """
        found = await self.read(appointment)
        if found.body.slot == slot and found.state in LIVING:
            return found
        if found.state is not A.BOOKED:
            raise AppointmentChanged(f"this appointment is {found.state} and cannot be moved any more")
        if prefix_of(by) == "per" and found.body.moves >= self._limits.garages.moves_most:
            raise MovedTooOften(
                "this appointment was moved as often as it can be: call the garage, or cancel it"
            )
        read = await self._cases.read(found.body.case)
        taking = self._booked(slot, found.body.case, appointment, by, found.body.sequence + 1)
        await self._take(read, slot, taking, notice=notice)
        said = await self.settle(slot)
        after = await self.read(appointment)
        if said in _TAKEN and after.body.slot == slot:
            return after
        raise AppointmentChanged("it was moved or ended by somebody else meanwhile: look at it again")

    async def read(self, appointment: AppointmentId) -> Appointment:
        """Raises ``NoSuchAppointment``."""
        found = Appointment.of(await self._store.load(appointment))
        if found is None:
            raise NoSuchAppointment("there is no such appointment")
        return found

    async def release(self, case: CaseId, slot: SlotId) -> None:
        """As ``GivingBack.release``."""
        await self._back.release(case, slot)

    async def free(
        self, slot: SlotId, appointment: AppointmentId, why: str, *, sequence: int | None = None
    ) -> None:
        """As ``GivingBack.free``."""
        await self._back.free(slot, appointment, why, sequence=sequence)

    async def settle(self, slot: SlotId) -> Verdict:
        """Compare a booked slot with its case, and do what follows. Done again, nothing changes."""
        found = Slot.of(await self._store.load(slot))
        if found is None or found.state is not S.BOOKED or found.body.appointment is None:
            return Verdict.NOTHING
        body, appointment = found.body, found.body.appointment
        if body.case is None:
            return Verdict.NOTHING
        case, said, now = body.case, [Verdict.NOTHING], self._clock.now()
        former: list[SlotId | None] = [None]
        held: list[SlotId | None] = [None]

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            read, there = Read.of(saved[case]), Appointment.of(saved[appointment])
            said[0] = verdict(found, there, read, gone=saved[appointment].ended)
            match said[0]:
                case Verdict.MAKE if read is not None:
                    held[0] = read.body.trigger.held
                    after, fact, story = made(found, read, now)
                    writes = {
                        appointment: write(A.NEW, after, (fact,), now, self._limits.garages),
                        case: self._cases.written(read.state, story.body, story.facts, now),
                    }
                    return Change(writes, [fact, *story.facts])
                case Verdict.MOVE if there is not None:
                    former[0] = there.body.slot
                    after, fact = moved(found, there, now)
                    kept: dict[str, Write] = {
                        appointment: write(there.state, after, (fact,), now, self._limits.garages)
                    }
                    if by_people(found) and read is not None and read.body.trigger.again is not None:
                        story = Story(case, read.body, read.state, now)
                        answered(story)
                        kept[case] = self._cases.written(read.state, story.body, (), now)
                    return Change(kept, [fact])
                case _:
                    return None

        await self._store.change([appointment, case], decide)
        if said[0] is Verdict.FREE:
            await self.free(slot, appointment, "refused", sequence=body.sequence)
        elif said[0] is Verdict.MOVE and former[0] is not None:
            await self.free(former[0], appointment, "moved", sequence=body.sequence - 1)
        elif said[0] is Verdict.MAKE and held[0] is not None and held[0] != slot:
            await self.release(case, held[0])
        return said[0]

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``slt_``: a hold is over, a booking is compared with its appointment, the past is forgotten."""
        slot, now = Slot.of(saved), self._clock.now()
        if slot is None or saved.wake_at is None or saved.wake_at > now:
            return
        if slot.state is S.BOOKED and slot.body.settle_at is not None:
            await self.settle(slot.id)
        elif slot.state is not S.HELD:
            await self._capacity.forget(slot)
            return

        await self._back.tidy(slot.id, now)

    async def _take(self, read: Read, slot: SlotId, taking: _Taking, *, notice: bool = True) -> None:
        """The one commit by which a slot is had. Its garage is guarded in it: a removed one takes nobody."""
        try:
            home = garage_of(slot)
        except (NotAnId, ValueError):
            raise NoSuchSlot("there is no such slot") from None
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            garage, found = _there(saved[home], saved[slot], read.body.system)
            own = found.state is S.HELD and found.body.case == read.id
            after, fact = taking(found.body, now)
            if isinstance(fact, SlotBooked) and _same_booking(found, after):
                return None
            if not found.free_for(read.id, now):
                raise SlotTaken("somebody else has this slot")
            if not found.in_time(garage, now, notice=notice and not own):
                raise SlotTooSoon("this slot starts too soon, or is over")
            facts: tuple[SlotFact, ...] = (fact,)
            if found.state is S.HELD and not own and found.body.case is not None:
                facts = (freed(found, "expired", now), fact)
            return Change({slot: written(found.state, after, facts, self._limits.garages)}, facts)

        try:
            await self._store.change([slot, home], decide)
        except (SlotTaken, SlotTooSoon) as refused:
            named = await self.offers.alternatives(read, slot)
            raise type(refused)(refused.detail, named) from None

    def _booked(
        self, slot: SlotId, case: CaseId, appointment: AppointmentId, by: str, sequence: int
    ) -> _Taking:
        def taking(body: SlotBody, now: datetime) -> tuple[SlotBody, SlotFact]:
            after = emptied(body).but(
                case=case,
                appointment=appointment,
                by=by,
                sequence=sequence,
                settle_at=now + self._limits.garages.settled_within,
            )
            booked = SlotBooked(
                at=now, slot=slot, garage=body.garage, start=body.start, end=body.end, case=case,
                appointment=appointment, by=by, sequence=sequence,
            )  # fmt: skip
            return after, booked

        return taking

    async def _bookable(self, case: CaseId) -> Read:
        read = await self._cases.read(case)
        if read.body.what != "fault" or read.state not in OPEN:
            raise NotBookable("nothing is to be booked for this case (any more)")
        return read

    async def _not_too_often(self, case: CaseId, made: int) -> None:
        """Each booking sends mails to the people of the car and to a garage: so many in a day, whoever asks."""
        first = made + 1 - self._limits.garages.booked_a_day
        before = Appointment.of(await self._store.load(appointment_of(case, first))) if first > 0 else None
        left = before.body.booked_at + _DAY - self._clock.now() if before is not None else timedelta()
        if left > timedelta():
            raise BookedTooOften(
                "this case was booked too often today: try again tomorrow, or call the garage",
                retry_after=ceil(left.total_seconds()),
            )

    async def _living(self, read: Read) -> Appointment | None:
        named = read.body.trigger.appointment
        found = None if named is None else Appointment.of(await self._store.load(named))
        return found if found is not None and found.living else None


def _there(home: Saved, slot: Saved, system: str) -> tuple[Garage, Slot]:
    """A garage that works on this system, and its slot. Raises ``NoSuchGarage``, ``NoSuchSlot``, ``NotBookable``."""
    garage, found = Garage.of(home), Slot.of(slot)
    if garage is None:
        raise NoSuchGarage("there is no such garage (any more)")
    if found is None or found.state is S.WITHDRAWN:
        raise NoSuchSlot("there is no such slot (any more)")
    if not garage.details.serves(system):
        raise NotBookable("this garage does not work on that part of a car")
    return garage, found


def _same_booking(found: Slot, after: SlotBody) -> bool:
    """The same booking came before: a second try finds the first."""
    here = found.body
    return found.state is S.BOOKED and (here.appointment, here.sequence) == (
        after.appointment,
        after.sequence,
    )
