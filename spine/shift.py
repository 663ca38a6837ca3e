"""One reader at work on one partition under one lease: what it takes, holds back, tries again and parks."""

import asyncio
import contextlib
import logging
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Final

from spine.keyspace import Keyspace
from spine.log import START, Entry, order
from spine.parked import Held, Standing
from spine.problems import Kind, Problem
from spine.store import Ack, LeaseLost, StoreDown

if TYPE_CHECKING:
    from spine.readers import Reader

_log = logging.getLogger("trunkline.spine")

_LOOK_AGAIN: Final = 1.0
"""Seconds an idle shift waits before it looks whether its lease still stands."""
_AT_ONCE: Final = 16
"""Held subjects tried side by side."""


class Hopeless(Exception):
    """Trying again cannot help before somebody has changed something."""


class Shift:
    """Ends when the lease is no longer ours; raises ``LeaseLost`` or ``StoreDown`` (in a group) otherwise."""

    def __init__(self, reader: "Reader", partition: int, token: str) -> None:
        self._reader = reader
        self._partition = partition
        self._token = token
        self._valkey = reader.store.valkey
        keys = Keyspace(self._valkey.prefix)
        self._lease = keys.lease(partition, reader.group)
        self._cursors = keys.cursors(partition)
        self._held_key = keys.held(partition, reader.group)
        self._position = START
        self._saved = START
        self._flush_at = 0.0
        self._held: dict[str, Held] = {}  # in order of position
        self._subjects: Counter[str] = Counter()
        self._mending = asyncio.Event()

    async def work(self) -> None:
        """Take entry after entry from where the group stands, and mend what is held back beside it."""
        await self._open()
        async with asyncio.TaskGroup() as tasks:
            mend = tasks.create_task(self._mend())
            try:
                await self._read()
            finally:
                mend.cancel()
                if self._ours() and self._position != self._saved:
                    with contextlib.suppress(LeaseLost, StoreDown):
                        await self._flush()

    async def _open(self) -> None:
        cursor, held = await self._valkey.ask_all(
            [("HGET", self._cursors, self._reader.group), ("HGETALL", self._held_key)]
        )
        self._position = self._saved = cursor or START
        rows = [Held.model_validate_json(raw) for raw in held[1::2]]
        for each in sorted(rows, key=lambda held: order(held.position)):
            self._keep(each)
        if cursor is None:  # known from now on: nothing is trimmed away before we have read it
            await self._prove("tl_advance", [self._lease, self._cursors], [self._reader.group, START])
        self._mending.set()

    async def _read(self) -> None:
        limits, loop = self._reader.limits, asyncio.get_running_loop()
        while self._ours():
            unsaved = self._position != self._saved
            patience = max(0.0, self._flush_at - loop.time()) if unsaved else _LOOK_AGAIN
            entries = await self._reader.tail.after(
                self._partition, self._position, limit=limits.batch, patience=patience
            )
            if entries and not unsaved:
                self._flush_at = loop.time() + limits.cursor_flush.total_seconds()
            for entry in entries:
                if not self._ours():
                    return
                await self._take(entry)
                self._position = entry.position
            if self._position != self._saved and loop.time() >= self._flush_at:
                await self._flush()

    async def _take(self, entry: Entry) -> None:
        kinds = self._reader.kinds
        if (kinds is not None and entry.kind not in kinds) or entry.position in self._held:
            return
        subject = entry.fact.subject
        now = self._reader.clock.now()
        held = Held(
            partition=self._partition, position=entry.position, kind=entry.kind, subject=subject,
            standing=Standing.BEHIND, since=now,
        )  # fmt: skip
        if not self._subjects[subject]:
            ack = Ack(self._reader.group, self._partition, entry.position, self._token)
            failure = await self._try(entry, ack)
            if failure is None:
                return
            held = self._failed(held, failure)
        await self._hold(held)

    async def _try(self, entry: Entry, ack: Ack | None) -> Exception | None:
        """React; a failure is given back. A lost lease or store ends the shift instead."""
        if not entry.readable:
            return Hopeless("this version cannot read the fact")
        try:
            await self._reader.react(entry, ack)
        except (LeaseLost, StoreDown):
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a reaction raises, it is this entry's failure
            where = {"group": self._reader.group, "partition": self._partition, "position": entry.position}
            _log.warning("reaction_failed", extra=where | {"kind": entry.kind}, exc_info=failure)
            return failure
        return None

    def _failed(self, held: Held, failure: Exception) -> Held:
        limits, now = self._reader.limits, self._reader.clock.now()
        tries = held.tries + 1
        failures = held.failures + (0 if _unreachable(failure) else 1)
        parked = failures >= limits.failures or isinstance(failure, Hopeless)
        wait = min(limits.first_retry * 2 ** min(tries - 1, 20), limits.last_retry)
        return held.model_copy(
            update={
                "standing": Standing.PARKED if parked else Standing.FAILING,
                "failures": failures,
                "tries": tries,
                "retry_at": None if parked else now + wait,
                "reason": f"{type(failure).__name__}: {failure}"[:500],
            }
        )

    async def _mend(self) -> None:
        """Try again what is held, as its time comes; see what an operator changed."""
        poll = self._reader.limits.held_poll.total_seconds()
        while True:
            if not self._held:
                self._mending.clear()
                await self._mending.wait()
            await self._see_operator()
            due = self._due(self._reader.clock.now())
            async with asyncio.TaskGroup() as tries:
                for held in due[:_AT_ONCE]:
                    tries.create_task(self._again(held))
            if not due:
                await asyncio.sleep(poll)

    def _due(self, now: datetime) -> list[Held]:
        """The first held entry of each subject, where its time has come."""
        heads: dict[str, Held] = {}
        for held in self._held.values():
            heads.setdefault(held.subject, held)
        return [
            head
            for head in heads.values()
            if head.standing is Standing.BEHIND
            or (head.standing is Standing.FAILING and (head.retry_at is None or head.retry_at <= now))
        ]

    async def _again(self, held: Held) -> None:
        entry = await self._reader.log.at(self._partition, held.position)
        failure = (
            Hopeless("its fact is no longer in the log") if entry is None else await self._try(entry, None)
        )
        if failure is not None:
            await self._hold(self._failed(held, failure))
            return
        await self._prove("tl_settle", [self._lease, self._held_key], [held.position])
        self._drop(held.position)

    async def _see_operator(self) -> None:
        """Parked entries change only by an operator's hand, in another process."""
        parked = [each.position for each in self._held.values() if each.standing is Standing.PARKED]
        if not parked:
            return
        rows = await self._valkey.ask("HMGET", self._held_key, *parked)
        for position, raw in zip(parked, rows, strict=True):
            if raw is None:
                self._drop(position)
            else:
                self._keep(Held.model_validate_json(raw))

    def _keep(self, held: Held) -> None:
        self._subjects[held.subject] += held.position not in self._held
        self._held[held.position] = held

    def _drop(self, position: str) -> None:
        subject = self._held.pop(position).subject
        self._subjects[subject] -= 1
        if not self._subjects[subject]:
            del self._subjects[subject]

    async def _hold(self, held: Held) -> None:
        await self._prove(
            "tl_hold",
            [self._lease, self._cursors, self._held_key],
            [self._reader.group, held.position, held.model_dump_json()],
        )
        self._keep(held)
        self._mending.set()
        if held.standing is Standing.PARKED:
            extra = {"group": self._reader.group, "partition": self._partition, "position": held.position}
            _log.error("entry_parked", extra=extra | {"kind": held.kind, "reason": held.reason})

    async def _flush(self) -> None:
        position = self._position
        await self._prove("tl_advance", [self._lease, self._cursors], [self._reader.group, position])
        self._saved = position

    async def _prove(self, function: str, keys: list[str], args: list[str]) -> None:
        """Change something of the group with the lease's token. Raises ``LeaseLost``."""
        if not await self._valkey.call(function, keys, [self._token, *args]):
            raise LeaseLost(self._reader.group)

    def _ours(self) -> bool:
        return self._reader.leases.token((self._partition, self._reader.group)) == self._token


def _unreachable(failure: Exception) -> bool:
    """Something outside did not answer: not the entry's fault, however often."""
    return isinstance(failure, ConnectionError) or (
        isinstance(failure, Problem) and failure.kind is Kind.UNAVAILABLE
    )
