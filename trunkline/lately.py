"""What anybody may ask for and many look-ups answer: looked up at most every few seconds, by one for all who ask."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

T = TypeVar("T")


class Lately(Generic[T]):
    """The newest answer of ``look``, no older than ``age``. What ``look`` raises is raised, and not kept."""

    def __init__(self, look: Callable[[], Awaitable[T]], *, age: timedelta) -> None:
        self._look = look
        self._age = age.total_seconds()
        self._kept: tuple[float, T] | None = None
        self._one = asyncio.Lock()

    async def __call__(self) -> T:
        """Whoever comes while somebody looks waits for that look."""
        now = asyncio.get_running_loop().time
        async with self._one:
            if self._kept is None or now() - self._kept[0] >= self._age:
                asked = now()
                self._kept = (asked, await self._look())
            return self._kept[1]
