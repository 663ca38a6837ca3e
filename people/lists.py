"""Lists of people's things, built by a reader of the log (group ``index``) and rebuilt by replaying it."""

from collections.abc import Iterable
from typing import Final

from people.cars import OF_PERSON
from people.couriers import OF_CARRIER
from spine.facts.people import CarClaimed, CarReleased, CarrierEnrolled, CourierInvited, CourierRemoved
from spine.index import Place
from spine.log import Entry

CARRIERS: Final = "carriers"
EVERY: Final = "all"
"""Whose list of carriers it is: the installation's."""
NAMES: Final = (OF_PERSON, OF_CARRIER, CARRIERS)
"""The lists of this package, to be cleared before they are built again."""

KINDS: Final = frozenset(
    fact.model_fields["kind"].default
    for fact in (CarClaimed, CarReleased, CarrierEnrolled, CourierInvited, CourierRemoved)
)


def places(entry: Entry) -> Iterable[Place]:
    """What one fact does to the lists (a ``spine.index.Projection``)."""
    fact = entry.fact
    match fact:
        case CarClaimed():
            yield Place(OF_PERSON, fact.person, fact.vehicle, fact.at.timestamp())
        case CarReleased():
            yield Place(OF_PERSON, fact.person, fact.vehicle, None)
        case CarrierEnrolled():
            yield Place(CARRIERS, EVERY, fact.carrier, fact.at.timestamp())
        case CourierInvited():
            yield Place(OF_CARRIER, fact.carrier, fact.courier, fact.at.timestamp())
        case CourierRemoved():
            yield Place(OF_CARRIER, fact.carrier, fact.courier, None)
        case _:
            pass
