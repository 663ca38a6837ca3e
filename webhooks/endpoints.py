"""Where a subscriber hears news: adding its addresses, finding and changing them, and their secrets."""

import base64
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256

from spine.clock import Clock
from spine.facts.webhooks import EndpointMade
from spine.ids import ALPHABET, EndpointId, named_after, new_id, partition_of
from spine.store import Change, OtherBody, Saved, Store, Write
from webhooks.addresses import (
    ENDPOINT_STEPS,
    Changed,
    Endpoint,
    EndpointState,
    EndpointStep,
    EndpointUnknown,
    FiltersRefused,
    KeptEndpoint,
    KeptList,
    Target,
    TooManyEndpoints,
    TypesRefused,
    Wishes,
    owned,
    view,
)
from webhooks.guard import Guard
from webhooks.keyring import Keyring, OverlapRefused, Version, exchanged, in_order
from webhooks.limits import WebhooksLimits
from webhooks.messages import ping_id, queue_of
from webhooks.signers import Checker
from webhooks.standing import Standing, queues_of

__all__ = [
    "ENDPOINT_STEPS", "Changed", "Endpoint", "EndpointState", "EndpointStep", "EndpointUnknown", "Endpoints",
    "FiltersRefused", "Target", "TooManyEndpoints", "TypesRefused", "Wishes", "queues_of",
]  # fmt: skip


class Endpoints(Standing):
    """The addresses of subscribers: carriers, and persons through a system linked to them.

    An address lies in its subscriber's partition, beside the one subject that lists them.
    """

    def __init__(
        self, store: Store, clock: Clock, limits: WebhooksLimits, guard: Guard, keyring: Keyring
    ) -> None:
        super().__init__(store, clock, limits)
        self._guard = guard
        self._keyring = keyring

    async def add(
        self,
        subscriber: str,
        url: str,
        types: Sequence[str] = (),
        *,
        key: str | None = None,
        wishes: Wishes | None = None,
        signatures: Sequence[Version] = ("v1",),
    ) -> tuple[Endpoint, Checker]:
        """A new address and what its receiver verifies with; a ping is on its way to it.

        That is the drawn secret, shown here and never again; with ``signatures`` of ``v1a`` alone it is the open
        key, which stays to be seen.
        Until that is answered, its news wait. ``wishes``: instead of ``types``, all of its filters.
        ``key``: an idempotency key; the same request within ``idempotency_for`` has the same answer,
        another one raises ``OtherBody``. Raises ``UrlRefused``, ``TypesRefused``,
        ``FiltersRefused``, ``TooManyEndpoints``.
        """
        self._guard.check(url)
        wanted, signs = (wishes or Wishes(types)).checked(), in_order(signatures)
        now = self._clock.now()
        endpoint = _drawn(subscriber)
        if key is not None:
            keyed = await self._store.load(_keyed(subscriber, key))
            if not keyed.version:
                endpoint = EndpointId(keyed.id)
            elif not keyed.ended:
                known = KeptEndpoint.model_validate_json(keyed.body)
                if now < known.made_at + self._limits.idempotency_for:
                    if (known.url, known.signatures, *_wishes(known)) != (url, signs, *_wishes(wanted)):
                        raise OtherBody("this idempotency key came with another address")
                    return await self._again(EndpointId(keyed.id))
        made = KeptEndpoint(
            subscriber=subscriber,
            url=url,
            types=tuple(wanted.types),
            vehicles=tuple(wanted.vehicles),
            order=wanted.order,
            rate=wanted.rate,
            secrets=self._keyring.draw_each(signs, endpoint),
            signatures=signs,
            made_at=now,
            pinged=ping_id(endpoint, now),
        )
        listed = named_after("eps", subscriber)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[endpoint].version:
                return None
            known = KeptList.model_validate_json(saved[listed].body).endpoints
            if len(known) >= self._limits.endpoints_most:
                raise TooManyEndpoints("remove an address first")
            return Change(
                {
                    endpoint: Write(
                        ENDPOINT_STEPS[(EndpointState.NEW, EndpointStep.MADE)], made.model_dump_json()
                    ),
                    listed: Write("kept", KeptList(endpoints=(*known, endpoint)).model_dump_json()),
                },
                [EndpointMade(at=now, endpoint=endpoint)],
            )

        await self._store.change([endpoint, listed], decide)
        return await self._again(endpoint)

    async def of(self, subscriber: str) -> list[Endpoint]:
        """Every address of a subscriber, oldest first."""
        listed = await self._store.load(named_after("eps", subscriber))
        ids = KeptList.model_validate_json(listed.body).endpoints
        found = await self._store.load_many(ids)
        return [view(each, KeptEndpoint.model_validate_json(found[each].body), found[each]) for each in ids]

    async def for_subscriber(
        self, subscriber: str, type_: str, *, vehicle: str | None = None, but: EndpointId | None = None
    ) -> list[EndpointId]:
        """The addresses of a subscriber that want this type: one message goes to each. ``but``: not this one.

        ``vehicle``: of which the news is, for addresses that hear of some only.
        """
        now = self._clock.now()
        return [
            each.id
            for each in await self.of(subscriber)
            if each.id != but and each.hears(now, self._limits) and each.wants(type_, vehicle)
        ]

    async def one(self, endpoint: EndpointId, subscriber: str | None = None) -> Endpoint:
        """Raises ``EndpointUnknown``, also where it is another subscriber's. None: an operator looks."""
        saved = await self._saved(endpoint)
        return view(endpoint, owned(saved, subscriber), saved)

    async def seen(self, endpoints: Sequence[str]) -> list[Endpoint]:
        """Those that there are, whosever: for operators and for what is published. Opens no secret."""
        wanted = [EndpointId(each) for each in endpoints if each.startswith("ep_")]
        found = await self._store.load_many(wanted)
        return [
            view(each, KeptEndpoint.model_validate_json(found[each].body), found[each])
            for each in wanted
            if found[each].version and not found[each].ended
        ]

    async def target(self, endpoint: EndpointId) -> Target | None:
        """What a try needs; None where the address is gone. Raises ``NotSealedByUs``."""
        saved = await self._store.load(endpoint)
        if not saved.version or saved.ended:
            return None
        kept = KeptEndpoint.model_validate_json(saved.body)
        now = self._clock.now()
        secrets = self._keyring.good(kept.secrets, endpoint, now)
        ends = [each.until for each in kept.secrets if each.until is not None and each.until > now]
        return Target(view(endpoint, kept, saved), secrets, str(saved.version), min(ends, default=None))

    async def change(self, endpoint: EndpointId, subscriber: str, changed: Changed) -> Endpoint:
        """Other filters, another order or rate, from the next news on; the rest stays. Again: the same.

        What waits already goes as it was queued. Raises ``EndpointUnknown``, ``TypesRefused``, ``FiltersRefused``.
        """
        owned(await self._saved(endpoint), subscriber)  # before a change: any text may come as an id

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = owned(saved[endpoint], subscriber)
            wanted = changed.on(kept)
            if _wishes(kept) == _wishes(wanted):
                return None
            update = {
                "types": tuple(wanted.types),
                "vehicles": tuple(wanted.vehicles),
                "order": wanted.order,
                "rate": wanted.rate,
            }
            return _same_state(saved[endpoint], kept.model_copy(update=update))

        saved = (await self._store.change([endpoint], decide)).saved[endpoint]
        kept = owned(saved, subscriber)
        await self._tune(
            endpoint, kept, self._clock.now()
        )  # also where nothing changed: a crash may have been between
        return view(endpoint, kept, saved)

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

        All sign meanwhile. ``signatures``: what its messages carry from now on; None: as before. ``key``: as
        in ``add``. Raises ``EndpointUnknown``, ``OverlapRefused``, ``TooManySecrets``.
        """
        before = await self.one(endpoint, subscriber)  # before a change: any text may come as an id
        now = self._clock.now()
        overlap = self._limits.overlap if overlap is None else overlap
        if not timedelta() <= overlap <= self._limits.overlap_most:
            raise OverlapRefused(f"an overlap is at most {self._limits.overlap_most.days} days")
        mark = _hash(key) if key is not None else ""
        signs = in_order(before.signatures if signatures is None else signatures)
        drawn = self._keyring.draw_each(signs, endpoint)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = owned(saved[endpoint], subscriber)
            last = kept.exchanged_at
            if mark == kept.exchange != "" and last and now < last + self._limits.idempotency_for:
                return None
            after = exchanged(kept.secrets, *drawn, now=now, overlap=overlap, most=self._limits.secrets_most)
            update = {"secrets": after, "signatures": signs, "exchange": mark, "exchanged_at": now}
            return _same_state(saved[endpoint], kept.model_copy(update=update))

        outcome = await self._store.change([endpoint], decide)
        kept = KeptEndpoint.model_validate_json(outcome.saved[endpoint].body)
        return self._keyring.checker(kept.secrets[0], endpoint)

    async def forget(self, subscriber: str) -> None:
        """Remove every address of a subscriber that was erased. Again: nothing is left."""
        for endpoint in await self.of(subscriber):
            await self.remove(endpoint.id, subscriber)

    async def _again(self, endpoint: EndpointId) -> tuple[Endpoint, Checker]:
        """What was added; where its ping may have been forgotten by a crash, it is queued now."""
        saved = await self._store.load(endpoint)
        kept = KeptEndpoint.model_validate_json(saved.body)
        if saved.state == EndpointState.PENDING:
            news, now = queue_of(endpoint), self._clock.now()
            await self._queues.hold(news.partition, news.address, self._ping_until(kept), now=now)
            await self._tune(endpoint, kept, now)
            await self._put_ping(endpoint, kept.pinged, kept.made_at, kept)
        return view(endpoint, kept, saved), self._keyring.checker(kept.secrets[0], endpoint)


def _wishes(of: KeptEndpoint | Wishes) -> tuple[object, ...]:
    return tuple(of.types), tuple(of.vehicles), of.order, of.rate


def _same_state(saved: Saved, kept: KeptEndpoint) -> Change:
    return Change({saved.id: Write(saved.state, kept.model_dump_json())})


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _drawn(subscriber: str) -> EndpointId:
    return EndpointId(new_id("ep", partition_of(subscriber)))


def _keyed(subscriber: str, key: str) -> EndpointId:
    """The same subscriber and key always give the same id, so a repeated request finds the first one."""
    digest = base64.b32hexencode(sha256(f"{subscriber} {key}".encode()).digest()).decode().lower()[:15]
    body = digest.translate(str.maketrans("0123456789abcdefghijklmnopqrstuv", ALPHABET))
    return EndpointId(f"ep_{ALPHABET[partition_of(subscriber)]}{body}")
