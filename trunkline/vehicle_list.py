"""The list of all vehicles, built from the log: for sweeps, and for what every car gets."""

from collections.abc import Iterable
from typing import Final

from spine.facts.vehicle import VehicleEnrolled
from spine.index import Place
from spine.log import Entry
from vehicle_gateway.bundles import ALL_VEHICLES

VEHICLES: Final = ALL_VEHICLES[0]
ALL: Final = ALL_VEHICLES[1]


def places(entry: Entry) -> Iterable[Place]:
    """Where a fact puts a vehicle: in the one list."""
    if isinstance(entry.fact, VehicleEnrolled):
        yield Place(VEHICLES, ALL, entry.fact.vehicle, entry.fact.at.timestamp())
