"""The one store: load subjects, decide outside, commit their new states and the facts in one step."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from weakref import WeakValueDictionary

from spine.facts import FACT, Fact
from spine.house import House
from spine.ids import NotAnId, new_id, partition_of, prefix_of
from spine.keyspace import Keyspace
from spine.problems import Kind, Problem
from spine.valkey import StoreDown, Valkey, Word, called

__all__ = [
    "Ack", "Change", "Decide", "Elsewhere", "LeaseLost", "Once", "OtherBody", "Outcome", "Overtaken", "Saved",
    "Split", "Store", "StoreDown", "Write",
]  # fmt: skip

DAY: Final = timedelta(hours=24)
_TRIES: Final = 40
_ROW: Final = ("v", "s", "b", "w", "e")
"""Fields of a subject's hash (``functions/commit.lua``)."""


class Overtaken(Problem):
    """Someone else kept changing this subject between our read and our write."""

    code: ClassVar[str] = "overtaken"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class OtherBody(Problem):
    """The same message id or idempotency key came before, with other content."""

    code: ClassVar[str] = "idempotency.other_body"
    kind: ClassVar[Kind] = Kind.CONFLICT


class Elsewhere(Problem):
    """An id whose partition this installation does not have: nothing of ours carries it."""

    code: ClassVar[str] = "not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class LeaseLost(Exception):
    """The reader that acknowledges has lost its lease meanwhile: nothing was saved, its successor does it."""


class Split(ValueError):
    """One change named subjects or facts of several partitions: a mistake in the calling code."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A subject as it stands. Version 0: not saved yet; ``ended``: a tombstone (its body is erased)."""

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
    """What a decision wants: new subjects, the facts of it, and an answer kept with the once-marker."""

    writes: Mapping[str, Write]
    facts: Sequence[Fact] = ()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Once:
    """A marker for what comes from outside: a (scope, id) is taken once and answered alike for ``keep``.

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
    """Subjects by id. Every id of one change lies in one partition (``spine.ids.partition_of``)."""

    def __init__(self, valkey: Valkey, house: House) -> None:
        self.valkey = valkey
        self.house = house
        self._keys = Keyspace(valkey.prefix)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def load(self, subject_id: str) -> Saved:
        """Read one subject; version 0 where there is none, and for what is no id of this installation."""
        partition = self._partition(subject_id)
        if partition is None:
            return Saved(subject_id)
        row = await self.valkey.ask("HMGET", self._keys.subject(partition, subject_id), *_ROW)
        return _saved(subject_id, row)

    async def load_many(self, subject_ids: Iterable[str]) -> dict[str, Saved]:
        """Read several in one way to the store, of any partitions: those of one as they stand at one moment."""
        found = {each: Saved(each) for each in subject_ids}
        by_partition: dict[int, list[str]] = {}
        for each in found:
            partition = self._partition(each)
            if partition is not None:
                by_partition.setdefault(partition, []).append(each)
        groups = list(by_partition.values())
        answers = await self.valkey.at_once([self._look(*group) for group in by_partition.items()])
        for ids, answer in zip(groups, answers, strict=True):
            found.update(_read(ids, [answer] if len(ids) == 1 else answer[1:]))
        return found

    async def draw(self, prefix: str) -> str:
        """A new id in a drawn partition, for what has no vehicle (people, carriers, addresses)."""
        return new_id(prefix, secrets.randbelow(self.house.partitions))

    async def change(
        self,
        subjects: Sequence[str],
        decide: Decide,
        *,
        once: Once | None = None,
        ack: Ack | None = None,
        loaded: Mapping[str, Saved] | None = None,
    ) -> Outcome:
        """Decide on what is saved and commit states, facts, timers, once-marker and ack together, or nothing.

        ``decide`` gets every subject named (version 0 where new), is pure and may run several times; it
        returns None where nothing is to be done and raises a Problem where it may not. A subject that it does
        not write is still guarded by its version. An ack of another partition is left to the reader.
        ``loaded``: what the caller read of all of them a moment ago, to spare reading it again: where it is
        outdated and something is to be changed, ``decide`` runs again on what is saved by then.
        Raises ``Overtaken`` after many conflicts, ``OtherBody``, ``Elsewhere``, ``Split``, ``StoreDown``;
        ``LeaseLost`` is for the reader that gave the ack. When this returns, the change is on disk.
        """
        partition = self._one_partition(subjects)
        async with self._in_turn(subjects) as at_once:
            if loaded is not None and at_once and once is None:
                marker, saved = None, {each: loaded[each] for each in subjects}
            else:
                marker, saved = await self._load(partition, subjects, once)
            if marker is not None and once is not None:
                fingerprint, _, answer = marker.partition("\n")
                if fingerprint != once.fingerprint:
                    raise OtherBody(once.id)
                return Outcome(saved, answer=answer, seen=True, changed=False)
            for attempt in range(_TRIES):
                wanted = decide(saved)
                if wanted is None:
                    return Outcome(saved, changed=False)
                verdict, *rest = await self._commit(partition, saved, wanted, once, ack)
                match verdict:
                    case "OK":
                        return Outcome(_after(saved, wanted), answer=wanted.answer, positions=rest)
                    case "SEEN":
                        saved = _read(subjects, rest[1:])
                        return Outcome(saved, answer=rest[0], seen=True, changed=False)
                    case "CONFLICT":
                        saved = _read(subjects, rest)
                        await asyncio.sleep(min(attempt, 10) * random.uniform(0, 0.002))  # noqa: S311 - spreads rivals apart
                    case "OTHER":
                        raise OtherBody(once.id if once else "")
                    case _:
                        raise LeaseLost(ack.group if ack else "")
        raise Overtaken(subjects[0])

    def foretell(self, about: str, *hints: tuple[str, str]) -> None:
        """Say hints (``spine.hints``), names without blanks and texts, ahead of the change that they belong to."""
        self.valkey.say(self._keys.hints(about), [" ".join(hint) for hint in hints])

    def _look(self, partition: int, subjects: Sequence[str]) -> tuple[str, Sequence[Word]]:
        """One subject needs no function, which costs the store three times as much."""
        keys = [self._keys.subject(partition, each) for each in subjects]
        if len(keys) == 1:
            return keys[0], ("HMGET", keys[0], *_ROW)
        return keys[0], called("tl_load", [self._keys.log(partition), *keys], [""])

    async def _load(
        self, partition: int, subjects: Sequence[str], once: Once | None
    ) -> tuple[str | None, dict[str, Saved]]:
        marker = self._keys.once(partition, once.scope, once.id) if once else self._keys.log(partition)
        keys = [marker, *(self._keys.subject(partition, each) for each in subjects)]
        seen, *rows = await self.valkey.call("tl_load", keys, ["1" if once else ""])
        return seen, _read(subjects, rows)

    async def _commit(
        self, partition: int, saved: Mapping[str, Saved], wanted: Change, once: Once | None, ack: Ack | None
    ) -> list[str]:
        call = self._commit_call(partition, saved, wanted, once, ack)
        answer: list[str] = await self.valkey.call("tl_commit", *call)
        return answer

    def _commit_call(
        self, partition: int, saved: Mapping[str, Saved], wanted: Change, once: Once | None, ack: Ack | None
    ) -> tuple[list[str], list[str | int]]:
        """Keys and arguments of ``tl_commit``, in the order its head lists them."""
        if not wanted.writes.keys() <= saved.keys():
            raise Split(f"written but not named: {sorted(wanted.writes.keys() - saved.keys())}")
        spell, log = self._keys, self._keys.log(partition)
        if ack is not None and ack.partition != partition:
            ack = None
        keys = [
            log,
            spell.cursors(partition),
            spell.lease(partition, ack.group) if ack else log,
            spell.once(partition, once.scope, once.id) if once else log,
            spell.ended(partition),
            spell.late(partition),
        ]
        args: list[str | int] = []
        args += [_ms(once.keep), once.fingerprint, wanted.answer] if once else ["", "", ""]
        args += [ack.group, ack.position, ack.lease] if ack else ["", "", ""]
        args.append(len(saved))
        for subject, before in saved.items():
            keys += [spell.subject(partition, subject), spell.due(partition, prefix_of(subject))]
            args += [subject, before.version, *_asked(wanted.writes.get(subject))]
        for fact in wanted.facts:
            self._belongs(fact, partition)
            args.append(FACT.dump_json(fact).decode())
        return keys, args

    def _belongs(self, fact: Fact, partition: int) -> None:
        try:
            elsewhere = partition_of(fact.subject) != partition
        except NotAnId:
            return
        if elsewhere:
            raise Split(f"{fact.kind} is about {fact.subject}, of another partition than its change")

    def _partition(self, subject_id: str) -> int | None:
        try:
            partition = partition_of(subject_id)
        except NotAnId:
            return None
        return partition if partition < self.house.partitions else None

    def _one_partition(self, subjects: Sequence[str]) -> int:
        found = {self._partition(each) for each in subjects}
        if len(found) != 1:
            raise Split(f"one change is one partition, and these are not: {list(subjects)}")
        partition = found.pop()
        if partition is None:
            raise Elsewhere(subjects[0][:80])
        return partition

    @asynccontextmanager
    async def _in_turn(self, subjects: Sequence[str]) -> AsyncIterator[bool]:
        """This process's changes of one subject go one after the other: a crowd decides once each.

        True: nobody was before us.
        """
        turns = [self._turns.setdefault(each, asyncio.Lock()) for each in sorted(set(subjects))]
        at_once = not any(turn.locked() for turn in turns)
        held: list[asyncio.Lock] = []
        try:
            for turn in turns:
                await turn.acquire()
                held.append(turn)
            yield at_once
        finally:
            for turn in held:
                turn.release()


def _read(subjects: Iterable[str], rows: Iterable[Any]) -> dict[str, Saved]:
    return {subject: _saved(subject, row) for subject, row in zip(subjects, rows, strict=True)}


def _saved(subject: str, row: Sequence[Any]) -> Saved:
    version, state, body, wake, ended = row
    wake_at = None if wake is None else datetime.fromtimestamp(int(wake) / 1000, UTC)
    return Saved(subject, int(version or 0), state or "new", body or "{}", wake_at, ended=ended is not None)


def _after(saved: Mapping[str, Saved], wanted: Change) -> dict[str, Saved]:
    after = dict(saved)
    for subject, write in wanted.writes.items():
        before = saved[subject]
        body = "{}" if write.ended else write.body
        wake_at = None if write.wake_at is None else _whole_ms(write.wake_at)
        after[subject] = Saved(subject, before.version + 1, write.state, body, wake_at, write.ended)
    return after


def _asked(write: Write | None) -> tuple[str, str, str, str | int]:
    if write is None:
        return "guard", "", "", ""
    if write.ended:
        if write.wake_at is not None:
            raise ValueError("what has ended has no timer")
        return "end", write.state, "", ""
    return "write", write.state, write.body, "" if write.wake_at is None else _ms(write.wake_at)


def _ms(when: datetime | timedelta) -> int:
    """Whole milliseconds, rounded up: nothing fires early."""
    seconds = when.total_seconds() if isinstance(when, timedelta) else when.timestamp()
    return -int(-seconds * 1000 // 1)


def _whole_ms(when: datetime) -> datetime:
    return datetime.fromtimestamp(_ms(when) / 1000, UTC)
