"""What becomes of an appointment, and of its case's trigger with it: rules and their saved forms. Pure."""

from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final, Literal, TypeVar

from maintenance import starting
from maintenance.limits import GarageLimits
from maintenance.model import AppointmentBody, Frozen, Read, write_appointment
from maintenance.slots import Slot
from maintenance.starting import Story
from maintenance.states import OPEN, AppointmentState, SlotState, step
from spine.facts.base import Base
from spine.facts.maintenance import AppointmentBooked, AppointmentFact, AppointmentMoved
from spine.ids import AppointmentId, CaseId, body_of, named_after
from spine.store import Saved, Write

F = TypeVar("F", bound=Base)
A, S = AppointmentState, SlotState
_UID: Final = 32
"""Hexadecimal digits: 128 bits."""

LIVING: Final = frozenset({A.BOOKED, A.RECEIVED})
"""Something is still to come of it; a case has at most one such."""

Why = Literal["owner", "agent", "garage", "garage_closed", "car_released", "slot_lost", "unheard"]
"""Why an appointment ended before its time: a code, never words of a person. ``unheard``: nobody said what became
of it."""


class Appointment(Frozen):
    """An appointment as it was read."""

    id: AppointmentId
    state: AppointmentState
    body: AppointmentBody

    @classmethod
    def of(cls, saved: Saved) -> "Appointment | None":
        """None where there is none, or only its tombstone."""
        if saved.version == 0 or saved.ended:
            return None
        return cls(
            id=AppointmentId(saved.id),
            state=AppointmentState(saved.state),
            body=AppointmentBody.model_validate_json(saved.body),
        )

    @property
    def living(self) -> bool:
        """Booked, or the car is at the garage."""
        return self.state in LIVING

    @property
    def uid(self) -> str:
        """Its entry's name in calendars; one that was sent under its own id keeps that for ever."""
        return self.body.uid or str(self.id)


def appointment_of(case: CaseId, n: int) -> AppointmentId:
    """The n-th appointment of a case."""
    return AppointmentId(named_after("apt", case, n))


def number_of(appointment: AppointmentId) -> int:
    """Which of its case's appointments it is."""
    return int(appointment.rpartition(".")[2])


def uid_of(appointment: AppointmentId) -> str:
    """What its entry in calendars is called: always the same, and nobody reads from it which car or case it is."""
    return sha256(b"calendar\0" + appointment.encode()).hexdigest()[:_UID]


def by_people(slot: Slot) -> bool:
    """Whether somebody of the car took this slot, signed in or by a mail's link; not an agent, garage or center."""
    return slot.body.by.startswith("per_")


def case_of(appointment: AppointmentId) -> CaseId:
    """The case an appointment is for."""
    return CaseId(f"cse_{body_of(appointment).rpartition('.')[0]}")


class Verdict(StrEnum):
    """What a booked slot comes to when it is compared with its case and appointment."""

    NOTHING = "nothing"
    """Nobody has it (any more)."""
    MAKE = "make"
    MOVE = "move"
    STANDS = "stands"
    FREE = "free"
    """Its case has another appointment, or wants none: the slot is given back."""


def verdict(
    slot: Slot | None, appointment: Appointment | None, case: Read | None, *, gone: bool = False
) -> Verdict:
    """The rule of the saga. The slot was taken first; whether its case takes it is decided here, once.

    A case takes one slot at a time: the appointment's number names the booking, and its ``sequence`` the change,
    so that of two slots taken at once, or of a change read late, only one fits. ``gone``: the appointment is
    but a tombstone.
    """
    if slot is None or slot.state is not S.BOOKED or slot.body.appointment is None:
        return Verdict.NOTHING
    if appointment is None:
        n = number_of(slot.body.appointment)
        wanted = (
            not gone
            and case is not None
            and case.state in OPEN
            and case.body.trigger.appointment is None
            and case.body.trigger.appointments + 1 == n
            and slot.body.sequence == 0
        )
        return Verdict.MAKE if wanted else Verdict.FREE
    if appointment.body.slot == slot.id:
        return Verdict.FREE if appointment.state is A.CANCELLED else Verdict.STANDS
    follows = appointment.state is A.BOOKED and slot.body.sequence == appointment.body.sequence + 1
    return Verdict.MOVE if follows else Verdict.FREE


def made(slot: Slot, case: Read, now: datetime) -> tuple[AppointmentBody, AppointmentFact, Story]:
    """The appointment that follows its slot, and its case, which follows both."""
    body, n = slot.body, case.body.trigger.appointments + 1
    appointment = appointment_of(case.id, n)
    booked = AppointmentBody(
        case=case.id,
        vehicle=case.body.vehicle,
        garage=body.garage,
        slot=slot.id,
        start=body.start,
        end=body.end,
        booked_by=body.by,
        booked_at=now,
        uid=uid_of(appointment),
    )
    story = Story(case.id, case.body, case.state, now)
    starting.book(story, appointment, n)
    story.trigger(held=None, why="booked")
    return booked, _told(AppointmentBooked, appointment, booked, now), story


def moved(slot: Slot, appointment: Appointment, now: datetime) -> tuple[AppointmentBody, AppointmentFact]:
    """The same appointment at another slot, perhaps of another garage."""
    former, body = appointment.body.slot, slot.body
    there = appointment.body.but(
        garage=body.garage, slot=slot.id, start=body.start, end=body.end, sequence=body.sequence,
        moves=appointment.body.moves + by_people(slot),
    )  # fmt: skip
    return there, _told(AppointmentMoved, appointment.id, there, now, former=former)


def changed(kind: type[F], appointment: Appointment, now: datetime, **more: object) -> F:
    """A fact about an appointment as it stands, with its next invitation's number where that goes out."""
    return _told(kind, appointment.id, appointment.body, now, **more)


def write(
    before: AppointmentState,
    body: AppointmentBody,
    facts: tuple[Base, ...],
    now: datetime,
    limits: GarageLimits,
) -> Write:
    """An appointment as saved after ``facts``, with the moment it is looked at next. Raises ``StepNotAllowed``."""
    state = step(before, *facts)
    match state:
        case A.BOOKED:
            wake = body.end + limits.unheard_booked
        case A.RECEIVED:
            wake = max(body.end, now) + limits.unheard_received
        case _:
            wake = now + limits.appointment_kept
    return write_appointment(state, body, wake)


def _told(
    kind: type[F], appointment: AppointmentId, body: AppointmentBody, now: datetime, **more: object
) -> F:
    said = {
        "at": now,
        "appointment": appointment,
        "case": body.case,
        "vehicle": body.vehicle,
        "garage": body.garage,
        "slot": body.slot,
        "start": body.start,
        "sequence": body.sequence,
        **more,
    }
    return kind.model_validate(said)
