"""The boot's lock as a table: what each state makes of each input (keys.md, "One key, one opening")."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Lock(StrEnum):
    """``ajar`` and ``left_open``: the latch is armed and locks whenever the lid comes down."""

    UNKNOWN = "unknown"  # after power: the lid has not been read yet
    LATCHED = "latched"
    UNLATCHING = "unlatching"
    RELEASED = "released"  # unlatched, lid not lifted
    AJAR = "ajar"  # lid up
    LEFT_OPEN = "left_open"  # lid up for too long, or it would not lock; alarms are out
    LOCKING = "locking"  # lid is down again
    RELOCKING = "relocking"  # lid was never lifted
    STUCK = "stuck"  # would not lock
    BY_HAND = "by_hand"  # opened by other means than ours


class Input(StrEnum):
    """What happens to it. ``overdue``: the state's own time is over (``TIMES``)."""

    RELEASE = "release"  # a key was consumed for it
    LOCK = "lock"  # somebody asks; needs no key
    LATCH_OPEN = "latch_open"
    LATCH_SHUT = "latch_shut"
    LIFTED = "lifted"
    SHUT = "shut"
    OVERDUE = "overdue"


class Act(StrEnum):
    """What is then done: the motor, or a receipt of the opening that goes on."""

    DRIVE_OPEN = "drive_open"
    DRIVE_LOCK = "drive_lock"
    OPENED = "opened"
    NOT_LIFTED = "not_lifted"
    CLOSED = "closed"
    LOCKED = "locked"
    LEFT_OPEN = "left_open"
    INDETERMINATE = "indeterminate"


Step = tuple[Lock, tuple[Act, ...]]

STEPS: Final[Mapping[tuple[Lock, Input], Step]] = {
    (Lock.UNKNOWN, Input.SHUT): (Lock.LOCKING, (Act.CLOSED, Act.DRIVE_LOCK)),
    (Lock.UNKNOWN, Input.LIFTED): (Lock.AJAR, (Act.DRIVE_LOCK,)),
    (Lock.LATCHED, Input.RELEASE): (Lock.UNLATCHING, (Act.DRIVE_OPEN,)),
    (Lock.LATCHED, Input.LIFTED): (Lock.BY_HAND, ()),
    (Lock.LATCHED, Input.LATCH_OPEN): (Lock.BY_HAND, ()),
    (Lock.BY_HAND, Input.SHUT): (Lock.LOCKING, (Act.DRIVE_LOCK,)),
    (Lock.BY_HAND, Input.LATCH_SHUT): (Lock.LATCHED, ()),
    (Lock.BY_HAND, Input.LOCK): (Lock.BY_HAND, (Act.DRIVE_LOCK,)),
    (Lock.UNLATCHING, Input.LATCH_OPEN): (Lock.RELEASED, (Act.OPENED,)),
    # the lid is up, so it did open, whatever the latch says
    (Lock.UNLATCHING, Input.LIFTED): (Lock.AJAR, (Act.OPENED,)),
    (Lock.UNLATCHING, Input.OVERDUE): (Lock.LOCKING, (Act.INDETERMINATE, Act.DRIVE_LOCK)),
    (Lock.RELEASED, Input.LIFTED): (Lock.AJAR, ()),
    (Lock.RELEASED, Input.LATCH_SHUT): (Lock.LATCHED, (Act.NOT_LIFTED,)),
    (Lock.RELEASED, Input.LOCK): (Lock.RELOCKING, (Act.DRIVE_LOCK,)),
    (Lock.RELEASED, Input.OVERDUE): (Lock.RELOCKING, (Act.DRIVE_LOCK,)),
    (Lock.AJAR, Input.SHUT): (Lock.LOCKING, (Act.CLOSED, Act.DRIVE_LOCK)),
    (Lock.AJAR, Input.OVERDUE): (Lock.LEFT_OPEN, (Act.LEFT_OPEN, Act.DRIVE_LOCK)),
    (Lock.LEFT_OPEN, Input.SHUT): (Lock.LOCKING, (Act.CLOSED, Act.DRIVE_LOCK)),
    (Lock.LOCKING, Input.LATCH_SHUT): (Lock.LATCHED, (Act.LOCKED,)),
    (Lock.LOCKING, Input.LIFTED): (Lock.AJAR, ()),
    (Lock.LOCKING, Input.OVERDUE): (Lock.STUCK, (Act.LEFT_OPEN, Act.DRIVE_LOCK)),
    (Lock.RELOCKING, Input.LATCH_SHUT): (Lock.LATCHED, (Act.NOT_LIFTED,)),
    (Lock.RELOCKING, Input.LIFTED): (Lock.AJAR, ()),
    (Lock.RELOCKING, Input.OVERDUE): (Lock.STUCK, (Act.LEFT_OPEN, Act.DRIVE_LOCK)),
    (Lock.STUCK, Input.LATCH_SHUT): (Lock.LATCHED, (Act.LOCKED,)),
    (Lock.STUCK, Input.LIFTED): (Lock.LEFT_OPEN, ()),
    (Lock.STUCK, Input.LOCK): (Lock.STUCK, (Act.DRIVE_LOCK,)),
    (Lock.STUCK, Input.OVERDUE): (Lock.STUCK, (Act.DRIVE_LOCK,)),
}
"""Every other pair changes nothing."""

TIMES: Final[Mapping[Lock, str]] = {
    Lock.UNLATCHING: "latch_feedback",
    Lock.RELEASED: "lift_within",
    Lock.AJAR: "shut_within",
    Lock.LOCKING: "lock_within",
    Lock.RELOCKING: "lock_within",
    Lock.STUCK: "lock_within",
}
"""How long a state lasts before it is overdue: the name of the limit in ``UnitLimits``."""

LID_DOWN_AND_LOCKED: Final = Lock.LATCHED


def step(state: Lock, happened: Input) -> Step:
    """The state after ``happened`` and what is to be done."""
    return STEPS.get((state, happened), (state, ()))
