"""The lives of a vehicle, of its units and of a command: one table each, keyed by state and fact."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final, TypeVar

from spine.facts.base import Base
from spine.facts.vehicle import (
    CommandCreated,
    CommandDone,
    CommandExpired,
    CommandReceived,
    CommandRefused,
    CommandSent,
    CommandUnanswered,
    CommandUndeliverable,
    UnitCertified,
    UnitQuarantined,
    UnitReleased,
    UnitReplaced,
    VehicleEnrolled,
    VehicleRetired,
)
from spine.problems import Kind, Problem


class NotInThisState(Problem):
    """What was asked does not fit the state the vehicle, unit or command is in."""

    code: ClassVar[str] = "vehicle.not_in_this_state"
    kind: ClassVar[Kind] = Kind.CONFLICT


class VehicleState(StrEnum):
    NEW = "new"
    ENROLLED = "enrolled"
    RETIRED = "retired"


class UnitState(StrEnum):
    NEW = "new"
    ACTIVE = "active"
    QUARANTINED = "quarantined"
    REPLACED = "replaced"
    RETIRED = "retired"


class CommandState(StrEnum):
    """``sent`` is the broker's word (PUBACK 0), not delivery; ``unanswered`` may have happened."""

    NEW = "new"
    CREATED = "created"
    SENT = "sent"
    UNDELIVERABLE = "undeliverable"
    RECEIVED = "received"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNANSWERED = "unanswered"


VEHICLE: Final[Mapping[tuple[VehicleState, type[Base]], VehicleState]] = {
    (VehicleState.NEW, VehicleEnrolled): VehicleState.ENROLLED,
    (VehicleState.ENROLLED, UnitReplaced): VehicleState.ENROLLED,
    (VehicleState.ENROLLED, VehicleRetired): VehicleState.RETIRED,
}

UNIT: Final[Mapping[tuple[UnitState, type[Base]], UnitState]] = {
    (UnitState.NEW, VehicleEnrolled): UnitState.ACTIVE,
    (UnitState.NEW, UnitReplaced): UnitState.ACTIVE,  # the successor
    (UnitState.ACTIVE, UnitReplaced): UnitState.REPLACED,  # the former one
    (UnitState.ACTIVE, UnitCertified): UnitState.ACTIVE,
    (UnitState.ACTIVE, UnitQuarantined): UnitState.QUARANTINED,
    (UnitState.ACTIVE, VehicleRetired): UnitState.RETIRED,
    (UnitState.QUARANTINED, UnitReleased): UnitState.ACTIVE,
    (UnitState.QUARANTINED, UnitReplaced): UnitState.REPLACED,
    (UnitState.QUARANTINED, VehicleRetired): UnitState.RETIRED,
}

COMMAND: Final[Mapping[tuple[CommandState, type[Base]], CommandState]] = {
    (CommandState.NEW, CommandCreated): CommandState.CREATED,
    (CommandState.CREATED, CommandSent): CommandState.SENT,
    (CommandState.CREATED, CommandUndeliverable): CommandState.UNDELIVERABLE,
    (CommandState.CREATED, CommandExpired): CommandState.EXPIRED,
    # the answer may be committed before "sent" is, and a crash may leave a sent command in "created"
    (CommandState.CREATED, CommandReceived): CommandState.RECEIVED,
    (CommandState.CREATED, CommandDone): CommandState.DONE,
    (CommandState.CREATED, CommandRefused): CommandState.REFUSED,
    (CommandState.CREATED, CommandUnanswered): CommandState.UNANSWERED,
    (CommandState.SENT, CommandReceived): CommandState.RECEIVED,
    (CommandState.SENT, CommandDone): CommandState.DONE,
    (CommandState.SENT, CommandRefused): CommandState.REFUSED,
    (CommandState.SENT, CommandUnanswered): CommandState.UNANSWERED,
    (CommandState.RECEIVED, CommandDone): CommandState.DONE,
    (CommandState.RECEIVED, CommandRefused): CommandState.REFUSED,
    (CommandState.RECEIVED, CommandUnanswered): CommandState.UNANSWERED,
    # late, and still the truth
    (CommandState.UNANSWERED, CommandDone): CommandState.DONE,
    (CommandState.UNANSWERED, CommandRefused): CommandState.REFUSED,
}

ENDED: Final = frozenset(
    {
        CommandState.UNDELIVERABLE,
        CommandState.DONE,
        CommandState.REFUSED,
        CommandState.EXPIRED,
        CommandState.UNANSWERED,
    }
)
"""Commands that will not be sent again: their args are erased."""

S = TypeVar("S", VehicleState, UnitState, CommandState)


def step(table: Mapping[tuple[S, type[Base]], S], state: S, fact: Base) -> S:
    """The state after ``fact``. Raises ``NotInThisState`` where the table has no such step."""
    try:
        return table[state, type(fact)]
    except KeyError:
        raise NotInThisState(f"{type(fact).__name__} does not follow {state}") from None


def follows(table: Mapping[tuple[S, type[Base]], S], state: S, fact: type[Base]) -> bool:
    """Whether the table has this step: what comes twice or too late simply has none."""
    return (state, fact) in table
