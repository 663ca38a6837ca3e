"""Who came, who may do what, and what was taken back. Ids only: names and mail stand in subjects."""

from typing import ClassVar, Literal

from spine.facts.base import Base
from spine.ids import AddressId, CarrierId, CourierId, PersonId, VehicleId


class PersonMade(Base):
    kind: Literal["person.made"] = "person.made"
    about: ClassVar[str] = "person"
    person: PersonId


class PersonErased(Base):
    kind: Literal["person.erased"] = "person.erased"
    about: ClassVar[str] = "person"
    person: PersonId


class _Passkey(Base):
    about: ClassVar[str] = "person"
    person: PersonId
    passkey: str
    """Its name in the person's list: a hash of the credential's id."""
    n: int
    """Which change of the list this is."""


class PasskeyAdded(_Passkey):
    kind: Literal["passkey.added"] = "passkey.added"


class PasskeyRemoved(_Passkey):
    kind: Literal["passkey.removed"] = "passkey.removed"
    reason: Literal["removed", "recovery"]


class PasskeyAlarmed(_Passkey):
    """A good signature whose counter went backwards: there may be a copy. It was refused."""

    kind: Literal["passkey.alarmed"] = "passkey.alarmed"


class ApprovalsChosen(Base):
    """A person who never had a passkey approves by mail link, having read what that risks."""

    kind: Literal["approvals.chosen"] = "approvals.chosen"
    about: ClassVar[str] = "person"
    person: PersonId
    by: Literal["link"]


class _Recovery(Base):
    about: ClassVar[str] = "person"
    person: PersonId
    n: int


class RecoveryAsked(_Recovery):
    kind: Literal["recovery.asked"] = "recovery.asked"


class RecoveryReminded(_Recovery):
    """It still waits: whoever it is about is told once more."""

    kind: Literal["recovery.reminded"] = "recovery.reminded"


class RecoveryCancelled(_Recovery):
    kind: Literal["recovery.cancelled"] = "recovery.cancelled"


class RecoveryDone(_Recovery):
    """The passkeys so far are dead. ``present``: by presence in the person's car, not by the wait."""

    kind: Literal["recovery.done"] = "recovery.done"
    present: bool


class _Car(Base):
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId


class CarClaimed(_Car):
    """The car's side of the saga: this person now has this role on this car."""

    kind: Literal["car.claimed"] = "car.claimed"
    person: PersonId
    role: Literal["owner", "driver", "told"]


class CarReleased(_Car):
    """Sale or end of a lease, or a role taken back: keys revoked, addresses and rules dead where it was the owner."""

    kind: Literal["car.released"] = "car.released"
    person: PersonId
    role: Literal["owner", "driver", "told"]


class AddressMade(_Car):
    kind: Literal["address.made"] = "address.made"
    address: AddressId


class AddressDied(_Car):
    kind: Literal["address.died"] = "address.died"
    address: AddressId
    reason: str


class _Carrier(Base):
    about: ClassVar[str] = "carrier"
    carrier: CarrierId


class CarrierEnrolled(_Carrier):
    kind: Literal["carrier.enrolled"] = "carrier.enrolled"
    livemode: bool = True


class CarrierFrozen(_Carrier):
    """Tokens, rules and live keys of this carrier end."""

    kind: Literal["carrier.frozen"] = "carrier.frozen"


class CarrierThawed(_Carrier):
    kind: Literal["carrier.thawed"] = "carrier.thawed"


class CarrierOrdersStopped(_Carrier):
    """Too many unusable addresses in an hour: the order scope is off until an operator looks."""

    kind: Literal["carrier.orders_stopped"] = "carrier.orders_stopped"


class CourierInvited(_Carrier):
    """Named by the carrier; a code is out that enrols one device."""

    kind: Literal["courier.invited"] = "courier.invited"
    courier: CourierId


class CourierEnrolled(_Carrier):
    kind: Literal["courier.enrolled"] = "courier.enrolled"
    courier: CourierId
    jkt: str


class CourierRemoved(_Carrier):
    kind: Literal["courier.removed"] = "courier.removed"
    courier: CourierId
    jkt: str = ""
    """The device key that is free again; empty where none was enrolled."""


class _Operator(Base):
    about: ClassVar[str] = "operator"
    operator: str


class OperatorMade(_Operator):
    kind: Literal["operator.made"] = "operator.made"


class OperatorRemoved(_Operator):
    kind: Literal["operator.removed"] = "operator.removed"


class OperatorActed(_Operator):
    """Something asked for on the operator's pages, written down before it is done."""

    kind: Literal["operator.acted"] = "operator.acted"
    act: str
    on: str
    """Id of the vehicle, carrier, agent or address, or the place of a log entry."""


PeopleFact = (
    PersonMade
    | PersonErased
    | PasskeyAdded
    | PasskeyRemoved
    | PasskeyAlarmed
    | ApprovalsChosen
    | RecoveryAsked
    | RecoveryReminded
    | RecoveryCancelled
    | RecoveryDone
    | CarClaimed
    | CarReleased
    | AddressMade
    | AddressDied
    | CarrierEnrolled
    | CarrierFrozen
    | CarrierThawed
    | CarrierOrdersStopped
    | CourierInvited
    | CourierEnrolled
    | CourierRemoved
    | OperatorMade
    | OperatorRemoved
    | OperatorActed
)
