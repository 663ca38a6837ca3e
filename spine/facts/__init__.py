"""The catalogue: everything that can happen, one file per domain, read as one discriminated union."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

from spine.facts.base import Base
from spine.facts.delivery import DeliveryFact
from spine.facts.keys import KeyFact
from spine.facts.maintenance import MaintenanceFact
from spine.facts.people import PeopleFact
from spine.facts.rules import RuleFact
from spine.facts.trust import TrustPublished
from spine.facts.vehicle import VehicleFact
from spine.facts.webhooks import WebhookFact

if TYPE_CHECKING:
    # What a type checker narrows to one of these; every `match` over the union itself cost it seconds.
    Fact = Base
else:
    Fact = Annotated[
        VehicleFact
        | KeyFact
        | TrustPublished
        | DeliveryFact
        | RuleFact
        | PeopleFact
        | WebhookFact
        | MaintenanceFact,
        Field(discriminator="kind"),
    ]

FACT: TypeAdapter[Fact] = TypeAdapter(Fact)

__all__ = ["FACT", "Fact"]
