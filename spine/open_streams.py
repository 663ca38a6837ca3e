"""How many streams a process holds open, for each listener and in all: each costs a socket and a task."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import ClassVar

from spine.problems import Kind, Problem


class TooManyStreams(Problem):
    """As many streams as may be are open already."""

    code: ClassVar[str] = "events.too_many_streams"
    kind: ClassVar[Kind] = Kind.TOO_MANY
    try_again: ClassVar[bool] = True


class OpenStreams:
    """Those of one kind in this process. ``each``: of one listener; ``total``: of all together."""

    def __init__(self, *, each: int, total: int) -> None:
        self._each = each
        self._total = total
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """Open now."""
        return self._open.total()

    def check(self, who: str) -> None:
        """Before the answer begins, so that it can still be refused. Raises ``TooManyStreams``."""
        if self._is_full(who):
            raise TooManyStreams("Close another stream of events first.", retry_after=5)

    async def counted(self, who: str, events: AsyncGenerator[str, None]) -> AsyncIterator[str]:
        """The same events, counted as one stream from the first to the last of them.

        Ends at once where many began together, none of which was open yet when they were let in.
        """
        if self._is_full(who):
            return
        self._open[who] += 1
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        finally:
            self._open[who] -= 1
            self._open += Counter()  # whoever has none open is forgotten

    def _is_full(self, who: str) -> bool:
        return self._open[who] >= self._each or self.count >= self._total
