"""Every state of vehicles, units and commands meets every fact; what the table does not have is refused."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from spine.facts import vehicle as facts
from spine.facts.base import Base
from spine.ids import CommandId, UnitId, VehicleId
from vehicle_gateway.states import (
    COMMAND,
    ENDED,
    UNIT,
    VEHICLE,
    CommandState,
    NotInThisState,
    UnitState,
    VehicleState,
    follows,
    step,
)

NOW = datetime(2030, 5, 6, 9, tzinfo=UTC)
VEH, UNT, CMD = (
    VehicleId("veh_0123456789abcdef"),
    UnitId("vu_0123456789abcdef"),
    CommandId("cmd_0123456789abcdef.1"),
)
ABOUT = {"at": NOW, "vehicle": VEH}
WITH_UNIT = {**ABOUT, "unit": UNT}
WITH_COMMAND = {**WITH_UNIT, "command": CMD, "op": "lock"}

FACTS: list[Base] = [
    facts.VehicleEnrolled(**WITH_UNIT, shard=8),
    facts.UnitReplaced(**WITH_UNIT, former=UNT),
    facts.UnitQuarantined(**WITH_UNIT, reason="receipt_rejected"),
    facts.UnitReleased(**WITH_UNIT),
    facts.UnitCertified(**WITH_UNIT, until=NOW),
    facts.VehicleRetired(**ABOUT),
    facts.CommandCreated(**WITH_COMMAND, expires_at=NOW + timedelta(seconds=30)),
    facts.CommandSent(**WITH_COMMAND),
    facts.CommandUndeliverable(**WITH_COMMAND),
    facts.CommandReceived(**WITH_COMMAND),
    facts.CommandDone(**WITH_COMMAND),
    facts.CommandRefused(**WITH_COMMAND, code="vehicle_state"),
    facts.CommandExpired(**WITH_COMMAND),
    facts.CommandUnanswered(**WITH_COMMAND),
]
TABLES = [(VEHICLE, VehicleState), (UNIT, UnitState), (COMMAND, CommandState)]
CASES = [(table, state, fact) for table, states in TABLES for state, fact in product(states, FACTS)]


@pytest.mark.parametrize(("table", "state", "fact"), CASES)
def test_only_declared_steps_are_allowed(table, state, fact) -> None:
    if (state, type(fact)) in table:
        assert step(table, state, fact) is table[state, type(fact)]
        assert follows(table, state, type(fact))
    else:
        assert not follows(table, state, type(fact))
        with pytest.raises(NotInThisState):
            step(table, state, fact)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_command_is_never_sent_or_expired_again(state: CommandState) -> None:
    after = {after for (before, _), after in COMMAND.items() if before is state}
    assert after <= {CommandState.DONE, CommandState.REFUSED}, "only a late answer still counts"
    assert (state is CommandState.UNANSWERED) == bool(after)


@pytest.mark.parametrize("state", [UnitState.REPLACED, UnitState.RETIRED])
def test_a_unit_that_is_gone_never_comes_back(state: UnitState) -> None:
    assert not any(before is state for before, _ in UNIT)


def test_what_was_sent_cannot_be_called_expired() -> None:
    assert (CommandState.SENT, facts.CommandExpired) not in COMMAND
