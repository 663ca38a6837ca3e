"""What an agent's outcome of a call makes of a case: one table of fourteen. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from maintenance.desk_problems import DialFirst, NotBooked, OutcomeUnfit
from maintenance.desk_rules import GIVES_BACK, calls_used, is_safety
from maintenance.desk_windows import Window
from maintenance.limits import DeskLimits
from maintenance.model import Call, Calls, CaseBody, Dialled, Read, Trigger
from maintenance.service import told
from maintenance.starting import Starting, Story, queue, stay, unreached
from maintenance.states import TriggerState
from spine.facts import Fact
from spine.facts.maintenance import (
    CallMade,
    CallsChosen,
    CaseActed,
    CaseFact,
    CaseReprioritised,
    Level,
    TriggerBooked,
    TriggerDeclined,
    TriggerScheduled,
    TriggerSuppressed,
)
from spine.ids import AgentId

Disposition = Literal[
    "booked", "callback_at", "no_answer", "voicemail", "busy", "wrong_number", "declined_own_garage",
    "declined_not_now", "already_repaired", "sold_vehicle", "language", "do_not_call", "escalated_supervisor",
    "emergency",
]  # fmt: skip
__all__ = [
    "DISPOSITIONS",
    "GIVES_BACK",
    "OF_HELP",
    "UNKNOWN",
    "WITHOUT_A_CALL",
    "Disposition",
    "Outcome",
    "Said",
    "outcome",
    "untold",
]

DISPOSITIONS: Final[tuple[Disposition, ...]] = get_args(Disposition)

UNKNOWN: Final = "unknown"
"""Of a call of which nobody told the end: the person may have been called, and counts as called."""

WITHOUT_A_CALL: Final = frozenset({"booked", "escalated_supervisor", "emergency"})
"""What may be said of a case without having called; of help everything may."""

OF_HELP: Final = frozenset(
    {
        "callback_at", "no_answer", "voicemail", "busy", "wrong_number", "language", "escalated_supervisor",
        "emergency",
    }
)  # fmt: skip
"""What may come of a call about help; it ends by being closed, or by its delivery's end."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the agent says came of it. ``language``: what the person speaks.

    ``at``: of a callback; or ``local``, the same without a zone: as the person's own clock shows it.
    """

    disposition: Disposition
    at: datetime | None = None
    local: datetime | None = None
    language: Literal["en", "nl", "de", "sv"] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The case after it, with facts in order; ``calls``: the owner's choice, where that changes."""

    body: CaseBody
    facts: Sequence[CaseFact]
    calls: Calls | None = None
    others: Sequence[Fact] = field(default=())


@dataclass(frozen=True, slots=True)
class _Next:
    """Where the trigger goes."""

    trigger: Trigger
    facts: Sequence[CaseFact]
    calls: Calls | None = None
    others: Sequence[Fact] = ()
    raised: Literal["critical"] | None = None
    """What the case's severity is never less than from now on."""


def outcome(
    read: Read, calls: Calls | None, said: Said, *, by: AgentId, window: Window, limits: DeskLimits,
    rules: Starting, now: datetime,
) -> Outcome:  # fmt: skip
    """Raises ``OutcomeUnfit``, ``DialFirst``, ``NotBooked``. Whose lease it is was asked before."""
    trigger = read.body.trigger
    if said.local is not None:
        said = replace(said, at=_moment(said.local, window), local=None)
    _check(read, said, by, window, limits, now)
    first: CaseFact
    dialled = dialled_by(trigger, by)
    if dialled is not None:
        n = len(trigger.calls) + 1
        call = Call(
            n=n, at=dialled.at, by=by, person=dialled.person, disposition=said.disposition, safety=dialled.safety
        )  # fmt: skip
        trigger = trigger.but(calls=(*trigger.calls, call), dialled=None)
        first = told(CallMade, read, now, n=n, by=by, disposition=said.disposition)
    else:
        first = told(CaseActed, read, now, by=by, act=said.disposition)
    trigger = trigger.but(lease=None, why=said.disposition)
    after = _TABLE[said.disposition](_Told(read, trigger, calls, said, by, window, limits, rules, now))
    body = read.body.but(trigger=after.trigger)
    if after.raised is not None:
        body = body.but(severity=after.raised, raised=after.raised)
    return Outcome(body, [first, *after.facts], after.calls, after.others)


def _moment(local: datetime, window: Window) -> datetime:
    try:
        return window.at(local)
    except OverflowError:
        raise OutcomeUnfit("No clock ever shows that time.") from None


def dialled_by(trigger: Trigger, by: str) -> Dialled | None:
    """The call that this agent made and has not told the end of; nobody tells another's."""
    return trigger.dialled if trigger.dialled is not None and trigger.dialled.by == by else None


def _check(read: Read, said: Said, by: str, window: Window, limits: DeskLimits, now: datetime) -> None:
    name, trigger = said.disposition, read.body.trigger
    if read.body.what == "help" and name not in OF_HELP:
        raise OutcomeUnfit("This is no outcome of help with a delivery.")
    if read.body.what != "help" and dialled_by(trigger, by) is None and name not in WITHOUT_A_CALL:
        raise DialFirst("No call was made: dial, or give the case back.")
    if name == "booked" and trigger.appointment is None:
        raise NotBooked("Book a slot first: then this outcome follows.")
    if name != "callback_at":
        return
    if said.at is None or not now < said.at <= now + limits.callback_most:
        raise OutcomeUnfit("A callback has a time, later than now and not too far ahead.")
    if read.body.what != "help" and not (is_safety(read, limits) or window.is_open(said.at)):
        raise OutcomeUnfit("That time is outside the hours in which this person may be called.")


@dataclass(frozen=True, slots=True)
class _Told:
    """All that a rule of the table looks at. ``trigger``: with the call, and nobody's any more."""

    read: Read
    trigger: Trigger
    calls: Calls | None
    said: Said
    by: AgentId
    window: Window
    limits: DeskLimits
    rules: Starting
    now: datetime


def _booked(the: _Told) -> _Next:
    fact = told(TriggerBooked, the.read, the.now, appointment=the.trigger.appointment)
    return _Next(the.trigger, [fact] if the.read.state is TriggerState.LEASED else [])


def _callback(the: _Told) -> _Next:
    return _scheduled(the, the.said.at or the.now)


def _tried(the: _Told) -> _Next:
    if the.read.body.what == "help":
        return _help_tried(the)
    due = _again(the.read, the.trigger, the.said.disposition, the.window, the.limits, the.now)
    return _unreached(the) if due is None else _scheduled(the, due)


def _help_tried(the: _Told) -> _Next:
    """Somebody stands at a car: after the last call of an agent's it is the supervisors', who go on calling."""
    made = calls_used(the.read.body.but(trigger=the.trigger))
    if made >= the.limits.calls_per_case and not the.trigger.supervisor:
        return _queued(the, the.trigger.but(supervisor=True))
    return _scheduled(the, the.now + the.limits.help_again)


def _wrong_number(the: _Told) -> _Next:
    if the.read.body.what == "help":
        return _queued(the, the.trigger.but(supervisor=True))
    return replace(_unreached(the), calls=the.calls and the.calls.but(phone=None))


def _own_garage(the: _Told) -> _Next:
    return _Next(the.trigger, [told(TriggerDeclined, the.read, the.now, why="own_garage", by=the.by)])


def _not_now(the: _Told) -> _Next:
    known = {"critical": the.limits.quiet_critical, "high": the.limits.quiet_high}
    return _quiet(the, "not_now", known.get(the.read.body.severity, the.limits.quiet))


def _repaired(the: _Told) -> _Next:
    return _quiet(the, the.said.disposition, the.limits.quiet)


def _sold(the: _Told) -> _Next:
    off = the.calls and the.calls.but(on=False, phone=None)
    return replace(_quiet(the, the.said.disposition, the.limits.quiet_sold), calls=off, others=_off(the))


def _off(the: _Told) -> list[CallsChosen]:
    """Nobody is called about this car any more: its other cases are looked at too."""
    if the.calls is None:
        return []
    return [CallsChosen(at=the.now, vehicle=the.read.body.vehicle, person=the.calls.person, on=False)]


def _language(the: _Told) -> _Next:
    known = the.said.language is not None
    trigger = the.trigger.but(
        language=the.said.language, supervisor=the.trigger.supervisor or not known
    )  # fmt: skip
    return _queued(the, trigger)


def _no_calls(the: _Told) -> _Next:
    after = the.calls and the.calls.but(do_not_call=True)
    story = _story(the, the.trigger)
    stay(story, after, the.rules, the.said.disposition)
    return _Next(story.body.trigger, story.facts, after, _off(the))


def _escalated(the: _Told) -> _Next:
    return _queued(the, the.trigger.but(supervisor=True))


def _emergency(the: _Told) -> _Next:
    after = _queued(the, the.trigger.but(supervisor=True), severity="critical")
    if the.read.body.severity == "critical":
        return replace(after, raised="critical")
    higher = told(CaseReprioritised, the.read, the.now, severity="critical", why=the.said.disposition)
    return replace(after, facts=[higher, *after.facts], raised="critical")


_TABLE: Final[Mapping[Disposition, Callable[[_Told], _Next]]] = {
    "booked": _booked,
    "callback_at": _callback,
    "no_answer": _tried,
    "voicemail": _tried,
    "busy": _tried,
    "wrong_number": _wrong_number,
    "declined_own_garage": _own_garage,
    "declined_not_now": _not_now,
    "already_repaired": _repaired,
    "sold_vehicle": _sold,
    "language": _language,
    "do_not_call": _no_calls,
    "escalated_supervisor": _escalated,
    "emergency": _emergency,
}


def _again(
    read: Read, trigger: Trigger, name: str, window: Window, limits: DeskLimits, now: datetime
) -> datetime | None:
    """When to try again: +2 h, next day the other half of the day, +3 days; busy +15 min. None: often enough.

    Where a message was left the person had their call of the day: that plan begins with the next day.
    """
    made = len(trigger.calls)
    if made >= limits.calls_per_case:
        return None
    free = is_safety(read, limits)
    if name == "busy":
        return _open(now + limits.busy_again, window, free=free)
    if name == "no_answer" and made <= 1:
        return _open(now + limits.unanswered_again, window, free=free)
    if made == (2 if name == "no_answer" else 1):
        return window.other_half(now)
    return window.after_days(now, limits.last_again_days)


def _open(at: datetime, window: Window, *, free: bool) -> datetime:
    return at if free else window.next_open(at)


def _scheduled(the: _Told, due: datetime) -> _Next:
    fact = told(TriggerScheduled, the.read, the.now, due=due, why=the.said.disposition)
    return _Next(the.trigger.but(due=due), [fact])


def _unreached(the: _Told) -> _Next:
    story = _story(the, the.trigger)
    unreached(story, the.rules, the.said.disposition)
    return _Next(story.body.trigger, story.facts)


def _quiet(the: _Told, reason: str, patience: timedelta) -> _Next:
    until = the.now + patience
    fact = told(TriggerSuppressed, the.read, the.now, reason=reason, until=until)
    return _Next(the.trigger.but(due=None, until=until), [fact])


def _queued(the: _Told, trigger: Trigger, severity: Level | None = None) -> _Next:
    """On the list again, as old as it was, with a new promise by when it is claimed."""
    story = _story(the, trigger, severity)
    queue(story, the.calls, the.rules, the.said.disposition, since=trigger.since)
    return _Next(story.body.trigger, story.facts)


def _story(the: _Told, trigger: Trigger, severity: Level | None = None) -> Story:
    body = the.read.body.but(trigger=trigger, severity=severity or the.read.body.severity)
    return Story(the.read.id, body, the.read.state, the.now)


def untold(story: Story) -> None:
    """A number was given, and whoever got it has the case no more: a call of which nobody told the end."""
    trigger, dialled = story.body.trigger, story.body.trigger.dialled
    if dialled is None:
        return
    n = len(trigger.calls) + 1
    call = Call(
        n=n, at=dialled.at, by=dialled.by, person=dialled.person, disposition=UNKNOWN, safety=dialled.safety
    )  # fmt: skip
    story.trigger(calls=(*trigger.calls, call), dialled=None)
    story.tell(CallMade, n=n, by=dialled.by, disposition=UNKNOWN)
