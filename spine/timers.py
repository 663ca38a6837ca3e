"""Timers: subjects whose time has come, fired at least once; a failing one is tried again and never lost."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.house import House
from spine.ids import prefix_of
from spine.keyspace import Keyspace
from spine.leases import Leases, Place
from spine.limits import SpineLimits
from spine.store import Saved, Store, StoreDown
from spine.valkey import Valkey

_log = logging.getLogger("trunkline.spine")

_NAME: Final = "timers."
_MORE_MS: Final = 20
"""How soon to look again where more was due than may be in work."""

OnDue = Callable[[Saved], Awaitable[None]]
"""Changes the subject: another ``wake_at``, or none. It may be called again for the same due time."""


class Late(BaseModel):
    """A timer whose handler fails. It is tried again at ``next_at`` with a growing delay, for ever."""

    model_config = ConfigDict(frozen=True)

    subject: str
    failures: int
    reason: str
    since: AwareDatetime
    next_at: AwareDatetime


class LateTimers:
    """The failing timers of all partitions, for ``trunkline doctor``."""

    def __init__(self, valkey: Valkey, house: House) -> None:
        self._valkey = valkey
        self._house = house
        self._keys = Keyspace(valkey.prefix)

    async def list(self) -> list[Late]:
        """Longest failing first."""
        keys = [self._keys.late(partition) for partition in range(self._house.partitions)]
        answers = await self._valkey.ask_all([("HVALS", key) for key in keys])
        return sorted(
            (Late.model_validate_json(raw) for rows in answers for raw in rows), key=lambda late: late.since
        )


class Timers:
    """Fires the timers of the kinds given (id prefix to handler), where this process has the leases."""

    def __init__(
        self, store: Store, handlers: Mapping[str, OnDue], *, clock: Clock, limits: SpineLimits | None = None
    ) -> None:
        self._store = store
        self._valkey = store.valkey
        self._handlers = handlers
        self._clock = clock
        self._limits = limits or SpineLimits()
        self._keys = Keyspace(store.valkey.prefix)
        partitions = range(store.house.partitions)
        # One lease per kind: processes with other kinds of timers do not stand in each other's way.
        places = [(partition, _NAME + prefix) for prefix in handlers for partition in partitions]
        self._leases = Leases(store.valkey, places, self._limits)
        self._count = 0
        self._fired: dict[Place, dict[str, asyncio.Task[None]]] = {place: {} for place in places}

    async def run(self) -> None:
        """Fire what becomes due, until cancelled; what is cut off then fires again."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._leases.keep(), name="leases-timers")
                tasks.create_task(self._keep_firing(), name="timers")
        finally:
            for task in self._in_work():
                task.cancel()
            await asyncio.gather(*self._in_work(), return_exceptions=True)
            await self._leases.release()

    async def sweep(self, now: datetime) -> int:
        """One pass over everything due at ``now`` that this process can get; how many were fired."""
        await self._leases.beat()
        before = self._count
        await self._fire_due(now)
        await asyncio.gather(*self._in_work())
        return self._count - before

    async def _keep_firing(self) -> None:
        while True:
            wait = self._limits.timer_poll.total_seconds()
            try:
                now = self._clock.now()
                soonest = await self._fire_due(now)
                wait = min(wait, max(0.0, soonest / 1000 - now.timestamp()))
            except StoreDown as down:
                _log.warning("timers_wait", extra={"reason": down.detail})
            except Exception:  # noqa: BLE001 - timers never die
                _log.exception("timers_failed")
            await asyncio.sleep(wait)

    async def _fire_due(self, now: datetime) -> float:
        """Start what is due; the unix ms at which there is more to do, as far as is known."""
        by_partition: dict[int, list[Place]] = {}
        for place in self._leases.held():
            by_partition.setdefault(place[0], []).append(place)
        now_ms = int(now.timestamp() * 1000)
        calls = [
            ("tl_soonest", [self._due(place) for place in places], ()) for places in by_partition.values()
        ]
        first = await self._valkey.call_all(calls)
        soonest = math.inf
        for places, times in zip(by_partition.values(), first, strict=True):
            for place, time in zip(places, times, strict=True):
                if not time:
                    continue
                if float(time) > now_ms:
                    soonest = min(soonest, float(time))
                elif await self._fire(place, now_ms):
                    soonest = min(soonest, now_ms + _MORE_MS)
        return soonest

    async def _fire(self, place: Place, now_ms: int) -> bool:
        """Start what is due at one place; True where there is more than may be in work at once."""
        busy, token = self._fired[place], self._leases.token(place)
        room = self._limits.timer_batch - len(busy)
        if token is None or room <= 0:
            return room <= 0
        part = ("BYSCORE", "LIMIT", 0, self._limits.timer_batch + 1, "WITHSCORES")
        rows = await self._valkey.ask("ZRANGE", self._due(place), "-inf", now_ms, *part)
        waiting = [pair for pair in zip(rows[::2], rows[1::2], strict=True) if pair[0] not in busy]
        for subject, score in waiting[:room]:
            task = asyncio.create_task(self._one(place, subject, score, token), name=f"timer-{subject}")
            busy[subject] = task
            self._count += 1
            task.add_done_callback(partial(_forget, busy, subject))
        return len(waiting) > room

    async def _one(self, place: Place, subject: str, score: str, token: str) -> None:
        try:
            saved = await self._store.load(subject)
            if saved.wake_at is None:
                keys = [self._due(place), self._keys.late(place[0])]
                await self._valkey.call("tl_untimed", keys, [subject, score])
                return
            if saved.wake_at.timestamp() * 1000 > float(score):
                return  # set anew since we looked
            reason = await self._handle(saved)
            if reason is None and await self._valkey.ask("ZSCORE", self._due(place), subject) == score:
                reason = "its handler left it due"
            if reason is not None:
                await self._snooze(place, subject, score, token, reason)
        except StoreDown as down:
            _log.warning("timer_waits", extra={"subject": subject, "reason": down.detail})
            await asyncio.sleep(self._limits.store_retry.total_seconds())
        except Exception:  # noqa: BLE001 - timers never die
            _log.exception("timer_failed", extra={"subject": subject})
            await asyncio.sleep(self._limits.first_snooze.total_seconds())

    async def _handle(self, saved: Saved) -> str | None:
        """Call the handler; the reason where it failed. A store that is down is not its failure."""
        try:
            async with asyncio.timeout(self._limits.handler_timeout.total_seconds()):
                await self._handlers[prefix_of(saved.id)](saved)
        except StoreDown:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a handler raises, it is this timer's failure
            _log.warning("timer_handler_failed", extra={"subject": saved.id}, exc_info=failure)
            return f"{type(failure).__name__}: {failure}"[:500]
        return None

    async def _snooze(self, place: Place, subject: str, score: str, token: str, reason: str) -> None:
        now, late = self._clock.now(), self._keys.late(place[0])
        raw = await self._valkey.ask("HGET", late, subject)
        before = Late.model_validate_json(raw) if raw else None
        failures = 1 + (before.failures if before else 0)
        wait = min(self._limits.first_snooze * 2 ** min(failures - 1, 20), self._limits.last_snooze)
        row = Late(
            subject=subject, failures=failures, reason=reason, since=before.since if before else now,
            next_at=now + wait,
        )  # fmt: skip
        keys = [self._keys.lease(*place), self._due(place), late]
        next_ms = int(row.next_at.timestamp() * 1000)
        await self._valkey.call("tl_snooze", keys, [token, subject, score, next_ms, row.model_dump_json()])

    def _due(self, place: Place) -> str:
        return self._keys.due(place[0], place[1].removeprefix(_NAME))

    def _in_work(self) -> list[asyncio.Task[None]]:
        return [task for busy in self._fired.values() for task in busy.values()]


def _forget(busy: dict[str, asyncio.Task[None]], subject: str, _: asyncio.Task[None]) -> None:
    busy.pop(subject, None)
