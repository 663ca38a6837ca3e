"""What is kept of a case's hand-outs to contact centers, and how far one of them may go. Tables and values, pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from pydantic import AwareDatetime

from maintenance.centers import Via
from maintenance.model import Frozen, Read
from maintenance.states import TriggerState
from spine.facts.maintenance import Level
from spine.ids import CaseId, EndpointId, PersonId, VehicleId, named_after
from spine.store import Saved, Write

PREFIX: Final = "hnd"
KEPT: Final = 8
"""Hand-outs of one case that are remembered."""
STATUSES_KEPT: Final = 40
"""Reports of one hand-out that are remembered."""


class HandoutState(StrEnum):
    """Of the newest hand-out. ``waiting``: for the calling window, or for the person's next day."""

    NEW = "new"
    WAITING = "waiting"
    OUT = "out"
    CLAIMED = "claimed"
    OVER = "over"


H = HandoutState
LIVE: Final = frozenset({H.OUT, H.CLAIMED})

STEPS: Final[Mapping[HandoutState, frozenset[HandoutState]]] = {
    H.NEW: frozenset({H.WAITING, H.OUT}),
    H.WAITING: frozenset({H.WAITING, H.OUT, H.OVER}),
    H.OUT: frozenset({H.OUT, H.CLAIMED, H.OVER}),
    H.CLAIMED: frozenset({H.CLAIMED, H.OVER}),
    H.OVER: frozenset({H.OVER, H.WAITING, H.OUT}),
}
"""From each state, where it may go."""

BACK: Final = frozenset({"unclaimed", "silent", "returned", "undelivered", "lost"})
"""Why a hand-out ended with the case on our own list again."""

Progress = Literal["accepted", "claimed", "in_progress"]
RANK: Final[Mapping[str, int]] = {"accepted": 1, "claimed": 2, "in_progress": 3}
CLAIMED: Final = RANK["claimed"]
"""From here on a person at the center has it, and may have called."""
CONCLUDED: Final = 4
"""The rank of every disposition, and of ``rejected``: nothing is after it."""


GIVEN_BACK: Final = "rejected"


def rank_of(status: str) -> int:
    """How far a status is on the way; what has a lower one than what was heard before comes too late."""
    return RANK.get(status, CONCLUDED)


class Heard(Frozen):
    """One report of a center: what it said, when it says it was, when it came, and what became of it."""

    status: str
    said_at: AwareDatetime
    at: AwareDatetime
    outcome: Literal["applied", "kept"]


class Handout(Frozen):
    """One hand-out. ``token``: of the lease that it works under; ``severity``: as the center was told last."""

    n: int
    center: str
    via: Via
    token: str
    at: AwareDatetime
    claim_by: AwareDatetime
    until: AwareDatetime
    """Taken back then, unless more is heard."""
    expires_at: AwareDatetime
    """No call after that: the calling window closes, or it was held for as long as anybody may."""
    severity: Level
    person: PersonId
    addresses: tuple[EndpointId, ...] = ()
    """Where its message went and has not died."""
    ref: str | None = None
    """The vendor's name of its task."""
    tries: int = 0
    rank: int = 0
    heard: tuple[Heard, ...] = ()
    ended_at: AwareDatetime | None = None
    why: str = ""
    books_until: AwareDatetime | None = None
    """It books a slot: until then a case that is booked is its own doing."""
    to_cancel: bool = False
    """The vendor's task is to be ended."""

    def hears(self, status: str, said_at: datetime, now: datetime, *, applied: bool) -> "Handout":
        """With one more report. That it is given back says nothing about how far a person had come."""
        counts = applied and status != GIVEN_BACK
        one = Heard(status=status, said_at=said_at, at=now, outcome="applied" if applied else "kept")
        return self.but(
            heard=(*self.heard, one)[-STATUSES_KEPT:],
            rank=max(self.rank, rank_of(status)) if counts else self.rank,
        )


class Handouts(Frozen):
    """Subject ``hnd_<case body>``. ``home``: it came back once, and stays with the own desk. No personal data."""

    case: CaseId
    vehicle: VehicleId
    home: bool = False
    count: int = 0
    handouts: tuple[Handout, ...] = ()
    retry_at: AwareDatetime | None = None
    """When the vendor is asked again, or the window is looked at again."""

    @property
    def last(self) -> Handout | None:
        """The newest."""
        return self.handouts[-1] if self.handouts else None

    @property
    def cancels(self) -> bool:
        """Whether a vendor's task is still to be ended: until then nothing is handed out anew."""
        return self.last is not None and self.last.to_cancel

    def with_last(self, handout: Handout) -> "Handouts":
        """The newest replaced."""
        return self.but(handouts=(*self.handouts[:-1], handout))

    def with_next(self, handout: Handout) -> "Handouts":
        """One more."""
        return self.but(handouts=(*self.handouts, handout)[-KEPT:], count=handout.n, retry_at=None)

    def numbered(self, n: int) -> Handout | None:
        """The ``n``-th, while it is remembered."""
        return next((each for each in self.handouts if each.n == n), None)


def subject_of(case: CaseId) -> str:
    """The subject that keeps a case's hand-outs, beside the case."""
    return named_after(PREFIX, case)


def key_of(case: CaseId, n: int) -> str:
    """The idempotency key of a hand-out, for the center: the same at every try and in every message about it."""
    return f"{named_after(PREFIX, case)}.{n}"


def state_of(saved: Saved) -> HandoutState:
    """Of the newest hand-out."""
    return HandoutState(saved.state)


def handouts_of(saved: Saved) -> Handouts | None:
    """None where nothing was ever handed out or waits to be."""
    return Handouts.model_validate_json(saved.body) if saved.version and not saved.ended else None


def is_theirs(read: Read, handout: Handout) -> bool:
    """Whether the case is leased under this very hand-out."""
    lease = read.body.trigger.lease
    return read.state is TriggerState.LEASED and lease is not None and lease.token == handout.token


def books(read: Read, last: Handout, now: datetime) -> bool:
    """Whether the center books a slot for it at this moment, and the case has the appointment already."""
    return read.state is TriggerState.BOOKED and last.books_until is not None and now < last.books_until


def write(before: HandoutState, after: HandoutState, body: Handouts) -> Write:
    """The saved form with its next timer. A step that no table has is a mistake of ours."""
    if after not in STEPS[before]:
        raise ValueError(f"a hand-out does not go from {before} to {after}")
    return Write(after, body.model_dump_json(exclude_none=True), wake_at(after, body))


def wake_at(state: HandoutState, body: Handouts) -> datetime | None:
    """When time alone changes something."""
    last = body.last
    if state is H.WAITING:
        return body.retry_at
    if last is None:
        return None
    if state is H.OVER:
        return body.retry_at if last.to_cancel else None
    unsent = last.via != "webhook" and last.ref is None and body.retry_at is not None
    until = max(last.until, last.books_until or last.until)
    return min(until, body.retry_at) if unsent and body.retry_at else until
