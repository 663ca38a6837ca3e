"""Uplink: note what comes, save it batch by batch, then acknowledge in order (rules 2 and 10)."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from spine.store import Overtaken
from spine.valkey import StoreDown
from vehicle_gateway.intake import Intake, Opened
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Incoming
from vehicle_gateway.parse import Poison, Reason, parse
from vehicle_gateway.rate import Buckets

_log = logging.getLogger("trunkline.vehicle_gateway")

_HAND_OVER: Final = 8
"""Turns of the loop in which a batch has surely been sent to the store."""


class Uplink(Protocol):
    """Where messages come from (``vehicle_gateway.link.Link``)."""

    @property
    def generation(self) -> int: ...

    def acknowledge_all(self, messages: Iterable[Incoming]) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Inbound:
    """``take`` only notes; ``run`` does the work until it is cancelled. Nothing a unit sends ends it."""

    def __init__(self, intake: Intake, uplink: Uplink, limits: GatewayLimits) -> None:
        self._intake = intake
        self._uplink = uplink
        self._limits = limits
        self._buckets = Buckets(rate=limits.unit_rate, burst=limits.unit_burst, most=limits.known_units)
        self._waiting: deque[Incoming] = deque()
        self._arrived = asyncio.Event()
        self._paused = False

    def take(self, message: Incoming) -> None:
        """The link's ``on_message``: note it. Where too much waits, reading stops; pings go on."""
        self._waiting.append(message)
        self._arrived.set()
        if len(self._waiting) >= self._limits.waiting:
            self._pause("too much waits")

    async def run(self) -> None:
        """Take what has come, at most ``limits.batch`` at once, without lingering for more."""
        batch: list[Opened] = []
        while True:
            if not batch:
                await self._arrived.wait()
                # One more look at the socket, without waiting: what a car says of one act comes in one batch.
                await asyncio.sleep(0)
                batch = self._next()
            if not self._waiting:
                await self._until_saved(batch)
                batch = []
            else:
                batch = await self._save_reading_ahead(batch)
            if self._paused and len(self._waiting) <= self._limits.resume_below:
                self._paused = False
                self._uplink.resume()

    async def _save_reading_ahead(self, batch: Sequence[Opened]) -> list[Opened]:
        """Save, and read what waits while the store is busy with it; nothing of that is decided yet."""
        saving = asyncio.create_task(self._until_saved(batch), name="inbound-save")
        try:
            for _ in range(_HAND_OVER):
                await asyncio.sleep(0)
            ahead = [] if saving.done() else self._next()
            await saving
        finally:
            saving.cancel()
        return ahead

    def _next(self) -> list[Opened]:
        count = min(len(self._waiting), self._limits.batch)
        batch = [self._open(self._waiting.popleft()) for _ in range(count)]
        if not self._waiting:
            self._arrived.clear()
        return batch

    def _open(self, message: Incoming) -> Opened:
        found = parse(message)
        fast = found.unit is not None and not self._buckets.take(
            found.unit, asyncio.get_running_loop().time()
        )
        return Opened(message, found, too_fast=fast)

    async def _until_saved(self, batch: Sequence[Opened]) -> None:
        """Save and acknowledge. While the store is down: acknowledge nothing, read nothing, try again.

        What a connection that is gone brought is left: it comes again over the next one.
        """
        wait = self._limits.store_retry.total_seconds()
        while live := self._live(batch):
            try:
                await self._intake.save(live)
            except (StoreDown, Overtaken) as down:
                self._pause(down.code)
                await asyncio.sleep(wait)
                wait = min(wait * 2, self._limits.store_retry_most.total_seconds())
            except Exception:  # noqa: BLE001  # whatever it was, the next batch must come through
                _log.exception("inbound.batch_failed", extra={"messages": len(live)})
                await self._one_by_one(live)
                return
            else:
                self._acknowledge(live)
                return

    async def _one_by_one(self, batch: Sequence[Opened]) -> None:
        """A message nobody foresaw must not stop the others: each by itself, and the culprit is parked."""
        if len(batch) > 1:
            for each in batch:
                await self._until_saved([each])
            return
        culprit = batch[0]
        if isinstance(culprit.found, Poison) and culprit.found.reason is Reason.INTERNAL:
            # Not even parking works: better lost, and said so, than in everybody's way for ever.
            _log.error("inbound.given_up", extra={"bytes": len(culprit.message.payload)})
            self._acknowledge(batch)
            return
        await self._until_saved([culprit.as_poison(Reason.INTERNAL)])

    def _live(self, batch: Sequence[Opened]) -> list[Opened]:
        generation = self._uplink.generation
        return [each for each in batch if each.message.generation == generation]

    def _acknowledge(self, batch: Sequence[Opened]) -> None:
        self._uplink.acknowledge_all([each.message for each in batch if each.message.qos])

    def _pause(self, why: str) -> None:
        if not self._paused:
            _log.warning("inbound.paused", extra={"why": why, "waiting": len(self._waiting)})
            self._paused = True
            self._uplink.pause()
