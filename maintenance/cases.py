"""What is remembered of a vehicle's faults and cases, and what happened to them. Values only. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from maintenance.faults import Fault
from maintenance.severity import Severity

Key = tuple[str, str]
"""Control unit and code; with the vehicle, what a fault is named by."""


class CaseState(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    VERIFYING = "verifying"
    """Every fault of it is gone from the lists, and not yet often enough."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Known:
    """A fault as it is remembered. ``cycles``: the drive cycles it was seen pending in; ``clean``: was clean in."""

    state: Fault = Fault.ABSENT
    severity: Severity = Severity.LOW
    source: str = ""
    cycles: tuple[str, ...] = ()
    clean: tuple[str, ...] = ()
    case: int | None = None
    """The number of its newest case in its system."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case: one system of one vehicle. ``n`` counts its system's cases; it has exactly one trigger, from its opening."""

    system: str
    n: int
    state: CaseState
    severity: Severity
    keys: tuple[Key, ...]
    opened_at: datetime
    closed_at: datetime | None = None
    closed_cycle: int | None = None
    repaired_at: datetime | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """Its codes, in the order they came, each once."""
        return tuple(dict.fromkeys(code for _, code in self.keys))


Kind = Literal["case.opened", "case.reprioritised", "case.closed", "case.reopened", "trigger"]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. ``why``: the rule that decided; ``monitor``: it only would have."""

    kind: Kind
    at: datetime
    system: str
    n: int
    codes: tuple[str, ...]
    severity: Severity
    why: str
    source: str = ""
    monitor: bool = False

    def told(self, vehicle: str, case: str) -> dict[str, Any]:
        """As JSON values, for ``trunkline maintenance replay``."""
        plain: dict[str, Any] = {
            "kind": self.kind,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "vehicle": vehicle,
            "case": case,
            "codes": list(self.codes),
            "severity": self.severity.word,
            "why": self.why,
        }
        if self.source:
            plain["severity_source"] = self.source
        if self.monitor:
            plain["monitor"] = True
        return plain


@dataclass(frozen=True, slots=True)
class Vehicle:
    """All that the policy remembers of one vehicle."""

    last: tuple[int, int] | None = None
    """``boot`` and ``seq`` of the newest scan."""
    at: datetime | None = None
    seen: tuple[str, ...] = ()
    warmups: int | None = None
    faults: dict[Key, Known] = field(default_factory=dict)
    cases: dict[str, tuple[Case, ...]] = field(default_factory=dict)
    """By system, oldest first; at most one of them is open."""

    def open_case(self, system: str) -> Case | None:
        """The one case of a system that is not closed."""
        return next((one for one in self.cases.get(system, ()) if one.state is not CaseState.CLOSED), None)

    def newest(self, system: str) -> Case | None:
        """The newest case of a system."""
        known = self.cases.get(system, ())
        return known[-1] if known else None

    def case(self, system: str, n: int) -> Case | None:
        """A case by its number."""
        return next((one for one in self.cases.get(system, ()) if one.n == n), None)

    def with_fault(self, key: Key, known: Known) -> "Vehicle":
        """The same with this fault as it is remembered now."""
        faults = {**self.faults, key: known}
        return Vehicle(self.last, self.at, self.seen, self.warmups, faults, self.cases)

    def with_case(self, case: Case) -> "Vehicle":
        """The same with this case in the place of its former self, or as the newest one."""
        former = self.cases.get(case.system, ())
        kept = tuple(case if one.n == case.n else one for one in former)
        if all(one.n != case.n for one in former):
            kept = (*kept, case)
        cases = {**self.cases, case.system: kept[-CASES_KEPT:]}
        return Vehicle(self.last, self.at, self.seen, self.warmups, self.faults, cases)


CASES_KEPT: Final = 20
"""Newest cases of a system that are remembered; the number of a case goes on counting."""
