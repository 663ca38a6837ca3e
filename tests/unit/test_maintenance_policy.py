"""The fault policy, rule by rule (docs/maintenance.md names these tests)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maintenance.cases import CaseState, Happening, Vehicle
from maintenance.faults import STEPS, Fault, Said, step
from maintenance.policy import after_repair, after_scan
from maintenance.rules import FaultRules
from maintenance.scans import Repaired, Scan
from maintenance.severity import RULES, Severity, by_rule
from maintenance.systems import SYSTEMS, system_of

T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
READY = {"supported": ["misfire", "fuel"], "incomplete": []}
UNREADY = {"supported": ["misfire", "fuel"], "incomplete": ["fuel"]}


class Car:
    """A car that is scanned once a drive cycle, and what the policy made of it."""

    def __init__(self, rules: FaultRules | None = None) -> None:
        self.rules = rules or FaultRules()
        self.vehicle = Vehicle()
        self.told: list[Happening] = []
        self.n = 0

    def scan(self, *codes: str, **said: Any) -> list[str]:
        """``P0301`` confirmed, ``P0301?`` pending, ``P0301!`` permanent. Gives the kinds of what happened."""
        self.n += 1
        names = {"?": "pending", "!": "permanent"}
        listed = [{"code": one.rstrip("?!"), "status": names.get(one[-1], "confirmed")} for one in codes]
        whole: dict[str, Any] = {
            "vehicle": "veh_0aaaaaaaaaaaaaaa", "boot": 1, "seq": self.n, "scan_id": f"s{self.n}", "source": "obd",
            "at": T0 + timedelta(days=self.n), "drive_cycle": self.n, "outcome": "complete", "readiness": READY,
            "since_clear": {"warmups": 100 + self.n, "km": 5_000}, "mil": bool(listed),
            "ecus": [{"id": "7E8", "answered": True, "codes": listed}],
        }  # fmt: skip
        self.vehicle, happened = after_scan(self.vehicle, Scan.model_validate(whole | said), self.rules)
        self.told += happened
        return [one.kind for one in happened]

    def state(self, system: str = "ignition") -> CaseState:
        newest = self.vehicle.newest(system)
        assert newest is not None
        return newest.state

    @property
    def triggers(self) -> int:
        return sum(one.kind == "trigger" for one in self.told)


OPENED = ["case.opened", "trigger"]


def test_confirmed_opens_and_pending_only_in_a_second_drive_cycle() -> None:
    assert Car().scan("P0301") == OPENED
    assert Car().scan("P0301!") == OPENED
    car = Car()
    assert car.scan("P0420?") == []
    assert car.scan("P0420?", drive_cycle=1) == []
    assert car.scan("P0420?") == OPENED


def test_critical_opens_at_once_and_so_does_the_vehicle_s_own_word() -> None:
    assert Car().scan("P0524?") == OPENED
    ecus = [{"id": "7E0", "codes": [{"code": "P0420", "status": "pending", "severity": 0x80}]}]
    car = Car()
    assert car.scan(ecus=ecus) == OPENED
    assert (car.told[0].severity, car.told[0].source) == (Severity.CRITICAL, "vehicle")
    ecus = [{"id": "7E0", "codes": [{"code": "P0420", "status": "pending", "severity": "maintenanceOnly"}]}]
    assert Car().scan(ecus=ecus) == []


def test_a_lamp_that_no_code_explains_is_not_lost() -> None:
    car = Car()
    assert car.scan(mil=True) == OPENED
    assert car.told[0].codes == ("MIL",)
    for _ in range(3):
        car.scan(mil=None)
    assert car.state("engine_control") is CaseState.OPEN
    assert [car.scan() for _ in range(3)][-1] == ["case.closed"]


def test_one_open_case_per_system_and_the_worst_code_counts() -> None:
    car = Car()
    car.scan("P0351?")
    assert car.scan("P0351?") == OPENED
    assert car.scan("P0351", "P0301") == ["case.reprioritised"]
    assert car.scan("P0351", "P0301", "P0302") == []
    newest = car.vehicle.newest("ignition")
    assert newest is not None
    assert (newest.codes, newest.severity) == (("P0351", "P0301", "P0302"), Severity.HIGH)
    assert car.scan("P0301", "C0035") == OPENED
    assert car.triggers == 2


def test_three_clean_scans_in_three_drive_cycles_close() -> None:
    car = Car()
    car.scan("P0301")
    assert car.scan() == []
    assert car.state() is CaseState.VERIFYING
    assert car.scan(drive_cycle=2) == []
    assert car.scan() == []
    assert car.scan() == ["case.closed"]


def test_a_code_in_between_begins_anew() -> None:
    car = Car()
    for codes in (("P0301",), (), (), ("P0301?",), (), ()):
        car.scan(*codes)
    assert car.state() is CaseState.VERIFYING
    assert car.scan() == ["case.closed"]
    assert car.triggers == 1


@pytest.mark.parametrize(
    "said",
    [
        {"outcome": "partial"}, {"outcome": "no_answer", "ecus": []}, {"outcome": "error", "ecus": []},
        {"ecus": []}, {"ecus": [{"id": "7E8", "answered": False, "codes": []}]},
        {"ecus": [{"id": "7E9", "answered": True, "codes": []}]},
        {"readiness": UNREADY}, {"since_clear": {"warmups": 0, "km": 0}}, {"since_clear": {"km": 3}},
        {"readiness": None, "since_clear": None}, {"mil": True},
    ],
)  # fmt: skip
def test_what_is_not_an_explicit_proven_empty_answer_never_closes(said: dict[str, Any]) -> None:
    car = Car()
    car.scan("P0301")
    for _ in range(30):
        assert "case.closed" not in car.scan(**said)
    assert car.state() is not CaseState.CLOSED


def test_erased_by_a_tool_is_not_proven_and_may_come_back_without_a_second_trigger() -> None:
    car = Car()
    car.scan("P0301")
    car.scan(), car.scan()
    car.scan(since_clear={"warmups": 0, "km": 0}, readiness=UNREADY)
    assert car.vehicle.faults[("7E8", "P0301")].state is Fault.CLEARED_UNPROVEN
    assert car.scan("P0301", since_clear={"warmups": 4, "km": 40}) == []
    assert car.triggers == 1


def test_a_drop_of_the_warm_up_count_is_an_erasure_however_high_it_is() -> None:
    car = Car()
    car.scan("P0301", since_clear={"warmups": 200, "km": 9_000})
    for warmups in (40, 41, 42):
        assert car.scan(since_clear={"warmups": warmups, "km": 900}) == []
    assert car.scan(since_clear={"warmups": 43, "km": 940}) == ["case.closed"]


def test_after_a_repair_one_proven_scan_closes() -> None:
    car = Car()
    car.scan("P0301")
    done = Repaired(kind="appointment.done", vehicle="veh_0aaaaaaaaaaaaaaa", at=T0 + timedelta(days=2))
    car.vehicle = after_repair(car.vehicle, done)
    assert car.scan(readiness=UNREADY) == []
    assert car.scan() == ["case.closed"]


def test_what_comes_back_soon_joins_its_case_silently() -> None:
    car = Car()
    for codes in (("P0301",), (), (), ()):
        car.scan(*codes)
    assert car.scan("P0301") == ["case.reopened"]
    assert car.triggers == 1


@pytest.mark.parametrize(("days", "cycles", "new"), [(31, 21, True), (31, 20, False), (30, 500, False)])
def test_it_is_a_new_case_after_twenty_cycles_and_thirty_days(days: int, cycles: int, new: bool) -> None:
    car = Car()
    for codes in (("P0301",), (), (), ()):
        car.scan(*codes)
    later = {"at": T0 + timedelta(days=4 + days), "drive_cycle": 4 + cycles}
    assert car.scan("P0301", **later) == (OPENED if new else ["case.reopened"])


def test_another_code_of_the_system_is_a_new_case_and_the_old_one_can_come_back() -> None:
    car = Car()
    for codes in (("P0301",), (), (), (), ("P0351",), (), (), ()):
        car.scan(*codes)
    assert car.scan("P0301") == ["case.reopened"]
    assert [one.state for one in car.vehicle.cases["ignition"]] == [CaseState.OPEN, CaseState.CLOSED]
    assert car.scan("P0301", "P0351") == []
    assert car.triggers == 2


def test_a_repair_that_did_not_hold_is_a_new_case_one_level_higher() -> None:
    car = Car()
    car.scan("P0420")
    done = Repaired(kind="appointment.done", vehicle="veh_0aaaaaaaaaaaaaaa", at=T0 + timedelta(days=2))
    car.vehicle = after_repair(car.vehicle, done)
    car.scan()
    assert car.scan("P0420") == OPENED
    assert (car.told[-1].severity, car.told[-1].why) == (Severity.HIGH, "repair_did_not_hold")


def test_a_repair_after_which_the_code_still_stands_is_a_new_case_at_once() -> None:
    car = Car()
    car.scan("P0420")
    done = Repaired(kind="appointment.done", vehicle="veh_0aaaaaaaaaaaaaaa", at=T0 + timedelta(hours=30))
    car.vehicle = after_repair(car.vehicle, done)
    assert car.scan("P0420") == ["case.closed", *OPENED]
    assert (car.told[-1].severity, car.told[-1].n) == (Severity.HIGH, 2)
    assert car.scan("P0420") == []
    assert car.triggers == 2


def test_another_unit_that_counts_from_one_is_heard() -> None:
    car = Car()
    for _ in range(5):
        car.scan()
    assert car.scan("P0301", boot=0, seq=1) == OPENED
    assert car.scan("C0035", boot=0, seq=1, scan_id="later") == OPENED


def test_a_repeat_and_a_late_scan_change_nothing() -> None:
    car = Car()
    car.scan("P0301")
    before = car.vehicle
    assert car.scan(seq=1, scan_id="s1") == []
    assert car.scan("C0035", seq=0, scan_id="older", at=T0) == []
    assert car.vehicle == before


def test_one_code_that_flaps_every_drive_cycle_is_one_trigger() -> None:
    for mark in ("", "?"):
        car = Car()
        for n in range(100):
            car.scan(*([f"P0301{mark}"] if n % 2 == 0 else []))
        assert car.triggers == 1


@pytest.mark.parametrize(("mode", "shown"), [("monitor", ["case.opened"]), ("off", [])])
def test_a_rule_that_is_not_active_calls_nobody(mode: Any, shown: list[str]) -> None:
    car = Car(FaultRules(pending=mode))
    car.scan("P0420?")
    assert car.scan("P0420?") == shown
    assert car.triggers == 0
    assert all(one.monitor for one in car.told)
    assert car.vehicle.newest("emissions") is None


def test_every_state_of_a_fault_meets_everything_a_scan_can_say() -> None:
    for state in Fault:
        for said in Said:
            after = step(state, said)
            assert after in Fault
            assert (after is state) == ((state, said) not in STEPS)
    assert {after for (_, said), after in STEPS.items() if said is Said.PROVEN} == {Fault.ABSENT}
    assert all(after is not Fault.ABSENT for (_, said), after in STEPS.items() if said is not Said.PROVEN)


def test_every_code_there_can_be_has_a_system_and_a_severity() -> None:
    for letter in "PCBU":
        for number in range(0x4000):
            code = f"{letter}{number:04X}"
            assert system_of(code) in SYSTEMS
            assert by_rule(code).severity in Severity
    assert all(low <= high for low, high, _ in RULES)
    assert (system_of("SPN3031-FMI9"), system_of("SPN7-FMI1"), system_of("X9")) == (
        "emissions",
        "vehicle",
        "vehicle",
    )
