"""Slots: which ones opening hours make, when one may be taken, and when it has to be looked at again. Pure."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from maintenance.garage_model import DAYS, Details, Garage, clock_of
from maintenance.limits import GarageLimits
from maintenance.model import Frozen, SlotBody, write_slot
from maintenance.states import SlotState, step
from spine.facts.base import Base
from spine.ids import GarageId, NotAnId, SlotId, body_of, named_after, partition_of, prefix_of
from spine.store import Saved, Write

S = SlotState
_PARTS: Final = 3


class Slot(Frozen):
    """A slot as it was read."""

    id: SlotId
    state: SlotState
    body: SlotBody

    @classmethod
    def of(cls, saved: Saved) -> "Slot | None":
        """None where there is none, or only its tombstone."""
        if saved.version == 0 or saved.ended:
            return None
        return cls(
            id=SlotId(saved.id), state=SlotState(saved.state), body=SlotBody.model_validate_json(saved.body)
        )

    def free_for(self, case: str, now: datetime) -> bool:
        """Whether this case can have it, as far as others go: free, held by itself, or another's hold is over."""
        if self.state is S.HELD:
            held_until = self.body.held_until
            return self.body.case == case or held_until is None or held_until <= now
        return self.state is S.FREE

    def in_time(self, garage: Garage, now: datetime, *, notice: bool = True) -> bool:
        """Whether it starts late enough: never in the past, and not within the garage's notice."""
        return self.body.start > now + (garage.details.notice if notice else timedelta())


def slot_id(garage: GarageId, bay: int, start: datetime) -> SlotId:
    """The one id a bay's slot of this start has."""
    return SlotId(named_after("slt", garage, bay, int(start.timestamp())))


def garage_of(slot: SlotId) -> GarageId:
    """Whose slot it is. Raises ``NotAnId``."""
    parts = body_of(slot).split(".") if "_" in slot else []
    if prefix_of(slot) != "slt" or len(parts) != _PARTS or not (parts[1] + parts[2]).isdecimal():
        raise NotAnId(slot[:90])
    partition_of(slot)
    return GarageId(f"gar_{parts[0]}")


def bay_in(slot: SlotId) -> int:
    """Which of the garage's bays it is of; for an id that ``garage_of`` takes."""
    return int(body_of(slot).split(".")[1])


def fits(garage: Garage, body: SlotBody) -> bool:
    """Whether the opening hours and bays have this slot, as they are now."""
    day = body.start.astimezone(garage.zone).date()
    return body.bay <= garage.details.bays and (body.start, body.end) in made_of(garage.details, day)


def openings(details: Details, day: date) -> Iterator[tuple[datetime, datetime]]:
    """When a garage is open on a day of its calendar, in UTC: the clock on its wall decides, also at its changes."""
    zone = ZoneInfo(details.zone)
    for one in sorted(details.hours.get(DAYS[day.weekday()], ()), key=lambda each: each.start):
        (days, start), (more, end) = clock_of(one.start), clock_of(one.end)
        begins = datetime.combine(day + timedelta(days=days), start, zone).astimezone(UTC)
        ends = datetime.combine(day + timedelta(days=more), end, zone).astimezone(UTC)
        if begins < ends:  # an opening that a change of the clocks leaves out is none
            yield begins, ends


def made_of(details: Details, day: date) -> Iterator[tuple[datetime, datetime]]:
    """The slots of a day, start and end in UTC: as many whole appointments as fit into each opening."""
    for begins, ends in openings(details, day):
        start = begins
        while start + details.length <= ends:
            yield start, start + details.length
            start += details.length


def wake(state: SlotState, body: SlotBody, limits: GarageLimits) -> datetime:
    """When time alone changes a slot next: its hold ends, it is compared with its appointment, it is forgotten."""
    if state is S.HELD and body.held_until is not None:
        return body.held_until
    if state is S.BOOKED and body.settle_at is not None:
        return body.settle_at
    return body.end + limits.slot_kept


def written(before: SlotState, body: SlotBody, facts: tuple[Base, ...], limits: GarageLimits) -> Write:
    """A slot as saved after ``facts``. Raises ``StepNotAllowed``."""
    state = step(before, *facts)
    return write_slot(state, body, wake(state, body, limits))


def emptied(body: SlotBody) -> SlotBody:
    """The same slot, and nobody has it."""
    return body.but(case=None, held_until=None, appointment=None, by="", sequence=0, settle_at=None)
