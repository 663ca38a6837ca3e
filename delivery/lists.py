"""Lists for people: a carrier's deliveries, a car's, a courier's jobs. Built from the log."""

from collections.abc import Iterable
from typing import Final

from spine.facts import delivery as f
from spine.index import Place
from spine.log import Entry

OF_CARRIER: Final = "carrier_deliveries"
OF_CAR: Final = "car_deliveries"
OF_COURIER: Final = "courier_jobs"
NAMES: Final = (OF_CARRIER, OF_CAR, OF_COURIER)


def places(entry: Entry) -> Iterable[Place]:
    """Where a fact puts a delivery: newest first in each list."""
    fact = entry.fact
    match fact:
        case f.DeliveryRequested():
            yield Place(OF_CARRIER, fact.carrier, fact.delivery, fact.at.timestamp())
        case f.DeliveryAsked() if fact.vehicle is not None:
            yield Place(OF_CAR, fact.vehicle, fact.delivery, fact.at.timestamp())
        case f.CourierAssigned():
            if fact.former is not None:
                yield Place(OF_COURIER, fact.former, fact.delivery, None)
            yield Place(OF_COURIER, fact.courier, fact.delivery, fact.at.timestamp())
        case f.DeliveryEnded() if fact.courier is not None:
            yield Place(OF_COURIER, fact.courier, fact.delivery, None)
        case _:
            pass
