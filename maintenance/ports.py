"""What cases ask of the packages below to tell their news, said by the one who asks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from people.model import PersonView
from spine.ids import EndpointId, PersonId, PushId, VehicleId
from spine.store import Ack
from webhooks.messages import Outgoing
from webhooks.web_push_choice import Topic


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


class Devices(Protocol):
    """The browsers that a person lets us notify of this (``webhooks.web_push_devices.Devices``)."""

    async def ids_of(self, person: PersonId, topic: Topic | None = None) -> Sequence[PushId]: ...


class Asleep(Protocol):
    """Whether the household of a car has its quiet hours at this moment."""

    async def __call__(self, vehicle: VehicleId, now: datetime) -> bool: ...


class Persons(Protocol):
    """Where a person's mail goes (``people.persons.Persons``)."""

    async def view(self, person: PersonId) -> PersonView | None: ...
