"""The places on the wire: as many tasks as may send at once, each takes one leased message after the other."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from spine.queued import Claimed

Try = Callable[[Claimed, float], Coroutine[Any, Any, None]]
"""One try of a leased message; with it the loop time from which its lease runs out. It never raises."""


class Lanes:
    """A task for each try cost as much as its signature: so each place is a task, for as long as there is work."""

    def __init__(self, places: int, one: Try) -> None:
        self._places = places
        self._one = one
        self.ready: deque[tuple[Claimed, float]] = deque()
        """Leased, and waiting for a place."""
        self.taken = 0
        """Places taken."""
        self.tries: set[asyncio.Task[None]] = set()
        """The tasks of the places, and those beside them."""

    def fill(self) -> None:
        """Give free places to what is ready."""
        for _ in range(min(len(self.ready), self._places - self.taken)):
            self.taken += 1
            self._begin(self._lane(*self.ready.popleft()), self._ended)

    def beside(self, one: Claimed, asked: float) -> None:
        """Try it at once, in no place: its number is bounded elsewhere."""
        self._begin(self._one(one, asked), self.tries.discard)

    async def idle(self) -> None:
        """Wait until no try runs."""
        while self.tries:
            await asyncio.wait(self.tries)

    async def close(self, longest: float) -> None:
        """Let what runs and what is ready end within so many seconds, and cut off the rest."""
        if self.tries:
            await asyncio.wait(self.tries, timeout=longest)
        for running in self.tries:
            running.cancel()
        await asyncio.gather(*self.tries, return_exceptions=True)
        self.ready.clear()

    def _begin(self, what: Coroutine[Any, Any, None], ended: Callable[[asyncio.Task[None]], object]) -> None:
        running = asyncio.create_task(what)
        self.tries.add(running)
        running.add_done_callback(ended)

    async def _lane(self, one: Claimed, asked: float) -> None:
        await self._one(one, asked)
        while self.ready:
            await self._one(*self.ready.popleft())

    def _ended(self, lane: asyncio.Task[None]) -> None:
        self.taken -= 1  # here, not in the lane: one that is cut off before its first step never runs
        self.tries.discard(lane)
