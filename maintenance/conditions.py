"""Conditions without a code (worn pads, low fluid, old oil, a weak battery): from a signal to a fault. Pure.

A signal tells edges, not state, so what it says is remembered. A worn one is a confirmed fault at once, a low battery
only after a while: starting an engine pulls it down too. One that says it is healthy again is believed after it stayed
so for a while, or at once after a repair: it flaps nothing.
"""

from dataclasses import replace
from datetime import datetime
from math import isfinite
from typing import Final, Literal

from maintenance.cases import Happening, Vehicle
from maintenance.limits import CaseLimits
from maintenance.memory import Condition, Memory
from maintenance.policy import after_scan
from maintenance.rules import FaultRules
from maintenance.scans import Code, Ecu, Scan
from maintenance.systems import VSS, system_of

Value = bool | int | float | str | None

_WEAR: Final = "PadWear"
_OIL: Final = "EngineOil.LifeRemaining"
_BATTERY: Final = "LowVoltageBattery.CurrentVoltage"
_FLAGS: Final = frozenset({"IsBrakesWorn", "IsFluidLevelLow", "IsServiceDue", "IsPressureLow"})
_WHOLLY: Final = 100
"""COVESA VSS: a pad that is worn away."""
_CONDITIONS_MOST: Final = 64


def judged(path: str, value: Value, limits: CaseLimits, *, there: bool) -> bool | None:
    """Whether the condition is there; None where the signal says nothing of one. Between the bounds it stays as it was."""
    if path.rpartition(".")[2] in _FLAGS:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    if path.endswith(f".{_WEAR}"):
        return value >= limits.pads_worn or (there and value > limits.pads_new)
    if path.endswith(f".{_OIL}"):  # seconds; what is over is negative
        return value <= limits.oil_life_left.total_seconds() or (
            there and value <= limits.oil_life_new.total_seconds()
        )
    if path.endswith(f".{_BATTERY}") and value >= limits.battery_least:
        return value <= limits.battery_low or (there and value < limits.battery_healthy)
    return None


def after_signal(
    known: Memory,
    path: str,
    value: Value,
    at: datetime,
    place: tuple[int, int],
    rules: FaultRules,
    limits: CaseLimits,
) -> tuple[Memory, list[Happening]]:
    """What a changed signal means. ``place``: where it stands in the log; what stands before the newest is a repeat."""
    if known.signal is not None and place <= known.signal:
        return known, []
    before = known.conditions.get(path)
    there = judged(path, value, limits, there=before is not None and before.there)
    if there is None:
        return known, []
    if there:
        if before is None and len(known.conditions) >= _CONDITIONS_MOST:
            return known, []
        if path.endswith(f".{_BATTERY}") and (before is None or not before.there):
            healing = before.healthy_since if before is not None else None
            since = (before.low_since if before is not None else None) or at
            low = Condition(there=False, healthy_since=healing, low_since=since)
            return replace(_noted(known, path, low), signal=place), []
        worn_away = path.endswith(_WEAR) and isinstance(value, int | float) and value >= _WHOLLY
        known = replace(_noted(known, path, Condition(there=True)), signal=place)
        return _heard(known, path, at, rules, severity="check_at_next_halt" if worn_away else None)
    if before is None or not (before.there or before.low_since):
        return known, []
    if not before.there and before.healthy_since is None:  # it was low for a moment only
        rest = {each: one for each, one in known.conditions.items() if each != path}
        return replace(known, conditions=rest, signal=place), []
    well = Condition(there=False, healthy_since=before.healthy_since or at)
    known = replace(_noted(known, path, well), signal=place)
    return _heard(known, path, at, rules, clean=True) if _repaired(known.vehicle, path) else (known, [])


def after_a_while(
    known: Memory, now: datetime, rules: FaultRules, limits: CaseLimits
) -> tuple[Memory, list[Happening]]:
    """What stayed healthy long enough is mended, and what stayed low long enough is a fault."""
    happened: list[Happening] = []
    for path, one in known.conditions.items():
        if one.low_since is not None and one.low_since + limits.battery_low_for <= now:
            known, more = _heard(_noted(known, path, Condition(there=True)), path, now, rules)
            happened += more
        elif _well_by(one, limits, now):
            once = rules.model_copy(update={"clean_scans": 1})
            known, more = _heard(known, path, now, once, clean=True)
            happened += more
    return known, happened


def _well_by(one: Condition, limits: CaseLimits, now: datetime) -> bool:
    since = one.healthy_since if one.low_since is None else None
    return since is not None and since + limits.condition_healthy_for <= now


def wake(known: Memory, limits: CaseLimits) -> datetime | None:
    """When the next of them has been healthy, or low, long enough."""
    if not known.conditions:  # as nearly always
        return None
    every = known.conditions.values()
    times = [one.low_since + limits.battery_low_for for one in every if one.low_since is not None]
    times += [
        one.healthy_since + limits.condition_healthy_for
        for one in every
        if one.healthy_since is not None and one.low_since is None
    ]
    return min(times, default=None)


def concerns(path: str) -> bool:
    """Whether this signal is taken for a condition."""
    name = path.rpartition(".")[2]
    return name in _FLAGS or any(path.endswith(f".{one}") for one in (_WEAR, _OIL, _BATTERY))


def code_of(path: str) -> str:
    """The code that stands for a condition: ``VSS-PADWEAR``."""
    return f"{VSS}{path.rpartition('.')[2].upper()}"[:32]


def _heard(
    known: Memory,
    path: str,
    at: datetime,
    rules: FaultRules,
    *,
    clean: bool = False,
    severity: Literal["check_at_next_halt"] | None = None,
) -> tuple[Memory, list[Happening]]:
    """One scan of this condition alone. Where the unit's scans stand, in order and time, is not touched by it.

    The whole path stands in the control unit's place: two wheels are two faults of one case, and what one condition of
    a wheel says proves nothing about another one there.
    """
    codes = () if clean else (Code(code=code_of(path), status="confirmed", severity=severity),)
    unit = Ecu.model_construct(
        id=path, codes=codes
    )  # ours, and longer than a car's own names of units may be
    scan = Scan(vehicle="-", at=at, outcome="complete", source="vss", ecus=(unit,))
    vehicle = known.vehicle
    after, happened = after_scan(replace(vehicle, last=None, at=None), scan, rules)
    after = replace(after, last=vehicle.last, at=vehicle.at)
    conditions = dict(known.conditions)
    if clean:
        conditions.pop(path, None)
    return replace(known, vehicle=after, conditions=conditions), happened


def _noted(known: Memory, path: str, condition: Condition) -> Memory:
    return replace(known, conditions={**known.conditions, path: condition})


def _repaired(vehicle: Vehicle, path: str) -> bool:
    case = vehicle.open_case(system_of(code_of(path)))
    return case is not None and case.repaired_at is not None
