"""How an address comes to hear news and ceases to: its pings, what they come to, its end, and what is erased with it."""

from collections.abc import Mapping
from datetime import datetime

from spine.clock import Clock
from spine.facts.webhooks import EndpointDisabled, EndpointEnabled
from spine.ids import EndpointId, named_after
from spine.queued import Put
from spine.queues import Queues
from spine.store import Change, Saved, Store, Write
from webhooks.addresses import (
    ENDPOINT_STEPS,
    EndpointState,
    EndpointStep,
    EndpointUnknown,
    KeptEndpoint,
    KeptList,
    owned,
    rate_of,
)
from webhooks.limits import WebhooksLimits
from webhooks.messages import DISABLES, PING, Outgoing, kept_text, ping_id, queue_of

_PINGS_MOST = 5


def queues_of(store: Store, limits: WebhooksLimits) -> Queues:
    """The queues of news and mail, as these limits bound them."""
    return Queues(store, rows=limits.rows_kept, dead=limits.dead_kept, rows_for=limits.kept_for)


class Standing:
    """Moves addresses along ``ENDPOINT_STEPS``, and their queues with them."""

    def __init__(self, store: Store, clock: Clock, limits: WebhooksLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._queues = queues_of(store, limits)

    async def ping(self, endpoint: EndpointId, subscriber: str | None = None) -> str:
        """Ask an address whether it listens; the id of the message that does. An answer enables it.

        ``subscriber``: whose it must be; None: an operator asks. Raises ``EndpointUnknown``, ``BacklogFull``.
        """
        now = self._clock.now()
        saved = await self._saved(endpoint)
        kept = owned(saved, subscriber)
        message = ping_id(endpoint, now)
        await self._put_ping(endpoint, message, now, kept)
        return message

    async def answered(self, endpoint: EndpointId, disables: int | None = None) -> None:
        """It answered a ping with 2xx: what waits for it may go, in its order and at its rate. Again: nothing changes.

        ``disables``: how often it had been disabled when the ping was sent; where it was once more since, the answer
        changes nothing. None: whatever was. What a crash left undone of an earlier answer is done.
        """
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            if not here.version or here.ended:
                return None
            kept = KeptEndpoint.model_validate_json(here.body)
            after = ENDPOINT_STEPS.get((EndpointState(here.state), EndpointStep.ANSWERED))
            if after is None or (disables is not None and disables != kept.disables):
                return None
            enabled = kept.model_copy(update={"enabled_at": now, "reason": None})
            fact = EndpointEnabled(at=now, endpoint=endpoint, subscriber=kept.subscriber)
            return Change({endpoint: Write(after, enabled.model_dump_json())}, [fact])

        outcome = await self._store.change([endpoint], decide)
        here = outcome.saved[endpoint]
        if here.state != EndpointState.ENABLED:
            return
        kept, place = KeptEndpoint.model_validate_json(here.body), queue_of(endpoint)
        if outcome.changed:
            await self._queues.hold(place.partition, place.address, None, now=now)
        await self._tune(endpoint, kept, now)

    async def unanswered(self, endpoint: EndpointId) -> None:
        """Its first ping was never answered: it hears nothing."""
        await self._disable(endpoint, "unanswered", only=EndpointState.PENDING)

    async def disable(self, endpoint: EndpointId, reason: str) -> None:
        """No more news to this address. Again: nothing changes."""
        await self._disable(endpoint, reason)

    async def remove(self, endpoint: EndpointId, subscriber: str) -> None:
        """Gone, its secrets, messages and rows erased. Raises ``EndpointUnknown``, also the second time.

        What a crash leaves of its queues is erased by the reader of the log (``webhooks.forgetting``).
        """
        owned(await self._saved(endpoint), subscriber)  # before a change: any text may come as an id
        now = self._clock.now()
        listed = named_after("eps", subscriber)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            owned(here, subscriber)
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
        await self.erase_queues(endpoint)

    async def erase_queues(self, endpoint: EndpointId) -> None:
        """Whatever lies in the queues of an address that was removed. Again: nothing is left."""
        for place in (queue_of(endpoint), queue_of(endpoint, pings=True)):
            await self._queues.purge(place.partition, place.address)

    async def _disable(self, endpoint: EndpointId, reason: str, *, only: EndpointState | None = None) -> None:
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[endpoint]
            after = ENDPOINT_STEPS.get((EndpointState(here.state), EndpointStep.DISABLED))
            if after is None or (only is not None and here.state != only):
                return None
            kept = KeptEndpoint.model_validate_json(here.body)
            kept = kept.model_copy(update={"reason": reason, "disables": kept.disables + 1})
            fact = EndpointDisabled(at=now, endpoint=endpoint, reason=reason, subscriber=kept.subscriber)
            return Change({endpoint: Write(after, kept.model_dump_json())}, [fact])

        outcome = await self._store.change([endpoint], decide)
        if outcome.changed:
            # What waits for it ends when it is due, with a row each, and can be recovered later.
            place = queue_of(endpoint)
            await self._queues.hold(place.partition, place.address, None, now=now)

    async def _tune(self, endpoint: EndpointId, kept: KeptEndpoint, now: datetime) -> None:
        """Its queue keeps its order and rate from here on, and waits for its first ping no longer. Again: the same."""
        place = queue_of(endpoint)
        await self._queues.adjust(
            place.partition,
            place.address,
            now=now,
            rate=rate_of(kept.rate, self._limits),
            burst=self._limits.rate_burst,
            order=kept.order,
            release=None if kept.enabled_at is None else self._ping_until(kept),
        )

    def _ping_until(self, kept: KeptEndpoint) -> datetime:
        return kept.made_at + self._limits.ping_for

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
            reference={"endpoint": endpoint, DISABLES: str(kept.disables)},
            endpoint=endpoint,
            interactive=True,
            subscriber=kept.subscriber,
        )
        put = Put(place.partition, place.address, message, kept_text(asked, now))
        await self._queues.put(put, due=now, most=_PINGS_MOST)
