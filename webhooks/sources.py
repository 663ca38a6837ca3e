"""Linked systems: partner apps that may decide for the one person who linked them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal, NewType

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.facts.webhooks import SourceLinked, SourceUnlinked
from spine.ids import NotAnId, PersonId, named_after, new_id, partition_of
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write
from webhooks.keyring import KeptSecret, Keyring, OverlapRefused, exchanged
from webhooks.limits import WebhooksLimits
from webhooks.signature import Secret

SourceId = NewType("SourceId", str)  # src_: in its person's partition

Level = Literal["link", "session"]
"""What an answer of a linked system counts as: never more than ``session`` (webhooks.md, In)."""


class SourceUnknown(Problem):
    """There is no such linked system, or it is another person's: both are told alike."""

    code: ClassVar[str] = "source.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class TooManySources(Problem):
    """A person has linked as many systems as may be."""

    code: ClassVar[str] = "source.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT


class SourceState(StrEnum):
    """An unlinked system is a tombstone."""

    NEW = "new"
    LINKED = "linked"
    UNLINKED = "unlinked"


class SourceStep(StrEnum):
    """What can happen to a linked system."""

    LINKED = "linked"
    UNLINKED = "unlinked"


SOURCE_STEPS: Final[Mapping[tuple[SourceState, SourceStep], SourceState]] = {
    (SourceState.NEW, SourceStep.LINKED): SourceState.LINKED,
    (SourceState.LINKED, SourceStep.UNLINKED): SourceState.UNLINKED,
}


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    person: PersonId
    name: str
    level: Level
    secrets: tuple[KeptSecret, ...]
    linked_at: AwareDatetime


class _List(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceId, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A linked system as its person sees it."""

    id: SourceId
    person: PersonId
    name: str = field(repr=False)
    level: Level
    linked_at: datetime


class Sources:
    """The systems that persons linked. A system lies in its person's partition, beside the list of them."""

    def __init__(self, store: Store, clock: Clock, limits: WebhooksLimits, keyring: Keyring) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._keyring = keyring

    async def link(
        self, person: PersonId, name: str, *, level: Level = "session", source: SourceId | None = None
    ) -> tuple[Source, Secret]:
        """From now on this system may decide for ``person``; its secret is shown here and never again.

        ``source``: the id to give it, so that a repeat finds the first one. Raises ``TooManySources``.
        """
        now = self._clock.now()
        made = source or SourceId(new_id("src", partition_of(person)))
        _, sealed = self._keyring.draw(made)
        kept = _Kept(person=person, name=name, level=level, secrets=(sealed,), linked_at=now)
        listed = named_after("srs", person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[made].version:
                _owned(saved[made], person)
                return None
            known = _List.model_validate_json(saved[listed].body).sources
            if len(known) >= self._limits.sources_most:
                raise TooManySources("unlink a system first")
            return Change(
                {
                    made: Write(SOURCE_STEPS[SourceState.NEW, SourceStep.LINKED], kept.model_dump_json()),
                    listed: Write("kept", _List(sources=(*known, made)).model_dump_json()),
                },
                [SourceLinked(at=now, source=made, person=person)],
            )

        outcome = await self._store.change([made, listed], decide)
        saved = _owned(outcome.saved[made], person)
        return _view(made, saved), self._keyring.open(saved.secrets[0], made)

    async def of(self, person: PersonId) -> list[Source]:
        """Every system this person has linked, oldest first."""
        listed = await self._store.load(named_after("srs", person))
        ids = _List.model_validate_json(listed.body).sources
        found = await self._store.load_many(ids)
        return [_view(each, _Kept.model_validate_json(found[each].body)) for each in ids]

    async def rotate(self, source: SourceId, person: PersonId, *, overlap: timedelta | None = None) -> Secret:
        """A new secret; former ones stay good for ``overlap``. Raises as ``Endpoints.rotate``."""
        _owned(await self._store.load(source), person)  # before a change: any text may come as an id
        now = self._clock.now()
        overlap = self._limits.overlap if overlap is None else overlap
        if not timedelta() <= overlap <= self._limits.overlap_most:
            raise OverlapRefused(f"an overlap is at most {self._limits.overlap_most.days} days")
        secret, sealed = self._keyring.draw(source)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = _owned(saved[source], person)
            after = exchanged(kept.secrets, sealed, now=now, overlap=overlap, most=self._limits.secrets_most)
            body = kept.model_copy(update={"secrets": after}).model_dump_json()
            return Change({source: Write(saved[source].state, body)})

        await self._store.change([source], decide)
        return secret

    async def unlink(self, source: SourceId, person: PersonId) -> None:
        """It may decide nothing any more, and its secrets are erased. Again: nothing changes.

        Raises ``SourceUnknown``.
        """
        before = await self._store.load(source)  # before a change: any text may come as an id
        if before.ended:
            return
        _owned(before, person)
        now = self._clock.now()
        listed = named_after("srs", person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _List.model_validate_json(saved[listed].body).sources
            after = SOURCE_STEPS.get((SourceState(saved[source].state), SourceStep.UNLINKED))
            if after is None:
                return None
            rest = _List(sources=tuple(each for each in known if each != source))
            return Change(
                {
                    source: Write(after, "{}", ended=True),
                    listed: Write("kept", rest.model_dump_json()),
                },
                [SourceUnlinked(at=now, source=source, person=person)],
            )

        await self._store.change([source, listed], decide)

    async def verifiers(self, hint: str, now: datetime) -> tuple[Source, Sequence[Secret]] | None:
        """The linked system of that id and its secrets good at ``now``; None for any other text.

        Raises ``NotSealedByUs`` and ``StoreDown``: those are ours, not the caller's.
        """
        if not hint.startswith("src_") or not hint.isascii():
            return None
        try:
            partition_of(hint)
        except NotAnId:
            return None
        saved = await self._store.load(hint)
        if SourceState(saved.state) is not SourceState.LINKED:
            return None
        kept = _Kept.model_validate_json(saved.body)
        source = SourceId(hint)
        return _view(source, kept), self._keyring.good(kept.secrets, source, now)


def _owned(saved: Saved, person: PersonId) -> _Kept:
    if saved.version and not saved.ended:
        kept = _Kept.model_validate_json(saved.body)
        if kept.person == person:
            return kept
    raise SourceUnknown("there is no such linked system")


def _view(source: SourceId, kept: _Kept) -> Source:
    return Source(id=source, person=kept.person, name=kept.name, level=kept.level, linked_at=kept.linked_at)
