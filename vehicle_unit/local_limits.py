"""Where the unit listens for phones, and what it bears from them."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


Span = Annotated[timedelta, Field(gt=timedelta(0))]


class LocalLimits(BaseModel):
    """The local link (docs/link.md). How often a phone may ask to open is the bound of every link (``[unit]``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[str, Field(pattern=r"^$|^([0-9A-Za-z.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")] = Field(
        "", description="HOST:PORT where phones connect over TCP; empty: no local link."
    )
    phones: int = Field(
        6,
        ge=1,
        le=63,
        description="Phones connected at once; always fewer than the links that may have a challenge, "
        "so that strangers at the car never keep the gateway out.",
    )
    frames_burst: int = Field(60, ge=4, description="frames of one phone at once")
    frames_every: Span = Field(_seconds(0.5), description="then one more frame each time this has passed")
    frame_within: Span = Field(_seconds(10), description="a frame that has begun is complete within this")
    silent: Span = Field(_seconds(180), description="a phone that says nothing for this long is let go")
    unproven: Span = Field(_seconds(120), description="... and one that has not proven a key within this")
    longest: Span = Field(_seconds(900), description="... and any phone after this")
    write_within: Span = Field(
        _seconds(5), description="a phone that does not take an answer within this, too"
    )
    bind_again: Span = Field(_seconds(5), description="the address is not free: tried again as often")

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of ``listen``; None where there is no local link."""
        if not self.listen:
            return None
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)
