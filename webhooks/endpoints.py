"""Where a subscriber hears news: adding, pinging, enabling, disabling and removing its addresses, and their secrets."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from spine.clock import Clock
from spine.facts.webhooks import EndpointDisabled, EndpointEnabled, EndpointMade
from spine.ids import ALPHABET, EndpointId, named_after, new_id, partition_of
from spine.queued import Put
from spine.queues import Queues
from spine.store import Change, OtherBody, Saved, Store, Write
from webhooks.addresses import (
    ENDPOINT_STEPS,
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
    view,
)
from webhooks.guard import Guard
from webhooks.keyring import Keyring, OverlapRefused, exchanged
from webhooks.limits import WebhooksLimits
from webhooks.messages import PING, Outgoing, kept_text, ping_id, queue_of
from webhooks.signature import Secret

__all__ = [
    "ENDPOINT_STEPS", "Endpoint", "EndpointState", "EndpointStep", "EndpointUnknown", "Endpoints",
    "FiltersRefused", "Target", "TooManyEndpoints", "TypesRefused", "Wishes", "queues_of",
]  # fmt: skip

_PINGS_MOST = 5


def queues_of(store: Store, limits: WebhooksLimits) -> Queues:
    """The queues of news and mail, as these limits bound them."""
    return Queues(store, rows=limits.rows_kept, dead=limits.dead_kept, rows_for=limits.kept_for)


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
        self._queues = queues_of(store, limits)

    async def add(
        self,
        subscriber: str,
        url: str,
        types: Sequence[str] = (),
        *,
        key: str | None = None,
        wishes: Wishes | None = None,
    ) -> tuple[Endpoint, Secret]:
        """A new address with a drawn secret, which is shown here and never again; a ping is on its way to it.

        Until that is answered, its news wait. ``wishes``: instead of ``types``, all of its filters.
        ``key``: an idempotency key; the same request within ``idempotency_for`` has the same answer,
        another one raises ``OtherBody``. Raises ``UrlRefused``, ``TypesRefused``,
        ``FiltersRefused``, ``TooManyEndpoints``.
        """
        self._guard.check(url)
        wanted = (wishes or Wishes(types)).checked()
        now = self._clock.now()
        endpoint = _drawn(subscriber)
        if key is not None:
            keyed = await self._store.load(_keyed(subscriber, key))
            if not keyed.version:
                endpoint = EndpointId(keyed.id)
            elif not keyed.ended:
                known = KeptEndpoint.model_validate_json(keyed.body)
                if now < known.made_at + self._limits.idempotency_for:
                    if (known.url, *_wishes(known)) != (url, *_wishes(wanted)):
                        raise OtherBody("this idempotency key came with another address")
                    return await self._again(EndpointId(keyed.id))
        _, sealed = self._keyring.draw(endpoint)
        made = KeptEndpoint(
            subscriber=subscriber,
            url=url,
            types=tuple(wanted.types),
            vehicles=tuple(wanted.vehicles),
            order=wanted.order,
            rate=wanted.rate,
            secrets=(sealed,),
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

    async def ping(self, endpoint: EndpointId, subscriber: str | None = None) -> str:
        """Ask an address whether it listens; the id of the message that does. An answer enables it.

        ``subscriber``: whose it must be; None: an operator asks. Raises ``EndpointUnknown``, ``BacklogFull``.
        """
        now = self._clock.now()
        saved = await self._saved(endpoint)
        kept = _owned(saved, subscriber)
        message = ping_id(endpoint, now)
        await self._put_ping(endpoint, message, now, kept)
        return message

    async def answered(self, endpoint: EndpointId) -> None:
        """It answered a ping with 2xx: what waits for it may go. Again: nothing changes."""
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            if not here.version or here.ended:
                return None
            kept = KeptEndpoint.model_validate_json(here.body)
            after = ENDPOINT_STEPS.get((EndpointState(here.state), EndpointStep.ANSWERED))
            if after is None:
                return None
            enabled = kept.model_copy(update={"enabled_at": now, "reason": None})
            fact = EndpointEnabled(at=now, endpoint=endpoint, subscriber=kept.subscriber)
            return Change({endpoint: Write(after, enabled.model_dump_json())}, [fact])

        outcome = await self._store.change([endpoint], decide)
        if outcome.saved[endpoint].state == EndpointState.ENABLED and outcome.changed:
            place = queue_of(endpoint)
            await self._queues.hold(place.partition, place.address, None, now=now)

    async def unanswered(self, endpoint: EndpointId) -> None:
        """Its first ping was never answered: it hears nothing."""
        saved = await self._store.load(endpoint)
        if saved.state == EndpointState.PENDING:
            await self.disable(endpoint, "unanswered")

    async def one(self, endpoint: EndpointId, subscriber: str | None = None) -> Endpoint:
        """Raises ``EndpointUnknown``, also where it is another subscriber's. None: an operator looks."""
        saved = await self._saved(endpoint)
        return view(endpoint, _owned(saved, subscriber), saved)

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

    async def rotate(
        self,
        endpoint: EndpointId,
        subscriber: str,
        *,
        overlap: timedelta | None = None,
        key: str | None = None,
    ) -> Secret:
        """A new secret, shown here and never again; former ones stay good for ``overlap`` (0: end now).

        Both sign meanwhile. ``key``: as in ``add``. Raises ``EndpointUnknown``, ``OverlapRefused``,
        ``TooManySecrets``.
        """
        await self.one(endpoint, subscriber)  # before a change: any text may come as an id
        now = self._clock.now()
        overlap = self._limits.overlap if overlap is None else overlap
        if not timedelta() <= overlap <= self._limits.overlap_most:
            raise OverlapRefused(f"an overlap is at most {self._limits.overlap_most.days} days")
        mark = _hash(key) if key is not None else ""
        _, sealed = self._keyring.draw(endpoint)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = _owned(saved[endpoint], subscriber)
            last = kept.exchanged_at
            if mark == kept.exchange != "" and last and now < last + self._limits.idempotency_for:
                return None
            after = exchanged(kept.secrets, sealed, now=now, overlap=overlap, most=self._limits.secrets_most)
            update = {"secrets": after, "exchange": mark, "exchanged_at": now}
            return _same_state(saved[endpoint], kept.model_copy(update=update))

        outcome = await self._store.change([endpoint], decide)
        kept = KeptEndpoint.model_validate_json(outcome.saved[endpoint].body)
        return self._keyring.open(kept.secrets[0], endpoint)

    async def disable(self, endpoint: EndpointId, reason: str) -> None:
        """No more news to this address. Again: nothing changes."""
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            after = ENDPOINT_STEPS.get((EndpointState(here.state), EndpointStep.DISABLED))
            if after is None:
                return None
            kept = KeptEndpoint.model_validate_json(here.body).model_copy(update={"reason": reason})
            fact = EndpointDisabled(at=now, endpoint=endpoint, reason=reason, subscriber=kept.subscriber)
            return Change({endpoint: Write(after, kept.model_dump_json())}, [fact])

        outcome = await self._store.change([endpoint], decide)
        if (
            outcome.changed
        ):  # what waits for it ends when it is due, with a row each, and can be recovered later
            place = queue_of(endpoint)
            await self._queues.hold(place.partition, place.address, None, now=now)

    async def remove(self, endpoint: EndpointId, subscriber: str) -> None:
        """Gone, its secrets, messages and rows erased. Raises ``EndpointUnknown``, also the second time."""
        await self.one(endpoint, subscriber)  # before a change: any text may come as an id
        now = self._clock.now()
        listed = named_after("eps", subscriber)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            _owned(here, subscriber)
            known = KeptList.model_validate_json(saved[listed].body).endpoints
            rest = KeptList(endpoints=tuple(each for each in known if each != endpoint))
            after = ENDPOINT_STEPS[(EndpointState(here.state), EndpointStep.REMOVED)]
            writes = {
                endpoint: Write(after, "{}", ended=True),
                listed: Write("kept", rest.model_dump_json()),
            }
            fact = EndpointDisabled(at=now, endpoint=endpoint, reason="removed", subscriber=subscriber)
            return Change(writes, [fact])

        await self._store.change([endpoint, listed], decide)
        for place in (queue_of(endpoint), queue_of(endpoint, pings=True)):
            await self._queues.purge(place.partition, place.address)

    async def forget(self, subscriber: str) -> None:
        """Remove every address of a subscriber that was erased. Again: nothing is left."""
        for endpoint in await self.of(subscriber):
            await self.remove(endpoint.id, subscriber)

    async def _saved(self, endpoint: EndpointId) -> Saved:
        if not endpoint.startswith("ep_"):  # any text may come as an id, also that of something else
            raise EndpointUnknown("there is no such address")
        return await self._store.load(endpoint)

    async def _put_ping(self, endpoint: EndpointId, message: str, now: datetime, kept: KeptEndpoint) -> None:
        place = queue_of(endpoint, pings=True)
        asked = Outgoing(
            id=message,
            type=PING,
            at=now,
            expires_at=now + self._limits.ping_for,
            reference={"endpoint": endpoint},
            endpoint=endpoint,
            interactive=True,
            subscriber=kept.subscriber,
        )
        text = kept_text(asked, now)
        put = Put(place.partition, place.address, message, text)
        await self._queues.put(put, due=now, most=_PINGS_MOST)

    async def _again(self, endpoint: EndpointId) -> tuple[Endpoint, Secret]:
        """What was added; where its ping may have been forgotten by a crash, it is queued now."""
        saved = await self._store.load(endpoint)
        kept = KeptEndpoint.model_validate_json(saved.body)
        if saved.state == EndpointState.PENDING:
            news, until = queue_of(endpoint), kept.made_at + self._limits.ping_for
            await self._queues.hold(
                news.partition,
                news.address,
                until,
                now=self._clock.now(),
                rate=_rate(kept, self._limits),
                burst=self._limits.rate_burst,
                order=kept.order,
            )
            await self._put_ping(endpoint, kept.pinged, kept.made_at, kept)
        return view(endpoint, kept, saved), self._keyring.open(kept.secrets[0], endpoint)


def _rate(kept: KeptEndpoint, limits: WebhooksLimits) -> float:
    """The lower of what the house allows and what the address asked for."""
    return min((each for each in (kept.rate, limits.rate) if each > 0), default=0)


def _wishes(of: KeptEndpoint | Wishes) -> tuple[object, ...]:
    return tuple(of.types), tuple(of.vehicles), of.order, of.rate


def _same_state(saved: Saved, kept: KeptEndpoint) -> Change:
    return Change({saved.id: Write(saved.state, kept.model_dump_json())})


def _owned(saved: Saved, subscriber: str | None) -> KeptEndpoint:
    if saved.version and not saved.ended:
        kept = KeptEndpoint.model_validate_json(saved.body)
        if subscriber is None or kept.subscriber == subscriber:
            return kept
    raise EndpointUnknown("there is no such address")


def _hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def _drawn(subscriber: str) -> EndpointId:
    return EndpointId(new_id("ep", partition_of(subscriber)))


def _keyed(subscriber: str, key: str) -> EndpointId:
    """The same subscriber and key always give the same id, so a repeated request finds the first one."""
    digest = base64.b32hexencode(sha256(f"{subscriber} {key}".encode()).digest()).decode().lower()[:15]
    body = digest.translate(str.maketrans("0123456789abcdefghijklmnopqrstuv", ALPHABET))
    return EndpointId(f"ep_{ALPHABET[partition_of(subscriber)]}{body}")
