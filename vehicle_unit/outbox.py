"""What waits for the server: bounded, crash-safe, most urgent first (vehicle protocol, rules 3 and 4)."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final

from vehicle_gateway.wire import Err
from vehicle_unit.disk import Disk
from vehicle_unit.journal import Journal
from vehicle_unit.limits import UnitLimits

FILE: Final = "outbox.log"

_log = logging.getLogger("trunkline.vehicle_unit")


class Urgency(IntEnum):
    """In which order messages leave. The first two are never thrown away for others."""

    CRASH = 0
    RECEIPT = 1
    RESULT = 2
    EVENT = 3
    SIGNALS = 4


class Full(Exception):
    """No room, and nothing less urgent to throw away."""


@dataclass(slots=True)
class Item:
    """A message that waits. ``seq`` is its number of this boot, given when it first goes on the wire.

    ``name`` is the topic's end (``evt/receipt``); ``at`` when it happened; ``mono`` that moment in
    milliseconds since boot, None when it was in a former boot. ``durable``: it outlives a power cut by itself
    (a receipt does so in its own log; ``receipt`` is then its chain number).
    """

    id: str
    name: str
    d: dict[str, Any] = field(repr=False)
    urgency: Urgency
    at: datetime
    mono: int | None = None
    durable: bool = False
    correlation: str | None = None
    receipt: int | None = None
    seq: int | None = None
    not_before: float = 0.0

    def line(self) -> str:
        """Its line in the journal."""
        kept = {
            "id": self.id,
            "name": self.name,
            "d": self.d,
            "urgency": int(self.urgency),
            "at": self.at.isoformat(),
        }
        return f"put {json.dumps(kept, separators=(',', ':'))}"


class Outbox:
    """Items until their acknowledgement. Times given as ``uptime`` are seconds on CLOCK_BOOTTIME."""

    def __init__(self, disk: Disk, *, boot: int, limits: UnitLimits) -> None:
        self._journal = Journal(disk, FILE)
        self._boot = boot
        self._limits = limits
        self._items: dict[str, Item] = {}
        self._flying: dict[int, Item] = {}
        self._seq = 0
        for line in self._journal.load(every_line_was_synced=False):
            self._read_line(line)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._items

    def put(self, item: Item) -> None:
        """Take a message in, durably if it says so. The same id again changes nothing. Raises ``Full``."""
        if item.id in self._items:
            return
        if len(self._items) >= self._limits.outbox_items:
            self._throw_away_less_urgent_than(item.urgency)
        if item.durable:
            self._journal.append(item.line(), sync=True)
        self._items[item.id] = item

    def due(self, uptime: float, now: datetime) -> Sequence[Item]:
        """What should go on the wire now, most urgent first, each with its number.

        At most 512 are out without acknowledgement; what has waited longer than its kind may is dropped.
        """
        self._drop_expired(now)
        chosen: list[Item] = []
        waiting = sorted(
            (item for item in self._items.values() if item.not_before <= uptime),
            key=lambda item: (item.urgency, item.seq or 0),
        )
        for item in waiting:
            if item.seq is None:
                if len(self._flying) >= self._limits.in_flight:
                    break
                self._seq += 1
                item.seq = self._seq
                self._flying[item.seq] = item
            item.not_before = uptime + self._limits.resend_after.total_seconds()
            chosen.append(item)
        return chosen

    def retry_all(self) -> None:
        """The connection is gone: what is not acknowledged goes out again, under the same numbers."""
        for item in self._items.values():
            item.not_before = 0.0

    def unheard(self, item: Item, uptime: float) -> None:
        """The broker took it and had nobody to give it to: no need to wait for an acknowledgement."""
        item.not_before = min(item.not_before, uptime + self._limits.unheard_after.total_seconds())

    def not_sent(self, items: Sequence[Item]) -> None:
        """The connection went while these were handed over."""
        for item in items:
            item.not_before = 0.0

    def acknowledged(self, boot: int, seqs: Sequence[int]) -> Sequence[Item]:
        """``dn/ack``: durable at the server; gives what is now settled. Other boots' numbers are not ours."""
        if boot != self._boot:
            return []
        settled = [item for seq in seqs if (item := self._flying.pop(seq, None)) is not None]
        for item in settled:
            self._forget(item)
        return settled

    def refused(self, err: Err, uptime: float) -> Item | None:
        """``dn/err``. ``schema`` and ``size`` will never be taken: dropped, and given back. Others wait.

        ``stale`` never makes us drop: it goes out again under a new number.
        """
        item = self._flying.get(err.seq)
        if item is None:
            return None
        match err.code:
            case "stale":
                del self._flying[err.seq]
                item.seq, item.not_before = None, 0.0
            case "rate":
                item.not_before = uptime + self._limits.hold_after_rate.total_seconds()
            case "auth":
                item.not_before = uptime + self._limits.hold_after_auth.total_seconds()
            case "schema" | "size":
                del self._flying[err.seq]
                self._forget(item)
                return item
        return None

    def _forget(self, item: Item) -> None:
        self._items.pop(item.id, None)
        if not item.durable:
            return
        try:
            self._journal.append(f"done {item.id}", sync=False)
            if self._journal.lines > self._limits.compact_after:
                self._journal.rewrite([kept.line() for kept in self._items.values() if kept.durable])
        except OSError:
            _log.exception("outbox.not_settled")  # it costs one repetition after a restart, and ends nothing

    def _throw_away_less_urgent_than(self, urgency: Urgency) -> None:
        least = max(self._items.values(), key=lambda item: (item.urgency, item.seq is None))
        if least.urgency <= max(urgency, Urgency.RECEIPT):
            raise Full
        self._drop(least)

    def _drop_expired(self, now: datetime) -> None:
        for item in list(self._items.values()):
            kept = self._kept_for(item)
            if kept is not None and now - item.at > kept:
                self._drop(item)

    def _drop(self, item: Item) -> None:
        if item.seq is not None:
            self._flying.pop(item.seq, None)
        self._forget(item)

    def _kept_for(self, item: Item) -> timedelta | None:
        match item.urgency:
            case Urgency.CRASH | Urgency.RECEIPT:
                return None
            case Urgency.RESULT:
                return self._limits.keep_results
            case Urgency.EVENT:
                return self._limits.keep_events
            case Urgency.SIGNALS:
                return self._limits.keep_signals

    def _read_line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "done":
            self._items.pop(rest, None)
        else:
            kept: dict[str, Any] = json.loads(rest)
            self._items[kept["id"]] = Item(
                id=kept["id"],
                name=kept["name"],
                d=kept["d"],
                urgency=Urgency(kept["urgency"]),
                at=datetime.fromisoformat(kept["at"]),
                durable=True,
            )
