"""When a case has to be looked at again: pure rules of time."""

from datetime import datetime

from maintenance.model import CaseBody
from maintenance.states import TriggerState

T = TriggerState


def next_wake(state: TriggerState, body: CaseBody, now: datetime) -> datetime | None:
    """The next moment at which time alone changes something; one in the past is due at once."""
    trigger = body.trigger
    match state:
        case T.LEASED:
            return trigger.lease.until if trigger.lease else now
        case T.QUEUED:
            return None if trigger.breached else trigger.claim_by
        case T.SCHEDULED | T.OFFERED:
            return trigger.due
        case T.BOOKED:  # by when a repair is to be proven
            return min(filter(None, (trigger.due, trigger.again)), default=None)
        case T.UNREACHED:
            return trigger.again
        case T.SUPPRESSED:
            return trigger.until
        case _:
            return None
