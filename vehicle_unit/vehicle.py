"""The simulated car around the unit: what its bus would say, changed by hand, by a test or by the lock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keys.car.place import Position
from keys.car.verify import Car

Value = bool | int | float | str | None

LID = "Vehicle.Body.Trunk.Rear.IsOpen"
LOCKED = "Vehicle.Body.Trunk.Rear.IsLocked"
PADS = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.PadWear"


@dataclass
class Vehicle:
    """Speed in km/h. ``blocked`` is the owner's switch in the car. ``heard`` is told each changed signal.

    ``pad_wear``: of the brake pad in front on the left, in percent, 100 worn away; None: this car does not measure it.
    """

    parked: bool = True
    ignition_on: bool = False
    speed_kmh: float = 0.0
    doors_shut: bool = True
    blocked: bool = False
    position: Position | None = None
    lid_up: bool = False
    locked: bool = True
    flashes: int = 0
    pad_wear: int | None = None
    heard: Callable[[Mapping[str, Value]], None] = field(default=lambda _: None, repr=False)

    def car(self) -> Car:
        """What the verifier looks at (step 13 of keys.md 3.3)."""
        return Car(
            self.parked, self.ignition_on, self.speed_kmh, self.doors_shut, self.blocked, self.position
        )

    def change(self, **values: object) -> None:
        """Set members and tell what changed of the signals."""
        before = self.signals()
        for name, value in values.items():
            setattr(self, name, value)
        changed = {
            path: value
            for path, value in self.signals().items()
            if path not in before or before[path] != value
        }
        if changed:
            self.heard(changed)

    def flash(self) -> None:
        """The indicators, twice."""
        self.flashes += 1

    def signals(self) -> Mapping[str, Value]:
        """Everything by its COVESA VSS v6 path."""
        return {
            LID: self.lid_up,
            LOCKED: self.locked,
            "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen": not self.doors_shut,
            "Vehicle.LowVoltageSystemState": "ON" if self.ignition_on else "OFF",
            "Vehicle.Powertrain.Transmission.IsParkLockEngaged": self.parked,
            "Vehicle.Speed": self.speed_kmh,
            "Vehicle.IsMoving": self.speed_kmh != 0,
            **self.place(),
            **({} if self.pad_wear is None else {PADS: self.pad_wear}),
        }

    def place(self) -> Mapping[str, Value]:
        """Where it stands, as signals."""
        here = self.position
        return {
            "Vehicle.CurrentLocation.Latitude": None if here is None else here.latitude,
            "Vehicle.CurrentLocation.Longitude": None if here is None else here.longitude,
        }
