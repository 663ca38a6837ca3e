"""A bucket per unit: how much one may say before it is told to wait. In memory: one consumer hears it all."""

from collections import OrderedDict


class Buckets:
    """``rate`` a second, ``burst`` at once; of at most ``most`` units: the longest silent is full again."""

    def __init__(self, *, rate: float, burst: float, most: int) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, unit: str, now: float) -> bool:
        """Whether one more is allowed at ``now`` (seconds on any clock that does not go back)."""
        left, since = self._left.get(unit, (self._burst, now))
        left = min(self._burst, left + max(0.0, now - since) * self._rate)
        allowed = left >= 1
        self._left[unit] = (left - 1 if allowed else left, now)
        self._left.move_to_end(unit)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return allowed
