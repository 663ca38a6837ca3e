"""What owners decided beforehand for a car, and took back: who may come unasked, who may not ask at all."""

from typing import ClassVar, Literal

from spine.facts.base import Base
from spine.ids import CarrierId, PersonId, VehicleId


class _Rule(Base):
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId
    carrier: CarrierId
    by: PersonId


class StandingMade(_Rule):
    """With a passkey, an owner allowed deliveries of this carrier at one place in some hours beforehand."""

    kind: Literal["standing.made"] = "standing.made"
    rule: str


class StandingEnded(_Rule):
    """A standing approval was taken back; what it let in before goes on until it is blocked."""

    kind: Literal["standing.ended"] = "standing.ended"
    rule: str
    reason: Literal["taken_back", "passkey_removed"] = "taken_back"
    """``passkey_removed``: with the passkey that made it; nobody took it back by hand."""


class CarrierLifted(_Rule):
    """An owner lets a carrier ask again, after "that was not me" or a decline."""

    kind: Literal["carrier.lifted"] = "carrier.lifted"


RuleFact = StandingMade | StandingEnded | CarrierLifted
