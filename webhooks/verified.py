"""Decisions in: who sent a request is proven, and its id is no used one, before anybody parses it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from spine.clock import Clock
from spine.expiring import Expiring
from spine.facts.webhooks import SourceContradicted
from spine.ids import PersonId
from spine.problems import Kind, Problem
from spine.store import Change, OtherBody, Store
from webhooks import signature
from webhooks.limits import WebhooksLimits
from webhooks.signature import SignatureRefused, Signed
from webhooks.sources import Level, Source, SourceId, SourceKind, Sources

log = logging.getLogger("trunkline.webhooks")

_SPACE = "decision"


class NotVerified(Problem):
    """The one answer to every request that does not prove its sender."""

    code: ClassVar[str] = "decision.not_verified"
    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED


class DecisionTooLarge(Problem):
    """The body is larger than a decision may be; nothing of it was looked at."""

    code: ClassVar[str] = "decision.too_large"
    kind: ClassVar[Kind] = Kind.TOO_LARGE


@dataclass(frozen=True, slots=True)
class Verified:
    """Bytes whose sender is proven: the sending system, not the person. All of it stays with the decision.

    ``repeated``: the same body came under this id before; the state decides and gives the same answer again.
    """

    source: SourceId
    person: PersonId
    level: Level
    message_id: str
    sent_at: int
    mac: str
    body_hash: str
    body: bytes = field(repr=False)
    repeated: bool


@dataclass(frozen=True, slots=True)
class Callback:
    """What a contact center truly sent: it reports, and answers for no person. Members as of ``Verified``."""

    source: SourceId
    message_id: str
    sent_at: int
    mac: str
    body_hash: str
    body: bytes = field(repr=False)
    repeated: bool


class Verifier:
    """The strict order of checks of webhooks.md, In: one door for decisions and for contact centers' callbacks."""

    def __init__(
        self, store: Store, expiring: Expiring, clock: Clock, limits: WebhooksLimits, sources: Sources
    ) -> None:
        self._store = store
        self._expiring = expiring
        self._clock = clock
        self._limits = limits
        self._sources = sources

    async def verified(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        source_hint: str,
        *,
        now: datetime | None = None,
    ) -> Verified:
        """A linked system's request: size, headers, MAC under every active secret of it, then the once-marker.

        ``headers``: raw, as they came (ASGI's ``scope["headers"]``). ``source_hint``: who the request says it
        is (from its path); it only picks the secrets. Raises ``NotVerified`` (401, one for all),
        ``DecisionTooLarge`` (413), ``OtherBody`` (409: same id, other body; an alarm is in the log),
        ``StoreDown``; nothing else. A contact center is unknown here.
        """
        source, proven = await self._proven("system", headers, body, source_hint, now)
        if source.person is None:
            raise NotVerified
        return Verified(**proven, person=source.person, level=source.level)

    async def callback(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        source_hint: str,
        *,
        now: datetime | None = None,
    ) -> Callback:
        """A contact center's status callback: the same checks. A person's linked system is unknown here."""
        _, proven = await self._proven("center", headers, body, source_hint, now)
        return Callback(**proven)

    async def _proven(
        self,
        kind: SourceKind,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        source_hint: str,
        now: datetime | None,
    ) -> tuple[Source, dict[str, Any]]:
        if len(body) > self._limits.body_most:
            raise DecisionTooLarge(f"a decision has at most {self._limits.body_most} bytes")
        now = now if now is not None else self._clock.now()
        source, signed = await self._signed(kind, headers, body, source_hint, now)
        body_hash = sha256(body).hexdigest()
        repeated = not await self._first(source, signed, body_hash, now)
        return source, {
            "source": source.id,
            "message_id": signed.message_id,
            "sent_at": signed.timestamp,
            "mac": signed.mac,
            "body_hash": body_hash,
            "body": body,
            "repeated": repeated,
        }

    async def _signed(
        self,
        kind: SourceKind,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        hint: str,
        now: datetime,
    ) -> tuple[Source, Signed]:
        known = await self._sources.verifiers(hint, now)
        if known is not None and known[0].kind != kind:
            known = None
        # An unknown source is measured against a secret nobody has, so that it takes as long as a known one.
        checkers = known[1] if known is not None else self._sources.nobody()
        try:
            signed = signature.verify(checkers, headers, body, now=now, tolerance=self._limits.tolerance)
        except SignatureRefused as refused:
            why = refused.why.value if known is not None else "source"
            log.warning("decision.not_verified", extra={"why": why})
            raise NotVerified from None
        if known is None:
            raise NotVerified
        return known[0], signed

    async def _first(self, source: Source, signed: Signed, body_hash: str, now: datetime) -> bool:
        """Whether this id is new. Taken only after the MAC held, so that a forger cannot burn an id."""
        marker = f"{source.id}:{signed.message_id}"
        if await self._expiring.put(_SPACE, marker, body_hash, self._limits.seen_for, only_new=True):
            return True
        first = await self._expiring.get(_SPACE, marker)
        if first is None:  # it ended between the two looks
            await self._expiring.put(_SPACE, marker, body_hash, self._limits.seen_for)
            return True
        if first != body_hash:
            await self._alarm(source, signed, first, body_hash, now)
            raise OtherBody("this message id came before, with another body")
        return False

    async def _alarm(self, source: Source, signed: Signed, first: str, second: str, now: datetime) -> None:
        log.error("source.contradicted", extra={"source": source.id, "message_id": signed.message_id})
        fact = SourceContradicted(
            at=now,
            source=source.id,
            person=source.person,
            message=signed.message_id,
            first_hash=first,
            second_hash=second,
        )
        await self._store.change([source.id], lambda _: Change({}, [fact]))
