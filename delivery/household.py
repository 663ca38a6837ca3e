"""What a household's own records say to an order, read for the very commit that puts it or lets it in. Pure.

Rules, bars, the people and the address lie in the car's partition, as its deliveries do: what an owner set a moment
before holds, however near the two came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from delivery import barred, rules
from delivery.barred import BarredBody
from delivery.model import Read
from delivery.rules import Rules
from people import addresses, cars, roles
from people.model import CarPeopleBody, Resolved
from spine.ids import PersonId
from spine.store import Saved


@dataclass(frozen=True, slots=True)
class Household:
    """One car's records as they stand. ``via``: how the order found the car."""

    via: Resolved
    rules: Rules
    bars: BarredBody
    people: CarPeopleBody
    address: Saved

    @classmethod
    def of(cls, via: Resolved, saved: Mapping[str, Saved]) -> "Household":
        """From the subjects of ``subjects``."""
        return cls(
            via,
            rules.rules_in(saved[rules.subject_of(via.vehicle)]),
            BarredBody.of(saved[barred.subject_of(via.vehicle)]),
            cars.people_in(saved[cars.subject_of(via.vehicle)]),
            saved[via.address],
        )

    def why_not(self, read: Read, now: datetime) -> str:
        """Why this car does not take the order at all; empty where it may be asked for."""
        body = read.body
        if not addresses.still_leads(
            self.address, self.people, self.via, carrier=body.carrier, order=body.order, now=now
        ):
            return "address"
        if self.rules.block_all:
            return "blocked"
        if body.act == "cabin" and not self.rules.cabin:
            return "cabin"
        named = body.courier.courier if body.courier else None
        if why := self.bars.why_not(body.carrier, named, now):
            return why
        living = roles.living(self.people, now)
        deciders = [one for one in living if roles.view(self.via.vehicle, self.people, one).may_approve]
        return "" if deciders else "nobody"

    def owners(self, now: datetime) -> frozenset[PersonId]:
        """Whose standing approvals count."""
        return frozenset(roles.owners(self.people, now))


def subjects(via: Resolved) -> list[str]:
    """What ``Household.of`` reads."""
    vehicle = via.vehicle
    return [rules.subject_of(vehicle), barred.subject_of(vehicle), cars.subject_of(vehicle), via.address]
