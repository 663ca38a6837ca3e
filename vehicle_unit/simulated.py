"""A simulated boot: a latch with feedback, a lid, and a person who lifts and shuts it after set times."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from vehicle_unit.lock import Input
from vehicle_unit.vehicle import Vehicle


class SimulatedBoot:
    """A ``latch.Motor``. Its latch moves at once; while the lid is up, driving it to lock only arms it.

    After an unlatching the person lifts the lid ``lifts_after`` and shuts it ``shuts_after`` that; None:
    never.
    """

    def __init__(
        self, vehicle: Vehicle, *, lifts_after: timedelta | None, shuts_after: timedelta | None
    ) -> None:
        self._vehicle = vehicle
        self._lifts_after = lifts_after
        self._shuts_after = shuts_after
        self._tell: Callable[[Input], None] = lambda _: None
        self._timers: list[asyncio.TimerHandle] = []
        self.jammed = False
        """Broken: the latch neither moves nor says anything."""
        self.by_hand = False
        """Whoever lifts the lid leaves it up until ``shut`` is called."""

    def connect(self, tell: Callable[[Input], None]) -> None:
        """Where feedback goes; the lid is read at once, as after power-up."""
        self._tell = tell
        tell(Input.LIFTED if self._vehicle.lid_up else Input.SHUT)

    def drive_open(self) -> None:
        """Unlatch; the person then does as set."""
        if self.jammed:
            return
        self._vehicle.change(locked=False)
        self._tell(Input.LATCH_OPEN)
        if self._lifts_after is not None:
            self._later(self._lifts_after, self.lift)

    def drive_lock(self) -> None:
        """Lock where the lid is down."""
        if not self.jammed and not self._vehicle.lid_up:
            self._vehicle.change(locked=True)
            self._tell(Input.LATCH_SHUT)

    def lift(self) -> None:
        """The person lifts the lid, if it is unlatched."""
        if self._vehicle.locked or self._vehicle.lid_up:
            return
        self._vehicle.change(lid_up=True)
        self._tell(Input.LIFTED)
        if self._shuts_after is not None and not self.by_hand:
            self._later(self._shuts_after, self.shut)

    def shut(self) -> None:
        """The person shuts the lid."""
        if self._vehicle.lid_up:
            self._vehicle.change(lid_up=False)
            self._tell(Input.SHUT)

    def force(self) -> None:
        """Somebody opens it with the car's own key: unlatched and lifted."""
        self._vehicle.change(locked=False, lid_up=True)
        self._tell(Input.LIFTED)

    def stop(self) -> None:
        """The person goes away."""
        for timer in self._timers:
            timer.cancel()

    def _later(self, after: timedelta, does: Callable[[], None]) -> None:
        self._timers = [timer for timer in self._timers if not timer.cancelled()][-8:]
        self._timers.append(asyncio.get_running_loop().call_later(after.total_seconds(), does))
