"""Invitations to an appointment: one iCalendar object (RFC 5545) with the method of RFC 5546, as text.

Times are UTC, so that no calendar has to know a zone. The UID never changes and SEQUENCE grows with each change:
a calendar finds the entry it has, and never goes back to an older one.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

Method = Literal["REQUEST", "CANCEL"]

_PRODUCT: Final = "-//Trunkline//Garage visits//EN"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody in an invitation."""

    name: str = field(repr=False)
    mail: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands in the calendar. ``uid``: its name before the ``@``; ``stamp``: when this invitation is written."""

    uid: str
    sequence: int
    start: datetime
    end: datetime
    stamp: datetime
    summary: str = field(repr=False)
    description: str = field(repr=False)
    location: str = field(repr=False)
    organizer: Party
    attendee: Party
    language: str = "en"


def invitation(entry: Entry, method: Method, *, host: str) -> str:
    """The object as it is mailed: folded lines that end in CRLF, text escaped. ``host``: of this installation."""
    from icalendar import Calendar, Event, vCalAddress, vText

    event = Event()
    event.add("uid", f"{entry.uid}@{host}")
    event.add("sequence", entry.sequence)
    event.add("dtstamp", entry.stamp)
    event.add("dtstart", entry.start)
    event.add("dtend", entry.end)
    event.add("summary", _line(entry.summary), parameters={"LANGUAGE": entry.language})
    event.add("description", entry.description)
    event.add("location", _line(entry.location))
    event.add("status", "CANCELLED" if method == "CANCEL" else "CONFIRMED")
    event.add("transp", "OPAQUE")
    organizer = vCalAddress(f"mailto:{entry.organizer.mail}")
    organizer.params["CN"] = vText(_name(entry.organizer.name))
    event["organizer"] = organizer
    attendee = vCalAddress(f"mailto:{entry.attendee.mail}")
    attendee.params["CN"] = vText(_name(entry.attendee.name))
    attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
    attendee.params["PARTSTAT"] = vText("ACCEPTED")
    attendee.params["RSVP"] = vText("FALSE")
    event.add("attendee", attendee, encode=False)
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", method)
    calendar.add_component(event)
    text: str = calendar.to_ical().decode()
    return text


def _line(text: str) -> str:
    """One line, whatever stands in it."""
    return " ".join(text.split())


def _name(text: str) -> str:
    """A parameter's value holds no quotation mark and no control character (RFC 5545, 3.2)."""
    return _line(text).replace('"', "'") or "-"
