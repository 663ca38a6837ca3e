"""How urgent a code is, and who says so: the first of four sources that speaks. Pure.

The vehicle itself (ISO 14229 severity, its lamps), the maker's table, our rules by code range, the default of its
category (design: "Rules", severity). Which one decided is kept, and shown to whoever calls the owner.
"""

from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from maintenance.scans import Code
from maintenance.systems import LAMP, system_of


class Severity(IntEnum):
    """From "at the next service" to "stop now"."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """As it is told: ``low``, ``medium``, ``high``, ``critical``."""
        return self.name.lower()

    @property
    def next(self) -> "Severity":
        """One level higher; nothing is above critical."""
        return Severity(min(self + 1, Severity.CRITICAL))


class Judged(NamedTuple):
    """A severity and its source: ``vehicle``, ``maker``, ``rule:<range>`` or ``category``."""

    severity: Severity
    source: str


_OWN: Final = {
    "check_immediately": Severity.CRITICAL,
    "check_at_next_halt": Severity.HIGH,
    "maintenance_only": Severity.LOW,
}

RULES: Final[tuple[tuple[str, str, Severity], ...]] = (
    ("P0217", "P0218", Severity.CRITICAL),  # engine or gearbox too hot
    ("P0298", "P0298", Severity.CRITICAL),  # engine oil too hot
    ("P0524", "P0524", Severity.CRITICAL),  # oil pressure too low
    ("P0AA6", "P0AA7", Severity.CRITICAL),  # high voltage is not isolated from the body
    ("P1A0F", "P1A0F", Severity.CRITICAL),  # high voltage shut down while driving
    ("C0265", "C0277", Severity.CRITICAL),  # brake control, pump and relay
    ("C0044", "C0049", Severity.CRITICAL),  # brake pressure and fluid
    ("P0300", "P0312", Severity.HIGH),  # misfires destroy the catalyst
    ("P0335", "P0349", Severity.HIGH),  # position of crank and camshaft: it may stall
    ("P0087", "P0094", Severity.HIGH),  # fuel rail pressure
    ("P0234", "P0236", Severity.HIGH),  # too much boost
    ("P0120", "P0124", Severity.HIGH),  # throttle and pedal
    ("P0220", "P0229", Severity.HIGH),
    ("P2100", "P2140", Severity.HIGH),  # electronic throttle
    ("P0520", "P0523", Severity.HIGH),  # oil pressure cannot be seen
    ("P0115", "P0119", Severity.HIGH),  # coolant temperature cannot be seen
    ("P0560", "P0563", Severity.HIGH),  # system voltage
    ("P0571", "P0572", Severity.HIGH),  # brake light switch
    ("P0601", "P0607", Severity.HIGH),  # the control unit itself
    ("P0700", "P0702", Severity.HIGH),  # the gearbox control asks for help
    ("P0A00", "P0AFF", Severity.HIGH),  # hybrid and electric drive
    ("P0B00", "P0DFF", Severity.HIGH),
    ("U0073", "U0074", Severity.HIGH),  # the bus is off
    ("U0100", "U0101", Severity.HIGH),  # engine or gearbox control silent
    ("U0121", "U0131", Severity.HIGH),  # brakes or steering silent
    ("U0151", "U0151", Severity.HIGH),  # airbags silent
    ("P0440", "P0459", Severity.LOW),  # fuel vapour
    ("P0496", "P0499", Severity.LOW),
    ("P2400", "P2425", Severity.LOW),
    ("P0128", "P0128", Severity.LOW),  # warms up slowly
    ("P0460", "P0464", Severity.LOW),  # fuel gauge
    ("P0530", "P0534", Severity.LOW),  # air conditioning
)
"""By code range, both ends included; the first that fits counts."""

CONDITIONS: Final = {
    "VSS-PADWEAR": Severity.MEDIUM,  # near its end; worn away is the vehicle's own word for more
    "VSS-ISBRAKESWORN": Severity.HIGH,
    "VSS-ISFLUIDLEVELLOW": Severity.HIGH,
    "VSS-ISPRESSURELOW": Severity.HIGH,
    "VSS-ISSERVICEDUE": Severity.LOW,
    "VSS-LIFEREMAINING": Severity.MEDIUM,
    "VSS-CURRENTVOLTAGE": Severity.HIGH,  # it may not start the next time
    "VSS-CANARY": Severity.LOW,
}
"""Conditions without a code."""

_CATEGORY: Final = {
    "P": Severity.MEDIUM,
    "U": Severity.MEDIUM,
    "C": Severity.HIGH,
    "B": Severity.LOW,
    "S": Severity.MEDIUM,
}


def judge(code: Code, maker: Mapping[str, Severity] | None = None) -> Judged:
    """The severity of a code and who said it. ``maker``: an imported table, by code."""
    if code.severity is not None:
        return Judged(_OWN[code.severity], "vehicle")
    if maker is not None and code.code in maker:
        return Judged(maker[code.code], "maker")
    return by_rule(code.code)


@lru_cache(maxsize=4_096)
def by_rule(code: str) -> Judged:
    """What we say of a code on which neither the vehicle nor its maker speaks."""
    if code in CONDITIONS:
        return Judged(CONDITIONS[code], "rule:condition")
    plain = code[:5]
    for low, high, severity in RULES:
        if low <= plain <= high:
            return Judged(severity, f"rule:{low}-{high}" if low != high else f"rule:{low}")
    if system_of(code) == "airbag":
        return Judged(Severity.HIGH, "rule:airbag")
    if code == LAMP:
        return Judged(Severity.MEDIUM, "rule:lamp")
    return Judged(_CATEGORY.get(code[:1], Severity.MEDIUM), "category")
