"""What is kept about people, addresses, carriers and couriers: bodies of subjects, and their views."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints

from people.states import Address, Carrier, Courier, Invitation
from spine.ids import AddressId, CarrierId, CourierId, PersonId, VehicleId
from spine.store import Saved

Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        to_lower=True,
        max_length=254,
        pattern=r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-zA-Z0-9-]{1,63}\.)*[a-zA-Z0-9-]{1,63}$",
    ),
]
"""An address as RFC 5321 writes nearly all: ASCII, no quoting, so that it can stand in a header as it is."""

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=80,
        # no control characters, and none that turn the direction of the text around them in a page or mail
        pattern=r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+$",
    ),
]


class Role(StrEnum):
    """What a person is to a car: everything; approve and be told; be told only."""

    OWNER = "owner"
    DRIVER = "driver"
    TOLD = "told"


class AddressKind(StrEnum):
    """How often and by whom a car address can be used."""

    ONE_ORDER = "one_order"
    ONE_CARRIER = "one_carrier"
    ANY = "any"


class Scope(StrEnum):
    """What an access token of a carrier allows."""

    DELIVERIES_WRITE = "deliveries:write"
    DELIVERIES_READ = "deliveries:read"
    COURIERS_READ = "couriers:read"
    COURIERS_ENROL = "couriers:enrol"


class Body(BaseModel):
    """A subject's body: members of a newer version are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


B = TypeVar("B", bound=Body)


def body_of(saved: Saved, model: type[B]) -> B:
    """The body of a subject as its type."""
    return model.model_validate_json(saved.body)


class PersonBody(Body):
    email: str
    email_entry: str
    """Id of the subject by which the e-mail finds this person."""
    name: str = ""
    made_at: AwareDatetime
    language: str = ""
    """Of mails: the one chosen, else the one of the browser in which this person last signed in; empty: not known."""
    language_chosen: bool = False


class ErasingBody(Body):
    email_entry: str


class EmailEntryBody(Body):
    person: str = ""


class EmailChangeBody(Body):
    n: int
    """How many changes this person asked for; names the mails about this one."""
    email: str = ""
    email_entry: str = ""
    ripe_at: AwareDatetime
    present: bool = False
    """Shown by presence in a car of this person's: counts without the notice."""
    free: str = ""
    """The e-mail entry that is let go next: the former one, or the new one where nothing came of it."""
    recent: list[AwareDatetime] = []
    """When changes were asked for, of the last day."""


Level = Literal["link", "session", "passkey"]
"""How a session is known (webhooks.md, "Levels"), the strongest last."""


class SessionBody(Body):
    hash: str
    level: Level = "link"
    made_at: AwareDatetime
    expires_at: AwareDatetime
    passkey_at: AwareDatetime | None = None
    """When its person last showed a passkey in it."""


class SessionsBody(Body):
    sessions: dict[str, SessionBody] = {}


class Held(Body):
    """A role one person holds or held: ``[since, until)``, with the number of its binding."""

    n: int
    person: str
    role: Role
    since: AwareDatetime
    until: AwareDatetime | None = None
    may_approve: bool = False
    confirmed: bool = False
    """The person's own list has it."""


class CarPeopleBody(Body):
    roles: list[Held] = []
    bindings: int = 0
    """Roles ever bound."""
    era: int = 0
    """Goes up when the last owner leaves: addresses and invitations of a former era are dead."""
    invitations: int = 0
    invited_at: list[AwareDatetime] = []
    zone: str | None = None
    """By whose clock times are told to the car's people (an IANA name). Of its household: it ends with the era."""


class ClaimBody(Body):
    code_scrypt: str
    unit: str
    shown_at: AwareDatetime
    expires_at: AwareDatetime
    former: list[str] = []
    """Hashes shown before this one: reading the log again revives none of them."""
    person: str = ""


class InvitationBody(Body):
    vehicle: str
    person: str
    role: Role
    by: str
    era: int
    may_approve: bool = False
    offered_at: AwareDatetime
    ripe_at: AwareDatetime
    expires_at: AwareDatetime


class AddressBody(Body):
    text: str
    vehicle: str
    kind: AddressKind
    by: str
    era: int
    label: str = ""
    made_at: AwareDatetime
    carrier: str = ""
    used_at: AwareDatetime | None = None
    delivery: str = ""


class AddressesBody(Body):
    addresses: list[str] = []
    """Those that can be used, oldest first."""


class HoldBody(Body):
    address: str
    vehicle: str


class CarrierBody(Body):
    name: str
    salt: str
    secret_hash: str
    public_jwk: dict[str, str] | None = None
    scopes: list[Scope]
    livemode: bool = True
    epoch: int = 0
    """Goes up when every token given out so far is to die."""
    made_at: AwareDatetime
    frozen_at: AwareDatetime | None = None
    """When it was last frozen, also after it was thawed."""


class CarrierTokenBody(Body):
    carrier: str
    scopes: list[Scope]
    epoch: int


class UnusableBody(Body):
    deliveries: list[tuple[str, AwareDatetime]] = []


class CourierBody(Body):
    carrier: str
    name: str
    code_hash: str = ""
    code_expires_at: AwareDatetime | None = None
    jkt: str = ""
    public_jwk: dict[str, str] | None = None
    enrolled_at: AwareDatetime | None = None


class DeviceBody(Body):
    courier: str = ""


class OperatorBody(Body):
    name: str
    hash: str
    made_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class RoleOnCar:
    """A living role: what it allows, and from when on its holder may see things of the car."""

    vehicle: VehicleId
    person: PersonId
    role: Role
    may_approve: bool
    visible_from: AwareDatetime
    zone: str | None = None
    """The car's (``CarPeopleBody``)."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a usable car address leads to."""

    vehicle: VehicleId
    address: AddressId
    era: int
    """Of whose household it is: another one once the last owner has left (``CarPeopleBody``)."""


@dataclass(frozen=True, slots=True)
class AddressView:
    """A car address as its owner sees it."""

    id: AddressId
    text: str
    kind: AddressKind
    state: Address
    label: str
    made_at: AwareDatetime
    carrier: CarrierId | None
    used_at: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation as owners and the invited person see it."""

    id: str
    vehicle: VehicleId
    person: PersonId
    role: Role
    state: Invitation
    offered_at: AwareDatetime
    ripe_at: AwareDatetime
    expires_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class CarrierView:
    """A carrier as others may know it."""

    id: CarrierId
    name: str
    state: Carrier
    scopes: frozenset[Scope]
    livemode: bool
    frozen_at: datetime | None = None
    """When it was last frozen, also after it was thawed: what was allowed before that rests."""


@dataclass(frozen=True, slots=True)
class CourierView:
    """A courier. ``name`` is shown to the owner; ``jkt`` is empty before enrolment."""

    id: CourierId
    carrier: CarrierId
    name: str
    state: Courier
    jkt: str
    enrolled_at: AwareDatetime | None


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person's own data."""

    id: PersonId
    email: str
    name: str
    made_at: AwareDatetime
    email_entry: str
    """Id of the subject of this e-mail: links that are mailed to it are bound to it."""
    language: str = ""
    """What this person reads (BCP 47); empty: not known."""
