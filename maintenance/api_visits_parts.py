"""What the routers of garages and appointments share: ids in paths and bodies, and tokens of mails' links."""

from typing import Annotated

from fastapi import Path, Query
from pydantic import AwareDatetime, Field, StringConstraints

from people.api_parts import In
from spine.ids import AppointmentId, CaseId, GarageId, SlotId

_BODY = "[0-9a-hjkmnp-tv-z]{16}"
_CASE = rf"{_BODY}\.[a-z_]{{1,40}}\.[0-9]{{1,9}}"

CasePath = Annotated[CaseId, Path(pattern=f"^cse_{_CASE}$", examples=["cse_3k7m9qxd4hwe2a5t.brakes.1"])]
AppointmentPath = Annotated[
    AppointmentId,
    Path(pattern=rf"^apt_{_CASE}\.[0-9]{{1,9}}$", examples=["apt_3k7m9qxd4hwe2a5t.brakes.1.1"]),
]
GaragePath = Annotated[GarageId, Path(pattern=f"^gar_{_BODY}$", examples=["gar_2m4x7k9d1w8hq3e6"])]
SLOT = rf"^slt_{_BODY}\.[0-9]{{1,2}}\.[0-9]{{1,12}}$"
SlotPath = Annotated[SlotId, Path(pattern=SLOT, examples=["slt_2m4x7k9d1w8hq3e6.1.1904292000"])]
GarageQuery = Annotated[GarageId | None, Query(pattern=f"^gar_{_BODY}$", description="Only of this garage.")]
Start = Annotated[AwareDatetime | None, Query(description="Free slots from then on.")]
Token = Annotated[str, StringConstraints(min_length=40, max_length=400, pattern=r"^[A-Za-z0-9_-]+$")]


class SlotIn(In):
    """The slot that is wanted."""

    slot: Annotated[SlotId, Field(pattern=SLOT, examples=["slt_2m4x7k9d1w8hq3e6.1.1904292000"])]


class LinkIn(In):
    """The token of a mail's link."""

    token: Annotated[Token, Field(repr=False)]


class LinkLookIn(LinkIn):
    """A link, and from when on free slots are wanted."""

    start: AwareDatetime | None = None


class LinkSlotIn(LinkIn, SlotIn):
    """A link, and the slot that is wanted with it."""
