"""The log's past: written away in chained segments, trimmed behind every reader, verified from end to end."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

from spine import segments
from spine.entries import entry_of
from spine.keyspace import Keyspace
from spine.log import START, Entry, Log, order
from spine.problems import Kind, Problem
from spine.segments import Segment, SegmentBroken
from spine.valkey import Word

_MOST_ENTRIES: Final = 50_000
"""Entries of one segment."""


class ArchiveConflict(Problem):
    """Another archive of this log was written meanwhile, or this folder is not the one written so far."""

    code: ClassVar[str] = "log.archive_conflict"
    kind: ClassVar[Kind] = Kind.CONFLICT


@dataclass(slots=True)
class Report:
    """What ``trunkline log verify`` found. Whole means ``problems`` is empty."""

    segments: int = 0
    archived: int = 0
    in_store: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Tip:
    """How far a partition is archived."""

    segment: int
    through: str
    sha256: str


class Archive:
    """One folder for one installation. The store knows the newest segment's hash, each the one before."""

    def __init__(self, log: Log, folder: Path) -> None:
        self._log = log
        self._valkey = log.valkey
        self._partitions = range(log.house.partitions)
        self._folder = folder
        self._keys = Keyspace(log.valkey.prefix)

    async def write(self) -> list[Segment]:
        """Write away what came since. Raises ``ArchiveConflict``, ``SegmentBroken``, ``OSError``."""
        written = []
        for partition in self._partitions:
            while (segment := await self._write(partition)) is not None:
                written.append(segment)
        return written

    async def trim(self, groups: Collection[str], *, before: datetime) -> int:
        """Drop archived entries older than ``before``; how many there were.

        Nothing goes that a reader group has yet to read or holds back. ``groups``: all there are.
        Tombstones whose facts are gone from the store go with them.
        """
        dropped = 0
        for partition in self._partitions:
            dropped += await self._trim(partition, groups, round(before.timestamp() * 1000))
        return dropped

    async def entries(self, partition: int, after: str = START) -> AsyncIterator[Entry]:
        """Everything after a position, from archive, then store. Raises ``SegmentBroken`` for a gap."""
        position = after
        for number in range(1, (await self._tip(partition)).segment + 1):
            segment, rows = await asyncio.to_thread(
                segments.read, segments.path_of(self._folder, partition, number)
            )
            if order(segment.through) <= order(position):
                continue
            for place, raw in rows:
                if order(place) > order(position):
                    yield entry_of(partition, place, raw)
                    position = place
        async for entry in self._log.entries(partition, position):
            yield entry

    async def verify(self) -> Report:
        """Check chain and contents of the whole archive, and that what the store still has is the same."""
        report = Report()
        for partition in self._partitions:
            try:
                await self._verify(partition, report)
            except SegmentBroken as broken:
                report.problems.append(str(broken))
        return report

    async def _write(self, partition: int) -> Segment | None:
        tip = await self._tip(partition)
        rows = await self._log.read_raw(partition, tip.through, _MOST_ENTRIES)
        if not rows:
            return None
        if tip.segment:
            before, _ = await asyncio.to_thread(
                segments.read, segments.path_of(self._folder, partition, tip.segment)
            )
            if before.sha256 != tip.sha256:
                raise ArchiveConflict(
                    f"{before.path.name} of partition {partition} is not the segment last written"
                )
        segment = await asyncio.to_thread(
            segments.write, self._folder, partition, tip.segment + 1, tip.through, tip.sha256, rows
        )
        news: list[Word] = [tip.sha256, segment.number, segment.through, segment.sha256]
        if not await self._valkey.call("tl_archived", [self._keys.archived(partition)], news):
            raise ArchiveConflict(f"partition {partition} was archived by somebody else at the same time")
        return segment

    async def _tip(self, partition: int) -> _Tip:
        key = self._keys.archived(partition)
        number, through, digest = await self._valkey.ask("HMGET", key, "segment", "through", "sha256")
        return _Tip(int(number or 0), through or START, digest or "")

    async def _trim(self, partition: int, groups: Collection[str], before_ms: int) -> int:
        log = self._keys.log(partition)
        last = min(
            [
                (before_ms, -1),
                order((await self._tip(partition)).through),
                *await self._marks(partition, groups),
            ]
        )
        dropped = int(await self._valkey.ask("XTRIM", log, "MINID", f"{last[0]}-{last[1] + 1}"))
        first = await self._valkey.ask("XRANGE", log, "-", "+", "COUNT", 1)
        gone_ms = order(first[0][0])[0] - 1 if first else last[0] - 1
        await self._bury(partition, gone_ms)
        return dropped

    async def _marks(self, partition: int, groups: Collection[str]) -> list[tuple[int, int]]:
        """The newest entry each group is surely done with."""
        flat = await self._valkey.ask("HGETALL", self._keys.cursors(partition))
        cursors = dict(zip(flat[::2], flat[1::2], strict=True))
        marks = [order(cursors.get(group, START)) for group in {*groups, *cursors}]
        for group in {*groups, *cursors}:
            for position in await self._valkey.ask("HKEYS", self._keys.held(partition, group)):
                ms, seq = order(position)
                marks.append((ms, seq - 1))
        return marks

    async def _bury(self, partition: int, gone_ms: int) -> None:
        ended = self._keys.ended(partition)
        for subject in await self._valkey.ask("ZRANGE", ended, "-inf", gone_ms, "BYSCORE"):
            await self._valkey.call(
                "tl_bury", [ended, self._keys.subject(partition, subject)], [subject, gone_ms]
            )

    async def _verify(self, partition: int, report: Report) -> None:
        tip = await self._tip(partition)
        newest = _Tip(0, START, "")
        chain = segments.chain(self._folder, partition)
        while (found := await asyncio.to_thread(next, chain, None)) is not None:
            segment, rows = found
            newest = _Tip(segment.number, segment.through, segment.sha256)
            report.segments += 1
            report.archived += len(rows)
            report.unreadable += sum(not entry_of(partition, *row).readable for row in rows)
            stored = await self._stored(partition, rows[0][0], rows[-1][0])
            # Trimmed from the old end only: what the store has of a segment is its newest part.
            if stored != rows[len(rows) - len(stored) :]:
                report.problems.append(f"the store differs from {segment.path.name} of partition {partition}")
        if newest != tip:
            report.problems.append(
                f"partition {partition}: the store knows segment {tip.segment}, not this newest"
            )
        async for entry in self._log.entries(partition, newest.through):
            report.in_store += 1
            report.unreadable += not entry.readable

    async def _stored(self, partition: int, first: str, last: str) -> list[tuple[str, str]]:
        rows = await self._valkey.ask("XRANGE", self._keys.log(partition), first, last)
        return [(position, fields[1]) for position, fields in rows]
