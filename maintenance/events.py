"""What owners and their linked systems can hear of cases and appointments: each type with its sentence and example."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import AwareDatetime

from maintenance.model import AppointmentBody, Read
from maintenance.states import AppointmentState, TriggerState
from people.api_parts import Out
from spine.facts import maintenance as f
from spine.facts.base import Base
from spine.facts.maintenance import Level
from spine.ids import AppointmentId, CaseId, DeliveryId, GarageId, VehicleId
from webhooks.catalogue import EventType, Heard, Hearer


class CaseEventOut(Out):
    """A case as a system linked to a person of the car hears of it: ids and codes, nothing that was said.

    ``page``: where the person reads it in plain words, signed in.
    """

    case: CaseId
    vehicle: VehicleId
    what: Literal["fault", "help"]
    system: str
    severity: Level
    severity_source: str
    codes: tuple[str, ...]
    state: TriggerState
    open: bool
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    odometer_m: int | None
    appointment: AppointmentId | None
    delivery: DeliveryId | None
    page: str


class AppointmentEventOut(Out):
    """An appointment as it stands. ``sequence``: of its newest invitation (iCalendar)."""

    appointment: AppointmentId
    case: CaseId
    vehicle: VehicleId
    garage: GarageId
    state: AppointmentState
    start: AwareDatetime
    end: AwareDatetime
    sequence: int
    page: str


AGAIN: Final = "again"
"""Why a critical case that was offered before is offered once more: it is told again."""
NOT_PROVED: Final = "not_proved"
"""Why a case is offered again after its garage had finished: the car never showed it."""

CASES: Final[Mapping[str, str]] = {
    "case.opened": "The car reported a fault that needs somebody; it has exactly one trigger from now on.",
    "case.reprioritised": "It became more urgent.",
    "case.reopened": "What was mended came back; it goes on where it stood.",
    "case.closed": "The car proved that it is mended.",
    "case.told_again": "It is still open, and the owner is told again: it is critical and nobody may call about it, or its "
    "garage had finished and the car never showed that it is mended.",
    "case.called": "The contact center called about it; the outcome is in the case's page.",
    "case.unreached": "Nobody could be reached by phone; the case stays open.",
    "case.declined": "It was said that no visit is wanted; the case stays open until the car proves it mended.",
}
APPOINTMENTS: Final[Mapping[str, str]] = {
    "appointment.booked": "A visit to a garage was booked.",
    "appointment.moved": "It was moved to another time.",
    "appointment.cancelled": "It was cancelled.",
    "appointment.no_show": "The car did not come.",
    "appointment.received": "The car is at the garage.",
    "appointment.done": "The garage has finished; the next clean scan closes the case.",
}

_TYPES: Final[Mapping[type[Base], str]] = {
    f.CaseOpened: "case.opened", f.CaseReprioritised: "case.reprioritised", f.CaseReopened: "case.reopened",
    f.CaseClosed: "case.closed", f.CaseToldAgain: "case.told_again", f.CallMade: "case.called",
    f.TriggerUnreached: "case.unreached",
    f.TriggerDeclined: "case.declined", f.AppointmentBooked: "appointment.booked",
    f.AppointmentMoved: "appointment.moved", f.AppointmentCancelled: "appointment.cancelled",
    f.AppointmentNoShow: "appointment.no_show", f.AppointmentReceived: "appointment.received",
    f.AppointmentDone: "appointment.done",
}  # fmt: skip

_HEARD: Final[tuple[type[Base], ...]] = (f.TriggerOffered, *_TYPES)
KINDS: Final = frozenset(str(fact.model_fields["kind"].default) for fact in _HEARD)
"""The facts that anybody hears of."""


def type_of(fact: Base) -> str | None:
    """The event a fact is told as; None where nobody hears of it."""
    if isinstance(fact, f.TriggerOffered):
        return "case.told_again" if fact.why in {AGAIN, NOT_PROVED} else None
    return _TYPES.get(type(fact))


def case_event(read: Read, public_url: str) -> CaseEventOut:
    """What a linked system is told of a case now."""
    body = read.body
    return CaseEventOut(
        case=read.id,
        vehicle=body.vehicle,
        what="help" if body.what == "help" else "fault",
        system=body.system,
        severity=body.severity,
        severity_source=body.severity_source,
        codes=body.codes,
        state=read.state,
        open=read.open,
        opened_at=body.opened_at,
        closed_at=body.closed_at,
        odometer_m=body.odometer_m,
        appointment=body.trigger.appointment,
        delivery=body.delivery,
        page=f"{public_url}/cases/{read.id}",
    )


def appointment_event(
    appointment: AppointmentId, state: AppointmentState, body: AppointmentBody, public_url: str
) -> AppointmentEventOut:
    """What a linked system is told of an appointment now."""
    return AppointmentEventOut(
        appointment=appointment,
        case=body.case,
        vehicle=body.vehicle,
        garage=body.garage,
        state=state,
        start=body.start,
        end=body.end,
        sequence=body.sequence,
        page=f"{public_url}/cases/{body.case}",
    )


def types() -> Iterator[EventType]:
    """Every type of this package."""
    for name, says in CASES.items():
        yield EventType(name, says, _CASE, {Hearer.OWNER: Heard(CaseEventOut, _case(name))})
    for name, says in APPOINTMENTS.items():
        heard = {Hearer.OWNER: Heard(AppointmentEventOut, _appointment(name))}
        yield EventType(name, says, _APPOINTMENT, heard)


_CASE: Final = "cse_3k7m9qxd4hwe2a5t.brakes.1"
_APPOINTMENT: Final = "apt_3k7m9qxd4hwe2a5t.brakes.1.1"
_PAGE: Final = f"https://trunkline.example/cases/{_CASE}"
_STATES: Final = {
    "case.closed": "ended",
    "case.called": "leased",
    "case.unreached": "unreached",
    "case.declined": "declined",
}


def _case(name: str) -> dict[str, Any]:
    closed = name == "case.closed"
    return {
        "case": _CASE,
        "vehicle": "veh_3k7m9qxd4hwe2a5t",
        "what": "fault",
        "system": "brakes",
        "severity": "critical" if name == "case.told_again" else "high",
        "severity_source": "category",
        "codes": ["C1234"],
        "state": _STATES.get(name, "offered"),
        "open": not closed,
        "opened_at": "2030-05-06T08:55:00Z",
        "closed_at": "2030-05-06T09:00:00Z" if closed else None,
        "odometer_m": 84_000_000,
        "appointment": None,
        "delivery": None,
        "page": _PAGE,
    }


def _appointment(name: str) -> dict[str, Any]:
    state = name.removeprefix("appointment.")
    return {
        "appointment": _APPOINTMENT,
        "case": _CASE,
        "vehicle": "veh_3k7m9qxd4hwe2a5t",
        "garage": "gar_5t8v2w6y1z4b7d9f",
        "state": "booked" if state == "moved" else state,
        "start": "2030-05-08T07:00:00Z",
        "end": "2030-05-08T09:00:00Z",
        "sequence": int(state != "booked"),
        "page": _PAGE,
    }
