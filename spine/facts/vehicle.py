"""What cars and their units did, and what became of commands to them."""

from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, Field

from spine.facts.base import Base
from spine.ids import CommandId, DeliveryId, UnitId, VehicleId


class _Vehicle(Base):
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId


class VehicleEnrolled(_Vehicle):
    kind: Literal["vehicle.enrolled"] = "vehicle.enrolled"
    unit: UnitId
    shard: int


class UnitReplaced(_Vehicle):
    kind: Literal["unit.replaced"] = "unit.replaced"
    unit: UnitId
    former: UnitId


class UnitQuarantined(_Vehicle):
    kind: Literal["unit.quarantined"] = "unit.quarantined"
    unit: UnitId
    reason: str


class UnitReleased(_Vehicle):
    """An operator looked and took a unit out of quarantine."""

    kind: Literal["unit.released"] = "unit.released"
    unit: UnitId


class UnitCertified(_Vehicle):
    kind: Literal["unit.certified"] = "unit.certified"
    unit: UnitId
    until: AwareDatetime


class VehicleRetired(_Vehicle):
    kind: Literal["vehicle.retired"] = "vehicle.retired"


class UnitReceipt(_Vehicle):
    """A receipt as it came: not yet verified. ``keys`` says what it means."""

    kind: Literal["unit.receipt"] = "unit.receipt"
    unit: UnitId
    receipt: str


class UnitEvent(_Vehicle):
    """door, tow, crash, left_open: what the unit says by itself, unsigned."""

    kind: Literal["unit.event"] = "unit.event"
    unit: UnitId
    type: str
    event: str
    data: dict[str, Any] = Field(default={})


class UnitScan(_Vehicle):
    kind: Literal["unit.scan"] = "unit.scan"
    unit: UnitId
    scan: dict[str, Any]


class UnitAsked(_Vehicle):
    """The unit asks: freshness, trust, revocations, boot, cert."""

    kind: Literal["unit.asked"] = "unit.asked"
    unit: UnitId
    name: str
    request: str
    data: dict[str, Any] = Field(default={})


class PresenceChanged(_Vehicle):
    kind: Literal["vehicle.presence_changed"] = "vehicle.presence_changed"
    unit: UnitId
    presence: Literal["online", "dozing", "asleep", "offline"]
    boot: int
    wakes_at: AwareDatetime | None = None


class SignalChanged(_Vehicle):
    """A watched signal changed; its name is the COVESA VSS v6 path."""

    kind: Literal["vehicle.signal_changed"] = "vehicle.signal_changed"
    path: str
    value: bool | int | float | str | None


class _Command(Base):
    about: ClassVar[str] = "command"
    vehicle: VehicleId
    unit: UnitId
    command: CommandId
    op: str
    delivery: DeliveryId | None = None


class CommandCreated(_Command):
    kind: Literal["command.created"] = "command.created"
    expires_at: AwareDatetime


class CommandSent(_Command):
    kind: Literal["command.sent"] = "command.sent"


class CommandUndeliverable(_Command):
    kind: Literal["command.undeliverable"] = "command.undeliverable"


class CommandReceived(_Command):
    kind: Literal["command.received"] = "command.received"


class CommandDone(_Command):
    """Done as the unit says. A challenge and its like stand in the command's subject, not here."""

    kind: Literal["command.done"] = "command.done"


class CommandRefused(_Command):
    kind: Literal["command.refused"] = "command.refused"
    code: str


class CommandExpired(_Command):
    """It was never sent, and now never will be."""

    kind: Literal["command.expired"] = "command.expired"


class CommandUnanswered(_Command):
    """Sent, and no answer came: what it asked for may have happened."""

    kind: Literal["command.unanswered"] = "command.unanswered"


VehicleFact = (
    VehicleEnrolled
    | UnitReplaced
    | UnitQuarantined
    | UnitReleased
    | UnitCertified
    | VehicleRetired
    | UnitReceipt
    | UnitEvent
    | UnitScan
    | UnitAsked
    | PresenceChanged
    | SignalChanged
    | CommandCreated
    | CommandSent
    | CommandUndeliverable
    | CommandReceived
    | CommandDone
    | CommandRefused
    | CommandExpired
    | CommandUnanswered
)
