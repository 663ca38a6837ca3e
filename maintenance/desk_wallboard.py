"""The desk at a glance: open by severity, the oldest that nobody has, breaches, unreached, the age of the canary."""

import asyncio
from collections import Counter
from datetime import datetime

from pydantic import AwareDatetime

from maintenance.desk_rules import on_the_list
from maintenance.limits import DeskLimits
from maintenance.lists import ALL, OPEN
from maintenance.model import LEVELS, Frozen, Read
from maintenance.states import TriggerState
from maintenance.sweeping import GAUGES
from spine.clock import Clock
from spine.counters import Counters
from spine.ids import CaseId
from spine.index import Index
from spine.store import Store

_PAGE = 500


class Wallboard(Frozen):
    """Numbers of one moment. ``oldest_since``: of the case that waits longest for an agent."""

    at: AwareDatetime
    by_severity: dict[str, int]
    by_state: dict[str, int]
    help_open: int
    waiting: int
    oldest_since: AwareDatetime | None
    breaches: int
    unreached: int
    for_supervisors: int
    agents_at_work: int
    canary_age_s: float | None


class Board:
    """Counts what is open; one count serves everybody for a moment."""

    def __init__(self, store: Store, clock: Clock, index: Index, limits: DeskLimits) -> None:
        self._store = store
        self._clock = clock
        self._index = index
        self._limits = limits
        self._counters = Counters(store.valkey)
        self._kept: Wallboard | None = None
        self._counting = asyncio.Lock()

    async def look(self) -> Wallboard:
        """At most ``wallboard_kept`` old when it was counted; whoever asks meanwhile waits for the same count."""
        async with self._counting:
            now = self._clock.now()
            if self._kept is None or not self._kept.at <= now < self._kept.at + self._limits.wallboard_kept:
                self._kept = counted(await self._open(), now, await self._canary_age(now))
            return self._kept

    async def _canary_age(self, now: datetime) -> float | None:
        """Seconds since the newest synthetic fault came out at the end of the chain; None where none ever did."""
        at = (await self._counters.all(GAUGES)).get("canary_at")
        return None if at is None else max(0.0, now.timestamp() - at)

    async def _open(self) -> list[Read]:
        reads: list[Read] = []
        after = None
        while True:
            page = await self._index.page(OPEN, ALL, after=after, limit=_PAGE)
            saved = await self._store.load_many(page.members)
            reads += [read for each in page.members if (read := Read.of(saved[CaseId(each)]))]
            if page.next is None:
                return reads
            after = page.next


def counted(reads: list[Read], now: datetime, canary_age: float | None) -> Wallboard:
    """The numbers of these cases; a canary's is nobody's. Pure."""
    known = [read for read in reads if read.open and read.body.what != "canary"]
    faults = Counter(read.body.severity for read in known if read.body.what == "fault")
    waiting = [read for read in known if on_the_list(read, now)]
    leases = [read.body.trigger.lease for read in known if read.state is TriggerState.LEASED]
    return Wallboard(
        at=now,
        by_severity={level: faults[level] for level in reversed(LEVELS)},
        by_state=dict(sorted(Counter(read.state.value for read in known).items())),
        help_open=sum(read.body.what == "help" for read in known),
        waiting=len(waiting),
        oldest_since=min((read.body.trigger.since for read in waiting), default=None),
        breaches=sum(read.body.trigger.breached for read in known),
        unreached=sum(read.state is TriggerState.UNREACHED for read in known),
        for_supervisors=sum(read.body.trigger.supervisor for read in waiting),
        agents_at_work=len({lease.by for lease in leases if lease is not None}),
        canary_age_s=canary_age,
    )
