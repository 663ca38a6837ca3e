"""What deliveries ask of the packages below, said by the one who asks: small, and easy to play in a test."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from delivery.place import Point
from keys.drafts import Drafts
from keys.fresh import Freshness
from keys.model import InHand, Kept, Wanted
from people.assertions import Assertion
from people.model import CarrierView, CourierView, PersonView, Resolved, RoleOnCar
from people.passkey_model import PasskeyView
from spine.facts import Fact
from spine.ids import CarrierId, CourierId, DeliveryId, EndpointId, KeyId, PersonId, PushId, UnitId, VehicleId
from spine.store import Ack
from webhooks.messages import Outgoing
from webhooks.web_push_choice import Topic


class Received(Protocol):
    """An entry of the log as a reader hands it over."""

    @property
    def position(self) -> str: ...

    @property
    def fact(self) -> Fact: ...

    @property
    def ack(self) -> Ack | None: ...


@dataclass(frozen=True, slots=True)
class Car:
    """A car as it stands. ``reach``: awake, dozing, asleep or no_coverage, as the gateway says."""

    reach: str
    last_seen: datetime | None = None
    wakes_at: datetime | None = None
    position: Point | None = field(default=None, repr=False)

    @property
    def online(self) -> bool:
        """Whether a command can get there now."""
        return self.reach in {"awake", "dozing"}


class Cars(Protocol):
    """How a car stands now, and which unit is in it."""

    async def car(self, vehicle: VehicleId, *, now: datetime) -> Car: ...

    async def unit(self, vehicle: VehicleId) -> UnitId: ...


class CarPeople(Protocol):
    """Who is what on which car (``people.cars.Cars``)."""

    async def role_of(self, person: PersonId, vehicle: VehicleId, *, now: datetime) -> RoleOnCar | None: ...

    async def people_of(self, vehicle: VehicleId, *, now: datetime) -> list[RoleOnCar]: ...

    async def zone_of(self, vehicle: VehicleId) -> str | None: ...

    async def cars_of(self, person: PersonId, *, now: datetime) -> list[RoleOnCar]: ...


class Passkeys(Protocol):
    """How a person approves, and proof of that person's passkey (``people.passkeys.Passkeys``).

    ``verify`` gives the passkey's id and raises a Problem for anything else than this person's own passkey over
    exactly this challenge, user verified.
    """

    async def approves_by(self, person: PersonId) -> Literal["passkey", "link", "nothing"]: ...

    async def all_of(self, person: PersonId) -> Sequence[PasskeyView]: ...

    async def options(self, person: PersonId, challenge: bytes) -> dict[str, Any]: ...

    async def verify(
        self, person: PersonId, assertion: Assertion, *, challenge: bytes, now: datetime
    ) -> str: ...


class Persons(Protocol):
    """Where a person's mail goes, and the entry that its links are bound to (``people.persons.Persons``)."""

    async def view(self, person: PersonId) -> PersonView | None: ...


class Carriers(Protocol):
    """Carriers by id (``people.carriers.Carriers``)."""

    async def view(self, carrier: CarrierId) -> CarrierView | None: ...


class Couriers(Protocol):
    """Couriers by id."""

    async def courier(self, courier: CourierId) -> CourierView | None: ...


class Addresses(Protocol):
    """From a car address to a car; one for one order is taken under the order's id, spent or given back."""

    async def resolve(
        self, text: str, *, carrier: CarrierId, delivery: DeliveryId, now: datetime
    ) -> Resolved | None: ...

    async def spend(self, delivery: DeliveryId, *, now: datetime) -> None: ...

    async def give_back(self, delivery: DeliveryId, *, now: datetime) -> None: ...


class Keys(Protocol):
    """The key service. Raises its own problems; ``hand_out`` gives the token, ``in_hand`` how it stands."""

    async def issue(self, wanted: Wanted, *, now: datetime, ack: Ack | None = None) -> KeyId: ...

    async def draft(self, wanted: Wanted, *, now: datetime, ack: Ack | None = None) -> KeyId: ...

    @property
    def drafts(self) -> Drafts: ...

    async def hand_out(self, key: KeyId, *, jkt: str, now: datetime) -> str: ...

    async def in_hand(self, key: KeyId, *, jkt: str, now: datetime) -> InHand: ...

    async def revoke(self, key: KeyId, *, reason: str, now: datetime, ack: Ack | None = None) -> None: ...

    @property
    def fresh(self) -> Freshness: ...

    async def evidence_of(self, delivery: DeliveryId) -> Kept: ...

    async def room_for(self, unit: UnitId, numbers: Iterable[int]) -> bool: ...


class Engine(Protocol):
    """News out: one message to one address, composed when it is sent (``webhooks.engine.Engine``)."""

    async def queue(self, message: Outgoing, *, ack: Ack | None = None) -> bool: ...

    async def withdraw(self, message: str, *, ack: Ack | None = None) -> bool: ...

    async def begun(self, message: str) -> bool: ...


class Subscribers(Protocol):
    """The streams of carriers and persons (``webhooks.subscriptions.Subscriptions``)."""

    async def tell(
        self, subscriber: str, event: str, type_: str, reference: Mapping[str, str], *, at: datetime
    ) -> None: ...


class Endpoints(Protocol):
    """Where a subscriber hears of a type (``webhooks.endpoints.Endpoints``).

    ``vehicle``: of which the news is, if the subscriber may know; an address may hear of some vehicles only.
    """

    async def for_subscriber(
        self, subscriber: str, type_: str, *, vehicle: VehicleId | None = None
    ) -> Sequence[EndpointId]: ...


class Devices(Protocol):
    """The browsers that a person lets us notify (``webhooks.web_push_devices.Devices``)."""

    async def ids_of(self, person: PersonId, topic: Topic | None = None) -> Sequence[PushId]: ...
