"""Time in the car: set by signed answers only, never back, ahead only a little, and unsure when it should be."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.unit_rig import T0, FakeTime
from vehicle_unit.clock import SystemTime, UnitClock
from vehicle_unit.limits import UnitLimits

LIMITS = UnitLimits()
DAY = 86_400


def clock(time: FakeTime, floor: int = 0, *, known: bool = True) -> UnitClock:
    made = UnitClock(time, floor=floor, limits=LIMITS)
    if known:
        assert made.prove(int(time.now), drawn=time.up)
    return made


def test_after_a_start_no_wall_clock_sets_it() -> None:
    time = FakeTime()
    made = clock(time, known=False)
    assert made.read().state == "unset"
    time.pass_by(DAY)
    assert made.read().state == "unset"
    assert made.now().timestamp() == T0 + DAY  # good enough for messages


def test_a_signed_answer_sets_it_to_the_round_trip() -> None:
    time = FakeTime()
    made = clock(time, known=False)
    drawn = time.up
    time.pass_by(4)
    assert made.prove(T0 + 1, drawn=drawn)
    reading = made.read()
    assert reading.state == "synced"
    assert (reading.at - reading.u, reading.at + reading.u) == ((T0 + 1) * 1000, (T0 + 1 + 5) * 1000)


def test_doubt_grows_with_drift_whatever_the_wall_clock_says() -> None:
    time = FakeTime()
    made = clock(time)
    for _ in range(24):
        time.pass_by(3_600)
        assert made.read().state == "synced"
    assert 9_000 < made.read().u < 9_500  # 8.64 s a day, and half the second that an answer leaves out
    time.pass_by(6 * DAY)
    assert made.read().u > 60_000


def test_a_wall_clock_set_back_is_not_followed() -> None:
    time = FakeTime()
    made = clock(time)
    time.pass_by(100)
    time.now -= DAY
    reading = made.read()
    assert reading.state == "holdover"
    assert reading.at - reading.u >= (T0 + 99) * 1000


def test_a_wall_clock_far_ahead_moves_us_a_minute_a_day_and_costs_certainty() -> None:
    time = FakeTime()
    made = clock(time)
    before = made.read()
    time.now += DAY
    made.read()
    reading = made.read()
    assert reading.state == "holdover"
    assert (reading.at, reading.u) == (before.at + 60_000, before.u + 60_000)
    time.up += DAY + 1
    time.now += DAY + 1
    assert made.read().at <= before.at + (DAY + 1 + 120) * 1000


def test_no_signed_answer_sets_it_below_the_floor() -> None:
    time = FakeTime()
    made = clock(time, floor=T0 + 61, known=False)
    assert not made.prove(T0, drawn=time.up)
    assert made.read().state == "unset"
    assert made.read().at >= (T0 + 61) * 1000
    near = clock(time, floor=T0 + 60, known=False)  # two clocks of the service may be that far apart
    assert near.prove(T0, drawn=time.up)
    assert near.read().at - near.read().u >= (T0 + 60) * 1000


def test_a_signed_time_far_ahead_shows_that_we_are_behind_until_an_answer_comes() -> None:
    time = FakeTime()
    made = clock(time)
    made.hear(T0 + 3_600)
    assert made.read().state == "unset"
    time.now = T0 + 3_610  # the wall clock agrees with what was signed, and that is not enough
    assert made.read().state == "unset"
    assert made.prove(T0 + 3_610, drawn=time.up)
    assert made.read().state == "synced"


Step = tuple[str, float, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wall", "hear", "answer", "floor"]), st.floats(0, 100_000), st.floats(-1e6, 1e6)
    ),
    max_size=30,
)


@given(STEPS)
def test_setting_any_clock_back_never_revives_a_key(steps: list[Step]) -> None:
    """The wall clock, the service's own clock, what is heard: what has expired stays so."""
    time = FakeTime()
    made = clock(time)
    last = made.read()
    floor = T0
    for kind, seconds, jump in steps:
        time.up += seconds
        time.now += jump
        match kind:
            case "hear":
                made.hear(int(T0 + jump))
            case "answer" if made.prove(int(max(T0 + jump, 0)), drawn=time.up - min(seconds, 30)):
                floor = max(floor, int(T0 + jump))
            case "floor":
                floor = max(floor, int(T0 + jump))
                made.raise_floor(int(max(T0 + jump, 0)))
            case _:
                pass
        reading = made.read()
        if reading.state == "unset":
            continue
        assert reading.at - reading.u >= last.at - last.u
        assert reading.at >= floor * 1000
        last = reading


@given(STEPS, st.floats(0, 1e6))
def test_nor_does_a_restart(steps: list[Step], back: float) -> None:
    """What the record keeps as floor bounds the next start, and until an answer nothing opens at all."""
    time, floor = FakeTime(), T0
    for kind, seconds, jump in steps:
        time.up, time.now = seconds, time.now + jump
        made = UnitClock(time, floor=floor, limits=LIMITS)
        assert made.read().state == "unset"
        if kind == "answer" and made.prove(int(T0 - back + abs(jump)), drawn=time.up):
            floor = max(floor, int(T0 - back + abs(jump)))
            assert made.read().at - made.read().u >= floor * 1000


@given(st.floats(0, DAY * 3), st.floats(-100e-6, 100e-6), st.floats(0, 30))
def test_the_true_time_lies_within_the_doubt(elapsed: float, drift: float, trip: float) -> None:
    time = FakeTime()
    made = clock(time, known=False)
    drawn, truth = time.up, T0 + 0.4
    time.pass_by(trip)
    assert made.prove(T0, drawn=drawn)  # signed at once; the answer took the whole trip
    truth += trip + elapsed
    time.up += elapsed * (1 + drift)
    reading = made.read()
    assert abs(reading.at - truth * 1000) <= reading.u + 1


def test_the_system_has_both_clocks() -> None:
    time = SystemTime()
    assert time.wall() > 1e9
    assert time.uptime() > 0
