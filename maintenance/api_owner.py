"""JSON routes of the people of a car: its cases in plain words, declining one, and "call me about faults"."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AwareDatetime, Field, model_validator

from maintenance.choosing import Wish
from maintenance.composition import Maintenance
from maintenance.explaining import Language
from maintenance.model import Calls, Country, Hours, Phone, Read, Zone
from maintenance.owner import DECLINABLE
from maintenance.states import TriggerState
from maintenance.words import texts, told
from people.access import PersonPrincipal
from people.api_parts import Idempotent, In, Out, VehiclePath, problems
from people.model import RoleOnCar
from spine.facts.maintenance import Level
from spine.ids import AppointmentId, CaseId, GarageId, PersonId, VehicleId

CasePath = Annotated[
    CaseId,
    Path(
        pattern=r"^cse_[0-9a-hjkmnp-tv-z]{16}\.[a-z_]{1,20}\.[0-9]{1,9}$",
        examples=["cse_3k7m9qxd4hwe2a5t.brakes.1"],
    ),
]
Lang = Annotated[Language | None, Query(description="Else the language chosen for calls, else English.")]
After = Annotated[str | None, Query(max_length=200, description="``next`` of the former page.")]
Limit = Annotated[int, Query(ge=1, le=100)]


class CodeOut(Out):
    """A code and what it means, in plain words."""

    code: str
    means: str


class StepOut(Out):
    """A step of the case. ``by``: who of the contact center, or which person; ``why``: a word or rule, no free text."""

    at: AwareDatetime
    kind: str
    says: str
    by: str
    why: str


class CallOut(Out):
    """A call about it and how it ended."""

    n: int
    at: AwareDatetime
    by: str
    disposition: str
    outside_hours: bool


class CaseOut(Out):
    """A case. ``state`` is where its one trigger stands, ``says`` that in a sentence.

    ``drive`` and ``next``: may one drive on, and what to do. ``calls`` and who looked at it are shown to owners.
    """

    id: CaseId
    vehicle: VehicleId
    what: str
    system: str
    name: str
    severity: Level
    severity_source: str
    urgency: str
    codes: list[CodeOut]
    drive: str
    next: str
    state: TriggerState
    says: str
    open: bool
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    odometer_m: int | None
    appointment: AppointmentId | None
    due: AwareDatetime | None
    can_decline: bool
    calls: list[CallOut]
    history: list[StepOut]


class CasesOut(Out):
    """Newest first. ``next``: give it as ``after``; null at the end."""

    data: list[CaseOut]
    next: str | None = None


class DeclineIn(In):
    """``why``: ``own_garage``, ``not_now``, ``already_repaired``, ``sold``."""

    why: Annotated[str, Field(pattern="^(own_garage|not_now|already_repaired|sold)$")] = "own_garage"


class CallsIn(In):
    """``on`` needs a phone. ``hours``: local time in ``zone``; none: the usual hours of the country."""

    on: bool
    phone: Phone | None = None
    language: Language = "en"
    zone: Zone = "Europe/Amsterdam"
    country: Country = "NL"
    hours: Hours | None = None
    garage: Annotated[GarageId, Field(pattern="^gar_[0-9a-hjkmnp-tv-z]{16}$")] | None = None

    @model_validator(mode="after")
    def _reachable(self) -> "CallsIn":
        if self.on and self.phone is None:
            raise ValueError("calls need a phone")
        return self


class CallsOut(Out):
    """``on``: whether anybody is called. The number is shown to whoever gave it (``mine``) and to nobody else."""

    on: bool
    mine: bool
    do_not_call: bool
    phone: str | None
    language: Language
    zone: str
    country: str
    hours: Hours | None
    garage: GarageId | None
    chosen_at: AwareDatetime | None


def routes(desk: Maintenance) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/owner", tags=["cases"])
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type
    idempotency = desk.people.idempotency

    @router.get(
        "/cars/{vehicle}/cases", responses=problems(401, 404, 422), summary="What a car reports, as cases"
    )
    async def cases(
        me: Me, vehicle: VehiclePath, after: After = None, limit: Limit = 50, lang: Lang = None
    ) -> CasesOut:
        """Open ones, and those opened since the car is yours."""
        found, following = await desk.owner.list(me.id, vehicle, after=after, limit=limit)
        language = lang or await desk.language_of(me.id, vehicle)
        return CasesOut(data=[case_out(read, role, language) for read, role in found], next=following)

    @router.get("/cases/{case}", responses=problems(401, 404, 422), summary="One case")
    async def case(me: Me, case: CasePath, lang: Lang = None) -> CaseOut:
        read, role = await desk.owner.read(me.id, case)
        return case_out(read, role, lang or await desk.language_of(me.id, read.body.vehicle))

    @router.post(
        "/cases/{case}/decline", response_model=CaseOut, responses=problems(401, 403, 404, 409, 422),
        summary="I take care of it myself",
    )  # fmt: skip
    async def decline(me: Me, case: CasePath, wanted: DeclineIn, asked: Idempotent) -> Response:
        """Nobody calls about it any more. It stays open until the car proves that it is mended."""

        async def work(_: str) -> CaseOut:
            read = await desk.owner.decline(me.id, case, wanted.why)
            role = await desk.choosing.role(me.id, read.body.vehicle)
            return case_out(read, role, await desk.language_of(me.id, read.body.vehicle))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.get("/cars/{vehicle}/calls", responses=problems(401, 404, 422), summary="Call me about faults?")
    async def calls(me: Me, vehicle: VehiclePath) -> CallsOut:
        await desk.choosing.role(me.id, vehicle)
        return calls_out(await desk.choosing.of(vehicle), me.id)

    @router.put("/cars/{vehicle}/calls", responses=problems(401, 403, 404, 422), summary="Say so")
    async def choose(me: Me, vehicle: VehiclePath, wanted: CallsIn) -> CallsOut:
        """An owner's choice; it ends when that owner gives the car up. Whoever has a passkey shows it first."""
        await desk.people.step_up.require_fresh_passkey(me, now=desk.clock.now())
        return calls_out(await desk.choosing.choose(me.id, vehicle, Wish(**dict(wanted))), me.id)

    return router


def case_out(read: Read, role: RoleOnCar, language: Language) -> CaseOut:
    """A case as the people of the car see it."""
    body, trigger, plain = read.body, read.body.trigger, told(read.body, read.state, language)
    says = texts(language)["happened"]
    return CaseOut(
        id=read.id,
        vehicle=body.vehicle,
        what=body.what,
        system=body.system,
        name=plain.system,
        severity=body.severity,
        severity_source=body.severity_source,
        urgency=plain.severity,
        codes=[CodeOut(code=code, means=means) for code, means in plain.means.items()],
        drive=plain.drive,
        next=plain.next,
        state=read.state,
        says=plain.stands,
        open=read.open,
        opened_at=body.opened_at,
        closed_at=body.closed_at,
        odometer_m=body.odometer_m,
        appointment=trigger.appointment,
        due=trigger.due if read.state is TriggerState.SCHEDULED else None,
        can_decline=role.may_approve and body.what == "fault" and read.state in DECLINABLE,
        calls=[
            CallOut(n=one.n, at=one.at, by=one.by, disposition=one.disposition, outside_hours=one.safety)
            for one in trigger.calls
        ],
        history=[
            StepOut(
                at=one.at,
                kind=one.kind,
                says=says.get(f"{one.kind}.{one.why}", says.get(one.kind, "")),
                by=one.by,
                why=one.why,
            )
            for one in body.history
        ],
    )


def calls_out(calls: Calls | None, me: PersonId) -> CallsOut:
    """The choice as this person may see it."""
    if calls is None:
        return CallsOut(
            on=False, mine=False, do_not_call=False, phone=None, language="en", zone="Europe/Amsterdam", country="NL",
            hours=None, garage=None, chosen_at=None,
        )  # fmt: skip
    mine = calls.person == me
    return CallsOut(
        on=calls.on,
        mine=mine,
        do_not_call=calls.do_not_call,
        phone=calls.phone if mine else None,
        language=calls.language,
        zone=calls.zone,
        country=calls.country,
        hours=calls.hours,
        garage=calls.garage,
        chosen_at=calls.chosen_at,
    )
