"""The life of one fault (vehicle, control unit, code), as a table; what a scan says of it. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """Where a fault stands. Present are ``pending`` and ``confirmed``; proven gone is ``absent`` alone."""

    ABSENT = "absent"
    PENDING = "pending"
    CONFIRMED = "confirmed"
    HEALING = "healing"
    CLEARED_UNPROVEN = "cleared_unproven"


class Said(StrEnum):
    """What a scan says of a fault."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    CLEAN = "clean"
    """Explicitly not there, with the monitors complete."""
    ERASED = "erased"
    """Not there, but the codes were erased or the monitors have not run since: that proves nothing."""
    PROVEN = "proven"
    """Clean often enough."""


STEPS: Final[Mapping[tuple[Fault, Said], Fault]] = {
    (Fault.ABSENT, Said.PENDING): Fault.PENDING,
    (Fault.ABSENT, Said.CONFIRMED): Fault.CONFIRMED,
    (Fault.PENDING, Said.CONFIRMED): Fault.CONFIRMED,
    (Fault.PENDING, Said.CLEAN): Fault.HEALING,
    (Fault.PENDING, Said.ERASED): Fault.CLEARED_UNPROVEN,
    (Fault.CONFIRMED, Said.PENDING): Fault.PENDING,
    (Fault.CONFIRMED, Said.CLEAN): Fault.HEALING,
    (Fault.CONFIRMED, Said.ERASED): Fault.CLEARED_UNPROVEN,
    (Fault.HEALING, Said.PENDING): Fault.PENDING,
    (Fault.HEALING, Said.CONFIRMED): Fault.CONFIRMED,
    (Fault.HEALING, Said.ERASED): Fault.CLEARED_UNPROVEN,
    (Fault.HEALING, Said.PROVEN): Fault.ABSENT,
    (Fault.CLEARED_UNPROVEN, Said.PENDING): Fault.PENDING,
    (Fault.CLEARED_UNPROVEN, Said.CONFIRMED): Fault.CONFIRMED,
    (Fault.CLEARED_UNPROVEN, Said.CLEAN): Fault.HEALING,
}

PRESENT: Final = frozenset({Fault.PENDING, Fault.CONFIRMED})


def step(state: Fault, said: Said) -> Fault:
    """The state after what a scan said; the same where that changes nothing."""
    return STEPS.get((state, said), state)
