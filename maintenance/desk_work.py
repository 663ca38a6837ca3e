"""What an agent does with a case: claim, keep, give back, write down, dial, tell the outcome. Each is one commit on it."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from maintenance import calls as choice
from maintenance.cases import CaseState
from maintenance.desk_days import Days
from maintenance.desk_list import Waiting, WorkList, beside, calls_beside
from maintenance.desk_outcomes import Said, dialled_by, outcome, untold
from maintenance.desk_problems import (
    CalledToday,
    CallsUsed,
    CaseTaken,
    DraftStale,
    LeaseLost,
    NoPhone,
    NothingToDo,
    NotNow,
    OutcomeUnfit,
)
from maintenance.desk_rules import (
    ASKED_FOR,
    Bar,
    Role,
    calls_used,
    calls_with,
    given_up,
    holds,
    is_safety,
    on_the_list,
    started,
    takes_calls,
)
from maintenance.desk_script import check_answers
from maintenance.desk_windows import local_day, window_of
from maintenance.limits import DeskLimits
from maintenance.model import Calls, Dialled, Lease, Read
from maintenance.service import Cases, NoSuchCase, Turn, told
from maintenance.starting import Story, offer, queue
from maintenance.states import TriggerState
from spine.facts.maintenance import (
    CaseActed,
    CaseClosed,
    CaseSeen,
    TriggerEnded,
    TriggerLeased,
    TriggerUnreached,
)
from spine.ids import AgentId, CaseId
from spine.problems import Problem
from spine.store import Saved

__all__ = ["AgentDesk", "At", "Number", "Whom"]


_CLAIM_PAGE = 25
"""Cases that a claim looks at together: nearly always the first is taken."""


@dataclass(frozen=True, slots=True)
class At:
    """An agent at work. ``languages``: those they speak."""

    id: AgentId
    role: Role
    languages: frozenset[str]


Whom = Literal["owner", "courier"]


@dataclass(frozen=True, slots=True)
class Number:
    """The number to call; told by ``dial`` and nowhere else. ``safety``: outside the hours, as policy allows."""

    phone: str = field(repr=False)
    n: int
    safety: bool


class AgentDesk:
    """Everything agents do. ``trying``: cases that this process is just claiming for somebody."""

    def __init__(self, cases: Cases, days: Days, waiting: WorkList, limits: DeskLimits) -> None:
        self._cases = cases
        self._days = days
        self._list = waiting
        self._limits = limits
        self._rules = started(cases.limits.cases)
        self._trying: set[CaseId] = set()

    # ---- having a case

    async def claim_next(self, agent: At) -> Read:
        """The best case that this agent may take and whose person may be called. Raises ``NothingToDo``."""
        again, pages = True, 0
        while again and pages < self._limits.claim_pages:
            again = False
            async for page in self._list.pages(agent.role, agent.languages, size=_CLAIM_PAGE):
                if pages >= self._limits.claim_pages:
                    break
                pages += 1
                for one in page:
                    if _waits(one):
                        continue
                    if one.read.id in self._trying:
                        again = True  # whether that claim succeeds is seen in the next round
                        continue
                    claimed = await self._try(agent, one.read.id)
                    if claimed is not None:
                        return claimed
        raise NothingToDo("No case waits for you now.")

    async def claim(self, agent: At, case: CaseId) -> Read:
        """This case. Raises ``CaseTaken`` with the next best, ``NotNow``, ``CalledToday``, ``NoSuchCase``."""
        read = await self._cases.read(case)
        if read.body.what == "canary" or (read.body.trigger.supervisor and agent.role != "supervisor"):
            raise NoSuchCase(case[:90])
        now = self._cases.clock.now()
        if on_the_list(read, now):
            (seen,) = await self._list.looked_at([read], now)
            if _waits(seen):
                _refuse(seen.bar, seen.calls, now)
            claimed = await self._try(agent, case)
            if claimed is not None:
                return claimed
        raise CaseTaken("Somebody else has it, or it waits no longer.", await self._next_best(agent))

    async def _next_best(self, agent: At) -> CaseId | None:
        pages = 0
        async for page in self._list.pages(agent.role, agent.languages, size=_CLAIM_PAGE):
            pages += 1
            if pages > self._limits.claim_pages:
                break
            for one in page:
                if not one.bar and one.read.id not in self._trying:
                    return one.read.id
        return None

    async def _try(self, agent: At, case: CaseId) -> Read | None:
        """The case with the agent's lease; None where somebody else got it, or nobody is to be called about it."""
        self._trying.add(case)
        try:
            return await self._take(agent, case)
        except (CaseTaken, NoSuchCase):
            return None
        finally:
            self._trying.discard(case)

    async def _take(self, agent: At, case: CaseId) -> Read | None:
        also = beside(await self._cases.read(case))
        now = self._cases.clock.now()
        until, token = now + self._limits.lease, secrets.token_hex(16)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn:
            if not on_the_list(read, now):
                raise CaseTaken("Somebody else has it.")
            trigger, calls = read.body.trigger, calls_beside(read, saved)
            if read.body.what == "fault" and not choice.may_call(calls):
                story = Story(read.id, read.body, read.state, now)
                offer(story, calls, self._rules, "no_calls")
                return Turn(story.body, story.facts)
            if given_up(read, self._limits):
                unreached = told(TriggerUnreached, read, now, calls=len(trigger.calls))
                return Turn(read.body.but(trigger=trigger.but(due=None)), [unreached])
            lease = Lease(by=agent.id, token=token, since=now, until=until, heartbeat=now)
            leased = told(TriggerLeased, read, now, by=agent.id, until=until)
            return Turn(read.body.but(trigger=trigger.but(lease=lease)), [leased])

        read = await self._cases.change(case, decide, also=also)
        lease = read.body.trigger.lease
        return read if lease is not None and lease.token == token else None

    async def heartbeat(self, agent: At, case: CaseId, token: str) -> Read:
        """The lease lives on. Raises ``LeaseLost``."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            lease = _lease(read, agent, token, now)
            renewed = lease.but(until=now + self._limits.lease, heartbeat=now)
            return Turn(read.body.but(trigger=read.body.trigger.but(lease=renewed)))

        return await self._cases.change(case, decide)

    async def release(self, agent: At, case: CaseId, token: str) -> Read:
        """Give it back, as old as it was. Raises ``LeaseLost``.

        One that may not be called about any more is not offered to the next agent: this one has looked at it.
        """
        now = self._cases.clock.now()
        before = await self._cases.read(case)
        also = beside(before)
        elsewhere = None if also else await self._list.calls_of(before)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn:
            _lease(read, agent, token, now)
            calls = calls_beside(read, saved) if also else elsewhere
            story = Story(read.id, read.body, read.state, now)
            untold(story)
            spent = calls_used(story.body) >= self._limits.calls_per_case
            if read.body.what != "fault" or not spent:
                queue(story, calls, self._rules, "released", since=read.body.trigger.since)
            elif read.body.severity == "critical":
                offer(story, calls, self._rules, "calls_used")
            else:
                story.trigger(lease=None, due=None, claim_by=None, why="calls_used")
                story.tell(TriggerUnreached, calls=len(story.body.trigger.calls))
            return Turn(story.body, story.facts)

        return await self._cases.change(case, decide, also=also)

    # ---- beside the call

    async def see(self, agent: At, case: CaseId) -> Read:
        """Look at it: the one who has it, or a supervisor. That it was looked at is a fact."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            lease = read.body.trigger.lease
            mine = lease is not None and holds(read.body.trigger, read.state, agent.id, lease.token, now)
            if read.body.what == "canary" or not (mine or agent.role == "supervisor"):
                raise NoSuchCase(case[:90])
            seen = told(CaseSeen, read, now, by=agent.id)
            if lease is None or not mine:
                return Turn(read.body, [seen])
            if lease.seen:
                return None
            trigger = read.body.trigger.but(lease=lease.but(seen=True))
            return Turn(read.body.but(trigger=trigger), [seen])

        return await self._cases.change(case, decide)

    async def draft(
        self, agent: At, case: CaseId, token: str, *, n: int, answers: Mapping[str, str], note: str
    ) -> Read:
        """Save answers and note as given. ``n``: of what was read.

        Raises ``LeaseLost``, ``DraftStale``, ``NoSuchQuestion``.
        """
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            body = read.body
            lease = _lease(read, agent, token, now)
            check_answers(body, answers)
            if (dict(answers), note) == (body.answers, body.note):
                return None
            if n != body.draft_n:
                raise DraftStale(body.draft_n, body.answers, body.note)
            trigger = body.trigger.but(lease=lease.but(drafted=True))
            facts = [] if lease.drafted else [told(CaseActed, read, now, by=agent.id, act="answers")]
            after = body.but(answers=dict(answers), note=note, draft_n=n + 1, trigger=trigger)
            return Turn(after, facts)

        return await self._cases.change(case, decide)

    async def act(self, agent: At, case: CaseId, token: str, act: str) -> Read:
        """Write down what is about to be done. Raises ``LeaseLost``."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            _lease(read, agent, token, now)
            return Turn(read.body, [told(CaseActed, read, now, by=agent.id, act=act)])

        return await self._cases.change(case, decide)

    # ---- the call

    async def dial(self, agent: At, case: CaseId, token: str, whom: Whom | None = None) -> Number:
        """The number, once the person's call of the day is this case's. Asked again: the same.

        ``whom``: of help that two asked for; without it who asked first and left a number.
        Raises ``LeaseLost``, ``NotNow``, ``CalledToday``, ``CallsUsed``, ``NoPhone``.
        """
        now, clock = self._cases.clock.now(), self._cases.clock
        read = await self._cases.read(case)
        _lease(read, agent, token, now)
        (seen,) = await self._list.looked_at([read], now)
        calls, safety = seen.calls, False
        if read.body.what == "help":
            calls = calls if takes_calls(calls) else None
        else:
            _refuse("" if seen.bar == "called_today" else seen.bar, calls, now)
            safety = await self._reserve(read, calls, now)
        person = calls.person if calls and read.body.what != "help" else None
        try:
            return await self._dialled(
                agent, case, token, person=person, safety=safety, whom=whom, now=clock.now()
            )
        except Problem:
            if person is not None:
                await self._days.look(person)
            raise

    async def _reserve(self, read: Read, calls: Calls | None, now: datetime) -> bool:
        """Take the person's call of the day. Gives whether the call is made against window or cap, as policy allows."""
        if calls is None:
            raise NoPhone("Nobody wants to be called about this car.")
        window, done = window_of(calls), read.body.trigger.calls
        if done and done[-1].person is not None:
            await self._days.settle(done[-1].person, read.id, done[-1].n, done[-1].disposition)
        today = local_day(window.zone, now)
        exempt = is_safety(read, self._limits)
        agreed = calls_with(read, ASKED_FOR)
        free = await self._days.take(
            calls.person, today, read.id, len(done) + 1, safety=exempt, after=agreed
        )  # fmt: skip
        return exempt and not (free and window.is_open(now))

    async def _dialled(
        self, agent: At, case: CaseId, token: str, *, person: object, safety: bool, whom: Whom | None,
        now: datetime,
    ) -> Number:  # fmt: skip
        before = await self._cases.read(case)
        also = beside(before)
        elsewhere = None if also else await self._list.calls_of(before)
        told_number: list[Number] = []

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            _lease(read, agent, token, now)
            trigger, n = read.body.trigger, len(read.body.trigger.calls) + 1
            phone, whose = _phone(read, calls_beside(read, saved) if also else elsewhere, whom)
            told_number[:] = [Number(phone, n, safety)]
            given = dialled_by(trigger, agent.id)
            if given is not None and given.whom == whose:
                return None
            dialled = Dialled(n=n, by=agent.id, person=person, at=now, safety=safety, whom=whose)  # type: ignore[arg-type]
            act = told(CaseActed, read, now, by=agent.id, act="dial_safety" if safety else "dial")
            return Turn(read.body.but(trigger=trigger.but(dialled=dialled)), [act])

        await self._cases.change(case, decide, also=also)
        return told_number[0]

    async def settle(self, agent: At, case: CaseId, token: str, said: Said) -> Read:
        """The outcome of the call. Raises ``LeaseLost``, ``OutcomeUnfit``, ``DialFirst``, ``NotBooked``."""
        now = self._cases.clock.now()
        also = beside(await self._cases.read(case))

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn:
            booked = read.state is TriggerState.BOOKED and said.disposition == "booked"
            if not (booked and dialled_by(read.body.trigger, agent.id) is not None):
                _lease(read, agent, token, now)
            calls = calls_beside(read, saved)
            after = outcome(
                read, calls, said, by=agent.id, window=window_of(calls), limits=self._limits,
                rules=self._rules, now=now,
            )  # fmt: skip
            changed = after.calls is not None and after.calls != calls
            writes = {also[0]: choice.write(after.calls)} if changed and after.calls and also else {}
            return Turn(after.body, after.facts, writes, after.others)

        return await self._cases.change(case, decide, also=also)

    async def close(self, agent: At, case: CaseId, token: str) -> Read:
        """Help was given. Raises ``LeaseLost``; ``OutcomeUnfit`` for a fault, which only a clean scan closes."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            _lease(read, agent, token, now)
            if read.body.what != "help":
                raise OutcomeUnfit("A fault's case is closed by the car itself, when the fault is gone.")
            return closed(read, now, "helped")

        return await self._cases.change(case, decide)


def closed(read: Read, now: datetime, why: str) -> Turn:
    """Help that is not needed any more: numbers, answers and note were for that alone."""
    body = read.body.but(
        state=CaseState.CLOSED, closed_at=now, askers=(), answers={}, note="", draft_n=read.body.draft_n + 1
    )  # fmt: skip
    return Turn(body, [told(CaseClosed, read, now, why=why), told(TriggerEnded, read, now)])


def _lease(read: Read, agent: At, token: str, now: datetime) -> Lease:
    lease = read.body.trigger.lease
    if lease is None or not holds(read.body.trigger, read.state, agent.id, token, now):
        raise LeaseLost("You do not have this case (any more). Nothing was changed.")
    return lease


def _phone(read: Read, calls: Calls | None, whom: Whom | None) -> tuple[str, str]:
    """The number that may be called about this, and whose it is. Raises ``NoPhone``."""
    chosen = calls.phone if calls is not None and takes_calls(calls) else None
    known: list[tuple[str, str]] = [(one.phone, one.who) for one in read.body.askers if one.phone is not None]
    if chosen is not None:
        known.append((chosen, "owner"))
    found = next((one for one in known if whom in {None, one[1]}), None)
    if found is None:
        raise NoPhone("No number is known that may be called about this.")
    return found


def _waits(one: Waiting) -> bool:
    """Not to be called now, so nobody needs to have it now; a supervisor decides what came to them."""
    return one.bar == "window" or (one.bar == "called_today" and not one.read.body.trigger.supervisor)


def _refuse(bar: Bar, calls: Calls | None, now: datetime) -> None:
    """Raise what a bar means; nothing for none."""
    window = window_of(calls)
    problems: Mapping[Bar, Callable[[], Problem]] = {
        "window": lambda: NotNow("This person may not be called at this hour.", window.next_open(now)),
        "called_today": lambda: CalledToday(
            "This person was called today, or is being called.", window.after_days(now, 1)
        ),
        "calls_used": lambda: CallsUsed("This case has had all its calls."),
        "calls_off": lambda: NoPhone("The owner wants no calls about this car."),
        "no_phone": lambda: NoPhone("No number is known that may be called about this."),
    }
    if bar:
        raise problems[bar]()
