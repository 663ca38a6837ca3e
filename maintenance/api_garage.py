"""JSON routes of a garage: with its token under ``/v1/garage``, or by a mail's link under ``/v1/garage-link``."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, Field

from maintenance.api_visits_parts import AppointmentPath, LinkIn, SlotIn, SlotPath
from maintenance.composition import Maintenance
from maintenance.garage_desk import Act
from maintenance.garage_links import GarageLink
from maintenance.garage_problems import LinkNotGood, NoSuchAppointment, SlotUnfit
from maintenance.garages import GaragePrincipal
from maintenance.visit_views import (
    GarageAppointmentOut,
    GarageOut,
    GaragePlaceOut,
    GarageSlotOut,
    SlotOut,
    garage_out,
    garage_slot_out,
    place_out,
)
from people.api_parts import In, Out, network_address, problems
from people.let_in import LetIn
from people.problems import Unauthenticated
from people.tokens import read
from spine.ids import AppointmentId

R = TypeVar("R")
After = Annotated[str | None, Query(max_length=200, description="``next`` of the former page.")]
Limit = Annotated[int, Query(ge=1, le=100)]


class SlotWanted(In):
    """A slot to publish; without ``end`` it is as long as the garage's appointments are."""

    bay: Annotated[int, Field(ge=1, le=99)] = 1
    start: AwareDatetime
    end: AwareDatetime | None = None


class GarageAppointmentsOut(Out):
    """The latest start first. ``next``: give it as ``after``; null at the end."""

    data: list[GarageAppointmentOut]
    next: str | None = None


class GarageSlotsOut(Out):
    """In order of time and bay."""

    data: list[GarageSlotOut]


class LinkActIn(LinkIn):
    """What the garage says of an appointment."""

    appointment: Annotated[AppointmentId, Field(pattern=r"^apt_[0-9a-z._]{16,90}$")]


class LinkMoveIn(LinkActIn, SlotIn):
    """Where an appointment goes."""


class GarageLookIn(LinkIn):
    """A garage's link, and from when on its appointments are wanted; left out: all that something is to be said of."""

    start: AwareDatetime | None = None


class GaragePageOut(Out):
    """What a garage's link opens, the soonest first. ``next``: of those after them; give it as ``start``.

    ``free``: its own next free slots, to move something to.
    """

    garage: GaragePlaceOut
    every: bool
    appointments: list[GarageAppointmentOut]
    next: AwareDatetime | None
    free: list[SlotOut]


def routes(parts: Maintenance) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter()
    router.include_router(_with_token(parts))
    router.include_router(_slots(parts))
    router.include_router(_by_link(parts))
    return router


def garage(parts: Maintenance) -> Callable[..., Awaitable[GaragePrincipal]]:
    """A dependency: a garage's program.

    Raises ``Unauthenticated`` alike for every token that is not good, and ``TooMany``.
    """
    bearer = HTTPBearer(
        scheme_name="garage", description="Token of `trunkline garage make`.", auto_error=False
    )

    let_in = LetIn(parts.garages)

    def counted(who: GaragePrincipal) -> Awaitable[None]:
        most = parts.limits.garages.requests_most
        return parts.people.doorkeeper.at_once("garage", who.id, most, parts.clock.now())

    async def principal(
        found: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    ) -> GaragePrincipal:
        if found is None:
            raise Unauthenticated
        token = read(found.credentials)
        if token is None:
            raise Unauthenticated("This token is not good (any more).", presented=True)
        return await let_in.enter(token, counted)

    return principal


def _with_token(parts: Maintenance) -> APIRouter:
    router, desk = APIRouter(prefix="/garage", tags=["garages"]), parts.garage_desk
    Me = Annotated[GaragePrincipal, Depends(garage(parts))]  # noqa: N806 - a type

    @router.get("", responses=problems(401, 429), summary="This garage")
    async def me(who: Me) -> GarageOut:
        return garage_out(await parts.garages.read(who.id))

    @router.get("/appointments", responses=problems(401, 422, 429), summary="Its appointments")
    async def appointments(who: Me, after: After = None, limit: Limit = 50) -> GarageAppointmentsOut:
        page = await desk.appointments(who.id, after=after, limit=limit)
        return GarageAppointmentsOut(data=list(page.data), next=page.next)

    @router.get("/appointments/{appointment}", responses=problems(401, 404, 422, 429), summary="One of them")
    async def one(who: Me, appointment: AppointmentPath) -> GarageAppointmentOut:
        """Codes and odometer only while it lives."""
        return await desk.appointment(who.id, appointment)

    @router.post(
        "/appointments/{appointment}/move",
        responses=problems(401, 404, 409, 422, 429),
        summary="To another slot of this garage",
    )
    async def move(who: Me, appointment: AppointmentPath, wanted: SlotIn) -> GarageAppointmentOut:
        """The owner is told, with a new invitation."""
        return await desk.move(who.id, appointment, wanted.slot)

    def acts(act: Act, summary: str) -> None:
        @router.post(
            f"/appointments/{{appointment}}/{act}",
            name=f"garage_{act}",
            responses=problems(401, 404, 409, 422, 429),
            summary=summary,
        )
        async def do(who: Me, appointment: AppointmentPath) -> GarageAppointmentOut:
            """The same again is fine."""
            return await desk.act(who.id, appointment, act)

    acts("received", "The car is here")
    acts("done", "The work is finished")
    acts("no_show", "The car did not come")
    acts("cancel", "It cannot take place")
    return router


def _slots(parts: Maintenance) -> APIRouter:
    router, desk = APIRouter(prefix="/garage/slots", tags=["garages"]), parts.garage_desk
    Me = Annotated[GaragePrincipal, Depends(garage(parts))]  # noqa: N806 - a type

    @router.get("", responses=problems(401, 422, 429), summary="Its slots")
    async def slots(
        who: Me, start: AwareDatetime | None = None, days: Annotated[int, Query(ge=1, le=31)] = 7
    ) -> GarageSlotsOut:
        """From ``start`` (default: now), so many days."""
        begins = start or parts.clock.now()
        try:
            ends = begins.astimezone(UTC) + timedelta(days=days)
        except OverflowError:
            raise SlotUnfit("that is no time of this age") from None
        found = await desk.slots(who.id, begins, ends)
        return GarageSlotsOut(data=[garage_slot_out(one) for one in found])

    @router.post("", status_code=201, responses=problems(401, 422, 429), summary="Publish a slot")
    async def publish(who: Me, wanted: SlotWanted) -> GarageSlotOut:
        """Again: the same. It must not overlap another slot of its bay."""
        return garage_slot_out(await desk.publish(who.id, wanted.bay, wanted.start, wanted.end))

    @router.delete(
        "/{slot}",
        status_code=204,
        responses=problems(401, 404, 409, 422, 429),
        summary="Take a free slot back",
    )
    async def withdraw(who: Me, slot: SlotPath) -> None:
        """Again: nothing. A slot that somebody has is not taken back: cancel the appointment first."""
        await desk.withdraw(who.id, slot)

    return router


def _by_link(parts: Maintenance) -> APIRouter:
    router, desk, links = (
        APIRouter(prefix="/garage-link", tags=["garages"]),
        parts.garage_desk,
        parts.garage_links,
    )
    said = problems(404, 409, 422, 429)

    async def guarded(request: Request, token: str, work: Callable[[GarageLink], Awaitable[R]]) -> R:
        try:
            return await work(await links.open(token))
        except LinkNotGood:
            await parts.people.doorkeeper.redeems(network_address(request), now=parts.clock.now())
            raise

    async def page(link: GarageLink, start: datetime | None) -> GaragePageOut:
        shown = await desk.shown(link, start=start)
        there = await parts.garages.read(link.garage)
        free = await desk.free(link.garage, parts.limits.garages.shown)
        return GaragePageOut(
            garage=place_out(there),
            every=link.appointment is None,
            appointments=list(shown.data),
            next=shown.next,
            free=[SlotOut(slot=one.id, start=one.body.start, end=one.body.end) for one in free],
        )

    @router.post("/open", responses=said, summary="What a garage's link shows")
    async def open_(wanted: GarageLookIn, request: Request) -> GaragePageOut:
        """Looking changes nothing."""
        return await guarded(request, wanted.token, lambda link: page(link, wanted.start))

    @router.post("/move", responses=said, summary="Move an appointment by link")
    async def move(wanted: LinkMoveIn, request: Request) -> GarageAppointmentOut:
        """To another slot of this garage."""

        async def work(link: GarageLink) -> GarageAppointmentOut:
            return await desk.move(link.garage, allowed(link, wanted.appointment), wanted.slot)

        return await guarded(request, wanted.token, work)

    def acts(act: Act, summary: str) -> None:
        @router.post(f"/{act}", name=f"garage_link_{act}", responses=said, summary=summary)
        async def do(wanted: LinkActIn, request: Request) -> GarageAppointmentOut:
            """The same again is fine."""

            async def work(link: GarageLink) -> GarageAppointmentOut:
                return await desk.act(link.garage, allowed(link, wanted.appointment), act)

            return await guarded(request, wanted.token, work)

    acts("received", "The car is here, by link")
    acts("done", "The work is finished, by link")
    acts("no_show", "The car did not come, by link")
    acts("cancel", "It cannot take place, by link")
    return router


def allowed(link: GarageLink, appointment: AppointmentId) -> AppointmentId:
    """A link of one appointment never touches another."""
    if link.appointment is not None and link.appointment != appointment:
        raise NoSuchAppointment("there is no such appointment")
    return appointment
