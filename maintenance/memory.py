"""What a vehicle's subject ``flt_`` holds, written small: it is read and written with every scan. Pure.

Lists instead of objects with names: at a few faults the body is some 300 bytes, and nothing of it is validated twice
(who writes it is this file alone).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from pydantic_core import from_json, to_json

from maintenance.cases import Case, CaseState, Key, Known, Vehicle
from maintenance.faults import Fault
from maintenance.severity import Severity
from spine.ids import CaseId, VehicleId, named_after
from spine.store import Saved, Write

KEPT: Final = "kept"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition without a code, by its VSS path: whether it is there, and since when it is healthy again.

    ``low_since``: not there yet, and since when the signal says it is: some count only after a while.
    """

    there: bool
    healthy_since: datetime | None = None
    low_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """The policy's memory, and the conditions that the car's signals told."""

    vehicle: Vehicle = field(default_factory=Vehicle)
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    signal: tuple[int, int] | None = None
    """Where in the log the newest signal stood that changed a condition."""


@lru_cache(maxsize=4_096)
def subject_of(vehicle: VehicleId) -> str:
    """Where a vehicle's faults are remembered, in its partition."""
    return named_after("flt", vehicle)


@lru_cache(maxsize=4_096)
def case_of(vehicle: str, system: str, n: int) -> CaseId:
    """The id of a system's case: the same each time the same scan is read."""
    return CaseId(named_after("cse", vehicle, system, n))


def system_and_n(case: str) -> tuple[str, int] | None:
    """What a case's id says; None for help with a delivery, which no fault is behind."""
    _, _, rest = case.partition(".")
    system, _, n = rest.rpartition(".")
    return (system, int(n)) if n.isdigit() and system not in {"", "help"} else None


def read(saved: Saved) -> Memory:
    """As saved; empty where nothing was heard yet."""
    if saved.version == 0 or saved.ended or saved.body == "{}":
        return Memory()
    raw: dict[str, Any] = from_json(saved.body, cache_strings="all")
    last = raw.get("last")
    return Memory(
        Vehicle(
            last=None if last is None else (last[0], last[1]),
            at=_time(raw.get("at")),
            seen=tuple(raw.get("seen", ())),
            warmups=raw.get("wu"),
            faults={(row[0], row[1]): _known(row) for row in raw.get("f", ())},
            cases={
                system: tuple(_case(system, row) for row in rows) for system, rows in raw.get("c", {}).items()
            },
        ),
        {path: Condition(bool(row[0]), *map(_time, row[1:])) for path, row in raw.get("v", {}).items()},
        None if raw.get("s") is None else (raw["s"][0], raw["s"][1]),
    )


def write(memory: Memory, *, wake_at: datetime | None = None) -> Write:
    """The saved form."""
    vehicle = memory.vehicle
    raw: dict[str, Any] = {"seen": vehicle.seen}
    if vehicle.last is not None:
        raw["last"] = vehicle.last
    if vehicle.at is not None:
        raw["at"] = vehicle.at.isoformat()
    if vehicle.warmups is not None:
        raw["wu"] = vehicle.warmups
    if vehicle.faults:
        raw["f"] = [
            (*key, one.state.value, int(one.severity), one.source, one.cycles, one.clean, one.case)
            for key, one in vehicle.faults.items()
        ]
    if vehicle.cases:
        raw["c"] = {system: [_row(one) for one in cases] for system, cases in vehicle.cases.items()}
    if memory.conditions:
        raw["v"] = {
            path: (int(one.there), *(at and at.isoformat() for at in (one.healthy_since, one.low_since)))
            for path, one in memory.conditions.items()
        }
    if memory.signal is not None:
        raw["s"] = memory.signal
    return Write(KEPT, to_json(raw).decode(), wake_at)


def _known(row: list[Any]) -> Known:
    _, _, state, severity, source, cycles, clean, case = row
    return Known(_FAULTS[state], _SEVERITIES[severity], source, tuple(cycles), tuple(clean), case)


def _row(case: Case) -> tuple[Any, ...]:
    return (
        case.n,
        case.state.value,
        int(case.severity),
        case.keys,
        case.opened_at.isoformat(),
        case.closed_at and case.closed_at.isoformat(),
        case.closed_cycle,
        case.repaired_at and case.repaired_at.isoformat(),
    )


def _case(system: str, row: list[Any]) -> Case:
    n, state, severity, keys, opened, closed, cycle, repaired = row
    pairs: tuple[Key, ...] = tuple((ecu, code) for ecu, code in keys)
    return Case(
        system,
        n,
        _STATES[state],
        _SEVERITIES[severity],
        pairs,
        datetime.fromisoformat(opened),
        _time(closed),
        cycle,
        _time(repaired),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


_FAULTS: Final = {one.value: one for one in Fault}
_STATES: Final = {one.value: one for one in CaseState}
_SEVERITIES: Final = {int(one): one for one in Severity}
