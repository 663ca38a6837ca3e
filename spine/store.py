"""The one store: load subjects, decide outside, commit their new states and the facts in one step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from spine.facts import Fact
from spine.problems import Kind, Problem

DAY = timedelta(hours=24)


class Overtaken(Problem):
    """Someone else kept changing this subject between our read and our write."""

    code: ClassVar[str] = "overtaken"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class OtherBody(Problem):
    """The same message id or idempotency key came before, with other content."""

    code: ClassVar[str] = "idempotency.other_body"
    kind: ClassVar[Kind] = Kind.CONFLICT


class StoreDown(Problem):
    """The store did not answer. ``may_have_happened``: a commit on its way may have been saved."""

    code: ClassVar[str] = "store.unavailable"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    may_have_happened: ClassVar[bool] = True
    try_again: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Saved:
    """A subject as it stands. Version 0 has not been saved yet; ``ended`` is a tombstone (its body is erased)."""

    id: str
    version: int = 0
    state: str = "new"
    body: str = "{}"
    wake_at: datetime | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """What one subject becomes. ``wake_at``: when its timer fires (None: no timer).

    ``ended``: the body is erased now and a tombstone (state, version) stays as long as its facts can be read.
    """

    state: str
    body: str
    wake_at: datetime | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a decision wants: new subjects, the facts that make it so, and an answer kept with the once-marker."""

    writes: Mapping[str, Write]
    facts: Sequence[Fact] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Once:
    """A marker for what comes from outside: the same (scope, id) is taken once and answered alike for ``keep``.

    ``fingerprint``: hash of the content; another content under the same id raises ``OtherBody``.
    """

    scope: str
    id: str
    fingerprint: str = ""
    keep: timedelta = DAY


@dataclass(frozen=True, slots=True)
class Ack:
    """The reader's acknowledgement, given to the last ``change`` of a reaction to be part of its commit."""

    group: str
    partition: int
    position: str
    lease: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a change came to. ``saved`` is the state after it; ``seen``: the once-marker was there already."""

    saved: Mapping[str, Saved]
    answer: str = ""
    seen: bool = False
    changed: bool = True
    positions: Sequence[str] = field(default=())
    """Log ids of the facts, in order."""


Decide = Callable[[Mapping[str, Saved]], Change | None]


class Store:
    """Subjects by id. Every id of one call lies in one partition (``spine.ids.partition_of``)."""

    async def load(self, subject_id: str) -> Saved:
        """Read one subject; version 0 where there is none."""
        raise NotImplementedError

    async def load_many(self, subject_ids: Iterable[str]) -> dict[str, Saved]:
        """Read several, of any partitions, each as it stands (no snapshot across them)."""
        raise NotImplementedError

    async def change(
        self,
        subjects: Sequence[str],
        decide: Decide,
        *,
        once: Once | None = None,
        ack: Ack | None = None,
    ) -> Outcome:
        """Decide on what is saved and commit states, facts, timers, once-marker and ack together, or nothing.

        ``decide`` gets every subject named (version 0 where new), is pure and may run several times; it returns
        None where nothing is to be done and raises a Problem where it may not. A subject that it does not write
        is still guarded by its version. Raises ``Overtaken`` after a few conflicts, ``OtherBody``, ``StoreDown``.
        When this returns, the change is on disk.
        """
        raise NotImplementedError
