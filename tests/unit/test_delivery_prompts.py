"""Hours in a place's own time, quiet ones too, and which question is mailed now or later."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery.hours import Hours, Quiet
from delivery.model import Window
from delivery.prompts import PromptsBody, later_than
from delivery.states import State
from spine.ids import DeliveryId
from tests.delivery_world import HOUR, LIMITS, MINUTE, NOW, read

OFFICE = Hours(days=("mon", "sun"), start="09:00", end="17:00", zone="Europe/Berlin")
NIGHT = Quiet(start="22:00", end="07:00", zone="Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        ("2030-05-06T07:00", "2030-05-06T15:00", True),  # a Monday, in summer two hours ahead of UTC
        ("2030-05-06T06:59", "2030-05-06T08:00", False),
        ("2030-05-06T14:00", "2030-05-06T15:01", False),
        ("2030-05-07T08:00", "2030-05-07T09:00", False),  # a Tuesday
        ("2030-01-07T08:00", "2030-01-07T16:00", True),  # in winter one hour
        ("2030-03-31T07:00", "2030-03-31T08:00", True),  # the Sunday on which the clocks went forward
        ("2030-05-05T14:00", "2030-05-06T08:00", False),  # over a night
    ],
)
def test_hours_are_local(start: str, end: str, *, holds: bool) -> None:
    assert OFFICE.hold(Window(start=at(start), end=at(end))) is holds


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2030-05-06T20:00", "2030-05-07T05:00"),
        ("2030-05-07T04:59", "2030-05-07T05:00"),
        ("2030-05-07T05:00", None),
        ("2030-05-06T19:59", None),
        ("2030-10-26T21:00", "2030-10-27T06:00"),  # the night in which the clocks go back
    ],
)
def test_quiet_ends_in_the_morning_of_its_place(now: str, until: str | None) -> None:
    assert NIGHT.until(at(now)) == (at(until) if until else None)


def asked(**changes: object):  # type: ignore[no-untyped-def]
    return read(State.ASKED, approval=None, **changes)


def test_three_in_an_hour_then_at_its_end() -> None:
    sent = {DeliveryId(f"dlv_{n}"): NOW - n * 10 * MINUTE for n in range(2)}
    body = PromptsBody(sent=sent)
    assert later_than(body, asked(), None, NOW, LIMITS) is None
    body = PromptsBody(sent={**sent, DeliveryId("dlv_9"): NOW - 50 * MINUTE})
    assert later_than(body, asked(), None, NOW, LIMITS) is None, "another carrier's flood is not this one's"
    body = body.but(by={DeliveryId("dlv_1"): asked().body.carrier})
    assert later_than(body, asked(), None, NOW, LIMITS) == NOW + 10 * MINUTE
    assert later_than(body, asked(), None, NOW + 10 * MINUTE, LIMITS) is None


def test_nobody_is_woken_unless_it_cannot_wait() -> None:
    night = at("2030-05-06T23:00")
    morning = at("2030-05-07T05:00")
    window = Window(start=morning + 3 * HOUR, end=morning + 5 * HOUR)
    can_wait = asked(window=window, approve_by=morning + 3 * HOUR)
    assert later_than(PromptsBody(), can_wait, NIGHT, night, LIMITS) == morning
    soon = asked(window=window, approve_by=morning + timedelta(minutes=30))
    assert later_than(PromptsBody(), soon, NIGHT, night, LIMITS) is None
    assert later_than(PromptsBody(), can_wait, NIGHT, morning, LIMITS) is None
