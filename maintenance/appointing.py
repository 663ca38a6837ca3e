"""What becomes of an appointment: cancelled, missed, received, done; its slot is given back through the log."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from maintenance import calls as choice
from maintenance import memory, starting
from maintenance.appointments import Appointment, Verdict, Why, changed, write
from maintenance.booking import Booking
from maintenance.capacity import Capacity
from maintenance.garage_problems import AppointmentChanged, NoSuchAppointment, TooEarly
from maintenance.lists_garages import OF_CAR, OF_GARAGE
from maintenance.model import AppointmentBody, Read
from maintenance.service import Cases
from maintenance.slots import Slot
from maintenance.starting import Starting, Story
from maintenance.states import AppointmentState, SlotState
from spine.facts import Fact
from spine.facts import maintenance as f
from spine.facts.people import CarReleased
from spine.ids import AppointmentId, GarageId, NotAnId, VehicleId, partition_of, prefix_of
from spine.index import Index
from spine.store import Change, Saved, Write

A = AppointmentState
log = logging.getLogger("trunkline.maintenance")
_PAGE: Final = 100
_Decide = Callable[[Appointment, datetime], tuple[AppointmentBody, f.AppointmentFact] | None]


class Appointing:
    """Changes an appointment together with its case's trigger (one partition); ``by`` is who asked for it."""

    def __init__(
        self, cases: Cases, booking: Booking, capacity: Capacity, index: Index, rules: Starting
    ) -> None:
        self._store = cases.store
        self._cases = cases
        self._booking = booking
        self._capacity = capacity
        self._index = index
        self._rules = rules
        self._clock = cases.clock
        self._limits = cases.limits

    async def read(self, appointment: AppointmentId) -> Appointment:
        """Raises ``NoSuchAppointment``, also for what is no appointment's id."""
        try:
            partition_of(appointment)
        except NotAnId:
            raise NoSuchAppointment("there is no such appointment") from None
        if prefix_of(appointment) != "apt":
            raise NoSuchAppointment("there is no such appointment")
        return await self._booking.read(appointment)

    async def cancel(
        self, appointment: AppointmentId, *, by: str, why: Why, seen: AppointmentBody | None = None
    ) -> Appointment:
        """It does not take place; its case waits again. Again: nothing. Raises ``AppointmentChanged`` once it is over.

        ``seen``: only if it still stands as it was seen; one that was moved or ended since stays as it is.
        """

        def decide(found: Appointment, now: datetime) -> tuple[AppointmentBody, f.AppointmentFact] | None:
            if found.state is A.CANCELLED or (seen is not None and not _as_seen(found, seen)):
                return None
            if found.state is not A.BOOKED:
                raise AppointmentChanged(
                    f"this appointment is {found.state} and cannot be cancelled any more"
                )
            after = found.model_copy(update={"body": found.body.but(sequence=found.body.sequence + 1)})
            fact = changed(f.AppointmentCancelled, after, now, by=by, why=why)
            return after.body.but(ended_at=now, why=why), fact

        done = await self._change(appointment, decide, fell="appointment_cancelled")
        if done.state is A.CANCELLED:
            await self._booking.free(done.body.slot, appointment, "cancelled")
        return done

    async def missed(self, appointment: AppointmentId, *, unheard: bool = False) -> Appointment:
        """The car did not come; its case waits again. Raises ``TooEarly`` before its start, ``AppointmentChanged``."""

        def decide(found: Appointment, now: datetime) -> tuple[AppointmentBody, f.AppointmentFact] | None:
            if found.state is A.NO_SHOW:
                return None
            if found.state is not A.BOOKED:
                raise AppointmentChanged(f"this appointment is {found.state}")
            if now < found.body.start:
                raise TooEarly("it has not begun yet")
            why = "unheard" if unheard else "no_show"
            return found.body.but(ended_at=now, why=why), changed(f.AppointmentNoShow, found, now)

        return await self._change(appointment, decide, fell="appointment_no_show")

    async def received(self, appointment: AppointmentId) -> Appointment:
        """The car is at the garage. Again: nothing. Raises ``TooEarly`` on a day before, ``AppointmentChanged``."""

        def decide(found: Appointment, now: datetime) -> tuple[AppointmentBody, f.AppointmentFact] | None:
            if found.state is A.RECEIVED:
                return None
            self._at_hand(found, now)
            return found.body, changed(f.AppointmentReceived, found, now)

        return await self._change(appointment, decide, came=True)

    async def done(self, appointment: AppointmentId, *, unheard: bool = False) -> Appointment:
        """The garage has finished: one proven clean scan closes the case now. Again: nothing. Raises as ``received``.

        Of a car that nobody said had come it is too early before the appointment's start.
        """

        def decide(found: Appointment, now: datetime) -> tuple[AppointmentBody, f.AppointmentFact] | None:
            if found.state is A.DONE:
                return None
            if found.state is not A.RECEIVED:
                self._at_hand(found, now)
                if now < found.body.start:
                    raise TooEarly("it has not begun yet")
            after = found.body.but(ended_at=now, why="unheard" if unheard else "")
            return after, changed(f.AppointmentDone, found, now)

        return await self._change(appointment, decide, finished=True)

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``apt_``: nobody said what became of it, or it is long over and forgotten (a tombstone stays)."""
        found = Appointment.of(saved)
        if found is None or saved.wake_at is None or saved.wake_at > self._clock.now():
            return
        match found.state:
            case A.BOOKED:
                await self.missed(found.id, unheard=True)
            case A.RECEIVED:
                await self.done(found.id, unheard=True)
            case _:
                await self._index.remove(OF_GARAGE, found.body.garage, found.id)
                await self._index.remove(OF_CAR, found.body.vehicle, found.id)
                await self._store.change(
                    [found.id],
                    lambda here: Change({found.id: Write(here[found.id].state, "{}", ended=True)}),
                )

    async def handle(self, fact: Fact) -> None:
        """One fact of the log: the other half of what began in another partition. Read twice, nothing changes."""
        match fact:
            case f.SlotBooked():
                await self._booking.settle(fact.slot)
            case f.AppointmentBooked() | f.AppointmentMoved():
                if isinstance(fact, f.AppointmentMoved):
                    await self._booking.free(
                        fact.former, fact.appointment, "moved", sequence=fact.sequence - 1
                    )
                await self._has_its_slot(fact.appointment)
            case f.AppointmentCancelled():
                await self._booking.free(fact.slot, fact.appointment, "cancelled")
            case f.GarageRemoved():
                await self._close(fact.garage)
            case CarReleased() if fact.role == "owner":
                await self._release(fact.vehicle, fact.at)
            case _:
                pass

    async def sweep(self, garage: GarageId) -> int:
        """Compare a garage's booked slots with their appointments, and the reverse, and mend; how many did not fit.

        The log's reader and the slots' timers leave nothing to be found here: what is found is worth a look.
        """
        wrong = 0
        for slot in await self._capacity.booked(garage):
            if slot.body.settle_at is not None and slot.body.settle_at > self._clock.now():
                continue  # on its way: its own timer looks at it
            verdict = await self._booking.settle(slot.id)
            wrong += verdict not in {Verdict.STANDS, Verdict.NOTHING}
        ahead = await self.of_garage(garage, self._clock.now())
        saved = await self._store.load_many([one.body.slot for one in ahead])
        for one in ahead:
            if not _has(one, saved[one.body.slot]):
                wrong += not await self._has_its_slot(one.id)
        if wrong:
            log.error("garage.swept", extra={"garage": garage, "wrong": wrong})
        return wrong

    async def of_garage(self, garage: GarageId, since: datetime) -> list[Appointment]:
        """Its appointments that start from ``since`` on, the soonest first, whatever became of them."""
        ahead: list[Appointment] = []
        after: str | None = None
        while True:
            page = await self._index.page(OF_GARAGE, garage, after=after, limit=_PAGE)
            saved = await self._store.load_many(page.members)
            found = [Appointment.of(saved[member]) for member in page.members]
            mine = [
                one
                for one in found
                if one is not None and one.body.start >= since and one.body.garage == garage
            ]
            ahead += mine
            after = page.next
            if after is None or not mine:  # the list falls by start: the rest is past
                return sorted(ahead, key=lambda one: (one.body.start, one.id))

    async def _has_its_slot(self, appointment: AppointmentId) -> bool:
        """An appointment whose slot is another's does not stand: nobody drives to a bay that is taken."""
        found = Appointment.of(await self._store.load(appointment))
        if found is None or found.state is not A.BOOKED or found.body.start <= self._clock.now():
            return True
        saved = await self._store.load(found.body.slot)
        if _has(found, saved):
            return True
        after = await self.cancel(found.id, by="system", why="slot_lost", seen=found.body)
        return after.body.why != "slot_lost"  # else it was moved between the two looks: it has another slot

    async def _close(self, garage: GarageId) -> None:
        """By the garage's own slots, which are of one piece with its end: what was taken before it is all there."""
        for slot in await self._capacity.booked(garage):
            await self._booking.settle(slot.id)
            if slot.body.appointment is not None:
                await self._fall(slot.body.appointment, "garage_closed")

    async def _release(self, vehicle: VehicleId, until: datetime) -> None:
        """By the policy's memory, which is of one piece with the cases; the list, which follows the log, for the rest."""
        known = memory.read(await self._store.load(memory.subject_of(vehicle))).vehicle
        cases = [
            memory.case_of(vehicle, system, one.n) for system in known.cases for one in known.cases[system]
        ]
        saved = await self._store.load_many(cases)
        reads = [Read.of(saved[case]) for case in cases]
        named = {read.body.trigger.appointment for read in reads if read is not None}
        page = await self._index.page(OF_CAR, vehicle, limit=_PAGE)
        for member in sorted({str(one) for one in named if one is not None} | set(page.members)):
            await self._fall(AppointmentId(member), "car_released", until=until)

    async def _fall(self, appointment: AppointmentId, why: Why, *, until: datetime | None = None) -> None:
        found = Appointment.of(await self._store.load(appointment))
        if found is None or found.state is not A.BOOKED or (until and found.body.booked_at > until):
            return
        if found.body.start <= self._clock.now():
            return  # it took place, or nobody came: what it was is said, or its own time says so
        await self.cancel(appointment, by="system", why=why)

    def _at_hand(self, found: Appointment, now: datetime) -> None:
        if found.state is not A.BOOKED:
            raise AppointmentChanged(f"this appointment is {found.state}")
        if now < found.body.start - self._limits.garages.early:
            raise TooEarly("its day has not come yet")

    async def _change(
        self, appointment: AppointmentId, decide: _Decide, *, fell: str = "", finished: bool = False, came: bool = False
    ) -> Appointment:  # fmt: skip
        """``fell``: why it came to nothing; then its case's trigger starts anew in the same commit.

        ``finished``: its case is given a time by which the car is to show that it is repaired, in the same commit.
        ``came``: the car stands at the garage, and its owner need not be told any more.
        """
        found, now = await self.read(appointment), self._clock.now()
        case, calls = found.body.case, choice.subject_of(found.body.vehicle)

        def decided(saved: Mapping[str, Saved]) -> Change | None:
            here, read = Appointment.of(saved[appointment]), Read.of(saved[case])
            if here is None:
                raise NoSuchAppointment("there is no such appointment")
            wanted = decide(here, now)
            if wanted is None:
                return None
            body, fact = wanted
            writes: dict[str, Write] = {
                appointment: write(here.state, body, (fact,), now, self._limits.garages)
            }
            if not (fell or finished or came) or read is None or read.body.trigger.appointment != appointment:
                return Change(writes, [fact])
            story = Story(case, read.body, read.state, now)
            if came:
                starting.answered(story)
            elif finished:
                starting.finished(story, now + self._limits.garages.proved_within)
            else:
                starting.unbook(story, choice.read(saved[calls]), self._rules, fell)
            writes[case] = self._cases.written(read.state, story.body, story.facts, now)
            return Change(writes, [fact, *story.facts])

        outcome = await self._store.change([appointment, case, calls], decided)
        after = Appointment.of(outcome.saved[appointment])
        if after is None:
            raise NoSuchAppointment("there is no such appointment")
        return after


def _as_seen(found: Appointment, seen: AppointmentBody) -> bool:
    return (found.state, found.body.slot, found.body.sequence) == (A.BOOKED, seen.slot, seen.sequence)


def _has(found: Appointment, saved: Saved) -> bool:
    """Whether its slot is its own; one that is over needs none."""
    slot = Slot.of(saved)
    its = slot is not None and slot.state is SlotState.BOOKED and slot.body.appointment == found.id
    return its or found.state is not A.BOOKED
