"""JSON route by which a courier's phone brings the car's receipts, where the car had no network."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from delivery.api_parts import DeliveryPath
from delivery.brought import MOST
from delivery.courier import Device
from delivery.desk import Desk
from delivery.views import Out
from people.access import CourierPrincipal
from people.api_parts import In, problems

_Receipt = Annotated[str, Field(max_length=4096, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]


class ReceiptsIn(In):
    """``receipts``: each a ``tl-receipt+jwt`` as the car gave it over the local link."""

    receipts: Annotated[list[_Receipt], Field(min_length=1, max_length=MOST)]


class BroughtOut(Out):
    """``taken``: how many were new; ``known``: how many the car, or a phone, had brought before."""

    taken: int
    known: int


def routes(desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/courier", tags=["couriers"])
    Me = Annotated[CourierPrincipal, Depends(desk.people.access.courier())]  # noqa: N806 - a type

    @router.post(
        "/jobs/{delivery}/receipts",
        responses=problems(401, 404, 409, 413, 422, 429, 503),
        summary="The car's receipts",
    )
    async def receipts(me: Me, delivery: DeliveryPath, wanted: ReceiptsIn) -> BroughtOut:
        """From a car without network, as soon as the phone has some. Again: the same, and nothing twice."""
        taken = await desk.brought.take(Device(me.id, me.jkt), delivery, wanted.receipts)
        return BroughtOut(taken=taken, known=len(set(wanted.receipts)) - taken)

    return router
