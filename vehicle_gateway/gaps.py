"""Holes in what a unit sends: one that stays open asks for a snapshot; state moved on without it (rule 4)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from spine.ids import UnitId

_MOST_HOLES: Final = 1_024


@dataclass(slots=True)
class _Seen:
    boot: int
    high: int
    holes: dict[int, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """``seq`` of ``boot`` did not come in time."""

    unit: UnitId
    boot: int
    seq: int


class Gaps:
    """Watches the numbers of at most ``most`` units, from the first that is heard of each."""

    def __init__(self, *, after: timedelta, most: int) -> None:
        self._after = after
        self._most = most
        self._units: OrderedDict[UnitId, _Seen] = OrderedDict()
        self._open: set[UnitId] = set()

    def saw(self, unit: UnitId, boot: int, seq: int, now: datetime) -> None:
        """Note a number that was taken."""
        seen = self._units.get(unit)
        if seen is None or boot > seen.boot:
            self._units[unit] = _Seen(boot, seq)
            self._open.discard(unit)
            self._forget_the_silent()
            return
        self._units.move_to_end(unit)
        if boot < seen.boot:
            return
        if seq > seen.high:
            first = max(seen.high + 1, seq - _MOST_HOLES)
            seen.holes.update(dict.fromkeys(range(first, seq), now))
            seen.high = seq
        else:
            seen.holes.pop(seq, None)
        (self._open.add if seen.holes else self._open.discard)(unit)

    def due(self, now: datetime) -> list[Gap]:
        """Holes open for too long, one per unit; each unit's holes are forgotten with that."""
        found = []
        for unit in list(self._open):
            seen = self._units[unit]
            seq, since = next(iter(seen.holes.items()))
            if now - since >= self._after:
                found.append(Gap(unit, seen.boot, seq))
                seen.holes.clear()
                self._open.discard(unit)
        return found

    def _forget_the_silent(self) -> None:
        while len(self._units) > self._most:
            unit, _ = self._units.popitem(last=False)
            self._open.discard(unit)
