"""Where a subscriber hears news: its addresses, which types each wants, their secrets and their state."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import ClassVar, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.facts.webhooks import EndpointDisabled, EndpointMade
from spine.ids import ALPHABET, EndpointId, named_after, new_id, partition_of
from spine.problems import Kind, Problem
from spine.store import Change, OtherBody, Saved, Store, Write
from webhooks.guard import Guard
from webhooks.keyring import (
    KeptSecret,
    Keyring,
    OverlapRefused,
    PublishedKey,
    Version,
    exchanged,
    published,
)
from webhooks.limits import WebhooksLimits
from webhooks.signers import Checker, Signer

_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*(?:\.\*)?")
_TYPES_MOST: Final = 50


class EndpointUnknown(Problem):
    """There is no such address, or it is another subscriber's: both are told alike."""

    code: ClassVar[str] = "endpoint.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class TooManyEndpoints(Problem):
    """A subscriber has as many addresses as it may."""

    code: ClassVar[str] = "endpoint.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TypesRefused(Problem):
    """A filter is a list of types such as ``delivery.opened`` or ``delivery.*``."""

    code: ClassVar[str] = "endpoint.types_refused"
    kind: ClassVar[Kind] = Kind.INVALID


class EndpointState(StrEnum):
    """Where an address stands; a removed one is a tombstone."""

    NEW = "new"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


class EndpointStep(StrEnum):
    """What can happen to an address."""

    MADE = "made"
    DISABLED = "disabled"
    REMOVED = "removed"


ENDPOINT_STEPS: Final[Mapping[tuple[EndpointState, EndpointStep], EndpointState]] = {
    (EndpointState.NEW, EndpointStep.MADE): EndpointState.ENABLED,
    (EndpointState.ENABLED, EndpointStep.DISABLED): EndpointState.DISABLED,
    (EndpointState.ENABLED, EndpointStep.REMOVED): EndpointState.REMOVED,
    (EndpointState.DISABLED, EndpointStep.REMOVED): EndpointState.REMOVED,
}


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    subscriber: str
    url: str
    types: tuple[str, ...]
    secrets: tuple[KeptSecret, ...]
    signatures: tuple[Version, ...] = ("v1",)
    made_at: AwareDatetime
    exchange: str = ""
    exchanged_at: AwareDatetime | None = None
    held_until: AwareDatetime | None = None
    reason: str | None = None


class _List(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[EndpointId, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address as its subscriber sees it; its secrets are shown only when made. Empty ``types``: all."""

    id: EndpointId
    subscriber: str
    url: str = field(repr=False)
    types: Sequence[str]
    state: EndpointState
    made_at: datetime
    held_until: datetime | None = None
    reason: str | None = None
    signatures: Sequence[Version] = ("v1",)
    public_keys: Sequence[PublishedKey] = ()

    def wants(self, type_: str) -> bool:
        """Whether its filter takes this type."""
        return not self.types or any(
            type_ == each or (each.endswith(".*") and type_.startswith(each[:-1])) for each in self.types
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What one try needs: the address and every secret and key that is good now."""

    endpoint: Endpoint
    secrets: Sequence[Signer]


class Endpoints:
    """The addresses of subscribers: carriers, and persons through a system linked to them.

    An address lies in its subscriber's partition, beside the one subject that lists them.
    """

    def __init__(
        self, store: Store, clock: Clock, limits: WebhooksLimits, guard: Guard, keyring: Keyring
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._guard = guard
        self._keyring = keyring

    async def add(
        self,
        subscriber: str,
        url: str,
        types: Sequence[str] = (),
        *,
        key: str | None = None,
        signatures: Sequence[Version] = ("v1",),
    ) -> tuple[Endpoint, Checker]:
        """A new address and what its receiver verifies with: the drawn secret, shown here and never again.

        ``signatures``: what its messages carry; with ``v1a`` alone the open key is given, which stays to be seen.
        ``key``: an idempotency key; the same request within ``idempotency_for`` has the same answer,
        another one raises ``OtherBody``. Raises ``UrlRefused``, ``TypesRefused``, ``TooManyEndpoints``.
        """
        self._guard.check(url)
        wanted, signs = _checked(types), _in_order(signatures)
        now = self._clock.now()
        endpoint = _drawn(subscriber)
        if key is not None:
            keyed = await self._store.load(_keyed(subscriber, key))
            if not keyed.version:
                endpoint = EndpointId(keyed.id)
            elif not keyed.ended:
                known = _Kept.model_validate_json(keyed.body)
                if now < known.made_at + self._limits.idempotency_for:
                    if (known.url, known.types, known.signatures) != (url, wanted, signs):
                        raise OtherBody("this idempotency key came with another address")
                    return await self._again(EndpointId(keyed.id))
        drawn = self._keyring.draw_each(signs, endpoint)
        made = _Kept(
            subscriber=subscriber, url=url, types=wanted, secrets=drawn, signatures=signs, made_at=now
        )
        listed = named_after("eps", subscriber)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[endpoint].version:
                return None
            known = _List.model_validate_json(saved[listed].body).endpoints
            if len(known) >= self._limits.endpoints_most:
                raise TooManyEndpoints("remove an address first")
            return Change(
                {
                    endpoint: Write(_step(EndpointState.NEW, EndpointStep.MADE), made.model_dump_json()),
                    listed: Write("kept", _List(endpoints=(*known, endpoint)).model_dump_json()),
                },
                [EndpointMade(at=now, endpoint=endpoint)],
            )

        await self._store.change([endpoint, listed], decide)
        return await self._again(endpoint)

    async def of(self, subscriber: str) -> list[Endpoint]:
        """Every address of a subscriber, oldest first."""
        listed = await self._store.load(named_after("eps", subscriber))
        ids = _List.model_validate_json(listed.body).endpoints
        found = await self._store.load_many(ids)
        return [_view(each, _Kept.model_validate_json(found[each].body), found[each]) for each in ids]

    async def for_subscriber(self, subscriber: str, type_: str) -> list[EndpointId]:
        """The enabled addresses of a subscriber that want this type: one message goes to each."""
        return [
            each.id
            for each in await self.of(subscriber)
            if each.state is EndpointState.ENABLED and each.wants(type_)
        ]

    async def one(self, endpoint: EndpointId, subscriber: str) -> Endpoint:
        """Raises ``EndpointUnknown``, also where it is another subscriber's."""
        if not endpoint.startswith("ep_"):  # any text may come as an id, also that of something else
            raise EndpointUnknown("there is no such address")
        saved = await self._store.load(endpoint)
        return _view(endpoint, _owned(saved, subscriber), saved)

    async def seen(self, endpoints: Sequence[str]) -> list[Endpoint]:
        """Those that there are, whosever: for operators and for what is published. Opens no secret."""
        wanted = [each for each in endpoints if each.startswith("ep_")]
        found = await self._store.load_many(wanted)
        return [
            _view(EndpointId(each), _Kept.model_validate_json(found[each].body), found[each])
            for each in wanted
            if found[each].version and not found[each].ended
        ]

    async def target(self, endpoint: EndpointId) -> Target | None:
        """What a try needs; None where the address is gone. Raises ``NotSealedByUs``."""
        saved = await self._store.load(endpoint)
        if not saved.version or saved.ended:
            return None
        kept = _Kept.model_validate_json(saved.body)
        secrets = self._keyring.good(kept.secrets, endpoint, self._clock.now())
        return Target(_view(endpoint, kept, saved), secrets)

    async def rotate(
        self,
        endpoint: EndpointId,
        subscriber: str,
        *,
        overlap: timedelta | None = None,
        key: str | None = None,
        signatures: Sequence[Version] | None = None,
    ) -> Checker:
        """A new secret or pair, shown as in ``add``; former ones stay good for ``overlap`` (0: end now).

        All sign meanwhile. ``signatures``: what its messages carry from now on; None: as before.
        ``key``: as in ``add``. Raises ``EndpointUnknown``, ``OverlapRefused``, ``TooManySecrets``.
        """
        before = await self.one(endpoint, subscriber)  # before a change: any text may come as an id
        now = self._clock.now()
        overlap = self._limits.overlap if overlap is None else overlap
        if not timedelta() <= overlap <= self._limits.overlap_most:
            raise OverlapRefused(f"an overlap is at most {self._limits.overlap_most.days} days")
        mark = _hash(key) if key is not None else ""
        signs = _in_order(before.signatures if signatures is None else signatures)
        drawn = self._keyring.draw_each(signs, endpoint)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = _owned(saved[endpoint], subscriber)
            last = kept.exchanged_at
            if mark == kept.exchange != "" and last and now < last + self._limits.idempotency_for:
                return None
            after = exchanged(kept.secrets, *drawn, now=now, overlap=overlap, most=self._limits.secrets_most)
            update = {"secrets": after, "signatures": signs, "exchange": mark, "exchanged_at": now}
            return _same_state(saved[endpoint], kept.model_copy(update=update))

        outcome = await self._store.change([endpoint], decide)
        kept = _Kept.model_validate_json(outcome.saved[endpoint].body)
        return self._keyring.checker(kept.secrets[0], endpoint)

    async def hold(self, endpoint: EndpointId, until: datetime) -> None:
        """The receiver asked to be left alone until then: the whole address waits, no try is used up."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            if not here.version or here.ended:
                return None
            kept = _Kept.model_validate_json(here.body)
            if kept.held_until is not None and kept.held_until >= until:
                return None
            return _same_state(here, kept.model_copy(update={"held_until": until}))

        await self._store.change([endpoint], decide)

    async def disable(self, endpoint: EndpointId, reason: str) -> None:
        """No more news to this address. Again: nothing changes."""
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            after = ENDPOINT_STEPS.get((EndpointState(here.state), EndpointStep.DISABLED))
            if after is None:
                return None
            kept = _Kept.model_validate_json(here.body).model_copy(update={"reason": reason})
            fact = EndpointDisabled(at=now, endpoint=endpoint, reason=reason)
            return Change({endpoint: Write(after, kept.model_dump_json())}, [fact])

        await self._store.change([endpoint], decide)

    async def remove(self, endpoint: EndpointId, subscriber: str) -> None:
        """Gone, its secrets erased. Raises ``EndpointUnknown``, also the second time."""
        await self.one(endpoint, subscriber)  # before a change: any text may come as an id
        now = self._clock.now()
        listed = named_after("eps", subscriber)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            _owned(here, subscriber)
            known = _List.model_validate_json(saved[listed].body).endpoints
            rest = _List(endpoints=tuple(each for each in known if each != endpoint))
            after = _step(EndpointState(here.state), EndpointStep.REMOVED)
            writes = {
                endpoint: Write(after, "{}", ended=True),
                listed: Write("kept", rest.model_dump_json()),
            }
            return Change(writes, [EndpointDisabled(at=now, endpoint=endpoint, reason="removed")])

        await self._store.change([endpoint, listed], decide)

    async def _again(self, endpoint: EndpointId) -> tuple[Endpoint, Checker]:
        saved = await self._store.load(endpoint)
        kept = _Kept.model_validate_json(saved.body)
        return _view(endpoint, kept, saved), self._keyring.checker(kept.secrets[0], endpoint)


def _step(state: EndpointState, what: EndpointStep) -> EndpointState:
    return ENDPOINT_STEPS[(state, what)]


def _same_state(saved: Saved, kept: _Kept) -> Change:
    return Change({saved.id: Write(saved.state, kept.model_dump_json())})


def _owned(saved: Saved, subscriber: str) -> _Kept:
    if saved.version and not saved.ended:
        kept = _Kept.model_validate_json(saved.body)
        if kept.subscriber == subscriber:
            return kept
    raise EndpointUnknown("there is no such address")


def _view(endpoint: EndpointId, kept: _Kept, saved: Saved) -> Endpoint:
    return Endpoint(
        id=endpoint,
        subscriber=kept.subscriber,
        url=kept.url,
        types=kept.types,
        state=EndpointState(saved.state),
        made_at=kept.made_at,
        held_until=kept.held_until,
        reason=kept.reason,
        signatures=kept.signatures,
        public_keys=published(kept.secrets),
    )


def _checked(types: Sequence[str]) -> tuple[str, ...]:
    if len(types) > _TYPES_MOST or not all(len(each) <= 80 and _TYPE.fullmatch(each) for each in types):
        raise TypesRefused("types are such as delivery.opened or delivery.*")
    return tuple(dict.fromkeys(types))


def _in_order(signatures: Sequence[Version]) -> tuple[Version, ...]:
    """Each version once, the shared secret first: it is what is shown where there are both."""
    if not signatures:
        raise TypesRefused("an address is signed with v1, v1a or both")
    return tuple(sorted(set(signatures)))


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _drawn(subscriber: str) -> EndpointId:
    return EndpointId(new_id("ep", partition_of(subscriber)))


def _keyed(subscriber: str, key: str) -> EndpointId:
    """The same subscriber and key always give the same id, so a repeated request finds the first one."""
    digest = base64.b32hexencode(sha256(f"{subscriber} {key}".encode()).digest()).decode().lower()[:15]
    body = digest.translate(str.maketrans("0123456789abcdefghijklmnopqrstuv", ALPHABET))
    return EndpointId(f"ep_{ALPHABET[partition_of(subscriber)]}{body}")
