"""The package put together once: everything that routes, readers and timers of maintenance need."""

from collections.abc import Mapping
from dataclasses import dataclass

from maintenance.appointing import Appointing
from maintenance.booking import Booking
from maintenance.capacity import Capacity
from maintenance.garages import Garages
from maintenance.limits import MaintenanceLimits
from maintenance.offers import Offers
from maintenance.service import Cases
from people.service import People
from spine.clock import Clock
from spine.index import Index
from spine.store import Store
from spine.timers import OnDue


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Cases, garages and appointments, ready to use."""

    limits: MaintenanceLimits
    clock: Clock
    people: People
    index: Index
    cases: Cases
    garages: Garages
    capacity: Capacity
    offers: Offers
    booking: Booking
    appointing: Appointing

    def timers(self) -> Mapping[str, OnDue]:
        """Handlers of what time alone does, by the prefix of the subject; for process `work`."""
        return {
            "gar": self.capacity.on_due,
            "slt": self.booking.on_due,
            "apt": self.appointing.on_due,
        }


def build(store: Store, *, clock: Clock, limits: MaintenanceLimits, people: People) -> Maintenance:
    """Wire the package."""
    index, cases = Index(store.valkey, store.house), Cases(store, clock, limits)
    garages = Garages(store, index, limits.garages)
    capacity = Capacity(store, garages, clock, limits.garages)
    offers = Offers(store, garages, capacity, limits.garages)
    booking = Booking(store, cases, capacity, offers, clock, limits)
    return Maintenance(
        limits=limits,
        clock=clock,
        people=people,
        index=index,
        cases=cases,
        garages=garages,
        capacity=capacity,
        offers=offers,
        booking=booking,
        appointing=Appointing(store, cases, booking, index, clock, limits),
    )
