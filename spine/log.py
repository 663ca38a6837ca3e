"""The log: every fact in order, one stream per partition, read by position or followed live."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from spine.entries import START, Entry, Unreadable, entry_of, order
from spine.house import House
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.valkey import Listening, StoreDown, Valkey

__all__ = ["START", "Entry", "Lagged", "Log", "Tail", "Unreadable", "order"]

_log = logging.getLogger("trunkline.spine")

_BLOCK_MS: Final = 5_000
_READY_WITHIN: Final = 5.0
_BEHIND: Final = 1_000
"""Entries a subscriber may lag before it is told so."""


class Log:
    """Reads the streams; only commits write them."""

    def __init__(self, valkey: Valkey, house: House) -> None:
        self.valkey = valkey
        self.house = house
        self._keys = Keyspace(valkey.prefix)

    async def read(self, partition: int, after: str = START, limit: int = 500) -> list[Entry]:
        """Entries after a position, in order; fewer than ``limit`` only at the end."""
        return [
            entry_of(partition, position, raw)
            for position, raw in await self.read_raw(partition, after, limit)
        ]

    async def read_raw(self, partition: int, after: str = START, limit: int = 500) -> list[tuple[str, str]]:
        """The same as (position, JSON), exactly as stored."""
        rows = await self.valkey.ask("XRANGE", self._keys.log(partition), f"({after}", "+", "COUNT", limit)
        return [(position, fields[1]) for position, fields in rows]

    async def at(self, partition: int, position: str) -> Entry | None:
        """The one entry at a position, or None where there is none (any more)."""
        rows = await self.valkey.ask("XRANGE", self._keys.log(partition), position, position)
        return entry_of(partition, position, rows[0][1][1]) if rows else None

    async def last(self, partition: int) -> str:
        """The position of the newest entry; ``0-0`` of an empty log."""
        rows = await self.valkey.ask("XREVRANGE", self._keys.log(partition), "+", "-", "COUNT", 1)
        return str(rows[0][0]) if rows else START

    async def entries(
        self, partition: int, after: str = START, *, mentioning: Sequence[str] = ()
    ) -> AsyncIterator[Entry]:
        """Everything after a position up to what is there now, in order.

        ``mentioning``: only what has one of these ids somewhere in it; the rest is passed over unread, which
        is ten times as fast.
        """
        while rows := await self.read_raw(partition, after):
            for position, raw in rows:
                if not mentioning or any(each in raw for each in mentioning):
                    yield entry_of(partition, position, raw)
            after = rows[-1][0]

    async def listen(self, partition: int) -> Listening:
        """A connection of its own that follows the partition."""
        return await self.valkey.listen(self._keys.log(partition))


class Lagged(Exception):
    """The subscriber fell behind: read again from the last position it saw (``Log.read``)."""


class Tail:
    """Facts as they are committed, parsed once for the whole process. ``run`` it in one task."""

    def __init__(
        self,
        log: Log,
        *,
        limits: SpineLimits | None = None,
        linger: timedelta = timedelta(),
        lingers_on: Iterable[str] = (),
    ) -> None:
        """``linger``: how long facts are left alone once one of ``lingers_on`` (kinds) has come.

        What comes meanwhile is read with them: for a process that somebody else's work is more urgent than.
        """
        self.log = log
        self._linger = linger.total_seconds()
        self._lingers_on = tuple(f'"kind":"{kind}"' for kind in lingers_on)
        self._limits = limits or SpineLimits()
        self._ends = [_End(self._limits.ring) for _ in range(log.house.partitions)]
        self._subscribers: set[_Subscriber] = set()

    async def run(self) -> None:
        """Follow every partition until cancelled; a store that is down is tried again."""
        async with asyncio.TaskGroup() as tasks:
            for partition in range(len(self._ends)):
                tasks.create_task(self._follow(partition), name=f"tail-{partition}")

    async def ready(self) -> None:
        """Wait until every partition is followed. Raises ``StoreDown`` where that takes too long."""
        await self._live(range(len(self._ends)))

    async def after(self, partition: int, position: str, *, limit: int, patience: float) -> list[Entry]:
        """What follows a position, after at most ``patience`` seconds; empty where nothing came.

        History comes from the store, the live end from memory, without a gap. Raises ``StoreDown``.
        """
        end = self._ends[partition]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            changed = end.changed
            if end.live and order(position) >= end.floor:
                found = end.since(position, limit)
            else:
                found = await self.log.read(partition, position, limit)
            if found:
                return found
            left = deadline - loop.time()
            if left <= 0:
                return []
            if not end.live:
                left = min(left, self._limits.store_retry.total_seconds())
            try:
                async with asyncio.timeout(left):
                    await changed.wait()
            except TimeoutError:
                continue

    async def wait_for(
        self,
        partition: int,
        predicate: Callable[[Entry], bool],
        timeout: float,  # noqa: ASYNC109 - None is an answer here, not an error
        after: str | None = None,
    ) -> Entry | None:
        """The first entry that fits after a position (None: from now on); None after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        position = after or await self._now(partition)
        while True:
            patience = deadline - loop.time()
            entries = await self.after(partition, position, limit=self._limits.batch, patience=patience)
            for entry in entries:
                if predicate(entry):
                    return entry
            if not entries and loop.time() >= deadline:
                return None
            if entries:
                position = entries[-1].position

    @asynccontextmanager
    async def subscribe(self, partition: int | None = None) -> AsyncIterator[AsyncIterator[Entry]]:
        """Live entries from now on, in order per partition (None: of all). Iterating raises ``Lagged``."""
        wanted = range(len(self._ends)) if partition is None else [partition]
        await self._live(wanted)
        subscriber = _Subscriber(frozenset(wanted))
        self._subscribers.add(subscriber)
        try:
            yield subscriber.entries()
        finally:
            self._subscribers.discard(subscriber)

    async def _now(self, partition: int) -> str:
        end = self._ends[partition]
        return end.last if end.live else await self.log.last(partition)

    async def _live(self, partitions: Iterable[int]) -> None:
        try:
            async with asyncio.timeout(_READY_WITHIN):
                for partition in partitions:
                    end = self._ends[partition]
                    while not end.live:
                        await end.changed.wait()
        except TimeoutError as late:
            raise StoreDown("the log is not followed yet") from late

    async def _follow(self, partition: int) -> None:
        end = self._ends[partition]
        while True:
            try:
                await self._read(partition, end)
            except StoreDown as down:
                _log.warning("tail_lost", extra={"partition": partition, "reason": down.detail})
            except Exception:  # noqa: BLE001 - a tail never dies
                _log.exception("tail_failed", extra={"partition": partition})
            end.live = False
            await asyncio.sleep(self._limits.store_retry.total_seconds())

    def _lingers_for(self, rows: Sequence[tuple[str, list[str]]]) -> bool:
        return self._linger > 0 and any(kind in fields[1] for _, fields in rows for kind in self._lingers_on)

    async def _read(self, partition: int, end: "_End") -> None:
        if not end.started:
            end.start(await self.log.last(partition))
        stream = await self.log.listen(partition)
        try:
            while True:
                # The first look returns at once: from then on nothing can be missed.
                rows = await stream.read(end.last, count=500, block_ms=_BLOCK_MS if end.live else 1)
                if end.live and self._lingers_for(rows):
                    await asyncio.sleep(self._linger)
                entries = [entry_of(partition, position, fields[1]) for position, fields in rows]
                end.add(entries)
                for subscriber in self._subscribers:
                    subscriber.offer(partition, entries)
                if entries:  # whoever waited for them goes first: asking for more is a system call
                    await asyncio.sleep(0)
        finally:
            await stream.close()


class _End:
    """The newest entries of one partition, without a gap after ``floor``."""

    def __init__(self, ring: int) -> None:
        self.live = False
        self.started = False
        self.last = START
        self.floor = order(START)
        self.changed = asyncio.Event()
        self._most = ring
        self._ring: deque[tuple[tuple[int, int], Entry]] = deque()

    def start(self, last: str) -> None:
        self.started, self.last, self.floor = True, last, order(last)

    def add(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._ring.append((order(entry.position), entry))
            self.last = entry.position
        while len(self._ring) > self._most:
            self.floor, _ = self._ring.popleft()
        if entries or not self.live:
            self.live = True
            changed, self.changed = self.changed, asyncio.Event()
            changed.set()

    def since(self, position: str, limit: int) -> list[Entry]:
        after, found = order(position), list[Entry]()
        for at, entry in reversed(self._ring):
            if at <= after:
                break
            found.append(entry)
        found.reverse()
        return found[:limit]


class _Subscriber:
    def __init__(self, partitions: frozenset[int]) -> None:
        self._partitions = partitions
        self._queue: asyncio.Queue[Entry] = asyncio.Queue(_BEHIND)
        self._lagged = False

    def offer(self, partition: int, entries: list[Entry]) -> None:
        if partition not in self._partitions:
            return
        for entry in entries:
            if self._lagged or self._queue.full():
                self._lagged = True
                return
            self._queue.put_nowait(entry)

    async def entries(self) -> AsyncIterator[Entry]:
        while True:
            if self._lagged and self._queue.empty():
                raise Lagged
            yield await self._queue.get()
