"""Who may sign what comes in: systems that a person linked to decide, and contact centers that report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal, NewType

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.facts.webhooks import SourceClosed, SourceLinked, SourceOpened, SourceUnlinked
from spine.ids import NotAnId, PersonId, named_after, new_id, partition_of
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write
from webhooks.keyring import KeptSecret, Keyring, OverlapRefused, exchanged
from webhooks.limits import WebhooksLimits
from webhooks.signers import Checker, PublicKey

SourceId = NewType("SourceId", str)  # src_: in its person's partition; a contact center's in the first

SourceKind = Literal["system", "center"]
"""A system that a person linked may decide for that person; a contact center only reports, and for nobody."""

_CENTERS: Final = "srs_0centers"
"""The subject that lists the contact centers, in the partition where they all lie."""

Level = Literal["link", "session"]
"""What an answer of a linked system counts as: never more than ``session`` (webhooks.md, In)."""


class SourceUnknown(Problem):
    """There is no such source, or it is another person's: both are told alike."""

    code: ClassVar[str] = "source.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class TooManySources(Problem):
    """As many systems as may be are linked, or as many contact centers."""

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

    person: PersonId | None = None
    name: str
    level: Level = "link"
    secrets: tuple[KeptSecret, ...]
    linked_at: AwareDatetime


class _List(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[SourceId, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A linked system as its person sees it, or a contact center as an operator does (no ``person``)."""

    id: SourceId
    person: PersonId | None
    name: str = field(repr=False)
    level: Level
    linked_at: datetime
    own_key: bool = False

    @property
    def kind(self) -> SourceKind:
        """Which door it may use."""
        return "center" if self.person is None else "system"


class Sources:
    """The systems that persons linked, and the contact centers (``person`` None: they are an operator's).

    A system lies in its person's partition, beside the list of them; every contact center in the first.
    """

    def __init__(self, store: Store, clock: Clock, limits: WebhooksLimits, keyring: Keyring) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._keyring = keyring
        self._nobody = keyring.draw("nobody")[1]

    async def link(
        self,
        person: PersonId,
        name: str,
        *,
        level: Level = "session",
        source: SourceId | None = None,
        key: PublicKey | None = None,
    ) -> tuple[Source, Checker]:
        """From now on this system may decide for ``person``; its secret is shown here and never again.

        ``source``: the id to give it, so that a repeat finds the first one. ``key``: a public key of the
        system's own: it signs ``v1a``, and there is no secret. Raises ``TooManySources``.
        """
        made = source or SourceId(new_id("src", partition_of(person)))
        fact = SourceLinked(at=self._clock.now(), source=made, person=person)
        return await self._add(made, person, name, level, key, fact)

    async def open_center(
        self, name: str, *, source: SourceId | None = None, key: PublicKey | None = None
    ) -> tuple[Source, Checker]:
        """From now on this contact center may report what became of its calls; otherwise as ``link``."""
        made = source or SourceId(new_id("src", partition_of(_CENTERS)))
        return await self._add(made, None, name, "link", key, SourceOpened(at=self._clock.now(), source=made))

    async def _add(
        self,
        made: SourceId,
        person: PersonId | None,
        name: str,
        level: Level,
        key: PublicKey | None,
        fact: SourceLinked | SourceOpened,
    ) -> tuple[Source, Checker]:
        sealed = self._keyring.keep(key, made) if key else self._keyring.draw(made)[1]
        kept = _Kept(person=person, name=name, level=level, secrets=(sealed,), linked_at=self._clock.now())
        listed = _list_of(person)
        most = self._limits.centers_most if person is None else self._limits.sources_most

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[made].version:
                _owned(saved[made], person)
                return None
            known = _List.model_validate_json(saved[listed].body).sources
            if len(known) >= most:
                raise TooManySources("end one of them first")
            return Change(
                {
                    made: Write(SOURCE_STEPS[SourceState.NEW, SourceStep.LINKED], kept.model_dump_json()),
                    listed: Write("kept", _List(sources=(*known, made)).model_dump_json()),
                },
                [fact],
            )

        outcome = await self._store.change([made, listed], decide)
        saved = _owned(outcome.saved[made], person)
        return _view(made, saved), self._keyring.checker(saved.secrets[0], made)

    async def of(self, person: PersonId | None) -> list[Source]:
        """Every system this person has linked (None: every contact center), oldest first."""
        listed = await self._store.load(_list_of(person))
        ids = _List.model_validate_json(listed.body).sources
        found = await self._store.load_many(ids)
        return [_view(each, _Kept.model_validate_json(found[each].body)) for each in ids]

    async def rotate(
        self,
        source: SourceId,
        person: PersonId | None,
        *,
        overlap: timedelta | None = None,
        key: PublicKey | None = None,
    ) -> Checker:
        """A new secret, or the system's next public ``key``; former ones stay good for ``overlap``.

        Raises as ``Endpoints.rotate``.
        """
        _owned(await self._store.load(source), person)  # before a change: any text may come as an id
        now = self._clock.now()
        overlap = self._limits.overlap if overlap is None else overlap
        if not timedelta() <= overlap <= self._limits.overlap_most:
            raise OverlapRefused(f"an overlap is at most {self._limits.overlap_most.days} days")
        sealed = self._keyring.keep(key, source) if key else self._keyring.draw(source)[1]

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = _owned(saved[source], person)
            after = exchanged(kept.secrets, sealed, now=now, overlap=overlap, most=self._limits.secrets_most)
            body = kept.model_copy(update={"secrets": after}).model_dump_json()
            return Change({source: Write(saved[source].state, body)})

        await self._store.change([source], decide)
        return self._keyring.checker(sealed, source)

    async def unlink(self, source: SourceId, person: PersonId | None) -> None:
        """It may decide or report nothing any more, and its secrets are erased. Again: nothing changes.

        Raises ``SourceUnknown``.
        """
        before = await self._store.load(source)  # before a change: any text may come as an id
        if before.ended:
            return
        _owned(before, person)
        now = self._clock.now()
        listed = _list_of(person)
        fact = (
            SourceClosed(at=now, source=source)
            if person is None
            else SourceUnlinked(at=now, source=source, person=person)
        )

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
                [fact],
            )

        await self._store.change([source, listed], decide)

    async def verifiers(self, hint: str, now: datetime) -> tuple[Source, Sequence[Checker]] | None:
        """The source of that id and what verifies it at ``now``; None for any other text.

        Raises ``NotSealedByUs`` and ``StoreDown``: those are ours, not the caller's.
        """
        # What is no id costs a look into the store all the same: how long it takes tells nothing.
        asked = hint if _is_id(hint) else "src_0nobodynobodynob"
        saved = await self._store.load(asked)
        if SourceState(saved.state) is not SourceState.LINKED:
            return None
        kept = _Kept.model_validate_json(saved.body)
        source = SourceId(asked)
        return _view(source, kept), self._keyring.checkers(kept.secrets, source, now)

    def nobody(self) -> Sequence[Checker]:
        """A secret that nobody has, opened as others are: what an unknown source is measured against."""
        return [self._keyring.checker(self._nobody, "nobody")]


def _is_id(hint: str) -> bool:
    if not hint.startswith("src_") or not hint.isascii():
        return False
    try:
        partition_of(hint)
    except NotAnId:
        return False
    return True


def _list_of(person: PersonId | None) -> str:
    return _CENTERS if person is None else named_after("srs", person)


def _owned(saved: Saved, person: PersonId | None) -> _Kept:
    if saved.version and not saved.ended and saved.id.startswith("src_"):
        kept = _Kept.model_validate_json(saved.body)
        if kept.person == person:
            return kept
    raise SourceUnknown("there is no such source")


def _view(source: SourceId, kept: _Kept) -> Source:
    return Source(
        id=source,
        person=kept.person,
        name=kept.name,
        level=kept.level,
        linked_at=kept.linked_at,
        own_key=kept.secrets[0].version == "v1a",
    )
