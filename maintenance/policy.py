"""One step of the fault policy: a vehicle as it was and a scan give the vehicle as it is and what happened. Pure.

No store, no clock, no queue: what happened is told as values, and whoever calls decides what to do about it. So the
rules can be tried on anybody's data (``trunkline maintenance replay``), and the service, the tests and a person read
the same code.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from maintenance.cases import Case, CaseState, Happening, Key, Known, Vehicle
from maintenance.faults import PRESENT, Fault, Said, step
from maintenance.rules import FaultRules, Mode
from maintenance.scans import Code, Repaired, Scan
from maintenance.severity import Judged, Severity, judge
from maintenance.systems import LAMP, system_of

_LAMP: Final[Key] = ("-", LAMP)


def after_scan(
    vehicle: Vehicle, scan: Scan, rules: FaultRules, maker: Mapping[str, Severity] | None = None
) -> tuple[Vehicle, list[Happening]]:
    """What a scan changes. One that came before, or is older than what is known, changes nothing.

    ``maker``: an imported severity table, by code.
    """
    if _is_old(vehicle, scan):
        return vehicle, []
    if not scan.heard:
        return _noted(vehicle, scan, rules, vehicle.warmups), []
    found = _found(scan, rules)
    erased = _erased(vehicle, scan, rules)
    since = scan.since_clear
    warmups = vehicle.warmups if since is None or since.warmups is None else since.warmups
    vehicle = _noted(vehicle, scan, rules, warmups)
    happened: list[Happening] = []
    for key, code in found.items():
        vehicle = _present(vehicle, scan, key, code, rules, maker, happened)
    for key in [key for key in vehicle.faults if key not in found]:
        vehicle = _gone(vehicle, scan, key, rules, erased=erased)
    return _settled(vehicle, scan, happened), happened


def after_repair(vehicle: Vehicle, done: Repaired) -> Vehicle:
    """An appointment was done: its open cases wait for one proven clean scan."""
    for system in list(vehicle.cases):
        case = vehicle.open_case(system)
        if case is not None and done.system in {None, system}:
            vehicle = vehicle.with_case(replace(case, repaired_at=done.at))
    return vehicle


def _is_old(vehicle: Vehicle, scan: Scan) -> bool:
    if scan.scan_id is not None and scan.scan_id in vehicle.seen:
        return True
    if vehicle.at is None:
        return False
    if scan.boot is not None and scan.seq is not None and vehicle.last is not None:
        # Lower numbers at a later time are another unit's: what it says must not be lost until it has caught up.
        return (scan.boot, scan.seq) <= vehicle.last and scan.at <= vehicle.at
    return scan.at < vehicle.at


def _noted(vehicle: Vehicle, scan: Scan, rules: FaultRules, warmups: int | None) -> Vehicle:
    last = vehicle.last
    if scan.boot is not None and scan.seq is not None:
        last = (scan.boot, scan.seq)
    seen = vehicle.seen
    if scan.scan_id is not None:
        seen = (*seen, scan.scan_id)[-rules.scans_remembered :]
    return Vehicle(last, scan.at, seen, warmups, vehicle.faults, vehicle.cases)


def _found(scan: Scan, rules: FaultRules) -> dict[Key, Code]:
    """The codes of a scan, one entry per control unit and code, with the highest of the three."""
    rank = {"pending": 0, "confirmed": 1, "permanent": 2}
    found: dict[Key, Code] = {}
    for ecu in scan.ecus:
        for code in ecu.codes:
            known = found.get((ecu.id, code.code))
            if known is None or rank[code.status] > rank[known.status]:
                found[(ecu.id, code.code)] = code
    if not found and scan.outcome == "complete" and scan.unexplained_lamp and rules.lamp != "off":
        found[_LAMP] = Code(code=LAMP, status="confirmed")
    return found


def _erased(vehicle: Vehicle, scan: Scan, rules: FaultRules) -> bool | None:
    """Whether an empty list proves nothing; None where nobody can say, and then it proves nothing either."""
    if scan.readiness is not None and scan.readiness.incomplete:
        return True
    since = scan.since_clear
    if since is not None and since.warmups is not None:
        dropped = vehicle.warmups is not None and since.warmups < vehicle.warmups
        return dropped or since.warmups < rules.erased_warmups
    if since is not None and since.km is not None:
        return since.km < rules.erased_km
    # ISO 14229 and J1939 have no monitors to ask: there an explicit empty answer is all there is.
    return None if scan.readiness is None and scan.source == "obd" else False


# ---- what is there


def _present(
    vehicle: Vehicle,
    scan: Scan,
    key: Key,
    code: Code,
    rules: FaultRules,
    maker: Mapping[str, Severity] | None,
    happened: list[Happening],
) -> Vehicle:
    known = vehicle.faults.get(key, Known())
    judged = judge(code, maker)
    pending = code.status == "pending"
    fault = step(known.state, Said.PENDING if pending else Said.CONFIRMED)
    cycles = known.cycles if scan.cycle in known.cycles else (*known.cycles, scan.cycle)
    if known.state is Fault.ABSENT:
        cycles = (scan.cycle,)
    cycles = cycles[-max(rules.pending_cycles, 2) :]
    known = Known(fault, judged.severity, judged.source, cycles, (), known.case)
    vehicle = vehicle.with_fault(key, known)
    case = vehicle.open_case(system_of(key[1]))
    if case is not None and key in case.keys:
        if _not_held(case, scan, code, rules):
            return _opened_anew(vehicle, scan, key, judged, case, happened)
        return _joined(vehicle, scan, key, case, judged, happened)
    why, mode = _why_open(key, code, known, judged, rules)
    former = _came_back(vehicle, scan, key, rules) if case is None else None
    if not why and former is not None and former.repaired_at is None and rules.reopen == "active":
        # No case is closed while its fault is there: what came back needs no second drive cycle.
        why, mode = "came_back", "active"
    if not why:
        return vehicle
    if mode != "active":
        if mode == "monitor":
            happened.append(
                _told("case.opened", scan, case or _next(vehicle, scan, key, judged), why, monitor=True)
            )
        return vehicle
    if case is not None:
        return _joined(vehicle, scan, key, case, judged, happened)
    return _opened(vehicle, scan, key, judged, why, rules, happened)


def _why_open(key: Key, code: Code, known: Known, judged: Judged, rules: FaultRules) -> tuple[str, Mode]:
    """Why this fault needs a case, and whether that rule is on; empty where it does not (yet)."""
    if key == _LAMP:
        return "lamp", rules.lamp
    if code.status != "pending":
        return code.status, "active"
    if judged.severity is Severity.CRITICAL:
        return "critical", "active"
    if code.severity in {"check_immediately", "check_at_next_halt"}:
        return "severity_bit", "active"
    if len(known.cycles) >= rules.pending_cycles:
        return f"pending_in_{rules.pending_cycles}_drive_cycles", rules.pending
    return "", "off"


def _joined(
    vehicle: Vehicle, scan: Scan, key: Key, case: Case, judged: Judged, happened: list[Happening]
) -> Vehicle:
    """One more word on an open case: it may become more urgent, never less."""
    keys = case.keys if key in case.keys else (*case.keys, key)
    higher = judged.severity > case.severity
    case = replace(case, keys=keys, state=CaseState.OPEN, severity=max(case.severity, judged.severity))
    if higher:
        happened.append(
            _told("case.reprioritised", scan, case, f"{key[1]} is {judged.severity.word}", judged.source)
        )
    return _held(vehicle.with_case(case), key, case)


def _opened(
    vehicle: Vehicle,
    scan: Scan,
    key: Key,
    judged: Judged,
    why: str,
    rules: FaultRules,
    happened: list[Happening],
) -> Vehicle:
    former = _came_back(vehicle, scan, key, rules)
    severity = judged.severity
    if former is not None and former.repaired_at is None:
        if rules.reopen == "monitor":
            happened.append(_told("case.reopened", scan, former, "came_back", judged.source, monitor=True))
        if rules.reopen == "active":
            return _reopened(vehicle, scan, key, former, judged, happened)
    if former is not None and former.repaired_at is not None and rules.repair_held == "active":
        severity, why = max(severity, former.severity).next, "repair_did_not_hold"
    case = replace(_next(vehicle, scan, key, judged), severity=severity)
    happened.append(_told("case.opened", scan, case, why, judged.source))
    happened.append(_told("trigger", scan, case, why, judged.source))
    return _held(vehicle.with_case(case), key, case)


def _not_held(case: Case, scan: Scan, code: Code, rules: FaultRules) -> bool:
    """Whether a repair that is said to be done did not mend it."""
    done = case.repaired_at is not None and scan.at > case.repaired_at
    return done and code.status != "pending" and rules.repair_held == "active"


def _opened_anew(
    vehicle: Vehicle, scan: Scan, key: Key, judged: Judged, former: Case, happened: list[Happening]
) -> Vehicle:
    """The former case ends with its repair; the fault goes on in a new one, which has a trigger of its own."""
    why = "repair_did_not_hold"
    former = replace(former, state=CaseState.CLOSED, closed_at=scan.at, closed_cycle=scan.drive_cycle)
    happened.append(_told("case.closed", scan, former, why, judged.source))
    vehicle = vehicle.with_case(former)
    severity = max(judged.severity, former.severity).next
    case = replace(_next(vehicle, scan, key, judged), severity=severity)
    happened += [_told(kind, scan, case, why, judged.source) for kind in ("case.opened", "trigger")]
    return _held(vehicle.with_case(case), key, case)


def _reopened(
    vehicle: Vehicle, scan: Scan, key: Key, former: Case, judged: Judged, happened: list[Happening]
) -> Vehicle:
    """Silently: no second trigger. Where it comes back worse, the case says so."""
    severity = max(former.severity, judged.severity)
    case = replace(former, state=CaseState.OPEN, severity=severity, closed_at=None, closed_cycle=None)
    happened.append(_told("case.reopened", scan, case, "came_back", judged.source))
    if severity > former.severity:
        happened.append(
            _told("case.reprioritised", scan, case, f"{key[1]} is {severity.word}", judged.source)
        )
    return _held(vehicle.with_case(case), key, case)


def _came_back(vehicle: Vehicle, scan: Scan, key: Key, rules: FaultRules) -> Case | None:
    """The closed case of this very fault, if it ended only a while ago."""
    known = vehicle.faults[key]
    former = None if known.case is None else vehicle.case(system_of(key[1]), known.case)
    if former is None or former.closed_at is None:
        return None
    if scan.at - former.closed_at <= rules.reopen_within:
        return former
    if scan.drive_cycle is None or former.closed_cycle is None:
        return None
    # A count that went back is another unit's: then the time alone says how long ago it was.
    return former if 0 <= scan.drive_cycle - former.closed_cycle <= rules.reopen_cycles else None


def _next(vehicle: Vehicle, scan: Scan, key: Key, judged: Judged) -> Case:
    system = system_of(key[1])
    newest = vehicle.newest(system)
    n = 1 if newest is None else newest.n + 1
    return Case(system, n, CaseState.OPEN, judged.severity, (key,), scan.at)


def _held(vehicle: Vehicle, key: Key, case: Case) -> Vehicle:
    return vehicle.with_fault(key, replace(vehicle.faults[key], case=case.n))


# ---- what is not there


def _gone(vehicle: Vehicle, scan: Scan, key: Key, rules: FaultRules, *, erased: bool | None) -> Vehicle:
    """A fault that the scan does not name: proven gone, erased, or simply not asked for."""
    known = vehicle.faults[key]
    if known.state is Fault.ABSENT or scan.outcome != "complete" or erased is None:
        return vehicle
    if key != _LAMP and not any(ecu.id == key[0] and ecu.answered for ecu in scan.ecus):
        return vehicle
    if scan.unexplained_lamp or (key == _LAMP and scan.mil is not False):
        return vehicle
    if erased:
        return vehicle.with_fault(key, replace(known, state=step(known.state, Said.ERASED), clean=()))
    clean = known.clean if scan.cycle in known.clean else (*known.clean, scan.cycle)
    state = step(known.state, Said.CLEAN)
    case = vehicle.open_case(system_of(key[1]))
    repaired = case is not None and key in case.keys and case.repaired_at is not None
    needed = rules.clean_after_repair if repaired and _all_monitors(scan) else rules.clean_scans
    if len(clean) >= needed:
        known = Known(step(state, Said.PROVEN), known.severity, known.source, (), (), known.case)
    else:
        known = Known(state, known.severity, known.source, known.cycles, clean, known.case)
    return vehicle.with_fault(key, known)


def _all_monitors(scan: Scan) -> bool:
    return scan.source != "obd" or (scan.readiness is not None and not scan.readiness.incomplete)


def _settled(vehicle: Vehicle, scan: Scan, happened: list[Happening]) -> Vehicle:
    """Cases follow their faults: all proven gone closes, all gone from the lists waits for proof."""
    for system in list(vehicle.cases):
        case = vehicle.open_case(system)
        if case is None:
            continue
        states = {vehicle.faults[key].state for key in case.keys}
        if states == {Fault.ABSENT}:
            why = "clean_after_repair" if case.repaired_at else "clean_scans"
            closed = replace(case, state=CaseState.CLOSED, closed_at=scan.at, closed_cycle=scan.drive_cycle)
            happened.append(_told("case.closed", scan, closed, why))
            vehicle = vehicle.with_case(closed)
        else:
            wanted = CaseState.OPEN if states & PRESENT else CaseState.VERIFYING
            if case.state is not wanted:
                vehicle = vehicle.with_case(replace(case, state=wanted))
    return vehicle


def _told(
    kind: str, scan: Scan, case: Case, why: str, source: str = "", *, monitor: bool = False
) -> Happening:
    return Happening(
        kind=kind,  # type: ignore[arg-type]  # one of the five
        at=scan.at,
        system=case.system,
        n=case.n,
        codes=case.codes,
        severity=case.severity,
        why=why,
        source=source,
        monitor=monitor,
    )
