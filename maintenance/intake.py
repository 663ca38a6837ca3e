"""From a scan to cases: one scan, one commit of the vehicle's memory and of every case it touches.

Idempotent twice over: a scan that was read is known by its id, and the acknowledgement of its log entry is part of the
commit. Where a scan touches no case, which is nearly always, one subject is read and written and nothing else.
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from maintenance import calls as choice
from maintenance import conditions, hearing, memory
from maintenance.cases import Case, CaseState, Happening, Known, Vehicle
from maintenance.counting import Counting
from maintenance.faults import Fault
from maintenance.intake_stories import About, Telling, story_of
from maintenance.memory import Memory
from maintenance.model import Read, write_case
from maintenance.policy import after_scan
from maintenance.remembered import Remembered
from maintenance.scans import Scan
from maintenance.service import Cases
from maintenance.service import after as case_after
from maintenance.severity import Severity
from maintenance.starting import Starting
from maintenance.states import TriggerState
from maintenance.timing import next_wake
from spine.dead_letters import DeadLetters
from spine.facts import Fact
from spine.facts.maintenance import CanarySent
from spine.facts.vehicle import SignalChanged, UnitScan
from spine.ids import VehicleId, named_after, partition_of
from spine.log import order
from spine.store import Ack, Change, Outcome, Overtaken, Saved

log = logging.getLogger("trunkline.maintenance")

CANARY: Final = "VSS-CANARY"
"""The made-up code of a canary, of a system of its own."""
_TRIES: Final = 20
_RAW_MOST: Final = 16_000

_ASK_THE_CHOICE: Final = frozenset({"case.opened", "case.reprioritised", "case.reopened"})
"""What happened, where it hangs on whether the owner wants to be called."""

_NOTHING: Final = About()

Step = Callable[[Memory], tuple[Memory, list[Happening]]]
"""What a word of the car does to its memory. Pure; may run several times."""


@dataclass(frozen=True, slots=True)
class _Stepped:
    after: Memory
    happened: list[Happening]
    touched: dict[tuple[str, int], Case]
    changed: bool


@dataclass(slots=True)
class _Decided:
    """What came of the newest decision, for when it is saved."""

    would: list[str] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    """Its cases as they then stand."""


class _MoreCases(Exception):
    """The vehicle's memory changed meanwhile: other cases are touched than were read."""


class Intake:
    """Takes what a car says of its faults."""

    def __init__(
        self,
        cases: Cases,
        rules: Starting,
        maker: Mapping[str, Severity],
        dead: DeadLetters,
        counting: Counting,
    ) -> None:
        self._cases = cases
        self._store = cases.store
        self._rules = rules
        self._maker = maker or None
        self._dead = dead
        self._counting = counting
        self._remembered = Remembered(cases.store, most=cases.limits.cases.remembered)

    async def scan(self, fact: UnitScan, position: str, ack: Ack | None) -> None:
        """A ``unit.scan`` of the log. What cannot be read goes to the dead letters with its reason."""
        limits = self._cases.limits
        try:
            said = hearing.heard(
                fact.scan,
                fact.vehicle,
                fact.at,
                most=limits.cases.codes_taken,
                oldest=limits.cases.scan_oldest,
            )
        except hearing.Unreadable as wrong:
            await self._park(fact, position, "fault.scan", str(wrong))
            return
        if said.left_out:
            await self._park(fact, position, "fault.scan.codes", f"{said.left_out} codes left out")
        scan = said.scan if said.scan.scan_id else said.scan.model_copy(update={"scan_id": f"log-{position}"})
        canary = fact.vehicle in limits.cases.canaries
        if not canary:
            scan = hearing.without(scan, CANARY)  # no car can sing in a canary's place
        sung = CanarySent(at=scan.at, vehicle=fact.vehicle, n=scan.seq or 0) if canary else None
        about = About(hearing.odometer_of(fact.scan), hearing.freeze_of(fact.scan), sung)
        over = 0

        def after(known: Memory) -> tuple[Memory, list[Happening]]:
            nonlocal over
            fitting, over = self._fitting(known, scan)
            return self._after(known, fitting)

        await self.step(fact.vehicle, after, about, ack)
        if over:
            await self._park(fact, position, "fault.scan.codes", f"{over} codes left out: too many are known")

    async def signal(self, fact: SignalChanged, position: str, ack: Ack | None) -> None:
        """A condition without a code began, or ended."""
        if not conditions.concerns(fact.path):
            return
        rules, limits = self._cases.limits.faults, self._cases.limits.cases
        place = order(position)

        def after(known: Memory) -> tuple[Memory, list[Happening]]:
            return conditions.after_signal(known, fact.path, fact.value, fact.at, place, rules, limits)

        await self.step(fact.vehicle, after, ack=ack)

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``flt_``: a condition has been healthy long enough. Called late or twice it does the same."""
        now, rules, limits = self._cases.clock.now(), self._cases.limits.faults, self._cases.limits.cases
        if saved.wake_at is None or saved.wake_at > now:
            return
        vehicle = VehicleId(named_after("veh", saved.id))
        await self.step(vehicle, lambda known: conditions.after_a_while(known, now, rules, limits))

    def _fitting(self, known: Memory, scan: Scan) -> tuple[Scan, int]:
        """What of a scan can be remembered, and how many of its codes cannot."""
        most = self._cases.limits.cases.faults_kept
        if scan.scan_id in known.vehicle.seen or len(known.vehicle.faults) < most:
            return scan, 0
        said = hearing.fits(scan, frozenset(known.vehicle.faults), most)
        return said.scan, said.left_out

    def _after(self, known: Memory, scan: Scan) -> tuple[Memory, list[Happening]]:
        limits = self._cases.limits
        vehicle, happened = after_scan(known.vehicle, scan, limits.faults, self._maker)
        if len(vehicle.faults) > limits.cases.faults_kept // 2:
            vehicle = forgetful(vehicle, limits.cases.faults_kept // 2)
        return Memory(vehicle, known.conditions, known.signal), happened

    async def step(
        self,
        vehicle: VehicleId,
        after: Step,
        about: About = _NOTHING,
        ack: Ack | None = None,
    ) -> None:
        """Take a word of the car and commit all that follows from it. Raises ``Overtaken``, ``StoreDown``."""
        subject = memory.subject_of(vehicle)
        came = _Decided()
        known: dict[int, _Stepped] = {}

        def stepped(saved: Saved) -> _Stepped:
            """Worked out once for each version."""
            found = known.get(saved.version)
            if found is None:
                before = self._remembered.memory(saved)
                now_known, happened = after(before)
                touched = _touched(before.vehicle, now_known.vehicle)
                found = known[saved.version] = _Stepped(now_known, happened, touched, now_known != before)
            return found

        names: list[str] = []
        try:
            for _ in range(_TRIES):
                guessed = self._remembered.knows(subject)
                loaded = await self._remembered.of([subject])
                at_hand = stepped(loaded[subject])
                names = [memory.case_of(vehicle, system, n) for system, n in at_hand.touched]
                if names:
                    if _asks_the_choice(at_hand):
                        names.append(choice.subject_of(vehicle))
                    new = [
                        memory.case_of(vehicle, one.system, one.n) for one in at_hand.happened if _opens(one)
                    ]
                    loaded |= await self._remembered.of(names, new=new)

                def decide(saved: Mapping[str, Saved]) -> Change | None:
                    nonlocal came
                    came = _Decided()
                    return self._decide(vehicle, saved, stepped(saved[subject]), about, came)

                try:
                    done = await self._store.change([subject, *names], decide, ack=ack, loaded=loaded)
                except _MoreCases:
                    self._remembered.drop([subject, *names])
                    continue
                if guessed and not done.changed:
                    # That nothing is to be done guards no version: it is decided on what is saved, never on a guess.
                    self._remembered.drop([subject, *names])
                    continue
                self._keep(done, subject, known, came)
                await self._counting.count(*came.would)
                return
        except BaseException:
            self._remembered.drop([subject, *names])
            raise
        raise Overtaken(subject)

    def _keep(self, done: Outcome, subject: str, known: Mapping[int, _Stepped], came: _Decided) -> None:
        """What was saved need not be read when the car speaks again."""
        self._remembered.keep(done.saved)
        if done.changed and (last := known.get(done.saved[subject].version - 1)) is not None:
            self._remembered.keep_memory(done.saved[subject], last.after)
            for read in came.reads:
                self._remembered.keep_case(done.saved[read.id], read)

    def _decide(
        self,
        vehicle: VehicleId,
        saved: Mapping[str, Saved],
        stepped: "_Stepped",
        about: About,
        came: "_Decided",
    ) -> Change | None:
        if not stepped.changed:
            return None
        wake_at = conditions.wake(stepped.after, self._cases.limits.cases)
        now_known, happened, touched = stepped.after, stepped.happened, stepped.touched
        writes = {memory.subject_of(vehicle): memory.write(now_known, wake_at=wake_at)}
        if not touched and not happened:
            return Change(writes)
        came.would += [f"monitor:{one.kind}" for one in happened if one.monitor]
        if any(memory.case_of(vehicle, *each) not in saved for each in touched):
            raise _MoreCases
        chosen = saved.get(choice.subject_of(vehicle))
        if chosen is None and _asks_the_choice(stepped):
            raise _MoreCases
        calls = None if chosen is None else choice.read(chosen)
        facts: list[Fact] = []
        telling = Telling(self._cases.clock.now(), self._rules)
        for (system, n), case in touched.items():
            name = memory.case_of(vehicle, system, n)
            mine = [one for one in happened if (one.system, one.n) == (system, n) and not one.monitor]
            read = self._remembered.case(saved[name])
            story = story_of(name, read, vehicle, case, mine, calls, about, telling)
            if story is None:
                continue
            state, body = case_after(story.began, story.body, story.facts)
            writes[name] = write_case(state, body, next_wake(state, body, story.now))
            came.reads.append(Read(id=name, state=state, body=body))
            facts += story.facts
            if about.sung is not None and story.state is TriggerState.QUEUED is not story.began:
                facts.append(about.sung)
            came.would += [f"monitor:{each}" for each in story.would]
        return Change(writes, facts)

    async def _park(self, fact: UnitScan, position: str, source: str, detail: str) -> None:
        """Visible in ``trunkline dead``, as it came; the car's next scans are not held up by it."""
        log.warning("scan.unreadable", extra={"vehicle": fact.vehicle, "position": position, "why": detail})
        raw = json.dumps(fact.scan, separators=(",", ":")).encode()[:_RAW_MOST]
        await self._dead.put(partition_of(fact.vehicle), f"{source} {position}", raw, "scan", detail=detail)
        await self._counting.count("scans_parked")


def _opens(one: Happening) -> bool:
    return one.kind == "case.opened" and not one.monitor


def _asks_the_choice(stepped: _Stepped) -> bool:
    """Whether what follows hangs on what the owner chose: a case that closes, or waits for proof, asks nobody."""
    return bool(stepped.touched) and any(
        one.kind in _ASK_THE_CHOICE and not one.monitor for one in stepped.happened
    )


def _touched(before: Vehicle, after: Vehicle) -> dict[tuple[str, int], Case]:
    """Cases that are not as they were, by system and number; those of a system in order."""
    if before.cases is after.cases:
        return {}
    return {
        (system, one.n): one
        for system, cases in after.cases.items()
        if cases is not before.cases.get(system)
        for one in cases
        if _shown(before.case(system, one.n)) != _shown(one)
    }


def _shown(case: Case | None) -> tuple[Any, ...] | None:
    """What of a case its subject shows."""
    return None if case is None else (case.state, case.severity, case.codes, case.closed_at)


def forgetful(vehicle: Vehicle, most: int) -> Vehicle:
    """Without the oldest long-mended faults of no open case, until ``most`` are left or none of that kind is."""
    needed = {key for cases in vehicle.cases.values() for one in cases for key in one.keys if _recent(one)}
    over = len(vehicle.faults) - most
    faults: dict[tuple[str, str], Known] = {}
    for key, known in vehicle.faults.items():
        if over > 0 and known.state is Fault.ABSENT and key not in needed:
            over -= 1
            continue
        faults[key] = known
    return replace(vehicle, faults=faults)


def _recent(case: Case) -> bool:
    return case.state is not CaseState.CLOSED
