"""Readers of the log: one active per group and partition, at least once, in order; none ever dies."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from spine.clock import Clock
from spine.facts import Fact
from spine.leases import Leases
from spine.limits import SpineLimits
from spine.log import Entry, Log, Tail
from spine.shift import Shift
from spine.store import Ack, LeaseLost, Store, StoreDown

_log = logging.getLogger("trunkline.spine")


@dataclass(frozen=True, slots=True)
class Received:
    """A fact as a reaction gets it. It may come again after a crash: the reaction changes nothing then.

    ``ack`` goes to the **last** ``Store.change`` of the reaction, so that the acknowledgement is part of that
    commit; None where the fact comes out of order (a retry), and then the reader sees to it.
    """

    partition: int
    position: str
    fact: Fact
    ack: Ack | None


Handle = Callable[[Received], Awaitable[None]]


class Reader:
    """One group's reader in this process; another process's reader of the group stands by.

    A reaction that raises holds its entry and subject back and is tried again; after ``limits.failures`` it
    is parked (``spine.parked``). A store that is down, or anything else unreachable, never counts as its
    failure.
    """

    def __init__(
        self,
        store: Store,
        log: Log,
        tail: Tail,
        group: str,
        handle: Handle,
        *,
        kinds: frozenset[str] | None = None,
        limits: SpineLimits,
        clock: Clock,
    ) -> None:
        self.store = store
        self.log = log
        self.tail = tail
        self.group = group
        self.kinds = kinds
        self.limits = limits
        self.clock = clock
        self._handle = handle
        partitions = range(store.house.partitions)
        self.leases = Leases(store.valkey, [(partition, group) for partition in partitions], limits)

    async def run(self) -> None:
        """Read every partition this process gets the lease of, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.leases.keep(), name=f"leases-{self.group}")
                for partition in range(self.store.house.partitions):
                    tasks.create_task(self._serve(partition), name=f"reader-{self.group}-{partition}")
        finally:
            await self.leases.release()

    async def react(self, entry: Entry, ack: Ack | None) -> None:
        """Hand one entry to the reaction, for at most ``limits.handler_timeout``."""
        async with asyncio.timeout(self.limits.handler_timeout.total_seconds()):
            await self._handle(Received(entry.partition, entry.position, entry.fact, ack))

    async def _serve(self, partition: int) -> None:
        where = {"group": self.group, "partition": partition}
        while True:
            token = await self.leases.wait((partition, self.group))
            try:
                await Shift(self, partition, token).work()
            except* LeaseLost:
                _log.warning("lease_lost", extra=where)
                self.leases.drop((partition, self.group))
            except* StoreDown as down:
                _log.warning("reader_waits", extra=where | {"reason": str(down.exceptions[0])})
                await asyncio.sleep(self.limits.store_retry.total_seconds())
            except* Exception:  # noqa: BLE001 - a reader never dies
                _log.exception("reader_failed", extra=where)
                await asyncio.sleep(self.limits.store_retry.total_seconds())
