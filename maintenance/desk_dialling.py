"""The number to call, told once the person's call of the day is this case's; and who is not to be called now."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from maintenance.desk_days import Days
from maintenance.desk_list import WorkList, beside, calls_beside
from maintenance.desk_outcomes import dialled_by
from maintenance.desk_problems import CalledToday, CallsUsed, LeaseLost, NoPhone, NotNow
from maintenance.desk_rules import ASKED_FOR, Bar, Role, calls_with, holds, is_safety, takes_calls
from maintenance.desk_windows import local_day, window_of
from maintenance.limits import DeskLimits
from maintenance.model import Calls, Dialled, Lease, Read
from maintenance.service import Cases, Turn, told
from spine.facts.maintenance import CaseActed
from spine.ids import AgentId, CaseId, PersonId
from spine.problems import Problem
from spine.store import Saved


@dataclass(frozen=True, slots=True)
class At:
    """An agent at work. ``languages``: those they speak; ``reads``: their page's, empty where no language was asked for."""

    id: AgentId
    role: Role
    languages: frozenset[str]
    reads: str = ""


Whom = Literal["owner", "courier"]


@dataclass(frozen=True, slots=True)
class Number:
    """The number to call; told by ``dial`` and nowhere else. ``safety``: outside the hours, as policy allows."""

    phone: str = field(repr=False)
    n: int
    safety: bool


class Dialling:
    """Tells numbers, and nothing else does."""

    def __init__(self, cases: Cases, days: Days, waiting: WorkList, limits: DeskLimits) -> None:
        self._cases = cases
        self._days = days
        self._list = waiting
        self._limits = limits

    async def dial(self, agent: At, case: CaseId, token: str, whom: Whom | None = None) -> Number:
        """The number, once the person's call of the day is this case's. Asked again: the same.

        ``whom``: of help that two asked for; without it who asked first and left a number.
        Raises ``LeaseLost``, ``NotNow``, ``CalledToday``, ``CallsUsed``, ``NoPhone``.
        """
        now, clock = self._cases.clock.now(), self._cases.clock
        read = await self._cases.read(case)
        lease_of(read, agent, token, now)
        (seen,) = await self._list.looked_at([read], now)
        calls, safety = seen.calls, False
        if read.body.what == "help":
            calls = calls if takes_calls(calls) else None
        else:
            refuse("" if seen.bar == "called_today" else seen.bar, calls, now)
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
        self, agent: At, case: CaseId, token: str, *, person: PersonId | None, safety: bool, whom: Whom | None,
        now: datetime,
    ) -> Number:  # fmt: skip
        before = await self._cases.read(case)
        also = beside(before)
        elsewhere = None if also else await self._list.calls_of(before)
        told_number: list[Number] = []

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            lease_of(read, agent, token, now)
            trigger, n = read.body.trigger, len(read.body.trigger.calls) + 1
            calls = calls_beside(read, saved) if also else elsewhere
            if person is not None and (calls is None or calls.person != person):
                raise NoPhone("Somebody else says now who is called about this car: dial again.")
            phone, whose = _phone(read, calls, whom)
            told_number[:] = [Number(phone, n, safety)]
            given = dialled_by(trigger, agent.id)
            if given is not None and given.whom == whose:
                return None
            dialled = Dialled(n=n, by=agent.id, person=person, at=now, safety=safety, whom=whose)
            act = told(CaseActed, read, now, by=agent.id, act="dial_safety" if safety else "dial")
            return Turn(read.body.but(trigger=trigger.but(dialled=dialled)), [act])

        await self._cases.change(case, decide, also=also)
        return told_number[0]


def lease_of(read: Read, agent: At, token: str, now: datetime) -> Lease:
    """The agent's own, living lease. Raises ``LeaseLost``."""
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


def refuse(bar: Bar, calls: Calls | None, now: datetime) -> None:
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
