"""Where a trigger starts, and where it goes on: by severity, the owner's choice, and the modes of these rules. Pure.

Each function gets a case as it stands and gives its body and the facts that follow; ``maintenance.states`` says which
state they lead to.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from maintenance.calls import may_call
from maintenance.limits import CaseLimits
from maintenance.model import LEVELS, Calls, CaseBody, Trigger
from maintenance.states import TriggerState, step
from spine.facts import maintenance as f
from spine.facts.base import Base
from spine.facts.maintenance import CaseFact, Level
from spine.ids import AppointmentId, CaseId, PersonId

T = TriggerState

Promise = Callable[[Level, datetime, Calls | None], datetime]
"""By when a case of this level that came on the list at this time is to be claimed (the desk knows calling windows)."""

_NEEDS_AN_AGENT: Final = frozenset({"high", "critical"})
_WORKING_DAY_ENDS: Final = 17


def plain_promise(limits: CaseLimits) -> Promise:
    """Without calling windows: critical and high by their limits, others by the end of the next working day (UTC)."""

    def claim_by(level: Level, now: datetime, _: Calls | None) -> datetime:
        if level == "critical":
            return now + limits.critical_claimed_within
        if level == "high":
            return now + limits.high_claimed_within
        return next_working_day(now)

    return claim_by


def next_working_day(now: datetime) -> datetime:
    """Its end, Monday to Friday, 17 h."""
    day = now + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day.replace(hour=_WORKING_DAY_ENDS, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Starting:
    """What the rules need to know."""

    limits: CaseLimits
    promise: Promise
    calls_per_case: int = 3
    """The desk's: where so many were made, an agent has nothing more to do by phone."""


@dataclass(slots=True)
class Story:
    """A case on its way through several facts of one commit: body, state and facts stay in step."""

    case: CaseId
    body: CaseBody
    state: TriggerState
    now: datetime
    facts: list[CaseFact] = field(default_factory=list)
    would: list[str] = field(default_factory=list)
    """What rules in mode monitor would have done."""
    began: TriggerState = field(init=False)
    """The state before the first fact."""

    def __post_init__(self) -> None:
        self.began = self.state

    def tell(self, kind: type[Base], **more: object) -> None:
        """Add a fact; raises ``StepNotAllowed`` where the table has no such step."""
        fact = kind.model_validate({"at": self.now, "case": self.case, "vehicle": self.body.vehicle, **more})
        self.state = step(self.state, fact)
        self.facts.append(fact)  # type: ignore[arg-type]  # the table has case facts alone

    def change(self, **changes: object) -> None:
        """Change the body. What comes here is of our own making, and checked when it is read again."""
        self.body = self.body.changed(**changes)

    def trigger(self, **changes: object) -> None:
        """Change the trigger."""
        self.change(trigger=self.body.trigger.changed(**changes))


def begin(story: Story, calls: Calls | None, rules: Starting, why: str) -> None:
    """Where a trigger starts, or starts anew: on the agents' list, or offered to the owner."""
    body, limits = story.body, rules.limits
    if body.what != "fault":
        queue(story, calls, rules, why)
        return
    wants_agent = body.severity in _NEEDS_AN_AGENT and _may_call(story, calls, rules)
    if wants_agent and limits.queue == "monitor":
        story.would.append("queue")
    if wants_agent and limits.queue == "active":
        queue(story, calls, rules, why)
        return
    stay(story, calls, rules, why)


def offer(story: Story, calls: Calls | None, rules: Starting, why: str) -> None:
    """The owner's page and mail carry it. ``due``: when an agent gets it, or it is told again."""
    due = _offered_until(story, calls, rules)
    story.trigger(due=due, claim_by=None, lease=None, why=why, was=None, again=None)
    story.tell(f.TriggerOffered, why=why)


def stay(story: Story, calls: Calls | None, rules: Starting, why: str) -> None:
    """Nobody calls about it (any more): a visit that is booked stands, anything else is offered to the owner."""
    named = story.body.trigger.appointment
    if named is None or story.body.what != "fault":
        offer(story, calls, rules, why)
        return
    again = told_again_at(story, rules)
    story.trigger(due=None, claim_by=None, lease=None, why=why, was=None, again=again)
    story.tell(f.TriggerBooked, appointment=named)


def told_again_at(story: Story, rules: Starting) -> datetime | None:
    """When the owner of a critical case that nobody calls about is told once more; None of any other."""
    if story.body.severity != "critical" or story.body.what != "fault" or rules.limits.repeat == "off":
        return None
    return story.now + rules.limits.critical_told_every


def unreached(story: Story, rules: Starting, why: str) -> None:
    """Nobody could be reached, and nobody calls any more; of a critical case the owner goes on hearing by mail."""
    if story.body.trigger.appointment is not None:
        stay(story, None, rules, why)
        return
    again = told_again_at(story, rules)
    story.trigger(lease=None, due=None, claim_by=None, why=why, was=None, again=again)
    story.tell(f.TriggerUnreached, calls=len(story.body.trigger.calls))


def _offered_until(story: Story, calls: Calls | None, rules: Starting) -> datetime | None:
    severity, limits = story.body.severity, rules.limits
    if severity == "critical" and limits.repeat != "off":
        return story.now + limits.critical_told_every
    if severity == "medium" and may_call(calls) and limits.medium_queue != "off":
        return story.now + limits.medium_to_agent
    return None


def _may_call(story: Story, calls: Calls | None, rules: Starting) -> bool:
    """Whether an agent can do something: the owner wants calls, and not all of them were made."""
    return may_call(calls) and len(story.body.trigger.calls) < rules.calls_per_case


def _calls_now(story: Story, calls: Calls | None, rules: Starting) -> bool:
    """The same, where the rule that gives such a case to an agent is on."""
    return _may_call(story, calls, rules) and rules.limits.queue == "active"


def queue(
    story: Story, calls: Calls | None, rules: Starting, why: str, *, since: datetime | None = None
) -> None:
    """On the agents' list, with the age it has there (``since``; else from now on)."""
    level = story.body.severity
    what = story.body.what
    promised = (
        rules.promise("critical" if what == "help" else level, story.now, calls) if what != "canary" else None
    )
    began = since or (story.now if story.state in {T.NEW, T.OFFERED} else story.body.trigger.since)
    due = story.now
    if story.state is T.LEASED and story.body.trigger.due is not None:
        due = min(due, story.body.trigger.due)  # a lease that ran out loses nobody their place
    story.trigger(
        since=began, due=due, claim_by=promised, lease=None, why=why, was=None, center=None, center_ref=None, again=None
    )  # fmt: skip
    story.tell(f.TriggerQueued, severity=level, since=began, due=due, why=why)


def more_urgent(story: Story, calls: Calls | None, rules: Starting, level: Level, why: str) -> None:
    """It became more urgent: what was offered may need an agent now, and the list is put in order anew.

    A critical one is left to nobody's silence: what was set aside or not reached starts anew, and where a visit is
    booked an agent asks whether the car stands still until then, or the owner is told every day; the appointment stays.
    """
    if LEVELS.index(level) <= LEVELS.index(story.body.severity):
        return
    story.change(severity=level)
    story.tell(f.CaseReprioritised, severity=level, why=why)
    match story.state:
        case T.OFFERED | T.DECLINED:
            begin(story, calls, rules, "more_urgent")
        case T.SUPPRESSED | T.UNREACHED if level == "critical":
            story.trigger(until=None)
            begin(story, calls, rules, "more_urgent")
        case T.QUEUED:
            queue(story, calls, rules, "more_urgent", since=story.body.trigger.since)
        case T.SCHEDULED if level in _NEEDS_AN_AGENT:
            queue(story, calls, rules, "more_urgent")
        case T.BOOKED if level == "critical" and story.body.trigger.due is not None:
            unbook(story, calls, rules, "more_urgent")  # the garage has finished, and did not mend it
        case T.BOOKED if level == "critical":
            if _calls_now(story, calls, rules):
                queue(story, calls, rules, "more_urgent")
            else:
                story.trigger(again=told_again_at(story, rules))
        case _:  # somebody has it, an appointment is made, or it is told to nobody
            pass


def end(story: Story, why: str) -> None:
    """Its case is closed; where it stood is kept for the case that opens again."""
    was = T.QUEUED if story.state in {T.LEASED, T.SCHEDULED} else story.state
    due = story.body.trigger.due if was is T.BOOKED else None  # opened again it is still to be proven by then
    story.change(closed_at=story.now, raised=None)
    story.trigger(was=was, lease=None, due=due, claim_by=None, center=None, center_ref=None)
    story.tell(f.CaseClosed, why=why)
    story.tell(f.TriggerEnded)


def resume(story: Story, calls: Calls | None, rules: Starting, why: str) -> None:
    """The case opened again: its one trigger goes on where it stood, with its original age."""
    trigger = story.body.trigger
    story.change(closed_at=None)
    story.tell(f.CaseReopened, why=why)
    match trigger.was:
        case T.QUEUED if may_call(calls) or story.body.what != "fault":
            queue(story, calls, rules, why, since=trigger.since)
        case T.BOOKED if trigger.appointment is not None:
            story.trigger(was=None, again=trigger.again and told_again_at(story, rules))
            story.tell(f.TriggerBooked, appointment=trigger.appointment)
        case T.UNREACHED:
            unreached(story, rules, trigger.why or why)
        case T.DECLINED:
            story.trigger(was=None)
            story.tell(f.TriggerDeclined, why=trigger.why or why)
        case T.SUPPRESSED:
            story.trigger(was=None)
            story.tell(f.TriggerSuppressed, reason=trigger.why or why, until=trigger.until)
        case T.QUEUED if trigger.appointment is not None:  # and meanwhile the owner turned calls off
            stay(story, calls, rules, why)
        case _:  # offered, and meanwhile the owner may have turned calls on or off
            begin(story, calls, rules, why)


def book(story: Story, appointment: AppointmentId, number: int) -> None:
    """An appointment was made. Whoever had the case on the phone has done what it was for."""
    if story.state is T.ENDED:
        story.trigger(appointment=appointment, appointments=number, was=T.BOOKED, due=None)
        return
    story.trigger(
        appointment=appointment, appointments=max(number, story.body.trigger.appointments),
        lease=None, due=None, claim_by=None, again=None,
    )  # fmt: skip
    story.tell(f.TriggerBooked, appointment=appointment)


def unbook(story: Story, calls: Calls | None, rules: Starting, why: str) -> None:
    """It was cancelled, or nobody came: the trigger starts anew where its severity says."""
    story.trigger(
        appointment=None, due=None if story.state in {T.BOOKED, T.ENDED} else story.body.trigger.due
    )
    if story.state is T.ENDED:
        story.trigger(was=T.OFFERED)
    elif story.state is T.BOOKED:
        begin(story, calls, rules, why)


def finished(story: Story, proved_by: datetime) -> None:
    """The garage has finished: it stays booked until the car shows that it is repaired, until ``proved_by`` at most."""
    if T.BOOKED in {story.state, story.body.trigger.was}:
        story.trigger(due=proved_by, again=None)
    else:  # it went on another way meanwhile, and is looked at there: nothing is to be waited for
        story.trigger(appointment=None)


def answered(story: Story) -> None:
    """The people of the car moved the visit, or the car came: of what is booked they need not be told any more."""
    if story.state is T.BOOKED:
        story.trigger(again=None)


def chosen(story: Story, calls: Calls | None, rules: Starting) -> None:
    """The owner turned calls on or off: what is offered may now be called about, what waits no longer.

    Who corrects a number is called again about what could not be reached before.
    """
    if story.body.what != "fault":
        return
    if may_call(calls):
        again = story.state is T.BOOKED and story.body.trigger.again is not None
        if again or (story.state in {T.OFFERED, T.UNREACHED} and story.body.severity in _NEEDS_AN_AGENT):
            if _calls_now(story, calls, rules):
                queue(story, calls, rules, "calls_on")
        elif story.state is T.OFFERED and story.body.trigger.due is None:
            story.trigger(due=_offered_until(story, calls, rules))
    elif story.state in {T.QUEUED, T.SCHEDULED}:
        stay(story, calls, rules, "calls_off")


def released(story: Story, rules: Starting, at: datetime) -> None:
    """The owner left: nobody is called any more, and what was said on the phone is erased. Once for each release."""
    if story.body.released_at is not None and story.body.released_at >= at:
        return
    if story.state is T.LEASED:  # its agent loses it: the fence of the lease is gone
        queue(story, None, rules, "released", since=story.body.trigger.since)
    calls = tuple(call.but(person=None) for call in story.body.trigger.calls)
    story.change(answers={}, note="", draft_n=story.body.draft_n + 1, released_at=at)
    story.trigger(calls=calls, dialled=None, language=None)
    waited = {T.QUEUED, T.SCHEDULED, T.UNREACHED, T.DECLINED, T.SUPPRESSED}
    if story.state in waited and story.body.what != "help":
        story.trigger(until=None)
        offer(story, None, rules, "released")
    elif story.state is T.ENDED and story.body.trigger.was not in {None, T.BOOKED}:
        story.trigger(was=T.OFFERED)


def left(story: Story, person: PersonId, at: datetime) -> None:
    """One of several owners left: that person's calls are nobody's any more, and what was said in them is erased."""
    trigger = story.body.trigger
    dialled = trigger.dialled
    mine = [one.person == person and one.at <= at for one in trigger.calls]
    called = dialled is not None and dialled.person == person and dialled.at <= at
    if not any(mine) and not called:
        return
    calls = tuple(
        one.but(person=None) if is_mine else one for one, is_mine in zip(trigger.calls, mine, strict=True)
    )
    story.change(answers={}, note="", draft_n=story.body.draft_n + 1)
    story.trigger(
        calls=calls, dialled=dialled.but(person=None) if dialled is not None and called else dialled
    )


def new_trigger(now: datetime) -> Trigger:
    """The one trigger of a case that opens now."""
    return Trigger(since=now)
