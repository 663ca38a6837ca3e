"""The owner's pages of cases: plain, no script; every change is a signed-in POST from our own pages."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response, Security
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.security import APIKeyCookie
from jinja2 import Environment
from pydantic import Field, ValidationError

from maintenance.api_owner import CallsIn, CallsOut, CaseOut, CasePath, calls_out, case_out
from maintenance.choosing import Wish
from maintenance.composition import Maintenance
from maintenance.explaining import Language
from maintenance.owner import CannotDecline
from maintenance.words import NOT_HELD, texts
from people.access import PersonPrincipal
from people.api_parts import In, VehiclePath
from people.model import Role
from people.problems import NotYours, PasskeyNeeded, Unauthenticated
from spine.ids import CaseId, VehicleId

START: Final = "/cases"
_LANGUAGES: Final[dict[Language, str]] = {
    "en": "English",
    "nl": "Nederlands",
    "de": "Deutsch",
    "sv": "Svenska",
}
_MOST: Final = 20
"""Cases of a car on the page; older ones are read through the API."""
_SAID: Final = frozenset({"saved", "declined", "refused", "passkey"})

BookingLink = Callable[[CaseId], str | None]
"""Where a visit for a case is booked by oneself, where there is such a page."""


@dataclass(frozen=True, slots=True)
class Car:
    """A car with its cases, as the page shows it."""

    vehicle: VehicleId
    owner: bool
    cases: list[CaseOut]
    calls: CallsOut


class CallsForm(In):
    """The form as a browser sends it; what it says is judged as the API judges it."""

    on: Annotated[str, Field(max_length=3)] = ""
    phone: Annotated[str, Field(max_length=20)] = ""
    language: Annotated[str, Field(max_length=2)] = "en"
    country: Annotated[str, Field(max_length=2)] = "NL"
    zone: Annotated[str, Field(max_length=64)] = "Europe/Amsterdam"
    earliest: Annotated[str, Field(max_length=5)] = ""
    latest: Annotated[str, Field(max_length=5)] = ""


def signed_in(desk: Maintenance) -> Callable[..., Awaitable[PersonPrincipal]]:
    """A dependency of pages: whoever is not signed in is sent there. Raises ``CrossSite`` for a foreign POST."""
    cookie = APIKeyCookie(name=desk.people.access.cookie, scheme_name="session cookie", auto_error=False)
    as_owner = desk.people.access.owner()

    async def person(request: Request, kept: Annotated[str | None, Security(cookie)]) -> PersonPrincipal:
        try:
            return await as_owner(request, None, kept)
        except Unauthenticated:
            raise HTTPException(303, headers={"Location": "/sign-in"}) from None

    return person


def routes(desk: Maintenance, templates: Environment, *, booking: BookingLink = lambda _: None) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(prefix=START, include_in_schema=False)
    Me = Annotated[PersonPrincipal, Depends(signed_in(desk))]  # noqa: N806 - a type

    def page(name: str, language: Language, said: str, zone: str, **about: Any) -> HTMLResponse:  # noqa: ANN401 - what a template shows
        every = texts(language)
        about |= {
            "say": every, "language": language, "languages": _LANGUAGES, "mood": _mood, "over": _over,
            "said": every["page"][said] if said in _SAID else "", "moment": lambda at: _moment(at, zone, language),
        }  # fmt: skip
        return HTMLResponse(templates.get_template(name).render(**about))

    @router.get("")
    async def cases(me: Me, said: str = "") -> HTMLResponse:
        """Every car of the person, each with its cases and the choice about calls.

        In the language of whoever reads, as all our pages: a car's is that of its calls and mails.
        """
        cars: list[Car] = []
        language, zone = reader_language(templates), "UTC"
        for role in await desk.people.cars.cars_of(me.id, now=desk.clock.now()):
            calls = calls_out(await desk.choosing.of(role.vehicle), me.id)
            zone = calls.zone if calls.mine else await desk.people.cars.zone_of(role.vehicle) or zone
            found, _ = await desk.owner.list(me.id, role.vehicle, limit=_MOST)
            rows = [case_out(read, one, language) for read, one in found]
            cars.append(Car(role.vehicle, role.role is Role.OWNER, rows, calls))
        return page("cases.html", language, said, zone, cars=cars)

    @router.get("/{case}")
    async def case(me: Me, case: CasePath, said: str = "") -> HTMLResponse:
        read, role = await desk.owner.read(me.id, case)
        calls = calls_out(await desk.choosing.of(read.body.vehicle), me.id)
        language = reader_language(templates)
        zone = calls.zone if calls.mine else await desk.people.cars.zone_of(read.body.vehicle) or "UTC"
        link = booking(read.id) if read.open and role.may_approve else None
        return page("case.html", language, said, zone, one=case_out(read, role, language), book=link)

    @router.post("/{case}/decline")
    async def decline(me: Me, case: CasePath) -> Response:
        said = "declined"
        try:
            await desk.owner.decline(me.id, case, "own_garage")
        except (CannotDecline, NotYours):
            said = "refused"
        return RedirectResponse(f"{START}/{case}?said={said}", 303)

    @router.post("/cars/{vehicle}/calls")
    async def choose(me: Me, vehicle: VehiclePath, form: Annotated[CallsForm, Form()]) -> Response:
        said = "saved"
        try:
            before = await desk.choosing.of(vehicle)
            wanted = CallsIn.model_validate(
                {
                    "on": bool(form.on), "phone": re.sub(r"[ ()-]", "", form.phone) or None,
                    "language": form.language, "country": form.country.upper(), "zone": form.zone,
                    "hours": (form.earliest, form.latest) if form.earliest and form.latest else None,
                    "garage": before.garage if before is not None and before.person == me.id else None,
                }
            )  # fmt: skip
            await desk.people.step_up.require_fresh_passkey(me, now=desk.clock.now())
            await desk.choosing.choose(me.id, vehicle, Wish(**dict(wanted)))
        except PasskeyNeeded:
            said = "passkey"
        except (ValidationError, NotYours):
            said = "refused"
        return RedirectResponse(f"{START}?said={said}", 303)

    return router


def reader_language(templates: Environment) -> Language:
    """The language that ``base.html`` has too: chosen by the reader, else the browser's."""
    asked = templates.globals["lang"]
    said = asked() if callable(asked) else ""
    return next((one for one in _LANGUAGES if one == said), "en")


def _over(one: CaseOut) -> str:
    """The name of the word that stands for a case that is over."""
    closed = next((step for step in reversed(one.history) if step.kind == "case.closed"), None)
    return "not_held" if closed is not None and closed.why == NOT_HELD else "closed"


def _mood(one: CaseOut) -> str:
    if not one.open:
        return "good" if _over(one) == "closed" else "wait"
    return "bad" if one.severity in {"high", "critical"} else "wait"


def _moment(at: datetime, zone: str, language: Language) -> str:
    """In the reader's language; where nobody said a time zone it is UTC, and says so."""
    told = format_datetime(at, "d MMM y, HH:mm", tzinfo=ZoneInfo(zone), locale=language)
    return f"{told} UTC" if zone == "UTC" else told
