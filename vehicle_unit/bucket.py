"""How often one link may ask something of the unit (step 0 of keys.md 3.3)."""

from datetime import timedelta
from typing import Final

_MOST: Final = 256


class Buckets:
    """A token bucket per link: ``burst`` at once, then one more each ``every``. Full ones are forgotten."""

    def __init__(self, burst: int, every: timedelta) -> None:
        self._burst = float(burst)
        self._a_second = 1 / every.total_seconds() if every else float("inf")
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, link: str, uptime: float) -> bool:
        """Take one token; false when there is none. ``uptime`` in seconds."""
        level = self._level(link, uptime)
        if level < 1:
            return False
        if link not in self._levels and len(self._levels) >= _MOST:
            self._levels = {
                name: kept for name, kept in self._levels.items() if self._level(name, uptime) < self._burst
            }
            if len(self._levels) >= _MOST:
                return False
        self._levels[link] = (level - 1, uptime)
        return True

    def forget(self, link: str) -> None:
        """The link is gone for good."""
        self._levels.pop(link, None)

    def _level(self, link: str, uptime: float) -> float:
        level, at = self._levels.get(link, (self._burst, uptime))
        return min(self._burst, level + max(uptime - at, 0.0) * self._a_second)
