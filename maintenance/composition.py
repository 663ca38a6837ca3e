"""The package put together once: everything that routes, readers and timers of maintenance need."""

from collections.abc import Mapping
from dataclasses import dataclass

from maintenance.desk import Desk, build_desk
from maintenance.desk_days import PREFIX as DAYS
from maintenance.limits import MaintenanceLimits
from maintenance.service import Cases
from people.service import People
from spine.clock import Clock
from spine.index import Index
from spine.store import Store
from spine.timers import OnDue


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Cases, ready to use."""

    limits: MaintenanceLimits
    clock: Clock
    people: People
    index: Index
    cases: Cases
    desk: Desk

    def timers(self) -> Mapping[str, OnDue]:
        """Handlers of what time alone does, by the prefix of the subject; for process `work`."""
        return {DAYS: self.desk.days.on_due}


def build(store: Store, *, clock: Clock, limits: MaintenanceLimits, people: People) -> Maintenance:
    """Wire the package."""
    index, cases = Index(store.valkey, store.house), Cases(store, clock, limits)
    return Maintenance(
        limits=limits,
        clock=clock,
        people=people,
        index=index,
        cases=cases,
        desk=build_desk(cases, people, index),
    )
