"""When a delivery has to be looked at again, and whether a key may be made now: pure rules of time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from delivery.limits import DeliveryLimits
from delivery.model import Delivery
from delivery.states import ENDS, UNDER_WAY, State

_KEY_GRACE: Final = timedelta(minutes=5)
"""After its ``exp`` a key's own timer ends it (twice the unit's clock error later); then we look."""


@dataclass(frozen=True, slots=True)
class KeyWindow:
    """The hours of the key that may be made now. ``n`` names it: 1, then its replacements."""

    n: int
    nbf: datetime
    exp: datetime


def key_due(state: State, body: Delivery, now: datetime, limits: DeliveryLimits) -> KeyWindow | None:
    """The key to make now, or None (keys.md 3.9, "When" and "One live key per delivery").

    Approved, a device assigned, the window at most two hours away and not over, and the former key provably
    dead. A key that was used or burnt is replaced only when the courier asks for it. One that the owner was
    asked to sign is the only one: another means asking again (reschedule).
    """
    if body.draft is not None:
        return None
    if body.approval is None or body.courier is None or body.vehicle is None or body.test is not None:
        return None
    if not _may_have_one(state, body):
        return None
    n = body.key.n + 1 if body.key else 1
    if n > limits.keys_most:
        return None
    start, end = body.window.start, body.window.end
    if not start - limits.key_ahead <= now <= end - limits.key_shortest:
        return None
    nbf = max(now, start)
    return KeyWindow(n, nbf, min(end, nbf + limits.key_longest))


def _may_have_one(state: State, body: Delivery) -> bool:
    if body.key_alive:
        return False
    used = body.key is not None and body.key.how in {"consumed", "indeterminate"}
    if state in UNDER_WAY:
        return not used
    return state in {State.CLOSED, State.UNSURE} and used and body.wants_again


def next_wake(state: State, body: Delivery, now: datetime, limits: DeliveryLimits) -> datetime | None:
    """The next moment at which time alone changes something; one in the past is due at once."""
    if body.test_at is not None and state not in ENDS:
        return body.test_at
    if state in ENDS:
        return _after_the_end(body, limits)
    if state is State.REQUESTED:
        return min(at for at in (body.told_at or body.approve_by, body.ask_again_at) if at)
    if state is State.ASKED:
        return body.approve_by
    if state in UNDER_WAY:
        return _under_way(body, now, limits)
    return _at_the_car(state, body, limits)


def _under_way(body: Delivery, now: datetime, limits: DeliveryLimits) -> datetime:
    if body.courier is None or body.key_alive:
        return body.window.end
    makes_key = body.window.start - limits.key_ahead
    if body.key_again_at is not None:
        makes_key = max(makes_key, body.key_again_at)
    return min(makes_key, body.window.end) if makes_key > now else body.window.end


def _at_the_car(state: State, body: Delivery, limits: DeliveryLimits) -> datetime | None:
    match state:
        case State.OPENING if body.opening:
            return body.opening.at + limits.unsure_after
        case State.OPEN if body.opened_at:
            return body.opened_at + limits.closed_within
        case State.CLOSED:
            return settles_at(body, limits)
        case State.UNSURE if body.ended is None:
            return (
                max(body.window.end, body.key.exp + _KEY_GRACE)
                if body.key and body.key_alive
                else body.window.end
            )
        case _:
            return None


def settles_at(body: Delivery, limits: DeliveryLimits) -> datetime | None:
    """When a closed delivery becomes delivered (or failed, or unsure) by itself."""
    if body.wants_again:
        return body.window.end
    if body.locked_at:
        return body.locked_at if body.done else body.locked_at + limits.again_within
    return body.closed_at + limits.closed_within if body.closed_at else None


def _after_the_end(body: Delivery, limits: DeliveryLimits) -> datetime | None:
    if body.finished_at is None:
        return None
    return body.finished_at + (limits.kept if body.erased else limits.personal_kept)


def place_was_shown(body: Delivery, now: datetime, limits: DeliveryLimits) -> bool:
    """Whether a courier may have read the exact place by now (delivery.md, "What a courier sees")."""
    return (
        body.approval is not None
        and body.courier is not None
        and now >= max(body.window.start - limits.seen_ahead, body.approval.at)
    )
