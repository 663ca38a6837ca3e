"""What time alone does to a case (timers of prefix ``cse``), by the state of its trigger. Called twice it does the same."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

from maintenance import calls as choice
from maintenance import desk_outcomes, starting
from maintenance.counting import Counting
from maintenance.events import NOT_PROVED
from maintenance.model import Calls, Read
from maintenance.service import Cases, Turn
from maintenance.starting import Starting, Story
from maintenance.states import TriggerState
from spine.facts.maintenance import CaseToldAgain, TriggerBreached
from spine.ids import partition_of
from spine.store import Saved

T = TriggerState

NotClaimed = Callable[[Read], Awaitable[None]]
"""A contact center's lease is over: it falls back to the own desk."""


class Due:
    """The handler. ``promise`` of ``rules`` says by when what comes back to the list is to be claimed."""

    def __init__(
        self, cases: Cases, rules: Starting, counting: Counting, *, not_claimed: NotClaimed | None = None
    ) -> None:
        self._cases = cases
        self._rules = rules
        self._counting = counting
        self._not_claimed = not_claimed

    async def on_due(self, saved: Saved) -> None:
        """A case's moment has come; afterwards its timer stands at the next one."""
        read, now = Read.of(saved), self._cases.clock.now()
        if read is None or saved.wake_at is None or saved.wake_at > now:
            return
        if read.state is T.LEASED and read.body.trigger.center and self._not_claimed is not None:
            await self._not_claimed(read)
            return
        subject = choice.subject_of(read.body.vehicle)
        also = [subject] if partition_of(subject) == partition_of(read.id) else []
        counted: list[str] = []

        def decide(here: Read, found: Mapping[str, Saved]) -> Turn | None:
            calls = choice.read(found[subject]) if also else None
            story = Story(here.id, here.body, here.state, now)
            counted[:] = pass_time(story, calls, self._rules)
            counted.extend(f"monitor:{each}" for each in story.would)
            # without a fact the case is written all the same: that sets its timer to what is next
            return Turn(story.body, story.facts)

        await self._cases.change(read.id, decide, also=also)
        await self._counting.count(*counted)


def pass_time(story: Story, calls: Calls | None, rules: Starting) -> list[str]:
    """What the time that has passed means; names of what is counted. Pure."""
    trigger, now = story.body.trigger, story.now
    match story.state:
        case T.LEASED if trigger.lease is None or trigger.lease.until <= now:
            desk_outcomes.untold(story)
            starting.queue(story, calls, rules, "lease_expired", since=trigger.since)
            return ["leases_expired"]
        case T.SCHEDULED if _passed(trigger.due, now):
            starting.queue(story, calls, rules, "due", since=trigger.since)
        case T.OFFERED if _passed(trigger.due, now):
            return _offered(story, calls, rules)
        case T.QUEUED if _passed(trigger.claim_by, now) and not trigger.breached:
            story.trigger(breached=True)
            story.tell(TriggerBreached, severity=story.body.severity, claim_by=trigger.claim_by)
            return [f"breaches:{story.body.severity}"]
        case T.SUPPRESSED if _passed(trigger.until, now):
            starting.begin(story, calls, rules, "suppression_over")
        case T.BOOKED if _passed(trigger.due, now):
            starting.unbook(story, calls, rules, NOT_PROVED)
            return [NOT_PROVED]
        case T.BOOKED | T.UNREACHED if _passed(trigger.again, now):
            return _told_again(story, rules)
        case _:
            pass
    return []


def _offered(story: Story, calls: Calls | None, rules: Starting) -> list[str]:
    """A medium one that nobody took goes to an agent; a critical one is told again."""
    limits, severity = rules.limits, story.body.severity
    mode = limits.medium_queue if severity == "medium" else limits.repeat
    if mode == "monitor":
        story.would.append("medium_queue" if severity == "medium" else "repeat")
    if mode == "active" and severity == "medium" and choice.may_call(calls):
        starting.queue(story, calls, rules, "not_taken")
    elif mode == "active" and severity == "critical":
        told = story.body.trigger.told
        starting.offer(story, calls, rules, "again")
        story.trigger(told=told + 1)
        return ["told_again"]
    else:
        story.trigger(due=None)
    return []


def _told_again(story: Story, rules: Starting) -> list[str]:
    """What is critical and stands where nobody calls: its owner hears of it once more."""
    mode = rules.limits.repeat
    if mode == "monitor":
        story.would.append("repeat")
    told = story.body.trigger.told + (mode == "active")
    story.trigger(again=starting.told_again_at(story, rules), told=told)
    if mode != "active":
        return []
    story.tell(CaseToldAgain)
    return ["told_again"]


def _passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now
