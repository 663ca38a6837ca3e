"""The life of a message to one address, as one table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a message stands. All but the first two are ends."""

    NEW = "new"
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """What can happen to a message."""

    QUEUED = "queued"
    STARTED = "started"
    """A sender took it for one try; a second start means that the first sender never came back."""
    POSTPONED = "postponed"
    FAILED = "failed"
    ACCEPTED = "accepted"
    GIVEN_UP = "given_up"
    WITHDRAWN = "withdrawn"
    RESENT = "resent"
    """An operator or its subscriber asked for it: it begins again, before its deadline only."""


STEPS: Final[Mapping[tuple[State, Step], State]] = {
    (State.NEW, Step.QUEUED): State.PENDING,
    (State.PENDING, Step.STARTED): State.PENDING,
    (State.PENDING, Step.POSTPONED): State.PENDING,
    (State.PENDING, Step.FAILED): State.PENDING,
    (State.PENDING, Step.ACCEPTED): State.DELIVERED,
    (State.PENDING, Step.GIVEN_UP): State.DEAD,
    (State.PENDING, Step.WITHDRAWN): State.WITHDRAWN,
    (State.DELIVERED, Step.RESENT): State.PENDING,
    (State.DEAD, Step.RESENT): State.PENDING,
    (State.WITHDRAWN, Step.RESENT): State.PENDING,
}

ENDS: Final = frozenset({State.DELIVERED, State.DEAD, State.WITHDRAWN})


def step(state: State, what: Step) -> State | None:
    """The state after ``what``; None where it changes nothing any more (a second tap, a late answer)."""
    return STEPS.get((state, what))


STORED: Final[Mapping[str, State]] = {
    "pending": State.PENDING,
    "done": State.DELIVERED,
    "dead": State.DEAD,
    "withdrawn": State.WITHDRAWN,
}
"""What the queue calls each."""
