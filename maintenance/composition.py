"""The package put together once: everything that routes, readers and timers of maintenance need."""

from collections.abc import Mapping
from dataclasses import dataclass

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

    def timers(self) -> Mapping[str, OnDue]:
        """Handlers of what time alone does, by the prefix of the subject; for process `work`."""
        return {}


def build(store: Store, *, clock: Clock, limits: MaintenanceLimits, people: People) -> Maintenance:
    """Wire the package."""
    return Maintenance(
        limits=limits,
        clock=clock,
        people=people,
        index=Index(store.valkey, store.house),
        cases=Cases(store, clock, limits),
    )
