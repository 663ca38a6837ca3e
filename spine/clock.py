"""Time is passed in, never taken: the one place that asks the system."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Who can say what time it is, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
