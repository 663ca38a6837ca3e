"""Looks through all vehicles now and then, and tells what violates the invariant of ``maintenance.sweep``."""

import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from maintenance import memory
from maintenance.appointments import Appointment
from maintenance.desk_index import DESK, QUEUE
from maintenance.lists import ALL, OPEN
from maintenance.memory import case_of
from maintenance.model import Read
from maintenance.service import Cases
from maintenance.sweep import unlisted, violations
from spine.counters import Counters
from spine.ids import CaseId, VehicleId
from spine.index import Index

log = logging.getLogger("trunkline.maintenance")

GAUGES: Final = "maintenance-gauges"
"""Newest values, beside the counters of group ``maintenance``."""
_PAGE: Final = 500
_TOLD_MOST: Final = 20
_HELP: Final = ".help."
"""In the id of a case of help with a delivery, as its system."""
_UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError)
"""What reading a body raises that is not of our making."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The agents' list as it was at the beginning of a turn: what happens later is measured by that time too."""

    at: datetime
    queued: set[str]


class Sweeping:
    """Reads only. Each vehicle's memory and cases are looked at as of one moment."""

    def __init__(self, cases: Cases, index: Index, counters: Counters) -> None:
        self._cases = cases
        self._index = index
        self._counters = counters

    async def of(self, vehicle: VehicleId, queued: set[str] | None, now: datetime) -> list[str]:
        """The violations of one vehicle."""
        subject, names = memory.subject_of(vehicle), list[str]()
        while True:
            saved = await self._cases.store.load_many([subject, *names])
            known = memory.read(saved[subject])
            wanted = [
                case_of(vehicle, one.system, one.n) for rows in known.vehicle.cases.values() for one in rows
            ]
            reads = {name: Read.of(saved[name]) for name in wanted if name in saved}
            booked = {read.body.trigger.appointment for read in reads.values() if read is not None} - {None}
            needed = {str(name) for name in [*wanted, *booked]}
            if needed <= set(names):
                break
            names = sorted(needed)
        living = {
            str(one)
            for one in booked
            if (found := Appointment.of(saved[str(one)])) is not None and found.living
        }
        grace = self._cases.limits.cases.sweep_grace
        return list(violations(vehicle, known, reads, living=living, queued=queued, now=now, grace=grace))

    async def queued(self) -> set[str]:
        """Everything on the list that agents are given cases from."""
        return {member async for member in self._members(QUEUE, DESK)}

    async def begin(self) -> "Seen":
        """What one turn holds every vehicle against: read once, and of one moment."""
        now = self._cases.clock.now()
        return Seen(now, await self.queued())

    async def sweep(self, vehicles: Iterable[VehicleId], seen: "Seen | None" = None) -> list[str]:
        """Look at these vehicles; the result is logged. What cannot be read is a violation, and stops nothing."""
        seen = seen or await self.begin()
        found: list[str] = []
        for vehicle in vehicles:
            try:
                found += await self.of(vehicle, seen.queued, seen.at)
            except _UNREADABLE as wrong:
                found.append(f"{vehicle}: cannot be read ({type(wrong).__name__})")
        return _told(found)

    async def help(self, seen: "Seen") -> list[str]:
        """Look at every open case of help; the result is logged."""
        found: list[str] = []
        async for member in self._members(OPEN, ALL):
            if _HELP not in member:
                continue
            try:
                read = Read.of(await self._cases.store.load(member))
            except _UNREADABLE as wrong:
                found.append(f"{member}: cannot be read ({type(wrong).__name__})")
                continue
            if read is not None and read.open:
                grace = self._cases.limits.cases.sweep_grace
                found += unlisted(CaseId(member), read, seen.queued, seen.at, grace)
        return _told(found)

    async def _members(self, name: str, owner: str) -> AsyncIterator[str]:
        after: str | None = None
        while True:
            page = await self._index.page(name, owner, after=after, limit=_PAGE)
            for member in page.members:
                yield member
            if page.next is None:
                return
            after = page.next

    async def note(self, vehicles: int, violations_: int) -> None:
        """Keep what a whole sweep came to, for metrics and ``trunkline doctor``."""
        now = self._cases.clock.now()
        await self._counters.put(
            GAUGES,
            {"sweep_vehicles": vehicles, "sweep_violations": violations_, "sweep_at": int(now.timestamp())},
        )


def _told(found: list[str]) -> list[str]:
    for what in found[:_TOLD_MOST]:
        log.error("sweep.violation", extra={"what": what})
    return found
