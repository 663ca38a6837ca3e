"""Random histories against a second model: as many triggers as faults, and no closed case with a fault that is there."""

from datetime import UTC, datetime, timedelta

import pytest

from maintenance.cases import CaseState, Vehicle
from maintenance.faults import PRESENT
from maintenance.policy import after_scan
from maintenance.rules import FaultRules
from maintenance.scans import Scan
from tests.maintenance_model import Oracle, drawn, scan_of

T0 = datetime(2026, 1, 1, 8, tzinfo=UTC)
RULES = FaultRules()
SYSTEM = "emissions"


def play(seed: int, days: int) -> tuple[int, int]:
    """Triggers by the policy and by the oracle."""
    vehicle, oracle, triggers, warmups = Vehicle(), Oracle(), 0, 100
    for day, said in enumerate(drawn(seed, days)):
        oracle.day(said)
        # erased days keep counting up from a high number: the monitors alone say that codes were erased
        warmups += 1
        whole = scan_of(said, day, warmups)
        if whole is not None:
            scan = Scan.model_validate({**whole, "at": T0 + timedelta(days=day)})
            vehicle, happened = after_scan(vehicle, scan, RULES)
            triggers += sum(one.kind == "trigger" for one in happened)
        newest = vehicle.newest(SYSTEM)
        is_open = newest is not None and newest.state is not CaseState.CLOSED
        assert is_open == oracle.open, (seed, day, said)
        if newest is not None and newest.closed_at is not None:
            there = any(vehicle.faults[key].state in PRESENT for key in newest.keys)
            assert not there or whole is None or scan.at - newest.closed_at > RULES.reopen_within
    return triggers, oracle.triggers


@pytest.mark.parametrize("block", range(10))
def test_a_thousand_random_histories_have_as_many_triggers_as_faults(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        ours, theirs = play(seed, 60)
        assert ours == theirs, seed
