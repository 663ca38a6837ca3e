"""Lists of garages and of appointments: all garages; a garage's and a car's appointments. Built from the log."""

from collections.abc import Iterable
from typing import Final

from maintenance.garages import EVERY, GARAGES
from maintenance.slots import garage_of
from spine.facts import maintenance as f
from spine.index import Place
from spine.log import Entry

OF_GARAGE: Final = "garage_appointments"
OF_CAR: Final = "car_appointments"
NAMES: Final = (GARAGES, OF_GARAGE, OF_CAR)


def places(entry: Entry) -> Iterable[Place]:
    """Where a fact puts a garage or an appointment: garages by when they were made, appointments by their start."""
    fact = entry.fact
    match fact:
        case f.GarageMade():
            yield Place(GARAGES, EVERY, fact.garage, fact.at.timestamp())
        case f.GarageRemoved():
            yield Place(GARAGES, EVERY, fact.garage, None)
        case f.AppointmentBooked() | f.AppointmentMoved():
            if isinstance(fact, f.AppointmentMoved) and garage_of(fact.former) != fact.garage:
                yield Place(OF_GARAGE, garage_of(fact.former), fact.appointment, None)
            yield Place(OF_GARAGE, fact.garage, fact.appointment, fact.start.timestamp())
            yield Place(OF_CAR, fact.vehicle, fact.appointment, fact.start.timestamp())
        case _:
            pass
