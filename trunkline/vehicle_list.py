"""The list of all vehicles, built from the log: for sweeps."""

from collections.abc import Iterable
from typing import Final

from spine.facts.vehicle import VehicleEnrolled
from spine.index import Place
from spine.log import Entry

VEHICLES: Final = "vehicles"
ALL: Final = "all"


def places(entry: Entry) -> Iterable[Place]:
    """Where a fact puts a vehicle: in the one list."""
    if isinstance(entry.fact, VehicleEnrolled):
        yield Place(VEHICLES, ALL, entry.fact.vehicle, entry.fact.at.timestamp())
