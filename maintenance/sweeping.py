"""Looks through all vehicles now and then, and tells what violates the invariant of ``maintenance.sweep``."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from maintenance import memory
from maintenance.appointments import Appointment
from maintenance.lists import IN_STATE
from maintenance.memory import case_of
from maintenance.model import Read
from maintenance.service import Cases
from maintenance.states import TriggerState
from maintenance.sweep import violations
from spine.counters import Counters
from spine.ids import VehicleId
from spine.index import Index

log = logging.getLogger("trunkline.maintenance")

GAUGES: Final = "maintenance-gauges"
"""Newest values, beside the counters of group ``maintenance``."""
_PAGE: Final = 500
_TOLD_MOST: Final = 20


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
        """Everything on the agents' list."""
        found: set[str] = set()
        after: str | None = None
        while True:
            page = await self._index.page(IN_STATE, TriggerState.QUEUED.value, after=after, limit=_PAGE)
            found |= set(page.members)
            if page.next is None:
                return found
            after = page.next

    async def sweep(self, vehicles: Iterable[VehicleId]) -> list[str]:
        """Look at these vehicles; the result is logged."""
        now, queued = self._cases.clock.now(), await self.queued()
        found = [what for vehicle in vehicles for what in await self.of(vehicle, queued, now)]
        for what in found[:_TOLD_MOST]:
            log.error("sweep.violation", extra={"what": what})
        return found

    async def note(self, vehicles: int, violations_: int) -> None:
        """Keep what a whole sweep came to, for metrics and ``trunkline doctor``."""
        now = self._cases.clock.now()
        await self._counters.put(
            GAUGES,
            {"sweep_vehicles": vehicles, "sweep_violations": violations_, "sweep_at": int(now.timestamp())},
        )
