"""Moments as unix milliseconds, as the store keeps them, and back. Pure."""

from datetime import UTC, datetime


def from_ms(ms: float) -> datetime:
    """The moment of unix milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def ms_before(when: datetime) -> int:
    """Whole milliseconds, rounded down: a deadline is never late."""
    return int(when.timestamp() * 1000)


def ms_from(when: datetime) -> int:
    """Whole milliseconds, rounded up: nothing is tried early."""
    return -int(-when.timestamp() * 1000 // 1)
