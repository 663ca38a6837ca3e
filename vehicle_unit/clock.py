"""What the unit knows of time: two bounds that only a signed answer sets and elapsed time moves apart."""

import math
import time
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

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


class _Bounds(NamedTuple):
    """At ``up`` on CLOCK_BOOTTIME the time was between ``low`` and ``high``, in Unix seconds."""

    up: float
    low: float
    high: float

    def later(self, up: float, drift: float) -> "_Bounds":
        """The same at ``up``: our oscillator may have run fast or slow by ``drift`` seconds a second."""
        elapsed = max(up - self.up, 0.0)
        return _Bounds(up, self.low + elapsed * (1 - drift), self.high + elapsed * (1 + drift))


class UnitClock:
    """Time that never goes back and says how far it may be off (keys.md 3.4).

    ``unset`` after every start: only what the key service signed for a nonce of ours sets it. From then on it
    is kept by elapsed time and gets less certain by drift: ``synced`` while the wall clock (GNSS, NTP) agrees,
    else ``holdover``. The wall clock can raise the upper bound, by twice a minute a day at most, so that the
    time goes ahead by at most a minute and doubt grows by as much; it never touches the lower bound. What
    has expired is judged by the lower bound: no clock set back revives a key.
    """

    def __init__(self, source: Time, *, floor: int, limits: UnitLimits) -> None:
        """``floor``: the highest signed time that the record knows, in Unix seconds."""
        self._source = source
        self._limits = limits
        self._error = limits.clock_error.total_seconds()
        self._behind = limits.clock_behind.total_seconds()
        self._drift = limits.drift_ppm / 1e6
        self._floor = float(floor)
        self._heard = float(floor)
        self._bounds: _Bounds | None = None
        self._moved: list[tuple[float, float]] = []

    def uptime(self) -> float:
        """Seconds on CLOCK_BOOTTIME: what challenges and silences are measured by."""
        return self._source.uptime()

    def hear(self, iat: int) -> None:
        """A verified object's ``iat`` in Unix seconds: far ahead of us it shows that we are behind."""
        self._heard = max(self._heard, float(iat))

    def raise_floor(self, iat: int) -> None:
        """A signed time that the record keeps as its floor, in Unix seconds: it is not earlier than that."""
        self._floor = max(self._floor, float(iat))
        if (now := self._now()) is not None:
            low = max(now.low, self._floor)
            self._bounds = _Bounds(now.up, low, max(now.high, low))

    def prove(self, iat: int, *, drawn: float) -> bool:
        """Set the time: the key service signed ``iat`` (Unix seconds) for a nonce that was drawn at ``drawn``.

        ``drawn`` in seconds of ``uptime``. It was signed between then and now, so the time is at least
        ``iat`` and at most as much later as has passed since (and the second that ``iat`` leaves out). The
        lower bound never goes back while we run. False, changing nothing: ``iat`` is further below the floor
        than two clocks of the service may be apart.
        """
        if self._floor - iat > self._behind:
            return False
        up, before = self._source.uptime(), self._now()
        low = max(float(iat), self._floor, before.low if before else 0.0)
        self._bounds = _Bounds(up, low, max(low, iat + 1 + max(up - drawn, 0.0)))
        self._heard = float(iat)
        self.raise_floor(iat)
        return True

    def too_old(self, iat: int) -> bool:
        """Whether what is said to be signed now is further below our time than two clocks may be apart."""
        now = self._now()
        least = self._floor if now is None else max(self._floor, now.low)
        return least - iat > self._behind

    def lower(self, floor: int) -> None:
        """Begin again from ``floor`` (Unix seconds), unset: a bundle of the roots names this unit."""
        self._floor = self._heard = float(floor)
        self._bounds = None

    def read(self) -> Reading:
        """The time in Unix milliseconds with its uncertainty in milliseconds.

        While ``unset`` it is the wall clock's, for messages only: no key opens by it.
        """
        wall, now = self._source.wall(), self._now()
        if now is not None and wall - now.high > self._error:
            now = self._followed(now, wall - now.high)
        if now is None or self._heard - now.high > self._behind:
            guess = max(wall if now is None else now.high, self._floor, self._heard)
            return Reading("unset", round(guess * 1000), _millis(self._error))
        low, high = math.floor(now.low * 1000), math.ceil(now.high * 1000)
        u = (high - low + 1) // 2  # the lower bound is what ``at`` less ``u`` comes to, to the millisecond
        agrees = abs(wall - now.low) <= (high - low) / 1000 + self._error
        return Reading("synced" if agrees else "holdover", low + u, u)

    def now(self) -> datetime:
        """The time, for messages."""
        return datetime.fromtimestamp(self.read().at / 1000, UTC)

    def latest(self) -> datetime:
        """The latest that it may be: what expires is judged by this."""
        reading = self.read()
        return datetime.fromtimestamp((reading.at + reading.u) / 1000, UTC)

    def _now(self) -> _Bounds | None:
        if self._bounds is None:
            return None
        return self._bounds.later(self._source.uptime(), self._drift)

    def _followed(self, now: _Bounds, ahead: float) -> _Bounds:
        """The bounds after going towards a wall clock so many seconds ahead of both, within the day's allowance."""
        self._moved = [(when, by) for when, by in self._moved if now.up - when < _DAY]
        left = self._limits.forward_a_day.total_seconds() - sum(by for _, by in self._moved)
        by = min(ahead / 2, left)
        if by > 0:
            self._moved.append((now.up, by))
            now = self._bounds = _Bounds(now.up, now.low, now.high + 2 * by)
        return now


def _millis(seconds: float) -> int:
    return math.ceil(seconds * 1000)
