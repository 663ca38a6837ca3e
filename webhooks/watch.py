"""Deadlines of many tasks, looked after together: a timer for each cost more than what it watched.

As ``asyncio.timeout``, but noticed up to ``EVERY`` seconds late; for what is bounded by seconds.
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

EVERY: Final = 0.02
"""Seconds by which a deadline may be noticed late."""


class Watch:
    """One timer for all that is bounded by it, and none while nothing is."""

    def __init__(self) -> None:
        self._bounds: dict[Bound, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> "Bound":
        """What is done inside raises ``TimeoutError`` after so many seconds: ``with watch.within(5): await ...``."""
        return Bound(self, time.monotonic() + seconds)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, bound: "Bound") -> None:
        self._bounds[bound] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._look)

    def remove(self, bound: "Bound") -> None:
        del self._bounds[bound]

    def _look(self) -> None:
        self._timer, now = None, time.monotonic()
        for bound in self._bounds:
            if bound.ends <= now:
                bound.over()
        if self._bounds:
            self._timer = asyncio.get_running_loop().call_later(EVERY, self._look)


class Bound:
    """One deadline of the task that entered it."""

    __slots__ = ("_cancelling", "_late", "_task", "_watch", "ends")

    def __init__(self, watch: Watch, ends: float) -> None:
        self._watch = watch
        self.ends = ends
        self._late = False
        self._cancelling = 0
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only what runs in a task is bounded")
        self._task, self._cancelling = task, task.cancelling()
        self._watch.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.remove(self)
        task, self._task = self._task, None
        if (
            self._late
            and task is not None
            and task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            # The cancellation was ours and nobody else's. Whoever wanted the task to end still gets it.
            raise TimeoutError from error

    def over(self) -> None:
        """Its time is up."""
        if not self._late and self._task is not None:
            self._late = True
            self._task.cancel()
