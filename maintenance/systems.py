"""Which system of a car a code is about: one open case each. Pure.

By the structure of SAE J2012: the letter, and for the power train the third character. Nothing here is a list of codes.
"""

import re
from functools import lru_cache
from typing import Final

_J2012: Final = re.compile(r"([PCBU])([0-3])([0-9A-F])([0-9A-F]{2})")
_SPN: Final = re.compile(r"SPN([0-9]{1,6})(?:-FMI[0-9]{1,2})?")

_POWERTRAIN: Final = {
    "0": "fuel_air", "1": "fuel_air", "2": "fuel_air", "3": "ignition", "4": "emissions", "5": "engine_control",
    "6": "engine_control", "7": "transmission", "8": "transmission", "9": "transmission", "A": "high_voltage",
    "B": "high_voltage", "C": "high_voltage", "D": "high_voltage", "E": "high_voltage", "F": "high_voltage",
}  # fmt: skip
_POWERTRAIN_2: Final = {
    "0": "emissions", "1": "engine_control", "2": "emissions", "3": "ignition", "4": "emissions", "5": "engine_control",
    "6": "fuel_air", "7": "transmission", "8": "transmission", "9": "transmission", "A": "emissions",
    "B": "fuel_air", "C": "fuel_air", "D": "emissions", "E": "engine_control", "F": "engine_control",
}  # fmt: skip
"""P2xxx: the third character means less than in P0xxx; these are the families that it is mostly used for."""

_SPN_RANGES: Final = (
    (91, 110, "engine_control"), (111, 115, "cooling"), (116, 119, "brakes"), (158, 171, "electrical"),
    (175, 176, "engine_control"), (177, 191, "transmission"), (521, 529, "transmission"), (561, 575, "brakes"),
    (639, 639, "network"), (1067, 1079, "brakes"), (1761, 1761, "emissions"), (3031, 3251, "emissions"),
    (3364, 3364, "emissions"), (4334, 4376, "emissions"),
)  # fmt: skip

LAMP: Final = "MIL"
"""Stands for a lit malfunction lamp that no code explains."""

CONDITIONS: Final = {
    "PadWear": "brakes", "IsBrakesWorn": "brakes", "IsFluidLevelLow": "brakes", "Pressure": "tyres",
    "IsPressureLow": "tyres", "LifeRemaining": "service", "Level": "engine_control", "PressureStatus": "engine_control",
    "IsServiceDue": "service", "DistanceToService": "service", "TimeToService": "service",
    "CurrentVoltage": "electrical", "Canary": "canary",
}  # fmt: skip
"""Conditions without a code, by the last part of their COVESA VSS name."""

VSS: Final = "VSS-"
"""Before the name of a condition, in capitals, where a code would stand: ``VSS-PADWEAR``."""
_CONDITION_SYSTEMS: Final = {f"{VSS}{name.upper()}": system for name, system in CONDITIONS.items()}

SYSTEMS: Final = frozenset(
    {*_POWERTRAIN.values(), *_POWERTRAIN_2.values(), *CONDITIONS.values(), *(each[2] for each in _SPN_RANGES)}
    | {"brakes", "steering", "chassis", "airbag", "body", "network", "vehicle"}
)


@lru_cache(maxsize=4_096)
def system_of(code: str) -> str:
    """The system of a code: SAE J2012 (``P0301``), J1939 (``SPN3031-FMI9``), a condition (``VSS-...``) or the lamp."""
    if (found := _J2012.match(code)) is not None:
        letter, kind, family, rest = found.groups()
        match letter:
            case "P":
                return (_POWERTRAIN_2 if kind == "2" else _POWERTRAIN)[family]
            case "C":
                return _chassis(kind, family, rest)
            case "B":
                return "airbag" if kind == "0" and family == "0" else "body"
            case _:
                return "network"
    if (named := _SPN.match(code)) is not None:
        number = int(named.group(1))
        return next((system for low, high, system in _SPN_RANGES if low <= number <= high), "vehicle")
    return "engine_control" if code == LAMP else _CONDITION_SYSTEMS.get(code, "vehicle")


def _chassis(kind: str, family: str, rest: str) -> str:
    if kind in {"0", "2"} and family == "0":
        return "brakes" if rest < "50" else "steering" if rest < "60" else "brakes"
    if kind == "0" and family == "5":
        return "steering"
    return "brakes" if family in {"1", "2"} else "chassis"
