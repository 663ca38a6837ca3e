"""Calling windows: Sundays, days of 23 and 25 hours, zones that change at midnight, halves and following days."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maintenance.desk_windows import countries, local_day, window_of
from tests.desk_cases import calls, unchecked

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def at(text: str, zone: str = "Europe/Amsterdam") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_the_default_is_nine_to_twenty_from_monday_to_saturday() -> None:
    window = window_of(calls())
    for text, is_open in {
        "2030-05-06T08:59:59": False, "2030-05-06T09:00:00": True, "2030-05-06T19:59:59": True,
        "2030-05-06T20:00:00": False, "2030-05-11T12:00:00": True, "2030-05-12T12:00:00": False,
    }.items():  # fmt: skip
        assert window.is_open(at(text)) is is_open, text
    assert window.next_open(at("2030-05-11T20:00:00")) == at("2030-05-13T09:00:00"), "over Sunday"
    assert window.next_open(at("2030-05-06T11:00:00")) == at("2030-05-06T11:00:00")


def test_when_it_closes() -> None:
    window = window_of(calls())
    assert window.closes(at("2030-05-06T11:00:00")) == at("2030-05-06T20:00:00")
    assert window.closes(at("2030-05-06T20:00:00")) == at("2030-05-06T20:00:00"), "shut"
    night = window_of(calls(hours=("22:00", "02:00")))
    assert night.closes(at("2030-05-07T01:00:00")) == at("2030-05-07T02:00:00")
    always = window_of(calls(hours=("00:00", "00:00")))
    assert always.closes(at("2030-05-06T11:00:00")) == at("2030-05-12T00:00:00"), "Monday to Saturday on end"


def test_every_country_of_the_table_has_a_rule_and_its_source() -> None:
    assert {"NL", "DE", "SE", "BE", "AT", "FR", "DK", "NO", "FI", "GB", "IE", "LU", "PL", "ES", "IT"} <= set(
        countries()
    )
    for country in countries():
        window = window_of(unchecked(country=country, zone="nowhere"))
        assert window.source
        assert window.zone.key != "Europe/Amsterdam" or country == "NL"
        assert not window.is_open(at("2030-05-12T12:00:00", window.zone.key)), "a Sunday"
        assert not window.is_open(at("2030-05-07T08:30:00", window.zone.key))
        assert not window.is_open(at("2030-05-07T20:30:00", window.zone.key))


def test_stricter_countries() -> None:
    france = window_of(calls(country="FR", zone="Europe/Paris"))
    assert [france.is_open(at(f"2030-05-07T{hour}:30:00")) for hour in ("09", "10", "13", "14", "19")] == [
        False, True, False, True, True,
    ]  # fmt: skip
    for country in ("FR", "NO", "ES"):
        assert not window_of(calls(country=country)).is_open(at("2030-05-11T12:00:00")), "a Saturday"
    italy = window_of(calls(country="IT"))
    assert [italy.is_open(at(f"2030-05-11T{hour}:30:00")) for hour in ("09", "10", "18", "19")] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(("country", "zone", "feast"), [
    ("FR", "Europe/Paris", "2030-05-08"), ("NO", "Europe/Oslo", "2030-05-17"), ("ES", "Europe/Madrid", "2030-11-01"),
    ("IT", "Europe/Rome", "2030-04-25"),
])  # fmt: skip
def test_no_calls_on_public_holidays_where_the_countrys_rule_says_so(
    country: str, zone: str, feast: str
) -> None:
    window = window_of(calls(country=country, zone=zone))
    day = date.fromisoformat(feast)
    before = day - timedelta(days=1)
    assert day.isoweekday() < 6
    assert not window.is_open(at(f"{day}T11:00:00", zone))
    assert window.is_open(at(f"{before}T11:00:00", zone))
    assert local_day(window.zone, window.next_open(at(f"{day}T08:00:00", zone))) > day
    own = window_of(calls(country=country, zone=zone, hours=("08:00", "21:00")))
    assert not own.is_open(at(f"{day}T11:00:00", zone)), "nor in hours of one's own"
    assert window_of(calls(country="NL")).is_open(at("2030-12-25T11:00:00")), (
        "where no rule of the country says so"
    )


def test_the_day_before_a_holiday_is_a_saturday_in_italy() -> None:
    window = window_of(calls(country="IT", zone="Europe/Rome"))
    assert [window.is_open(at(f"2030-04-24T{hour}:30:00", "Europe/Rome")) for hour in ("09", "10", "18", "19")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert window.is_open(at("2030-04-23T19:30:00", "Europe/Rome"))


def test_the_owners_own_hours_in_their_own_zone() -> None:
    window = window_of(calls(hours=("18:00", "21:30"), zone="Europe/Helsinki", country="FI"))
    assert window.is_open(at("2030-05-07T20:30:00", "Europe/Helsinki"))
    assert not window.is_open(at("2030-05-07T12:00:00", "Europe/Helsinki"))
    assert window.source == "owner"
    broken = window_of(unchecked(hours=("25:00", "soon"), zone="../etc/passwd", country="ZZ"))
    assert broken.is_open(at("2030-05-07T12:00:00")), "what cannot be read is the country's, or the default"
    assert window_of(None).is_open(at("2030-05-07T12:00:00"))


def test_hours_over_midnight() -> None:
    window = window_of(calls(hours=("22:00", "02:00")))
    assert window.is_open(at("2030-05-07T23:00:00"))
    assert window.is_open(at("2030-05-08T01:59:00"))
    assert not window.is_open(at("2030-05-08T02:00:00"))
    assert window.is_open(at("2030-05-12T01:00:00")), "Saturday's part ends on Sunday"
    assert not window.is_open(at("2030-05-12T23:00:00"))


def test_a_day_of_23_hours_and_one_of_25() -> None:
    # 31 March 2030 and 27 October 2030 are Sundays: the hours of a person who wants calls at night begin on Saturday.
    window = window_of(calls(hours=("23:00", "03:30")))
    (short,) = window.on(date(2030, 3, 30))
    assert short[1] - short[0] == timedelta(hours=3, minutes=30)
    (long,) = window.on(date(2030, 10, 26))
    assert long[1] - long[0] == timedelta(hours=5, minutes=30)
    left_out = window_of(calls(hours=("02:15", "02:45")))
    assert list(left_out.on(date(2030, 3, 30))) != []
    day = window_of(calls())
    monday = day.next_open(at("2030-03-30T20:00:00"))
    assert monday == datetime(2030, 4, 1, 7, 0, tzinfo=UTC), "summer time: 9:00 is 7:00 UTC"
    assert day.after_days(at("2030-03-29T10:00:00"), 3) == datetime(2030, 4, 1, 8, 0, tzinfo=UTC)


def test_a_zone_that_changes_its_clock_at_midnight() -> None:
    zone = "America/Havana"  # on 10 March 2024 0:00 became 1:00
    window = window_of(calls(hours=("00:00", "06:00"), zone=zone))
    (part,) = window.on(date(2024, 3, 9))
    assert part[1] - part[0] == timedelta(hours=6)
    assert local_day(ZoneInfo(zone), at("2024-03-11T00:00:00", zone)) == date(2024, 3, 11)
    assert window.next_open(at("2024-03-10T12:00:00", zone)) == at("2024-03-11T00:00:00", zone)


def test_the_other_half_of_the_next_day() -> None:
    window = window_of(calls())
    assert window.other_half(at("2030-05-07T10:00:00")) == at("2030-05-08T14:30:00")
    assert window.other_half(at("2030-05-07T15:00:00")) == at("2030-05-08T09:00:00")
    assert window.other_half(at("2030-05-11T10:00:00")) == at("2030-05-13T14:30:00"), "over Sunday"
    france = window_of(calls(country="FR", zone="Europe/Paris"))
    assert france.other_half(at("2030-05-14T10:30:00")) == at("2030-05-15T15:00:00")
    evening = window_of(calls(country="FR", zone="Europe/Paris", hours=("12:00", "14:00")))
    assert evening.other_half(at("2030-05-14T12:10:00")) == at("2030-05-15T13:00:00")


@given(
    st.integers(1_704_067_200, 1_956_528_000),
    st.sampled_from([*countries(), "ZZ"]),
    st.sampled_from(["Europe/Amsterdam", "Africa/Cairo", "America/Havana", "Asia/Kathmandu", "Pacific/Apia"]),
    st.none() | st.tuples(st.times(), st.times()).map(lambda t: (f"{t[0]:%H:%M}", f"{t[1]:%H:%M}")),
)
def test_what_comes_next_is_open_and_never_earlier(
    seconds: int, country: str, zone: str, hours: tuple[str, str] | None
) -> None:
    now, window = (
        datetime.fromtimestamp(seconds, UTC),
        window_of(calls(country=country, zone=zone, hours=hours)),
    )
    for moment in (window.next_open(now), window.other_half(now), window.after_days(now, 3)):
        assert window.is_open(moment)
        assert now <= moment <= now + timedelta(days=12)
    assert window.other_half(now) > now


@pytest.mark.parametrize("zone", ["", "Europe", "\x00", "x" * 500, "/etc/localtime"])
def test_a_zone_that_is_none(zone: str) -> None:
    assert window_of(unchecked(zone=zone, country="DE")).zone.key == "Europe/Berlin"


def test_a_promise_counts_open_time() -> None:
    window, half = window_of(calls()), timedelta(minutes=30)
    assert window.within(at("2030-05-07T10:00:00"), half) == at("2030-05-07T10:30:00")
    assert window.within(at("2030-05-07T19:50:00"), half) == at("2030-05-08T09:20:00")
    assert window.within(at("2030-05-11T22:00:00"), half) == at("2030-05-13T09:30:00")
    france = window_of(calls(country="FR", zone="Europe/Paris"))
    assert france.within(at("2030-05-07T12:45:00"), half) == at("2030-05-07T14:15:00")
