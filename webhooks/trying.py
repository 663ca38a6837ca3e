"""What a claimed message comes to: not tried any more, put off, or one try and what follows from it."""

import asyncio
import logging
import random
from datetime import datetime, timedelta
from typing import Final

from spine.clock import Clock
from spine.facts import FACT
from spine.ids import EndpointId
from spine.queued import Claimed
from spine.store import StoreDown
from webhooks.addresses import EndpointState, Target
from webhooks.attempts import Outcome, Result, drop_row
from webhooks.dispatch import Dispatch
from webhooks.endpoints import Endpoints
from webhooks.health import Tried
from webhooks.limits import WebhooksLimits
from webhooks.messages import DISABLES, PING, Kept
from webhooks.moments import ms_before, ms_from
from webhooks.results import Ended
from webhooks.schedule import next_try, wait_after
from webhooks.web_push import Subscription
from webhooks.web_push_devices import Devices
from webhooks.web_push_sending import GONE

log = logging.getLogger("trunkline.webhooks")

_STUMBLED: Final = timedelta(seconds=1)
_PENDING: Final = timedelta(seconds=30)


class Trying:
    """Decides on one claimed message at a time. Addresses are read once for each of their versions."""

    def __init__(
        self,
        clock: Clock,
        limits: WebhooksLimits,
        dispatch: Dispatch,
        endpoints: Endpoints,
        devices: Devices | None = None,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._dispatch = dispatch
        self._endpoints = endpoints
        self._devices = devices
        self._targets: dict[EndpointId, Target] = {}
        self._reading: dict[EndpointId, asyncio.Task[Target | None]] = {}
        self._random = random.SystemRandom()
        self._keep_ms = int(limits.kept_for.total_seconds() * 1000)
        self._keep_done_ms = int(limits.delivered_for.total_seconds() * 1000)

    async def once(self, one: Claimed, kept: Kept) -> Ended:
        """Try it, or say why not. Raises where a mistake of ours or a store that is down is in the way."""
        now = self._clock.now()
        if kept.device is not None:
            return await self._notify(one, kept, now)
        target: Target | None = None
        if kept.endpoint is not None:
            # A ping lies in a queue of its own, whose address' version nobody counts: it is read each time.
            target = None if kept.type == PING else self._known(kept.endpoint, one.version, now)
            if target is None:
                try:
                    target = await self._read(kept.endpoint)
                except StoreDown:
                    return self.stumbled(one)
        if (reason := self._why_not(kept, target, now)) is not None:
            return await self._told(kept, self._dropped(one, kept, target, reason, now))
        if target is not None and target.endpoint.state is EndpointState.PENDING and kept.type != PING:
            until = min(target.endpoint.made_at + self._limits.ping_for, now + _PENDING)
            return Ended(one, "back", due_ms=ms_from(until))
        result = await self._dispatch.once(one.id, kept, target)
        ended = self._after(one, kept, target, result)
        return ended if kept.type != PING else await self._told(kept, ended)

    async def _notify(self, one: Claimed, kept: Kept, now: datetime) -> Ended:
        """As any try; a device that its push service knows no more ends before that is saved: after a crash, again."""
        if self._devices is None or kept.device is None or kept.person is None:
            return self._dropped(one, kept, None, "wrong_channel", now)
        if (reason := self._why_not(kept, None, now)) is not None:
            return self._dropped(one, kept, None, reason, now)
        device: Subscription | None
        try:
            device = await self._devices.target(kept.person, kept.device)
        except StoreDown:
            return self.stumbled(one)
        if device is None:
            return self._dropped(one, kept, None, GONE, now)
        result = await self._dispatch.once(one.id, kept, None, device)
        if result.reason == GONE:
            await self._devices.end(kept.person, kept.device, "gone")
        return self._after(one, kept, None, result)

    async def _told(self, kept: Kept, ended: Ended) -> Ended:
        """What came of a ping decides on its address, before it is saved: after a crash it is decided again."""
        if kept.type == PING and kept.endpoint is not None:
            if ended.what == "done":
                await self._endpoints.answered(kept.endpoint, _disables(kept))
            elif ended.what == "dead":
                await self._endpoints.unanswered(kept.endpoint)
        return ended

    def stumbled(self, one: Claimed) -> Ended:
        """It could not even be tried: put back without a try used up."""
        return Ended(one, "back", due_ms=ms_before(self._clock.now() + _STUMBLED))

    async def disable(self, endpoint: EndpointId, reason: str) -> None:
        """An address has come to its end; a store that is down is asked again with its next failure."""
        try:
            await self._endpoints.disable(endpoint, reason)
        except StoreDown as down:
            log.warning("endpoint.not_disabled", extra={"endpoint": endpoint, "reason": down.detail})

    def _why_not(self, kept: Kept, target: Target | None, now: datetime) -> str | None:
        """Why it is not tried any more."""
        if now >= kept.expires_at:
            return "deadline"
        if kept.endpoint is not None:
            if target is None:
                return "endpoint_gone"
            state = target.endpoint.state
            waits = state is EndpointState.PENDING and now < target.endpoint.made_at + self._limits.ping_for
            if kept.type != PING and state is not EndpointState.ENABLED and not waits:
                return "endpoint_disabled"
            if kept.type == PING and target.endpoint.disables > _disables(kept):
                return "endpoint_disabled"  # after this ping was sent: it must not enable it again
        if kept.started > 1 and self._exhausted(kept, now):
            return "exhausted"  # its sender was lost in the last try the schedule has
        return None

    def _exhausted(self, kept: Kept, now: datetime) -> bool:
        age = now - kept.queued_at
        failures = kept.started - 1
        return wait_after(failures, interactive=kept.interactive, age=age, limits=self._limits) is None

    def _after(self, one: Claimed, kept: Kept, target: Target | None, result: Result) -> Ended:
        now = self._clock.now()
        now_ms = ms_before(now)
        row = result.row(one.n, now_ms, self._limits.answer_kept)
        tried: Tried | None = None
        if result.seen is not None and kept.type != PING:
            until = 0 if result.not_before is None else ms_before(result.not_before)
            tried = Tried(result.seen, now_ms, one.n, until)
        endpoint = target.endpoint if target is not None else None
        if result.outcome is Outcome.ACCEPTED:
            # A question on a screen is looked for when it is over, however late that is.
            keep_ms = self._keep_done_ms if kept.device is None else self._keep_ms
            return Ended(one, "done", row, keep_ms=keep_ms, tried=tried, endpoint=endpoint)
        then = self._then(one, kept, result, now)
        if isinstance(then, datetime):
            return Ended(one, "again", row, ms_from(then), tried=tried, endpoint=endpoint)
        dropped = self._dropped(one, kept, target, then, now)
        return Ended(
            one,
            "dead",
            f"{row}\n{dropped.row}",
            fact=dropped.fact,
            keep_ms=dropped.keep_ms,
            tried=tried,
            endpoint=endpoint,
        )

    def _then(self, one: Claimed, kept: Kept, result: Result, now: datetime) -> datetime | str:
        """When to try again after this failure, or why not at all."""
        if result.outcome is Outcome.HOPELESS:
            return result.reason
        again = next_try(
            one.n,
            interactive=kept.interactive,
            queued_at=kept.queued_at,
            now=now,
            jitter=self._random.uniform(-1, 1),
            limits=self._limits,
        )
        if again is None:
            return "exhausted"
        again = max(again, result.not_before or again)
        return again if again < kept.expires_at else "deadline"

    def _dropped(self, one: Claimed, kept: Kept, target: Target | None, reason: str, now: datetime) -> Ended:
        """It ends here, with a row that says why; its subscriber is told."""
        subscriber = target.endpoint.subscriber if target is not None else ""
        # Of a notification nothing is told: the same words went by mail, and a device that ended has a fact of its own.
        silent = kept.type == PING or kept.device is not None
        fact = "" if silent else FACT.dump_json(kept.died(one.id, now, reason, subscriber)).decode()
        row = drop_row(one.n, ms_before(now), reason)
        return Ended(one, "dead", row, fact=fact, keep_ms=self._keep_ms)

    def _known(self, endpoint: EndpointId, version: str, now: datetime) -> Target | None:
        """The address as it was read, if it is of at least this version and its secrets are still good."""
        known = self._targets.get(endpoint)
        if known is None or int(known.version) < int(version):
            return None
        return known if known.until is None or now < known.until else None

    async def _read(self, endpoint: EndpointId) -> Target | None:
        """The address as it stands, read once for all who want it now."""
        reading = self._reading.get(endpoint)
        if reading is None:
            reading = self._reading[endpoint] = asyncio.create_task(self._endpoints.target(endpoint))
            reading.add_done_callback(lambda _: self._reading.pop(endpoint, None))
        found = await asyncio.shield(reading)
        if found is None:
            self._targets.pop(endpoint, None)
        else:
            if len(self._targets) >= self._limits.addresses_known:
                self._targets.clear()  # they are read again as they are needed
            self._targets[endpoint] = found
        return found


def _disables(ping: Kept) -> int:
    return int(ping.reference.get(DISABLES, 0))
