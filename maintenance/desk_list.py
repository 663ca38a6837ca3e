"""What waits for an agent now, the most urgent first, with why somebody may not be called yet."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from maintenance import calls as choice
from maintenance.desk_days import day_in
from maintenance.desk_days import subject_of as day_of
from maintenance.desk_index import DESK, QUEUE
from maintenance.desk_rules import Bar, Role, bar_to_call, for_agent, on_the_list, order
from maintenance.desk_windows import local_day, window_of
from maintenance.limits import DeskLimits
from maintenance.model import Calls, Read
from spine.clock import Clock
from spine.ids import CaseId, partition_of
from spine.index import Index
from spine.store import Saved, Store

_PAGE: Final = 100


def beside(read: Read) -> list[str]:
    """The choice about calls, where it lies in the case's partition (help lies in its delivery's)."""
    subject = choice.subject_of(read.body.vehicle)
    return [subject] if partition_of(subject) == partition_of(read.id) else []


def calls_beside(read: Read, saved: Mapping[str, Saved]) -> Calls | None:
    """The choice among the subjects of a change."""
    subject = choice.subject_of(read.body.vehicle)
    return choice.read(saved[subject]) if subject in saved else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A case on the list. ``bar``: why nobody may be called about it now."""

    read: Read
    calls: Calls | None
    bar: Bar


class WorkList:
    """Reads the list; what it says may be a moment old, and the claim decides."""

    def __init__(self, store: Store, clock: Clock, index: Index, limits: DeskLimits) -> None:
        self._store = store
        self._clock = clock
        self._index = index
        self._limits = limits

    async def of(self, role: Role, languages: frozenset[str], *, limit: int) -> list[Waiting]:
        """What this agent may see of the list, in order; barred ones too, with the reason."""
        found: list[Waiting] = []
        async for page in self.pages(role, languages):
            found += page
            if len(found) >= limit:
                break
        return found[:limit]

    async def pages(
        self, role: Role, languages: frozenset[str], *, size: int = _PAGE
    ) -> AsyncIterator[list[Waiting]]:
        """Page by page, each in order."""
        now, after = self._clock.now(), None
        while True:
            page = await self._index.page(QUEUE, DESK, after=after, limit=size)
            reads = await self._reads([CaseId(member) for member in page.members], now)
            waiting = await self.looked_at(reads, now)
            yield [one for one in waiting if for_agent(one.read, one.calls, role, languages)]
            if page.next is None:
                return
            after = page.next

    async def looked_at(self, reads: Sequence[Read], now: datetime) -> list[Waiting]:
        """Each with the owner's choice and whether the person may be called now."""
        chosen = await self._store.load_many({choice.subject_of(read.body.vehicle) for read in reads})
        calls = {read.id: calls_beside(read, chosen) for read in reads}
        persons = {day_of(one.person) for one in calls.values() if one is not None}
        days = await self._store.load_many(persons)
        return [Waiting(read, calls[read.id], self._bar(read, calls[read.id], days, now)) for read in reads]

    async def calls_of(self, read: Read) -> Calls | None:
        """The choice about a case's car, wherever it lies."""
        return choice.read(await self._store.load(choice.subject_of(read.body.vehicle)))

    def _bar(self, read: Read, calls: Calls | None, days: Mapping[str, Saved], now: datetime) -> Bar:
        window = window_of(calls)
        day = None if calls is None else day_in(days[day_of(calls.person)], local_day(window.zone, now))
        return bar_to_call(read, calls, window, day, self._limits, now)

    async def _reads(self, cases: Sequence[CaseId], now: datetime) -> list[Read]:
        saved = await self._store.load_many(cases)
        reads = [read for each in cases if (read := Read.of(saved[each])) and on_the_list(read, now)]
        return sorted(reads, key=order)
