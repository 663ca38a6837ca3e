"""Names of time zones, as the IANA database of this machine knows them."""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Whether it can be told what time it is there."""
    return name in _zones()


def _known(zone: str) -> str:
    if not is_zone(zone):
        raise ValueError("no time zone of this name is known")
    return zone


Zone = Annotated[str, Field(max_length=64, examples=["Europe/Amsterdam"]), AfterValidator(_known)]
"""An IANA name such as ``Europe/Berlin``."""
