"""What is kept of a garage and of its bays: bodies of subjects ``gar_`` and ``bay_``. Pure."""

from datetime import time, timedelta
from itertools import pairwise
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator

from maintenance.model import Frozen
from maintenance.systems import SYSTEMS
from people.model import Email, Name
from spine.ids import GarageId, named_after
from spine.store import Saved, Write

ACTIVE: Final = "active"
REMOVED: Final = "removed"
KEPT: Final = "kept"

Language = Literal["en", "nl", "de", "sv"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME: Final = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"

Clock24 = Annotated[str, StringConstraints(pattern=_TIME)]
"""``HH:MM`` in the garage's zone; ``24:00`` is the end of the day."""


class Opening(Frozen):
    """Open from ``start`` to ``end`` of one day, in the garage's zone."""

    start: Clock24
    end: Clock24

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start or self.start == "24:00":
            raise ValueError("an opening ends later than it starts, on the same day")
        return self


Hours = dict[Day, tuple[Opening, ...]]


class Details(Frozen):
    """What a garage says of itself: what its appointments are made of.

    ``systems``: of a car that it serves; none named: all. ``minutes``: the length of an appointment.
    ``notice_minutes``: nobody books later than this before a slot starts.
    """

    name: Name
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    zone: Annotated[str, StringConstraints(max_length=64)] = "Europe/Amsterdam"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "NL"
    mail: Email
    languages: Annotated[tuple[Language, ...], Field(min_length=1, max_length=4)] = ("en",)
    systems: Annotated[tuple[str, ...], Field(max_length=40)] = ()
    bays: Annotated[int, Field(ge=1, le=99)] = 1
    hours: Hours = Field(default_factory=dict)
    minutes: Annotated[int, Field(ge=10, le=720)] = 60
    notice_minutes: Annotated[int, Field(ge=0, le=40_320)] = 120

    @field_validator("address")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if any(ord(each) < 32 or 127 <= ord(each) < 160 or each in "\u2028\u2029" for each in text):
            raise ValueError("one line, without control characters")
        return text

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
            raise ValueError("a zone of the IANA time zone database, such as Europe/Amsterdam") from unknown
        return name

    @field_validator("systems")
    @classmethod
    def _known_systems(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        if not set(named) <= SYSTEMS:
            raise ValueError(f"systems are: {', '.join(sorted(SYSTEMS))}")
        return named

    @field_validator("hours")
    @classmethod
    def _apart(cls, hours: Hours) -> Hours:
        for day, openings in hours.items():
            ordered = sorted(openings, key=lambda one: one.start)
            if len(openings) > 4 or any(a.end > b.start for a, b in pairwise(ordered)):
                raise ValueError(f"{day}: at most four openings that do not overlap")
        return hours

    @property
    def length(self) -> timedelta:
        """How long an appointment takes."""
        return timedelta(minutes=self.minutes)

    @property
    def notice(self) -> timedelta:
        """How long before its start a slot can be booked at the latest."""
        return timedelta(minutes=self.notice_minutes)

    def serves(self, system: str) -> bool:
        """Whether it works on this system of a car."""
        return not self.systems or system in self.systems


class GarageBody(Frozen):
    """A garage. Its token is kept by hash only; ``epoch`` goes up when every link given out is to die."""

    details: Details
    hash: str
    made_at: AwareDatetime
    epoch: int = 0
    made_until: AwareDatetime | None = None
    """Up to where the opening hours were made into slots."""


class Garage(Frozen):
    """A garage as it was read."""

    id: GarageId
    body: GarageBody

    @property
    def details(self) -> Details:
        """What it says of itself."""
        return self.body.details

    @property
    def zone(self) -> ZoneInfo:
        """Its clock on the wall."""
        return ZoneInfo(self.body.details.zone)

    @classmethod
    def of(cls, saved: Saved) -> "Garage | None":
        """None where there is none (any more)."""
        if saved.version == 0 or saved.ended or saved.state != ACTIVE:
            return None
        return cls(id=GarageId(saved.id), body=GarageBody.model_validate_json(saved.body))


class BayBody(Frozen):
    """Subject ``bay_<garage body>.<bay>``: which slots a bay has, so that no two of them ever overlap.

    ``slots``: start and end in epoch seconds, in order. Who has one is in the slot alone.
    """

    slots: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, saved: Saved) -> "BayBody":
        """None published: an empty bay."""
        return cls() if saved.version == 0 or saved.ended else cls.model_validate_json(saved.body)

    def write(self) -> Write:
        """The saved form."""
        return Write(KEPT, self.model_dump_json())

    def fits(self, start: int, end: int) -> bool:
        """Whether a slot from ``start`` to ``end`` overlaps none that is there."""
        return all(end <= one[0] or one[1] <= start for one in self.slots)

    def plus(self, *added: tuple[int, int]) -> "BayBody":
        """With these slots."""
        return BayBody(slots=tuple(sorted({*self.slots, *added})))

    def minus(self, *starts: int) -> "BayBody":
        """Without the slots that start then."""
        return BayBody(slots=tuple(one for one in self.slots if one[0] not in starts))


def bay_of(garage: GarageId, bay: int) -> str:
    """The subject of a garage's bay."""
    return named_after("bay", garage, bay)


def minute_of(text: str) -> timedelta:
    """``HH:MM`` as the time since midnight."""
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def clock_of(text: str) -> tuple[int, time]:
    """``HH:MM`` as days and a time of day: ``24:00`` is midnight of the next day."""
    return (1, time()) if text == "24:00" else (0, time.fromisoformat(text))
