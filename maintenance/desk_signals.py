"""When the desk has to look again: one follower of the log in a process, and a signal for everybody who listens."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

from maintenance.desk_index import DESK, QUEUE, places
from maintenance.limits import DeskLimits
from maintenance.lists import CANARYS
from spine.facts import Fact
from spine.facts import maintenance as f
from spine.index import Index
from spine.log import Entry, Lagged, Tail
from spine.problems import Problem
from spine.valkey import StoreDown

log = logging.getLogger("trunkline.maintenance")

EVENT: Final = "desk"
_ONLY_LOOKED: Final = (f.CaseSeen, f.CaseActed)
"""They change nothing that a list or a case shows; each look would call for the next."""


def calls_for_a_look(fact: Fact) -> bool:
    """Whether a fact changes what agents see; a canary's is nobody's to see. Pure."""
    if isinstance(fact, f.CallsChosen):
        return True
    return isinstance(fact, f.CaseFact) and not isinstance(fact, _ONLY_LOOKED) and CANARYS not in fact.case


class Signals:
    """Says "look again" and nothing else. The cursor names this process and counts: another's is always out of date.

    A signal waits until the list shows what it is about (the list is built by another process), at most
    ``signal_patience``; signals of one moment (``signal_gap``) are one. It follows the log while somebody listens.
    """

    def __init__(self, tail: Tail, index: Index, limits: DeskLimits) -> None:
        self._tail = tail
        self._index = index
        self._limits = limits
        self._name = secrets.token_hex(4)
        self._count = 0
        self._changed = asyncio.Event()
        self._expected: dict[str, float | None] = {}
        self._touched = asyncio.Event()
        self._ready = asyncio.Event()
        self._listeners = 0
        self._following: asyncio.Task[None] | None = None

    @property
    def cursor(self) -> str:
        """Of what was signalled so far."""
        return f"{self._name}-{self._count}"

    async def events(
        self, after: str | None, still: Callable[[], Awaitable[object]]
    ) -> AsyncGenerator[str, None]:
        """Server-sent events for one listener, for ``signal_life``; at once where ``after`` is not the cursor.

        ``still`` raises once the listener may not hear any more, and the stream ends.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._limits.signal_life.total_seconds()
        seen = after
        self._listeners += 1
        try:
            await self._followed()
            yield "retry: 2000\n\n"
            while (left := ends - loop.time()) > 0:
                changed = self._changed
                if seen != self.cursor:
                    seen = self.cursor
                    yield f"id: {seen}\nevent: {EVENT}\ndata: look\n\n"
                try:
                    async with asyncio.timeout(min(left, self._limits.signal_beat.total_seconds())):
                        await changed.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                try:
                    await still()
                except Problem:
                    return
        finally:
            self._listeners -= 1
            if not self._listeners and self._following is not None:
                self._following.cancel()
                self._following = None

    async def _followed(self) -> None:
        """The log is followed from now on; where the store is away, it will be."""
        if self._following is None or self._following.done():
            self._ready.clear()
            self._following = asyncio.create_task(self._follow(), name="desk-signals")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.signal_patience.total_seconds()):
                await self._ready.wait()

    def _move(self) -> None:
        self._count += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _follow(self) -> None:
        """Whatever goes wrong, it begins anew, and its first signal sends everybody to look."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._read(), name="desk-signals-read")
                    tasks.create_task(self._tell(), name="desk-signals-tell")
            except ExceptionGroup:
                log.exception("the desk's signals stopped and begin anew")
            await asyncio.sleep(self._limits.signal_patience.total_seconds())

    async def _read(self) -> None:
        while True:
            try:
                async with self._tail.subscribe() as entries:
                    self._move()  # what was before is not known here
                    self._ready.set()
                    async for entry in entries:
                        self._hear(entry)
            except Lagged:
                continue
            except StoreDown:
                await asyncio.sleep(self._limits.signal_patience.total_seconds())

    def _hear(self, entry: Entry) -> None:
        if not calls_for_a_look(entry.fact):
            return
        for place in places(entry):
            if place.name == QUEUE:
                self._expected[place.member] = place.score
        self._touched.set()

    async def _tell(self) -> None:
        while True:
            await self._touched.wait()
            await asyncio.sleep(self._limits.signal_gap.total_seconds())
            self._touched.clear()
            expected, self._expected = self._expected, {}
            with contextlib.suppress(StoreDown):
                await self._listed(expected)
            self._move()

    async def _listed(self, expected: dict[str, float | None]) -> None:
        """Until the list shows it, or something newer about the same case was heard."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._limits.signal_patience.total_seconds()
        while expected and loop.time() < ends:
            scores = await self._index.scores(QUEUE, DESK, list(expected))
            expected = {
                case: score
                for (case, score), found in zip(expected.items(), scores, strict=True)
                if score != found and case not in self._expected
            }
            if expected:
                await asyncio.sleep(self._limits.signal_look.total_seconds())
