"""Which case an agent may take, and whether its person may be called now. Pure."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final, Literal

from pydantic import AwareDatetime

from maintenance.desk_windows import Window, window_of
from maintenance.limits import CaseLimits, DeskLimits
from maintenance.model import Calls, CaseBody, Frozen, Read, Trigger
from maintenance.starting import Starting, next_working_day
from maintenance.states import TriggerState
from spine.facts.maintenance import Level
from spine.ids import CaseId

Role = Literal["agent", "supervisor"]
Bar = Literal["", "calls_off", "no_phone", "calls_used", "window", "called_today"]
"""Why nobody may be called about a case now; empty where somebody may."""


GIVES_BACK: Final = frozenset({"no_answer", "busy", "wrong_number"})
"""Nobody was spoken to: the person keeps their one call of the day."""
ASKED_FOR: Final = frozenset({"callback_at", "language", "escalated_supervisor", "emergency"})
"""The person was spoken to, and another call was agreed or is needed: the cap of the day does not stand in its way."""

AGREED: Final = ASKED_FOR - {"escalated_supervisor"}
"""Another call was promised to the person, or they are in danger: it is made though all calls of the case were made.

A supervisor looks at the case, and calls nobody a fourth time."""


class Day(Frozen):
    """Subject ``dia_<person body>``: who has a person's one call of a day. ``day``: the date where they are."""

    day: date
    case: CaseId
    n: int
    at: AwareDatetime


def takes_calls(calls: Calls | None) -> bool:
    """The owner turned "call me about faults" on, and nobody was told since that they want no calls."""
    return calls is not None and calls.on and not calls.do_not_call


def is_safety(read: Read, limits: DeskLimits) -> bool:
    """Whether this case may be called about at any hour."""
    return limits.critical_any_hour and read.body.what == "fault" and read.body.severity == "critical"


def bar_to_call(
    read: Read, calls: Calls | None, window: Window, day: Day | None, limits: DeskLimits, now: datetime
) -> Bar:
    """Why nobody may be called about this now. Whoever asked for help is called without window or cap.

    ``day``: the person's call of today, where one is taken.
    """
    if read.body.what == "help":
        return ""
    if calls is None or not takes_calls(calls):
        return "calls_off"
    if calls.phone is None:
        return "no_phone"
    if spent(read.body, limits):
        return "calls_used"
    if is_safety(read, limits):
        return ""
    if not window.is_open(now):
        return "window"
    return "called_today" if day is not None and not _is_ours(read, day) else ""


def _is_ours(read: Read, day: Day) -> bool:
    """The day is this case's next call's, or an earlier one's of it that leaves room for another."""
    return day.case == read.id and (
        day.n == len(read.body.trigger.calls) + 1 or day.n in calls_with(read, GIVES_BACK | ASKED_FOR)
    )


def calls_with(read: Read, dispositions: frozenset[str]) -> frozenset[int]:
    """The numbers of the case's calls that ended so."""
    return frozenset(one.n for one in read.body.trigger.calls if one.disposition in dispositions)


def calls_used(body: CaseBody) -> int:
    """Calls about the case; of help since it was last asked for."""
    return len(body.trigger.calls) - body.asked_after


def spent(body: CaseBody, limits: DeskLimits) -> bool:
    """All its calls are made, and nobody agreed in the last of them that there is to be another."""
    calls = body.trigger.calls
    return calls_used(body) >= limits.calls_per_case and calls[-1].disposition not in AGREED


def given_up(read: Read, limits: DeskLimits) -> bool:
    """All its calls are made, and nobody waits for another: no supervisor, no agreed call, nothing critical."""
    body = read.body
    if body.what == "help" or body.severity == "critical" or body.trigger.supervisor:
        return False
    return spent(body, limits)


def on_the_list(read: Read, now: datetime) -> bool:
    """Whether it waits for an agent of our own now."""
    trigger = read.body.trigger
    due = trigger.due is None or trigger.due <= now
    return read.state is TriggerState.QUEUED and read.body.what != "canary" and due and trigger.center is None


def spoken(read: Read, calls: Calls | None) -> str | None:
    """The language of the person who would be called; None where nobody knows."""
    return read.body.trigger.language or (calls.language if calls else None)


def for_agent(read: Read, calls: Calls | None, role: Role, languages: frozenset[str]) -> bool:
    """Whether this agent is to take it. Nobody's language stands in the way of help."""
    if role == "supervisor":
        return True
    if read.body.trigger.supervisor:
        return False
    language = spoken(read, calls)
    return language is None or language in languages or read.body.what == "help"


def order(read: Read) -> tuple[int, datetime, datetime]:
    """By urgency, then due, then age."""
    trigger = read.body.trigger
    return read.body.rank, trigger.due or trigger.since, trigger.since


def holds(trigger: Trigger, state: TriggerState, by: str, token: str, now: datetime) -> bool:
    """Whether this is the holder's own, living lease."""
    lease = trigger.lease
    if state is not TriggerState.LEASED or lease is None:
        return False
    return lease.by == by and lease.token == token and now < lease.until


def promise(limits: CaseLimits) -> Callable[[Level, datetime, Calls | None], datetime]:
    """By when a case is to be claimed: critical at any hour, high counted in open time, others next working day."""

    def claim_by(level: Level, now: datetime, calls: Calls | None) -> datetime:
        if level == "critical":
            return now + limits.critical_claimed_within
        if level == "high":
            return window_of(calls).within(now, limits.high_claimed_within)
        return next_working_day(now)

    return claim_by


def started(limits: CaseLimits) -> Starting:
    """The rules by which a case comes on the list, with the desk's promise."""
    return Starting(limits, promise(limits))
