"""Every state meets every step: what the tables declare happens, all else is refused."""

from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from people import states

TABLES: list[tuple[str, Any, type[StrEnum], type[StrEnum], set[str]]] = [
    ("person", states.PERSON, states.Person, states.PersonStep, {"erased"}),
    ("email change", states.EMAIL_CHANGE, states.EmailChange, states.EmailStep, set()),
    ("recovery", states.RECOVERY, states.Recovery, states.RecoveryStep, set()),
    ("claim", states.CLAIM, states.Claim, states.ClaimStep, set()),
    (
        "invitation",
        states.INVITATION,
        states.Invitation,
        states.InvitationStep,
        {"bound", "cancelled", "lapsed"},
    ),
    ("address", states.ADDRESS, states.Address, states.AddressStep, {"spent", "dead"}),
    ("carrier", states.CARRIER, states.Carrier, states.CarrierStep, set()),
    ("courier", states.COURIER, states.Courier, states.CourierStep, {"removed"}),
    ("device", states.DEVICE, states.Device, states.DeviceStep, set()),
]
EVERY = [
    pytest.param(table, state, done, id=f"{name}: {state} {done}")
    for name, table, of, how, _ in TABLES
    for state, done in product(of, how)
]


@pytest.mark.parametrize(("table", "state", "done"), EVERY)
def test_only_declared_steps_are_allowed(table: Any, state: Any, done: Any) -> None:
    declared = table.get((state, done))
    assert states.allows(table, state, done) == (declared is not None)
    if declared is None:
        with pytest.raises(states.NotNow):
            states.step(table, state, done)
    else:
        assert states.step(table, state, done) is declared


@pytest.mark.parametrize(("name", "table", "of", "how", "ends"), TABLES, ids=[one[0] for one in TABLES])
def test_every_state_is_reached_and_only_ends_end(
    name: str, table: Any, of: type[StrEnum], how: type[StrEnum], ends: set[str]
) -> None:
    assert set(table.values()) | {of("new")} == set(of)
    assert {str(state) for state in of if not any(before is state for before, _ in table)} == ends
    assert {done for _, done in table} == set(how)
