"""Time in the car: it does not go back, jumps ahead only a little, and says when it does not know."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.unit_rig import T0, FakeTime
from vehicle_unit.clock import SystemTime, UnitClock
from vehicle_unit.limits import UnitLimits

LIMITS = UnitLimits()


def clock(time: FakeTime, floor: int = 0) -> UnitClock:
    return UnitClock(time, floor=floor, limits=LIMITS)


def test_follows_the_wall_clock_while_they_agree() -> None:
    time = FakeTime()
    made = clock(time)
    for _ in range(100):
        time.pass_by(3_600)
        time.now += 0.05
        reading = made.read()
        assert reading.state == "synced"
        assert abs(reading.at - time.now * 1000) < 1_000
        assert reading.u < 1_000


def test_a_wall_clock_set_back_is_not_followed() -> None:
    time = FakeTime()
    made = clock(time)
    time.pass_by(100)
    time.now -= 86_400
    reading = made.read()
    assert reading.state == "holdover"
    assert reading.at == (T0 + 100) * 1000


def test_a_wall_clock_far_ahead_moves_us_a_minute_a_day_and_costs_certainty() -> None:
    time = FakeTime()
    made = clock(time)
    time.now += 86_400
    made.read()
    reading = made.read()
    assert reading.at == (T0 + 60) * 1000
    assert reading.u >= 60_000
    time.up += 86_401
    time.now += 86_401
    assert made.read().at <= (T0 + 86_401 + 120) * 1000 + 1


def test_behind_the_floor_it_is_unset_until_the_wall_clock_has_passed_it() -> None:
    time = FakeTime()
    made = clock(time, floor=T0 + 500)
    assert made.read().state == "unset"
    assert made.read().at >= (T0 + 500) * 1000
    time.now += 1_000
    assert made.read().state == "synced"


def test_a_signed_time_far_ahead_shows_that_we_are_behind() -> None:
    time = FakeTime()
    made = clock(time)
    made.hear(T0 + 3_600)
    assert made.read().state == "unset"
    time.now = T0 + 3_610  # now the wall clock agrees with what was signed
    assert made.read().state == "synced"
    assert made.read().at == (T0 + 3_610) * 1000


def test_doubt_grows_with_drift_when_left_alone() -> None:
    time = FakeTime()
    made = clock(time)
    time.now -= 1_000
    time.up += 86_400
    assert 8_000 < made.read().u < 9_500


@given(st.lists(st.tuples(st.floats(0, 10_000), st.floats(-1e6, 1e6)), max_size=30))
def test_never_goes_back_whatever_is_done_to_the_wall_clock(steps: list[tuple[float, float]]) -> None:
    time = FakeTime()
    made = clock(time)
    last = made.read().at
    for seconds, jump in steps:
        time.up += seconds
        time.now += jump
        reading = made.read()
        # what drift allows is all that a clock may be put back by
        assert reading.at >= last - 2 * LIMITS.drift_ppm / 1e6 * time.up * 1000
        last = reading.at


def test_the_system_has_both_clocks() -> None:
    time = SystemTime()
    assert time.wall() > 1e9
    assert time.uptime() > 0
