"""What the log tells cases to do next (group ``maintenance``). Read twice, nothing changes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from maintenance import calls as choice
from maintenance import memory, starting
from maintenance.cases import CaseState, Happening
from maintenance.counting import Counting
from maintenance.intake import Intake
from maintenance.memory import Memory
from maintenance.model import Read
from maintenance.service import Cases, NoSuchCase, Turn
from maintenance.starting import Starting, Story
from maintenance.states import AppointmentState
from people.cars import people_in
from people.cars import subject_of as people_of
from people.roles import owners
from spine.facts import maintenance as f
from spine.facts.people import CarReleased
from spine.facts.vehicle import SignalChanged, UnitScan
from spine.ids import AppointmentId, CaseId, VehicleId, partition_of
from spine.readers import Received
from spine.store import Ack, Change, Saved

GROUP: Final = "maintenance"
KINDS: Final = frozenset(
    str(fact.model_fields["kind"].default)
    for fact in (
        UnitScan,
        SignalChanged,
        f.AppointmentBooked,
        f.AppointmentCancelled,
        f.AppointmentNoShow,
        f.AppointmentDone,
        f.CallsChosen,
        CarReleased,
    )
)
"""What the reader of this group gets."""

log = logging.getLogger("trunkline.maintenance")

_LIVES: Final = frozenset({AppointmentState.BOOKED, AppointmentState.RECEIVED})
_FELL: Final = frozenset({AppointmentState.CANCELLED, AppointmentState.NO_SHOW})

Tell = Callable[[Story, Mapping[str, Saved]], None]
"""Tells one case's story on. Pure; it may tell nothing."""


class Reactions:
    """Hears scans, appointments, the owner's choice about calls, and owners who leave."""

    def __init__(self, cases: Cases, intake: Intake, rules: Starting, counting: Counting) -> None:
        self._cases = cases
        self._intake = intake
        self._rules = rules
        self._counting = counting

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact, ack = received.fact, received.ack
        match fact:
            case UnitScan():
                await self._intake.scan(fact, received.position, ack)
            case SignalChanged():
                await self._intake.signal(fact, received.position, ack)
            case f.AppointmentBooked():
                await self._booked(fact, ack)
            case f.AppointmentCancelled() | f.AppointmentNoShow():
                await self._fell(fact, ack)
            case f.AppointmentDone():
                await self._done(fact, ack)
            case f.CallsChosen():
                await self._chosen(fact.vehicle)
            case CarReleased() if fact.role == "owner":
                await self._released(fact)
            case _:
                pass

    # ---- appointments

    async def _booked(self, fact: f.AppointmentBooked, ack: Ack | None) -> None:
        """The appointment as it stands decides, not the fact: one that fell since is not booked again."""

        def tell(story: Story, saved: Mapping[str, Saved]) -> None:
            lives = saved[fact.appointment].state in _LIVES
            if lives and story.body.trigger.appointment != fact.appointment:
                starting.book(story, fact.appointment, _number(fact.appointment))

        await self._tell(fact.case, tell, also=[fact.appointment], ack=ack)

    async def _fell(self, fact: f.AppointmentCancelled | f.AppointmentNoShow, ack: Ack | None) -> None:
        why = fact.kind.replace(".", "_")
        calls = choice.subject_of(fact.vehicle)

        def tell(story: Story, saved: Mapping[str, Saved]) -> None:
            if saved[fact.appointment].state in _FELL and story.body.trigger.appointment == fact.appointment:
                starting.unbook(story, choice.read(saved[calls]), self._rules, why)

        also = [fact.appointment, *self._beside(fact.case, calls)]
        await self._tell(fact.case, tell, also=also, ack=ack)

    async def _done(self, fact: f.AppointmentDone, ack: Ack | None) -> None:
        """From now on one proven clean scan is enough for this case."""
        about = memory.system_and_n(fact.case)
        if about is None:
            return
        system, n = about

        def after(known: Memory) -> tuple[Memory, list[Happening]]:
            case = known.vehicle.case(system, n)
            if case is None or case.state is CaseState.CLOSED:
                return known, []
            mended = known.vehicle.with_case(replace(case, repaired_at=fact.at))
            return replace(known, vehicle=mended), []

        await self._intake.step(fact.vehicle, after, ack=ack)

    # ---- the owner

    async def _chosen(self, vehicle: VehicleId) -> None:
        """Calls were turned on or off: each open case goes where it belongs now."""
        calls = choice.subject_of(vehicle)

        def tell(story: Story, saved: Mapping[str, Saved]) -> None:
            starting.chosen(story, choice.read(saved[calls]), self._rules)

        for case in await self._open_of(vehicle):
            await self._tell(case, tell, also=self._beside(case, calls))

    async def _released(self, fact: CarReleased) -> None:
        """Sale or end of a lease: the choice goes, and what was said on the phone with it.

        Where another owner stays who is called, the calls of the one who left alone are erased.
        """
        subject, crew = choice.subject_of(fact.vehicle), people_of(fact.vehicle)
        now = self._cases.clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            return (
                Change({subject: choice.erased(fact.at)})
                if _ends(saved[subject], saved[crew], fact, now)
                else None
            )

        done = await self._cases.store.change([subject, crew], decide)
        whole = choice.released_at(done.saved[subject]) == fact.at

        def tell(story: Story, _: Mapping[str, Saved]) -> None:
            if whole:
                starting.released(story, self._rules, fact.at)
            else:
                starting.left(story, fact.person, fact.at)

        for case in await self._cases_of(fact.vehicle):
            await self._tell(case, tell)

    async def _open_of(self, vehicle: VehicleId) -> list[CaseId]:
        """By the policy's memory, which is of one piece with the cases; the list follows the log."""
        saved = await self._cases.store.load(memory.subject_of(vehicle))
        known = memory.read(saved).vehicle
        found = (known.open_case(system) for system in known.cases)
        return [memory.case_of(vehicle, one.system, one.n) for one in found if one is not None]

    async def _cases_of(self, vehicle: VehicleId) -> list[CaseId]:
        """Every one there ever was, not only those that the policy still remembers."""
        saved = await self._cases.store.load(memory.subject_of(vehicle))
        known = memory.read(saved).vehicle
        return [
            memory.case_of(vehicle, system, n)
            for system, cases in known.cases.items()
            for n in range(1, max((one.n for one in cases), default=0) + 1)
        ]

    async def _tell(
        self, case: CaseId, tell: Tell, *, also: Sequence[str] = (), ack: Ack | None = None
    ) -> None:
        would: list[str] = []
        now = self._cases.clock.now()

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            story = Story(read.id, read.body, read.state, now)
            tell(story, saved)
            would[:] = [f"monitor:{each}" for each in story.would]
            return None if story.body == read.body and not story.facts else Turn(story.body, story.facts)

        try:
            await self._cases.change(case, decide, also=also, ack=ack)
        except NoSuchCase:
            log.warning("case.unknown", extra={"case": case})
            return
        await self._counting.count(*would)

    @staticmethod
    def _beside(case: CaseId, calls: str) -> list[str]:
        """The choice about calls, where it lies in the case's partition (help lies in its delivery's)."""
        return [calls] if partition_of(case) == partition_of(calls) else []


def _ends(saved: Saved, crew: Saved, fact: CarReleased, now: datetime) -> bool:
    """Whether this release takes the choice back: its chooser left, or nobody is owner any more; nothing newer."""
    before, calls = choice.released_at(saved), choice.read(saved)
    if before is not None and before >= fact.at:
        return False
    if calls is None:
        return not owners(people_in(crew), now)
    return calls.chosen_at <= fact.at and (calls.person == fact.person or not owners(people_in(crew), now))


def _number(appointment: AppointmentId) -> int:
    last = appointment.rpartition(".")[2]
    return int(last) if last.isdigit() else 0
