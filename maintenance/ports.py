"""What cases ask of the packages below to tell their news, said by the one who asks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from people.model import PersonView
from spine.ids import EndpointId, PersonId
from spine.store import Ack
from webhooks.messages import Outgoing


class Engine(Protocol):
    """One message to one address, composed when it is sent (``webhooks.engine.Engine``)."""

    async def queue(self, message: Outgoing, *, ack: Ack | None = None) -> bool: ...


class Subscribers(Protocol):
    """The streams of persons (``webhooks.subscriptions.Subscriptions``)."""

    async def tell(
        self, subscriber: str, event: str, type_: str, reference: Mapping[str, str], *, at: datetime
    ) -> None: ...


class Endpoints(Protocol):
    """Where a subscriber hears of a type (``webhooks.endpoints.Endpoints``)."""

    async def for_subscriber(self, subscriber: str, type_: str) -> Sequence[EndpointId]: ...


class Persons(Protocol):
    """Where a person's mail goes (``people.persons.Persons``)."""

    async def view(self, person: PersonId) -> PersonView | None: ...
