"""What a scan has found out, and how far it may be believed: "no codes" only where everybody said so."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vehicle_gateway.diag.scan import MOST_CODES, MOST_ECUS, RANK, Ecu, FaultCode, Outcome, merged


@dataclass(frozen=True)
class Heading:
    """What the unit knows of a scan before it begins. ``at`` is wall time in UTC."""

    boot: int
    seq: int
    scan_id: str
    at: datetime
    drive_cycle: int

    def members(self) -> dict[str, Any]:
        """By the names of ``fault.scan``."""
        return {
            "boot": self.boot,
            "seq": self.seq,
            "scan_id": self.scan_id,
            "at": self.at,
            "drive_cycle": self.drive_cycle,
        }


@dataclass(slots=True)
class _Ecu:
    owes: bool = False
    codes: list[FaultCode] = field(default_factory=list)


class Findings:
    """Codes by ECU. What came garbled stays so: nothing later makes it whole."""

    def __init__(self) -> None:
        self._ecus: dict[str, _Ecu] = {}
        self._garbled = False
        self._cut = False
        self._broke_off = False

    @property
    def known(self) -> set[str]:
        """ECUs that were heard at all."""
        return set(self._ecus)

    def heard(self, ecu: str) -> None:
        """It is there."""
        if ecu in self._ecus or len(self._ecus) < MOST_ECUS:
            self._ecus.setdefault(ecu, _Ecu())
        else:
            self._cut = True

    def silent(self, ecu: str) -> None:
        """It owes an answer to something it was asked."""
        self.heard(ecu)
        if ecu in self._ecus:
            self._ecus[ecu].owes = True

    def settled(self, ecu: str) -> None:
        """It owes nothing more: what it did not answer one way it answered another."""
        self.heard(ecu)
        if ecu in self._ecus:
            self._ecus[ecu].owes = False

    def codes(self, ecu: str, found: list[FaultCode]) -> None:
        """It has these; the empty list is an answer too."""
        self.heard(ecu)
        if ecu in self._ecus:
            self._ecus[ecu].codes += found

    def garbled(self) -> None:
        """Something came that could not be read, and it is not known whose."""
        self._garbled = True

    def incomplete(self) -> None:
        """Not everything was asked: everybody owes something."""
        self._cut = True
        for one in self._ecus.values():
            one.owes = True

    def broke_off(self) -> None:
        """The way to the car is gone: what was not yet asked is not known of anybody."""
        self._broke_off = True
        self.incomplete()

    def ecus(self) -> list[Ecu]:
        """Each with its codes; at most as many of all as travel in a scan, the highest status first."""
        whole = {name: merged(one.codes) for name, one in self._ecus.items()}
        every = [(name, code) for name, codes in whole.items() for code in codes]
        if len(every) > MOST_CODES:
            every.sort(key=lambda pair: -RANK[pair[1].status])
            kept = every[:MOST_CODES]
            whole = {name: [code for owner, code in kept if owner == name] for name in whole}
        return [
            Ecu(id=name, answered=not one.owes, codes=whole[name]) for name, one in sorted(self._ecus.items())
        ]

    @property
    def outcome(self) -> Outcome:
        """``error``: the way to the car is gone, or only garbage came. ``no_answer``: nobody spoke."""
        if self._broke_off:
            return "error"
        if not self._ecus:
            return "error" if self._garbled or self._cut else "no_answer"
        too_many = sum(len(merged(one.codes)) for one in self._ecus.values()) > MOST_CODES
        missing = any(one.owes for one in self._ecus.values())
        return "partial" if self._garbled or self._cut or missing or too_many else "complete"
