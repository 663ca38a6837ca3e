"""A code on the unit's display, with ignition on, by which a person claims the car."""

import hashlib
import secrets
from datetime import datetime
from typing import Any, Final

from vehicle_unit.envelope import moment
from vehicle_unit.limits import UnitLimits
from vehicle_unit.vehicle import Vehicle

ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I, O, 0 and 1: read from one screen, typed into another."""
LENGTH: Final = 8


class IgnitionOff(Exception):
    """A code is shown only to who sits in the car with its own key."""


def show_code(vehicle: Vehicle, now: datetime, limits: UnitLimits) -> tuple[str, dict[str, Any]]:
    """A new code for the display, and what ``up/evt/pair`` says of it: its SHA-256, never the code.

    Raises ``IgnitionOff``.
    """
    if not vehicle.ignition_on:
        raise IgnitionOff
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    told = {
        "code_sha256": hashlib.sha256(code.encode()).hexdigest(),
        "expires_at": moment(now + limits.pair_code_life),
    }
    return code, told
