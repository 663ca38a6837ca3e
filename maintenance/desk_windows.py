"""When a person may be called: by country, or by the hours they chose, in their own zone. Pure.

A window is kept in local time and compared in UTC, so a day with 23 or 25 hours is as right as any other. A local time
that a change of the clock leaves out begins when the clock has moved; one that comes twice means the first of the two.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from maintenance.model import Calls
from maintenance.public_holidays import is_holiday

_LOOKED_AHEAD: Final = 21
OWN: Final = "owner"
"""Days; every window opens at least once a fortnight, whatever holidays there are."""
_DAY: Final = timedelta(days=1)

Part = tuple[time, time]
"""From and to, local; where ``to`` is not later than ``from`` it ends on the next day."""


@dataclass(frozen=True, slots=True)
class Window:
    """Parts of a day by ISO weekday (1 is Monday). ``source``: whose rule it is: ``owner``, ``default`` or a country.

    ``feasts``: the country whose public holidays are days without a call, where its rule says so; ``eve``: the parts of
    a day before one, where those are others.
    """

    zone: ZoneInfo
    parts: tuple[tuple[Part, ...], ...]
    source: str
    feasts: str = ""
    eve: tuple[Part, ...] | None = None

    def on(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The parts of a local day, in UTC, in order; what a clock change leaves out is left out."""
        for begins, ends in self._parts_of(day):
            last = day if begins < ends else day + timedelta(days=1)
            start, end = _utc(day, begins, self.zone), _utc(last, ends, self.zone)
            if start < end:
                yield start, end

    def _parts_of(self, day: date) -> tuple[Part, ...]:
        parts = self.parts[day.isoweekday() - 1]
        if not self.feasts or not parts:
            return parts
        if is_holiday(self.feasts, day):
            return ()
        return parts if self.eve is None or not is_holiday(self.feasts, day + _DAY) else self.eve

    def is_open(self, at: datetime) -> bool:
        """Whether a call may be made at this moment; the end itself is outside."""
        today = local_day(self.zone, at)
        days = (today - timedelta(days=1), today)
        return any(start <= at < end for day in days for start, end in self.on(day))

    def next_open(self, at: datetime) -> datetime:
        """The first moment from ``at`` on at which it is open: ``at`` itself where it is."""
        if self.is_open(at):
            return at
        return next(start for start, _ in self._from(local_day(self.zone, at)) if start >= at)

    def closes(self, at: datetime) -> datetime:
        """The end of the open time that ``at`` is in, over parts that follow each other; ``at`` where it is shut."""
        end = at
        for start, stop in self._from(local_day(self.zone, at) - timedelta(days=1)):
            if start <= end < stop:
                end = stop
        return end

    def other_half(self, at: datetime) -> datetime:
        """On the next day with a window, in the other half of it than ``at`` was in."""
        today = local_day(self.zone, at)
        late = at >= self._middle(today)
        day = next(
            day
            for day in (today + timedelta(days=n) for n in range(1, _LOOKED_AHEAD))
            if any(True for _ in self.on(day))
        )
        return next(self.on(day))[0] if late else self.next_open(self._middle(day))

    def after_days(self, at: datetime, days: int) -> datetime:
        """The first open moment from the same local time ``days`` later on."""
        local = at.astimezone(self.zone)
        return self.next_open(_utc(local.date() + timedelta(days=days), local.time(), self.zone))

    def within(self, at: datetime, patience: timedelta) -> datetime:
        """The moment at which ``patience`` has passed in open time."""
        for start, end in self._from(local_day(self.zone, at) - timedelta(days=1)):
            begins = max(start, at)
            if begins < end and begins + patience <= end:
                return begins + patience
            patience -= max(timedelta(), end - begins)
        return at + patience

    def at(self, local: datetime) -> datetime:
        """The moment that the person's clock shows so."""
        return _utc(local.date(), local.time(), self.zone)

    def _middle(self, day: date) -> datetime:
        """The middle between the first opening and the last end; noon on a day without a window."""
        parts = list(self.on(day))
        if not parts:
            return _utc(day, time(12), self.zone)
        return parts[0][0] + (parts[-1][1] - parts[0][0]) / 2

    def _from(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        for n in range(_LOOKED_AHEAD):
            yield from self.on(day + timedelta(days=n))


def window_of(calls: Calls | None) -> Window:
    """The owner's: their country's days, and their own hours where they chose some."""
    country = (calls.country if calls else "") or ""
    table = {**_table()["default"], **_table().get(country, {})}
    zone = _zone(calls.zone if calls else table["zone"], table["zone"])
    hours = tuple(_part(text) for text in table["hours"])
    saturday = tuple(_part(text) for text in table.get("saturday", table["hours"]))
    source = table["source"]
    eve = tuple(_part(text) for text in table["eve"]) if "eve" in table else None
    own = _own(calls)
    if own is not None:
        hours, saturday, eve = (own,), (own,), None
        source = OWN
    days = table["days"]
    parts = tuple((saturday if day == 6 else hours) if day in days else () for day in range(1, 8))
    feasts = country if table["holidays"] else ""
    return Window(zone, parts, source, feasts, eve)


def local_day(zone: ZoneInfo, at: datetime) -> date:
    """The date it is there at this moment."""
    return at.astimezone(zone).date()


def countries() -> tuple[str, ...]:
    """The countries of the table."""
    return tuple(name for name in _table() if name != "default")


def _utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at.replace(tzinfo=None, fold=0), tzinfo=zone).astimezone(UTC)


def _own(calls: Calls | None) -> Part | None:
    """The hours a person chose; None where they chose none, or none that can be read."""
    if calls is None or calls.hours is None:
        return None
    try:
        return _part("-".join(calls.hours))
    except ValueError:
        return None


def _part(text: str) -> Part:
    begins, _, ends = text.partition("-")
    return time.fromisoformat(begins), time.fromisoformat(ends)


def _zone(name: str, otherwise: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(otherwise)


@cache
def _table() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("maintenance").joinpath("windows.toml").read_text("utf-8"))
