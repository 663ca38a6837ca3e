"""Garages, their slots, and appointments: who has which bay when, and what became of it."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from spine.facts.base import Base
from spine.ids import AppointmentId, CaseId, GarageId, SlotId, VehicleId


class _Garage(Base):
    about: ClassVar[str] = "garage"
    garage: GarageId


class GarageMade(_Garage):
    kind: Literal["garage.made"] = "garage.made"


class GarageChanged(_Garage):
    """Its hours, bays, address, mail or token."""

    kind: Literal["garage.changed"] = "garage.changed"


class GarageRemoved(_Garage):
    kind: Literal["garage.removed"] = "garage.removed"


class _Slot(Base):
    about: ClassVar[str] = "slot"
    slot: SlotId
    garage: GarageId
    start: AwareDatetime
    end: AwareDatetime


class SlotPublished(_Slot):
    kind: Literal["slot.published"] = "slot.published"


class SlotHeld(_Slot):
    """The scarce thing is taken first: this commit is the truth of who has it (until ``until``)."""

    kind: Literal["slot.held"] = "slot.held"
    case: CaseId
    until: AwareDatetime


class SlotBooked(_Slot):
    """``appointment`` follows through the log. ``by``: the owner, an agent, the garage, a contact center."""

    kind: Literal["slot.booked"] = "slot.booked"
    case: CaseId
    appointment: AppointmentId
    by: str
    sequence: int = 0
    """0: a new appointment; n: the existing one moves here, with its n-th change."""


class SlotFreed(_Slot):
    """``why``: ``expired``, ``released``, ``moved``, ``cancelled``, ``refused`` (its case has another one)."""

    kind: Literal["slot.freed"] = "slot.freed"
    case: CaseId
    why: str


class SlotWithdrawn(_Slot):
    """The garage takes it back: it was free."""

    kind: Literal["slot.withdrawn"] = "slot.withdrawn"


class _Appointment(Base):
    about: ClassVar[str] = "appointment"
    appointment: AppointmentId
    case: CaseId
    vehicle: VehicleId
    garage: GarageId
    slot: SlotId
    start: AwareDatetime
    sequence: int
    """iCalendar's SEQUENCE of the invitation that says so."""


class AppointmentBooked(_Appointment):
    kind: Literal["appointment.booked"] = "appointment.booked"


class AppointmentMoved(_Appointment):
    """``slot`` and ``start`` are the new ones."""

    kind: Literal["appointment.moved"] = "appointment.moved"
    former: SlotId


class AppointmentCancelled(_Appointment):
    kind: Literal["appointment.cancelled"] = "appointment.cancelled"
    by: str
    why: str = ""


class AppointmentNoShow(_Appointment):
    kind: Literal["appointment.no_show"] = "appointment.no_show"


class AppointmentReceived(_Appointment):
    """The car is at the garage."""

    kind: Literal["appointment.received"] = "appointment.received"


class AppointmentDone(_Appointment):
    """The garage has finished: one proven clean scan closes the case now."""

    kind: Literal["appointment.done"] = "appointment.done"


SlotFact = SlotPublished | SlotHeld | SlotBooked | SlotFreed | SlotWithdrawn
AppointmentFact = (
    AppointmentBooked
    | AppointmentMoved
    | AppointmentCancelled
    | AppointmentNoShow
    | AppointmentReceived
    | AppointmentDone
)
