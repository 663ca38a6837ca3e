"""How often something may be asked in a minute: of one delivery's car, or by one reader or courier."""

from datetime import datetime, timedelta
from typing import Final, Protocol

from delivery.problems import TooOften

_MINUTE: Final = timedelta(minutes=1)


class Rates(Protocol):
    """How often something was done (``spine.rates.Rates``)."""

    async def take(self, space: str, id: str, *, limit: int, per: timedelta, now: datetime) -> int: ...  # noqa: A002


async def slowly(rates: Rates, what: str, whose: str, most: int, now: datetime) -> None:
    """Count one more ``what`` of ``whose`` (an id, or several). Raises ``TooOften`` after ``most`` in a minute."""
    seconds = await rates.take(what, whose, limit=most, per=_MINUTE, now=now)
    if seconds:
        raise TooOften(f"at most {most} a minute", retry_after=seconds)
