"""Hours of a day in a place's own time: when a standing approval holds, when a household sleeps. Pure."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from delivery.model import Frozen, Window
from spine.zones import Zone

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_AT: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
At = Annotated[str, Field(pattern=_AT, examples=["09:00"])]
"""A local time of day, ``HH:MM``."""


class Hours(Frozen):
    """From ``start`` to ``end`` (exclusive) on these days, in the local time of ``zone``; never over midnight."""

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)]
    start: At
    end: At
    zone: Zone

    @model_validator(mode="after")
    def _in_one_day(self) -> "Hours":
        if self.end <= self.start:
            raise ValueError("hours end later on the same day than they start")
        return self

    def hold(self, window: Window) -> bool:
        """Whether the window lies wholly within them, on one local day."""
        first, last = (at.astimezone(ZoneInfo(self.zone)) for at in (window.start, window.end))
        if first.date() != last.date() or DAYS[first.weekday()] not in self.days:
            return False
        return time.fromisoformat(self.start) <= first.time() and last.time() <= time.fromisoformat(self.end)


class Quiet(Frozen):
    """When a household does not want to be woken, each night from ``start`` to ``end`` in ``zone``."""

    start: At
    end: At
    zone: Zone

    @model_validator(mode="after")
    def _has_length(self) -> "Quiet":
        if self.end == self.start:
            raise ValueError("quiet hours end at another time than they start")
        return self

    def until(self, now: datetime) -> datetime | None:
        """When the quiet that holds at ``now`` is over; None outside of it."""
        zone = ZoneInfo(self.zone)
        here = now.astimezone(zone)
        for began in (here.date(), here.date() - timedelta(days=1)):
            start, end = self._span(began, zone)
            if start <= now < end:
                return end.astimezone(now.tzinfo)
        return None

    def _span(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        over = self.end < self.start
        start = datetime.combine(day, time.fromisoformat(self.start), zone)
        end = datetime.combine(day + timedelta(days=over), time.fromisoformat(self.end), zone)
        return start, end
