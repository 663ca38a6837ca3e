"""What an owner, and what a garage, may see of an appointment and of free slots. Nothing of the one for the other."""

from collections.abc import Sequence

from pydantic import AwareDatetime

from maintenance.appointments import Appointment, number_of
from maintenance.explaining import Language, about_system
from maintenance.garage_model import Details, Garage
from maintenance.model import Read
from maintenance.offers import Offer
from maintenance.slots import Slot
from maintenance.states import AppointmentState, SlotState, TriggerState
from maintenance.visit_words import reference_of
from people.api_parts import Out
from spine.facts.maintenance import Level
from spine.ids import AppointmentId, CaseId, GarageId, SlotId


class GaragePlaceOut(Out):
    """A garage as those who book see it. ``zone``: of its clock."""

    id: GarageId
    name: str
    address: str
    zone: str


class SlotOut(Out):
    """A slot that was free a moment ago."""

    slot: SlotId
    start: AwareDatetime
    end: AwareDatetime


class OfferOut(Out):
    """A garage with its next free slots."""

    garage: GaragePlaceOut
    slots: tuple[SlotOut, ...]


class AppointmentOut(Out):
    """An appointment as the people of the car see it. ``why``: a code, where it did not take place."""

    id: AppointmentId
    reference: str
    state: AppointmentState
    garage: GaragePlaceOut | None
    start: AwareDatetime
    end: AwareDatetime
    why: str


class VisitOut(Out):
    """A case and what can be booked for it. ``can_book``: it has no appointment; ``can_change``: it has one.

    ``proved_by``: the garage has finished, and the car is to show by then that it is repaired; if it does not, another
    appointment can be booked.
    """

    case: CaseId
    system: str
    about: str
    severity: Level
    codes: tuple[str, ...]
    open: bool
    can_book: bool
    can_change: bool
    proved_by: AwareDatetime | None
    appointment: AppointmentOut | None
    offers: tuple[OfferOut, ...]


class CarOut(Out):
    """What a garage needs to know of a car, while its appointment lives."""

    codes: tuple[str, ...]
    severity: Level
    odometer_m: int | None


class GarageAppointmentOut(Out):
    """An appointment as its garage sees it. ``car`` is null once it is over; who drives it is never here."""

    id: AppointmentId
    reference: str
    state: AppointmentState
    slot: SlotId
    start: AwareDatetime
    end: AwareDatetime
    booked_at: AwareDatetime
    about: str
    why: str
    car: CarOut | None


class GarageSlotOut(Out):
    """One of the garage's own slots; who has it is in the appointment."""

    slot: SlotId
    bay: int
    start: AwareDatetime
    end: AwareDatetime
    state: SlotState
    appointment: AppointmentId | None


class GarageOut(Out):
    """A garage as it, and the operator, see it."""

    id: GarageId
    details: Details
    made_at: AwareDatetime


def place_out(garage: Garage) -> GaragePlaceOut:
    """Where to drive."""
    said = garage.details
    return GaragePlaceOut(id=garage.id, name=said.name, address=said.address, zone=said.zone)


def garage_out(garage: Garage) -> GarageOut:
    """Everything but what authenticates it."""
    return GarageOut(id=garage.id, details=garage.details, made_at=garage.body.made_at)


def offer_out(offer: Offer) -> OfferOut:
    """Free slots of one garage."""
    slots = tuple(SlotOut(slot=one.id, start=one.body.start, end=one.body.end) for one in offer.slots)
    return OfferOut(garage=place_out(offer.garage), slots=slots)


def appointment_out(found: Appointment, garage: Garage | None) -> AppointmentOut:
    """``garage`` is None where it is gone."""
    return AppointmentOut(
        id=found.id,
        reference=reference_of(found.id),
        state=found.state,
        garage=place_out(garage) if garage else None,
        start=found.body.start,
        end=found.body.end,
        why=found.body.why,
    )


def visit_out(
    read: Read,
    found: Appointment | None,
    garage: Garage | None,
    offers: Sequence[Offer],
    *,
    language: Language = "en",
    n: int | None = None,
) -> VisitOut:
    """``n``: a link's number; it books the next appointment of that number and changes only that one."""
    body = read.body
    booked = body.trigger.appointment is not None
    can_book = read.open and not booked and (found is None or not found.living)
    can_change = found is not None and found.state is AppointmentState.BOOKED
    if n is not None:
        can_book = can_book and n == body.trigger.appointments + 1
        can_change = can_change and found is not None and number_of(found.id) == n
    return VisitOut(
        case=read.id,
        system=body.system,
        about=about_system(body.system, language),
        severity=body.severity,
        codes=body.codes,
        open=read.open,
        can_book=can_book,
        can_change=can_change,
        proved_by=body.trigger.due if read.state is TriggerState.BOOKED else None,
        appointment=appointment_out(found, garage) if found is not None else None,
        offers=tuple(offer_out(one) for one in offers) if can_book or can_change else (),
    )


def garage_appointment_out(found: Appointment, read: Read | None, language: Language) -> GarageAppointmentOut:
    """``read`` is None where the case is erased."""
    car = None
    if read is not None and found.living:
        body = read.body
        car = CarOut(codes=body.codes, severity=body.severity, odometer_m=body.odometer_m)
    return GarageAppointmentOut(
        id=found.id,
        reference=reference_of(found.id),
        state=found.state,
        slot=found.body.slot,
        start=found.body.start,
        end=found.body.end,
        booked_at=found.body.booked_at,
        about=about_system(read.body.system, language) if read is not None and found.living else "",
        why=found.body.why,
        car=car,
    )


def garage_slot_out(slot: Slot) -> GarageSlotOut:
    """A slot as its garage sees it."""
    body = slot.body
    return GarageSlotOut(
        slot=slot.id,
        bay=body.bay,
        start=body.start,
        end=body.end,
        state=slot.state,
        appointment=body.appointment,
    )
