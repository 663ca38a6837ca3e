"""JSON routes by which an agent books a visit while the owner is on the phone: free slots, hold, book."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime

from maintenance.api_visits_parts import GarageQuery, SlotIn
from maintenance.booking import Booking
from maintenance.desk import Desk
from maintenance.desk_api import CasePath, Token
from maintenance.desk_dialling import At
from maintenance.desk_outcomes import dialled_by
from maintenance.desk_problems import DialFirst
from maintenance.desk_rules import holds
from maintenance.garages import Garages
from maintenance.model import Read
from maintenance.offers import Offers
from maintenance.service import NoSuchCase
from maintenance.visit_views import AppointmentOut, OfferOut, appointment_out, offer_out
from people.agents import AgentPrincipal
from people.api_parts import Out, problems
from spine.ids import CaseId, SlotId


class BookIn(SlotIn):
    """``slot``: of the offers. ``token``: of the lease."""

    token: Token


class OffersOut(Out):
    """By garage; what was free a moment ago."""

    data: tuple[OfferOut, ...]


class HeldOut(Out):
    """The slot is kept for this case until then."""

    slot: SlotId
    until: AwareDatetime | None


def routes(desk: Desk, booking: Booking, offers: Offers, garages: Garages) -> APIRouter:
    """To be mounted under ``/v1``."""
    at_desk = desk.people.agents.at_desk(desk.people.access, desk.cases.clock, desk.limits.shift)
    router = APIRouter(prefix="/desk", tags=["desk"])
    Me = Annotated[AgentPrincipal, Depends(at_desk)]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422, 429)

    @router.get("/cases/{case}/slots", responses=problems(401, 403, 404, 422), summary="What is free")
    async def slots(me: Me, case: CasePath, garage: GarageQuery = None) -> OffersOut:
        """For the one who has the case. The garage that the owner chose comes first."""
        read = _theirs(desk, await desk.cases.read(case), me)
        return OffersOut(data=tuple(offer_out(one) for one in await offers.of(read, garage=garage)))

    @router.post("/cases/{case}/hold", responses=said, summary="Keep a slot while we talk")
    async def hold(me: Me, case: CasePath, wanted: BookIn) -> HeldOut:
        """For some minutes; again: longer. Only while the owner is called."""
        await _while_calling(desk, me, case, wanted.token, "hold")
        held = await booking.hold(case, wanted.slot, by=me.id)
        return HeldOut(slot=wanted.slot, until=held.body.held_until)

    @router.post("/cases/{case}/book", responses=said, summary="Book it")
    async def book(me: Me, case: CasePath, wanted: BookIn) -> AppointmentOut:
        """Only while the owner is called; the outcome ``booked`` is told next. Owner and garage get the invitation."""
        await _while_calling(desk, me, case, wanted.token, "book")
        made = await booking.book(case, wanted.slot, by=me.id)
        return appointment_out(made, await garages.view(made.body.garage))

    return router


async def _while_calling(desk: Desk, me: AgentPrincipal, case: CaseId, token: str, act: str) -> None:
    """Write down what is about to be done. Raises ``DialFirst``, ``LeaseLost``, ``NoSuchCase``."""
    read = _theirs(desk, await desk.cases.read(case), me)
    if dialled_by(read.body.trigger, me.id) is None:
        raise DialFirst("Nobody books for an owner without having called: dial first.")
    await desk.work.act(At(me.id, me.role, me.languages), case, token, act)


def _theirs(desk: Desk, read: Read, me: AgentPrincipal) -> Read:
    """The case, if this agent's lease on it lives."""
    lease, now = read.body.trigger.lease, desk.cases.clock.now()
    if lease is None or not holds(read.body.trigger, read.state, me.id, lease.token, now):
        raise NoSuchCase(read.id)
    return read
