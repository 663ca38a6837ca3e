"""Counts of what the mechanisms that lose no alert had to do, for metrics: in the store, over all processes."""

from typing import Protocol

from spine.counters import Counters

__all__ = ["Counting", "StoredCounting"]


class Counting(Protocol):
    """Where things are counted."""

    async def count(self, *names: str) -> None:
        """One more of each name."""


class StoredCounting:
    """Counts in the store. A process killed between a commit and its count has counted one less."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    async def count(self, *names: str) -> None:
        """One more of each name."""
        if names:
            await self._counters.add("maintenance", names)
