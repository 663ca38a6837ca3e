"""What the routers of deliveries share: ids in paths, paging, ``Prefer: wait=``, photos as seen."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Header, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, Field

from delivery.desk import Desk
from delivery.limits import DeliveryLimits
from delivery.model import Read
from delivery.pace import slowly
from delivery.photos import NoSuchPhoto
from delivery.service import Turn, told
from delivery.views import FallbackKind, Out
from spine.facts.delivery import PhotoSeen
from spine.ids import CarrierId, CourierId, DeliveryId
from spine.store import Saved

_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=([0-9]{1,4})(?:$|[,;\s])")

DELIVERY_ID: Final = "^dlv_[0-9a-hjkmnp-tv-z]{16}$"
DeliveryPath = Annotated[DeliveryId, Path(pattern=DELIVERY_ID, examples=["dlv_3k7m9qxd4hwe2a5t"])]
PhotoPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="SHA-256 of the photo.")]
After = Annotated[str | None, Query(max_length=200, description="``next`` of the former page.")]
Limit = Annotated[int, Query(ge=1, le=100)]
Prefer = Annotated[
    str | None,
    Header(
        max_length=200, description="RFC 7240: ``wait=N``, seconds to wait for the car.", examples=["wait=10"]
    ),
]


def seconds(prefer: str | None, limits: DeliveryLimits) -> float:
    """How long a request waits for the car: as it prefers, within our bounds."""
    asked = _WAIT.search(prefer) if prefer else None
    return min(float(asked[1]), limits.wait_most) if asked else limits.wait


async def photo(desk: Desk, read: Read, sha256: str, *, by: str) -> Response:
    """A photo of this delivery; that ``by`` looked at it is a fact. Raises ``NoSuchPhoto``, ``TooOften``."""
    kept = {one.sha256: one for one in read.body.photos if not one.gone}.get(sha256)
    if kept is None:
        raise NoSuchPhoto("this delivery has no such photo (any more)")
    now, most = desk.deliveries.clock.now(), desk.deliveries.limits.photo_looks_most
    await slowly(desk.rates, "photo_look", f"{by} {read.id}", most, now)
    content = await desk.photos.read(read.id, sha256, shared=not kept.own)

    def decide(here: Read, _: Mapping[str, Saved]) -> Turn:
        return Turn(here.body, [told(PhotoSeen, here, now, sha256=sha256, by=by)])

    await desk.deliveries.change(read.id, decide)
    return Response(content, media_type=kept.media, headers={"Cache-Control": "no-store"})


class FallbackOut(Out):
    """Where the parcel may go instead, as an owner wrote it beforehand. Not to be read any more from ``until`` on."""

    to: FallbackKind
    line: str = Field(repr=False)
    until: AwareDatetime


async def fallback(desk: Desk, read: Read, response: Response, *, by: CarrierId | CourierId) -> FallbackOut:
    """The fallback of this delivery; that ``by`` read it is a fact. Raises ``NoFallback``."""
    place, until = await desk.fallbacks.read(read, by)
    response.headers["Cache-Control"] = "no-store"
    return FallbackOut(to=place.to, line=place.line, until=until)


def evidence_file(delivery: DeliveryId, document: Mapping[str, Any]) -> JSONResponse:
    """The evidence of a delivery, to be kept as a file of its name."""
    name = f'attachment; filename="{delivery}.evidence.json"'
    return JSONResponse(dict(document), headers={"Content-Disposition": name})


class OptionsOut(BaseModel):
    """``options``: `PublicKeyCredentialRequestOptionsJSON`; the passkey's answer goes back as ``assertion``."""

    options: dict[str, Any]


class PageOut(BaseModel):
    """What every page of a list has besides its data. ``next``: give it as ``after``; null at the end."""

    next: str | None = None
