"""What the unit knows of time: an elapsed clock that sleep does not stop, a wall clock half believed."""

import time
from datetime import UTC, datetime
from typing import Final, Literal, Protocol

from keys.car.verify import Reading
from vehicle_unit.limits import UnitLimits

_DAY: Final = 86_400.0


class Time(Protocol):
    """The machine's two clocks, in seconds."""

    def wall(self) -> float:
        """Unix time, as GNSS, NTP or somebody set it."""

    def uptime(self) -> float:
        """Since the machine started, sleep included; nobody can set it."""


class SystemTime:
    """This machine's clocks. CLOCK_BOOTTIME counts suspend, CLOCK_MONOTONIC would not (keys.md 3.4)."""

    def wall(self) -> float:
        return time.time()

    def uptime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class UnitClock:
    """Time that never goes back and says how far it may be off (keys.md 3.4).

    Set from the wall clock and kept by elapsed time. While the wall clock agrees within drift the state is
    ``synced``. A wall clock that goes back is not followed; one that jumps ahead is, by at most a minute a
    day and with as much doubt (``holdover``). ``unset``: the wall clock is behind ``floor``, or a signed time
    showed that we are behind; then no key opens until the wall clock agrees with what is proven.
    """

    def __init__(self, source: Time, *, floor: int, limits: UnitLimits) -> None:
        self._source = source
        self._limits = limits
        self._floor = float(floor)
        self._heard = float(floor)
        self._own_error = limits.clock_error.total_seconds()
        self._jumps: list[tuple[float, float]] = []
        self._unset = True
        self._set(source.wall(), doubt=self._own_error)

    def uptime(self) -> float:
        """Seconds on CLOCK_BOOTTIME: what challenges and silences are measured by."""
        return self._source.uptime()

    def hear(self, iat: int) -> None:
        """A verified object's ``iat`` in Unix seconds: the time is not before it."""
        self._heard = max(self._heard, float(iat))

    def lower(self, floor: int) -> None:
        """Begin again from ``floor`` (Unix seconds) and the wall clock: a bundle of the roots names this unit."""
        self._floor = self._heard = float(floor)
        self._set(self._source.wall(), doubt=self._own_error)

    def read(self) -> Reading:
        """The time in Unix milliseconds with its uncertainty in milliseconds."""
        wall = self._source.wall()
        if self._unset:
            self._set(wall, doubt=self._own_error)
        behind = self._lag() > self._limits.clock_behind.total_seconds()
        if behind and abs(wall - self._heard) <= self._limits.clock_behind.total_seconds():
            self._set(wall, doubt=self._own_error)  # a signed time and the wall clock agree against us
            behind = False
        state: Literal["synced", "holdover", "unset"] = self._compare(wall)
        at = max(self._kept(), self._floor)
        error = self._doubt + self._drift()
        if self._unset or behind:
            state = "unset"
        return Reading(state, round(at * 1000), round(error * 1000))

    def now(self) -> datetime:
        """The time, for messages."""
        return datetime.fromtimestamp(self.read().at / 1000, UTC)

    def latest(self) -> datetime:
        """The latest that it may be: what expires is judged by this."""
        reading = self.read()
        return datetime.fromtimestamp((reading.at + reading.u) / 1000, UTC)

    def _set(self, wall: float, *, doubt: float) -> None:
        self._set_up, self._set_to = self._source.uptime(), wall
        self._doubt = doubt
        self._unset = wall < self._floor

    def _kept(self) -> float:
        return self._set_to + (self._source.uptime() - self._set_up)

    def _drift(self) -> float:
        return (self._source.uptime() - self._set_up) * self._limits.drift_ppm / 1e6

    def _lag(self) -> float:
        """How far a signed time is ahead of the latest that we think it is."""
        return self._heard - self._kept() - self._doubt - self._drift()

    def _compare(self, wall: float) -> Literal["synced", "holdover"]:
        ahead, drift = wall - self._kept(), self._drift()
        if ahead > drift + self._own_error:
            self._follow(ahead)
            return "holdover"
        if ahead < -drift - self._own_error:
            return "holdover"
        if abs(ahead) <= drift and drift > self._own_error:
            self._set(wall, doubt=self._doubt)  # within drift a lie gains nothing that drift would not give
        return "synced"

    def _follow(self, ahead: float) -> None:
        """Go towards a wall clock that is ahead, within the day's allowance; doubt grows by as much."""
        up = self._source.uptime()
        self._jumps = [(when, by) for when, by in self._jumps if up - when < _DAY]
        left = self._limits.forward_a_day.total_seconds() - sum(by for _, by in self._jumps)
        by = min(ahead, left)
        if by > 0:
            self._jumps.append((up, by))
            self._set(self._kept() + by, doubt=self._doubt + self._drift() + by)
