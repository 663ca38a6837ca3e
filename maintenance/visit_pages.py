"""The booking page (by a mail's link, or signed in) and a garage's one page. Forms only; GET changes nothing."""

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment
from pydantic import AwareDatetime, Field

from maintenance import booking_links, garage_links
from maintenance.api_garage import allowed
from maintenance.api_visits_parts import SLOT, CasePath, Start
from maintenance.composition import Maintenance
from maintenance.explaining import Language
from maintenance.garage_desk import Act
from maintenance.garage_links import GarageLink
from maintenance.garage_problems import LinkNotGood
from maintenance.pages import reader_language, signed_in
from maintenance.states import AppointmentState
from maintenance.visit_views import GarageAppointmentOut, GaragePlaceOut, SlotOut, VisitOut
from maintenance.visit_words import day, every, hour, moment
from people.access import PersonPrincipal
from people.api_parts import In, network_address
from people.problems import TooMany
from spine.ids import AppointmentId, CaseId, SlotId
from spine.problems import Problem

A = AppointmentState
_SHAPE: Final = r"^[A-Za-z0-9_-]{0,400}$"
_MOODS: Final = {A.BOOKED: "wait", A.RECEIVED: "wait", A.DONE: "good", A.CANCELLED: "", A.NO_SHOW: "bad"}
_DID: Final = {"book": "said_booked", "move": "said_moved", "cancel": "said_cancelled"}
_WHY: Final = {
    "slot.taken": "taken",
    "slot.too_soon": "too_soon",
    "slot.not_found": "taken",
    "booking.link_used": "used",
    "appointment.changed": "changed",
    "appointment.too_early": "too_early",
    "case.already_booked": "changed",
    "case.booked_too_often": "too_often",
    "appointment.moved_too_often": "moved_often",
    "case.not_bookable": "closed",
}
"""What a refusal is called on a page; anything else: it was not done."""

OwnAct = Literal["", "book", "move", "cancel"]


class VisitForm(In):
    """What a browser sends from the booking page. Without ``act`` it only looks."""

    token: Annotated[str, Field(pattern=_SHAPE, repr=False)] = ""
    act: OwnAct = ""
    slot: Annotated[SlotId, Field(pattern=SLOT)] | None = None
    start: AwareDatetime | None = None


class GarageForm(In):
    """What a browser sends from a garage's page."""

    token: Annotated[str, Field(pattern=_SHAPE, repr=False)]
    act: Act | Literal["", "move"] = ""
    appointment: Annotated[AppointmentId, Field(pattern=r"^apt_[0-9a-z._]{16,90}$")] | None = None
    slot: Annotated[SlotId, Field(pattern=SLOT)] | None = None
    start: AwareDatetime | None = None


def booking_path(case: CaseId) -> str:
    """Where somebody who is signed in books for a case."""
    return f"/cases/{case}/book"


def routes(desk: Maintenance, templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)
    router.include_router(_links(templates))
    router.include_router(_by_link(desk, templates))
    router.include_router(_in_session(desk, templates))
    router.include_router(_garages(desk, templates))
    return router


def _links(templates: Environment) -> APIRouter:
    """Where mails' links lead: a form that the script fills from the fragment, and sends."""
    router = APIRouter()
    script = files("maintenance").joinpath("static", "link.js").read_text("utf-8")

    def serve(path: str) -> None:
        @router.get(path)
        async def page() -> HTMLResponse:
            language = reader_language(templates)
            shown = templates.get_template("visit_link.html")
            return HTMLResponse(shown.render(say=every(language)["page"], language=language, path=path))

    serve(booking_links.PAGE)
    serve(garage_links.PAGE)

    @router.get("/maintenance/link.js")
    async def link_js() -> Response:
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "max-age=300"})

    return router


def _by_link(desk: Maintenance, templates: Environment) -> APIRouter:
    router, mine = APIRouter(), desk.owner_booking

    @router.post(booking_links.PAGE)
    async def by_link(request: Request, form: Annotated[VisitForm, Form()]) -> HTMLResponse:
        try:
            link = await desk.booking_links.open(form.token)
        except LinkNotGood:
            return await _refused(desk, request, templates)
        language = await desk.language_of(link.person, booking_links.vehicle_of(link.case))

        async def work() -> object:
            match form.act, form.slot:
                case "book", str(slot):
                    return await mine.book_by_link(form.token, SlotId(slot))
                case "move", str(slot):
                    return await mine.move_by_link(form.token, SlotId(slot))
                case "cancel", _:
                    return await mine.cancel_by_link(form.token)
                case _:
                    return None

        said, tone = await _tried(work, form.act, language)
        one = await mine.open(form.token, start=form.start, language=language)
        about = {"action": booking_links.PAGE, "token": form.token, "back": ""}
        return _visit(templates, one, language, said, tone, about)

    return router


def _in_session(desk: Maintenance, templates: Environment) -> APIRouter:
    router, mine = APIRouter(), desk.owner_booking
    Me = Annotated[PersonPrincipal, Depends(signed_in(desk))]  # noqa: N806 - a type

    @router.get("/cases/{case}/book")
    async def look(me: Me, case: CasePath, said: str = "", start: Start = None) -> HTMLResponse:
        language = reader_language(templates)
        one = await mine.visit(me.id, case, start=start, language=language)
        words = every(language)["page"]
        tone = "good" if said in _DID.values() else "bad"
        known = said if said in {*_DID.values(), *_WHY.values(), "not_done"} else ""
        about = {"action": booking_path(case), "token": "", "back": f"/cases/{case}"}
        return _visit(templates, one, language, words[known] if known else "", tone, about)

    @router.post("/cases/{case}/book")
    async def act(me: Me, case: CasePath, form: Annotated[VisitForm, Form()]) -> Response:
        try:
            match form.act, form.slot:
                case "book", str(slot):
                    await mine.book(me.id, case, SlotId(slot))
                case "move", str(slot):
                    await mine.move(me.id, case, SlotId(slot))
                case "cancel", _:
                    await mine.cancel(me.id, case)
                case _:
                    return RedirectResponse(booking_path(case), 303)
            said = _DID[form.act]
        except Problem as refused:
            await mine.visit(me.id, case)  # not the asker's to see: that is the answer then
            said = _WHY.get(refused.code, "not_done")
        return RedirectResponse(f"{booking_path(case)}?said={said}", 303)

    return router


def _garages(desk: Maintenance, templates: Environment) -> APIRouter:
    router = APIRouter()

    async def done(link: GarageLink, form: GarageForm) -> object:
        if form.appointment is None or not form.act:
            return None
        wanted = allowed(link, form.appointment)
        if form.act != "move":
            return await desk.garage_desk.act(link.garage, wanted, form.act)
        return await desk.garage_desk.move(link.garage, wanted, form.slot) if form.slot else None

    @router.post(garage_links.PAGE)
    async def garage(request: Request, form: Annotated[GarageForm, Form()]) -> HTMLResponse:
        try:
            link = await desk.garage_links.open(form.token)
        except LinkNotGood:
            return await _refused(desk, request, templates)
        there = await desk.garages.read(link.garage)
        language = there.details.languages[0]
        words, now = every(language), desk.clock.now()
        said, tone = await _tried(lambda: done(link, form), form.act, language)

        def acts(one: GarageAppointmentOut) -> list[str]:
            begun, near = now >= one.start, now >= one.start - desk.limits.garages.early
            match one.state:
                case A.BOOKED:
                    return [*(["received"] if near else []), *(["done", "no_show"] if begun else [])]
                case A.RECEIVED:
                    return ["done"]
                case _:
                    return []

        shown = await desk.garage_desk.shown(link, start=form.start)
        page = templates.get_template("garage_visits.html").render(
            say=words["page"], states=words["state"], language=language, said=said, tone=tone,
            garage=there.details, visits=shown.data, later=shown.next, acts=acts, token=form.token,
            free=[
                SlotOut(slot=one.id, start=one.body.start, end=one.body.end)
                for one in await desk.garage_desk.free(link.garage, desk.limits.garages.shown)
            ],
            moment=lambda at, _: moment(at, there.zone, language), mood=_MOODS.__getitem__,
            days=lambda slots: _by_day(slots, there.zone, language),
        )  # fmt: skip
        return HTMLResponse(page)

    return router


def _visit(
    templates: Environment, one: VisitOut, language: Language, said: str, tone: str, about: dict[str, str]
) -> HTMLResponse:
    words = every(language)

    def here(at: Any, garage: GaragePlaceOut | None) -> str:  # noqa: ANN401 - what a template hands over
        return moment(at, ZoneInfo(garage.zone if garage else "UTC"), language)

    page = templates.get_template("visit.html").render(
        say=words["page"], states=words["state"], language=language, one=one, said=said, tone=tone,
        moment=here, mood=_MOODS.__getitem__, later=_later(one),
        days=lambda slots, garage: _by_day(slots, ZoneInfo(garage.zone), language), **about,
    )  # fmt: skip
    return HTMLResponse(page)


def _by_day(
    slots: Sequence[SlotOut], zone: ZoneInfo, language: Language
) -> list[tuple[str, list[tuple[SlotOut, str]]]]:
    """Free times as a page lists them: each day once, as its heading, with its times in their order."""
    return [
        (said, [(one, hour(one.start, zone)) for one in times])
        for said, times in groupby(slots, key=lambda one: day(one.start, zone, language))
    ]


def _later(one: VisitOut) -> str:
    """From when on further slots are looked for: after the last that is shown of the garage that shows least far."""
    ends = [offer.slots[-1].end for offer in one.offers if offer.slots]
    return min(ends).isoformat() if ends else ""


async def _tried(work: Callable[[], Awaitable[object]], act: str, language: Language) -> tuple[str, str]:
    """Do it, and say in words what came of it, with the tone."""
    words = every(language)["page"]
    try:
        await work()
    except Problem as refused:
        return words[_WHY.get(refused.code, "not_done")], "bad"
    return (words[_DID[act]], "good") if act in _DID else ("", "")


async def _refused(desk: Maintenance, request: Request, templates: Environment) -> HTMLResponse:
    """A link that is not good: only those count against a network address."""
    language = reader_language(templates)
    words = every(language)["page"]
    try:
        await desk.people.doorkeeper.redeems(network_address(request), now=desk.clock.now())
    except TooMany as slow:
        page = templates.get_template("visit_refused.html").render(
            say=words, language=language, said=words["link"]
        )
        return HTMLResponse(page, 429, headers={"Retry-After": str(slow.retry_after or 60)})
    page = templates.get_template("visit_refused.html").render(
        say=words, language=language, said=words["link"]
    )
    return HTMLResponse(page, 404)
