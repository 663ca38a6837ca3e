"""What is said when a garage, slot or appointment is not to be had: public codes, never renamed."""

from collections.abc import Sequence
from typing import Any, ClassVar

from spine.problems import Kind, Problem


class NoSuchGarage(Problem):
    """There is no such garage (any more)."""

    code: ClassVar[str] = "garage.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class NoSuchSlot(Problem):
    """There is no such slot, or it is another garage's: both alike."""

    code: ClassVar[str] = "slot.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class NoSuchAppointment(Problem):
    """There is no such appointment, or it is not the asker's to see: both alike."""

    code: ClassVar[str] = "appointment.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class _NotToBeHad(Problem):
    """``alternatives``: free slots at that moment, soonest first, as JSON."""

    kind: ClassVar[Kind] = Kind.CONFLICT

    def __init__(self, detail: str, alternatives: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(detail)
        self.alternatives = list(alternatives)

    @property
    def members(self) -> dict[str, Any]:
        """Further members of the answer (RFC 9457)."""
        return {"alternatives": self.alternatives}


class SlotTaken(_NotToBeHad):
    """Somebody else has this slot, or holds it at the moment."""

    code: ClassVar[str] = "slot.taken"


class SlotTooSoon(_NotToBeHad):
    """It lies in the past, or starts sooner than the garage wants to know of it."""

    code: ClassVar[str] = "slot.too_soon"


class SlotUnfit(Problem):
    """A slot that cannot be published like this: it overlaps another of its bay, or lies in the past."""

    code: ClassVar[str] = "slot.unfit"
    kind: ClassVar[Kind] = Kind.INVALID


class SlotInUse(Problem):
    """Only a free slot can be withdrawn: whoever has this one is told first, by cancelling."""

    code: ClassVar[str] = "slot.in_use"
    kind: ClassVar[Kind] = Kind.CONFLICT


class AlreadyBooked(Problem):
    """The case has an appointment, which can be moved or cancelled; there is never a second one."""

    code: ClassVar[str] = "case.already_booked"
    kind: ClassVar[Kind] = Kind.CONFLICT


class BookedTooOften(Problem):
    """The case was booked and cancelled as often as it may be in a day; each time a garage and people are mailed."""

    code: ClassVar[str] = "case.booked_too_often"
    kind: ClassVar[Kind] = Kind.TOO_MANY
    try_again: ClassVar[bool] = True


class MovedTooOften(Problem):
    """The people of the car moved it as often as they may; each time a garage and people are mailed."""

    code: ClassVar[str] = "appointment.moved_too_often"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NotBookable(Problem):
    """Nothing is to be booked for this case: it is closed, or it is no fault of a car."""

    code: ClassVar[str] = "case.not_bookable"
    kind: ClassVar[Kind] = Kind.CONFLICT


class AppointmentChanged(Problem):
    """It was moved or ended by somebody else meanwhile: look at it again."""

    code: ClassVar[str] = "appointment.changed"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TooEarly(Problem):
    """This can only be said of an appointment once its time has come."""

    code: ClassVar[str] = "appointment.too_early"
    kind: ClassVar[Kind] = Kind.CONFLICT


class LinkUsed(Problem):
    """The link was for an appointment that is over, or for another one: it only shows how things stand."""

    code: ClassVar[str] = "booking.link_used"
    kind: ClassVar[Kind] = Kind.GONE


class LinkNotGood(Problem):
    """The link is not known, too old, or newer ones replaced it."""

    code: ClassVar[str] = "booking.link"
    kind: ClassVar[Kind] = Kind.NOT_FOUND
