"""What owners and garages read about appointments, in four languages, from ``texts/visits_*.toml``. Pure but for those."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo

from maintenance.explaining import Language, about_system
from maintenance.garage_model import Garage
from spine.ids import ALPHABET, AppointmentId

_REFERENCE: Final = 6


@dataclass(frozen=True, slots=True)
class Said:
    """A text, ready to be sent."""

    subject: str = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)


def reference_of(appointment: AppointmentId) -> str:
    """What people call an appointment: six characters that tell nothing about the car."""
    number = int.from_bytes(sha256(appointment.encode()).digest()[:8])
    return "".join(ALPHABET[number >> (5 * n) & 31] for n in range(_REFERENCE)).upper()


def moment(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """A time on the garage's wall: ``Mon 6 May 2030, 10:00``."""
    here, words = at.astimezone(zone), _texts(language)
    day, month = words["days"][here.weekday()], words["months"][here.month - 1]
    return f"{day} {here.day} {month} {here.year}, {here:%H:%M}"


def hour(at: datetime, zone: ZoneInfo) -> str:
    """``10:00`` on the garage's wall, under the heading of its day."""
    return f"{at.astimezone(zone):%H:%M}"


def day(at: datetime, zone: ZoneInfo, language: Language) -> str:
    """``Mon 6 May 2030``: the heading of a day's times."""
    return moment(at, zone, language).rpartition(", ")[0]


def say(
    text: str,
    language: Language,
    *,
    garage: Garage | None,
    appointment: AppointmentId | None,
    start: datetime | None,
    system: str,
) -> Said:
    """One of the texts (``owner.booked``, ``garage.cancelled``, ...) with what it is about."""
    whom, _, what = text.partition(".")
    words = _texts(language)[whom][what]
    values = {
        "garage": garage.details.name if garage else "-",
        "address": garage.details.address if garage else "",
        "when": moment(start, garage.zone if garage else ZoneInfo("UTC"), language) if start else "",
        "reference": reference_of(appointment) if appointment else "",
        "about": about_system(system, language) if system else "",
    }
    lines = (line.format_map(values) for line in words["lines"])
    return Said(words["subject"].format_map(values), tuple(line for line in lines if line))


def word(name: str, language: Language, **values: str) -> str:
    """A single label."""
    text: str = _texts(language)[name]
    return text.format_map(values)


def every(language: Language) -> Mapping[str, Any]:
    """All of a language's texts, as they stand in the file."""
    return _texts(language)


@cache
def _texts(language: Language) -> dict[str, Any]:
    return tomllib.loads(files("maintenance").joinpath("texts", f"visits_{language}.toml").read_text("utf-8"))
