"""JSON routes for the people of a car: what is free for a case, book, move, cancel; in a session or by a mail's link."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from maintenance.api_visits_parts import CasePath, GarageQuery, LinkIn, LinkLookIn, LinkSlotIn, SlotIn, Start
from maintenance.composition import Maintenance
from maintenance.garage_problems import LinkNotGood
from maintenance.visit_views import VisitOut
from people.access import PersonPrincipal
from people.api_parts import network_address, problems


def routes(parts: Maintenance) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter()
    router.include_router(_in_session(parts))
    router.include_router(_by_link(parts))
    return router


def _in_session(parts: Maintenance) -> APIRouter:
    router, mine = APIRouter(prefix="/owner/cases/{case}", tags=["owners"]), parts.owner_booking
    Me = Annotated[PersonPrincipal, Depends(parts.people.access.owner())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422, 429)

    @router.get("/slots", responses=problems(401, 403, 404, 422), summary="What is free for a case")
    async def slots(me: Me, case: CasePath, garage: GarageQuery = None, start: Start = None) -> VisitOut:
        """Of the garages that work on it, the one you chose first; with the case's newest appointment."""
        return await mine.visit(me.id, case, garage=garage, start=start)

    @router.post("/book", responses=said, summary="Book a slot")
    async def book(me: Me, case: CasePath, wanted: SlotIn) -> VisitOut:
        """The same again is fine. `slot.taken` and `slot.too_soon` name `alternatives`."""
        return await mine.book(me.id, case, wanted.slot)

    @router.post("/move", responses=said, summary="Move the appointment")
    async def move(me: Me, case: CasePath, wanted: SlotIn) -> VisitOut:
        """The new slot is taken first; the old one is given back then."""
        return await mine.move(me.id, case, wanted.slot)

    @router.post("/cancel", responses=said, summary="Cancel the appointment")
    async def cancel(me: Me, case: CasePath) -> VisitOut:
        """The fault stays open. Again: nothing."""
        return await mine.cancel(me.id, case)

    return router


def _by_link(parts: Maintenance) -> APIRouter:
    router, mine = APIRouter(prefix="/booking", tags=["booking"]), parts.owner_booking
    said = problems(403, 404, 409, 410, 422, 429)

    async def guarded(request: Request, work: Callable[[], Awaitable[VisitOut]]) -> VisitOut:
        try:
            return await work()
        except LinkNotGood:
            # Only wrong links count: a household behind one address is not stopped.
            await parts.people.doorkeeper.redeems(network_address(request), now=parts.clock.now())
            raise

    @router.post("/open", responses=said, summary="What a booking link shows")
    async def open_(wanted: LinkLookIn, request: Request) -> VisitOut:
        """Looking changes nothing, and does not use the link up."""
        return await guarded(request, lambda: mine.open(wanted.token, start=wanted.start))

    @router.post("/book", responses=said, summary="Book by link")
    async def book(wanted: LinkSlotIn, request: Request) -> VisitOut:
        """The one appointment that the link is for."""
        return await guarded(request, lambda: mine.book_by_link(wanted.token, wanted.slot))

    @router.post("/move", responses=said, summary="Move by link")
    async def move(wanted: LinkSlotIn, request: Request) -> VisitOut:
        """The new slot is taken first."""
        return await guarded(request, lambda: mine.move_by_link(wanted.token, wanted.slot))

    @router.post("/cancel", responses=said, summary="Cancel by link")
    async def cancel(wanted: LinkIn, request: Request) -> VisitOut:
        """The fault stays open."""
        return await guarded(request, lambda: mine.cancel_by_link(wanted.token))

    return router
