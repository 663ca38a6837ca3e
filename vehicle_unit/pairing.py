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


def code_hash(code: str) -> str:
    """What the server may know of a code: scrypt, because 40 bits under a plain hash could be guessed."""
    return hashlib.scrypt(code.encode(), salt=b"trunkline.pair.v1", n=2**14, r=8, p=1, dklen=32).hex()


def show_code(vehicle: Vehicle, now: datetime, limits: UnitLimits) -> tuple[str, dict[str, Any]]:
    """A new code for the display, and what ``up/evt/pair`` says of it: a slow hash, never the code.

    Raises ``IgnitionOff``.
    """
    if not vehicle.ignition_on:
        raise IgnitionOff
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    told = {
        "code_scrypt": code_hash(code),
        "expires_at": moment(now + limits.pair_code_life),
    }
    return code, told
