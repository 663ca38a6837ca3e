"""Lists of people's things, built by a reader of the log (group ``index``) and rebuilt by replaying it."""

from typing import Final

from people.cars import OF_PERSON
from people.couriers import OF_CARRIER
from spine.facts import Fact
from spine.facts.people import CarClaimed, CarReleased, CourierInvited, CourierRemoved
from spine.index import Index

NAMES: Final = (OF_PERSON, OF_CARRIER)
"""The indexes of this package."""

KINDS: Final = frozenset(
    fact.model_fields["kind"].default for fact in (CarClaimed, CarReleased, CourierInvited, CourierRemoved)
)


async def hear(index: Index, fact: Fact) -> None:
    """Take one fact into the lists; in the log's order, again and again with the same outcome."""
    match fact:
        case CarClaimed():
            await index.put(OF_PERSON, fact.person, fact.vehicle, fact.at.timestamp())
        case CarReleased():
            await index.remove(OF_PERSON, fact.person, fact.vehicle)
        case CourierInvited():
            await index.put(OF_CARRIER, fact.carrier, fact.courier, fact.at.timestamp())
        case CourierRemoved():
            await index.remove(OF_CARRIER, fact.carrier, fact.courier)
        case _:
            pass
