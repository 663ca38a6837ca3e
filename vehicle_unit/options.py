"""How a simulated car behaves, and the unit in it."""

from dataclasses import dataclass, field
from datetime import timedelta

from keys.car.place import Position
from vehicle_gateway.link import LinkLimits
from vehicle_unit.limits import UnitLimits
from vehicle_unit.local_limits import LocalLimits
from vehicle_unit.presence import Mode
from vehicle_unit.readers.limits import ReaderLimits


@dataclass(frozen=True)
class UnitOptions:
    """How a simulated car behaves. ``lifts_after``, ``shuts_after``: the person at the boot; None: never."""

    lifts_after: timedelta | None = timedelta(seconds=1)
    shuts_after: timedelta | None = timedelta(seconds=3)
    position: Position | None = None
    mode: Mode = Mode.AWAKE
    durable: bool = True
    """False skips fsync: for load tests of the server only."""
    control: bool = True
    """Listen on ``control.sock`` in the unit's folder."""
    limits: UnitLimits = field(default_factory=UnitLimits)
    link: LinkLimits = field(default_factory=LinkLimits)
    local: LocalLimits = field(default_factory=LocalLimits)
    elm: str = ""
    """Adapter that fault codes are read through (``tcp://HOST:PORT`` or a path below ``/dev/``); or"""
    doip: str = ""
    """HOST:PORT of the car's DoIP gateway. Neither: this unit does not scan."""
    ecus: tuple[int, ...] = ()
    scan_every: timedelta | None = None
    """A scan this often while the ignition is on, besides the one when it is turned on."""
    canary: timedelta | None = None
    """A made-up fault this often: this unit is in no car."""
    readers: ReaderLimits = field(default_factory=ReaderLimits)
