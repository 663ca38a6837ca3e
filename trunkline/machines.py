"""All state machines by name, read from the tables the code runs on: for `trunkline states` and the documents."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from pydantic import BaseModel

Steps = list[tuple[str, str, str]]


def _name(cause: object) -> str:
    if isinstance(cause, type) and issubclass(cause, BaseModel):
        return str(cause.model_fields["kind"].default)
    if isinstance(cause, Enum):
        return str(cause.value)
    return str(cause)


def _steps(table: Mapping[Any, Any]) -> Steps:
    """Rows of a table whose keys are (state, cause) or (state, cause, mark)."""
    rows = []
    for (before, cause, *mark), after in table.items():
        marked = f" ({mark[0]})" if mark and mark[0] else ""
        rows.append((_name(before), _name(cause) + marked, _name(after)))
    return sorted(rows)


def machines() -> dict[str, Steps]:
    """Every machine, by name."""
    import delivery.states
    import keys.states
    import maintenance.faults
    import maintenance.states
    import people.states
    import vehicle_gateway.states
    import vehicle_unit.lock
    import webhooks.addresses
    import webhooks.states

    return {
        "delivery": _steps(delivery.states.STEPS),
        "key": _steps(keys.states.STEPS),
        "lock": _steps({step: after for step, (after, _) in vehicle_unit.lock.STEPS.items()}),
        "vehicle": _steps(vehicle_gateway.states.VEHICLE),
        "unit": _steps(vehicle_gateway.states.UNIT),
        "command": _steps(vehicle_gateway.states.COMMAND),
        "message": _steps(webhooks.states.STEPS),
        "fault": _steps(maintenance.faults.STEPS),
        "trigger": _steps(maintenance.states.TRIGGER),
        "slot": _steps(maintenance.states.SLOT),
        "appointment": _steps(maintenance.states.APPOINTMENT),
        "webhook address": _steps(webhooks.addresses.ENDPOINT_STEPS),
        "person": _steps(people.states.PERSON),
        "email change": _steps(people.states.EMAIL_CHANGE),
        "recovery": _steps(people.states.RECOVERY),
        "claim": _steps(people.states.CLAIM),
        "invitation": _steps(people.states.INVITATION),
        "car address": _steps(people.states.ADDRESS),
        "carrier": _steps(people.states.CARRIER),
        "courier": _steps(people.states.COURIER),
        "device": _steps(people.states.DEVICE),
    }
