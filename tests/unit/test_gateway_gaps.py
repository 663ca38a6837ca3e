"""Holes in what a unit sends, and how much it may send."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from spine.ids import UnitId
from vehicle_gateway.gaps import Gap, Gaps
from vehicle_gateway.rate import Buckets

NOW = datetime(2030, 5, 6, 9, tzinfo=UTC)
ONE, TWO = UnitId("vu_0123456789abcdef"), UnitId("vu_1123456789abcdef")
LONG = timedelta(seconds=10)


def gaps(most: int = 10) -> Gaps:
    return Gaps(after=LONG, most=most)


def test_numbers_without_a_hole_ask_for_nothing() -> None:
    watch = gaps()
    for seq in (1, 2, 3, 3, 2):
        watch.saw(ONE, 1, seq, NOW)
    assert watch.due(NOW + 2 * LONG) == []


def test_a_hole_is_due_after_its_time_and_once() -> None:
    watch = gaps()
    watch.saw(ONE, 1, 1, NOW)
    watch.saw(ONE, 1, 4, NOW)
    assert watch.due(NOW + LONG - timedelta(milliseconds=1)) == []
    assert watch.due(NOW + LONG) == [Gap(ONE, 1, 2)]
    assert watch.due(NOW + 2 * LONG) == []


def test_a_hole_that_is_filled_in_time_is_none() -> None:
    watch = gaps()
    for seq in (1, 4, 3, 2):
        watch.saw(ONE, 1, seq, NOW)
    assert watch.due(NOW + LONG) == []


def test_the_first_number_heard_and_a_new_boot_start_anew() -> None:
    watch = gaps()
    watch.saw(ONE, 1, 500, NOW)
    watch.saw(ONE, 1, 502, NOW)
    watch.saw(ONE, 2, 9, NOW)
    watch.saw(ONE, 1, 700, NOW)
    assert watch.due(NOW + LONG) == []


def test_units_are_told_apart_and_the_silent_are_forgotten() -> None:
    watch = gaps(most=1)
    watch.saw(ONE, 1, 1, NOW)
    watch.saw(ONE, 1, 3, NOW)
    watch.saw(TWO, 1, 1, NOW)
    watch.saw(TWO, 1, 3, NOW)
    assert watch.due(NOW + LONG) == [Gap(TWO, 1, 2)]


@given(st.lists(st.integers(1, 5_000), max_size=200))
def test_memory_is_bounded_and_nothing_raises(seqs: list[int]) -> None:
    watch = gaps()
    for seq in seqs:
        watch.saw(ONE, 1, seq, NOW)
    assert len(watch.due(NOW + LONG)) <= 1


def test_a_jump_ahead_remembers_no_more_holes_than_the_window() -> None:
    watch = gaps()
    watch.saw(ONE, 1, 1, NOW)
    watch.saw(ONE, 1, 2**53 - 1, NOW)
    assert len(watch._units[ONE].holes) <= 1_024


def test_a_bucket_allows_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(rate=2, burst=3, most=10)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b", 100.0), "each unit has its own"
    assert not buckets.take("a", 100.4)
    assert buckets.take("a", 100.9)
    assert not buckets.take("a", 100.9)
    assert [buckets.take("a", 1_000.0) for _ in range(4)] == [True, True, True, False], (
        "never more than the burst"
    )


def test_a_clock_that_stands_still_gives_nothing_and_takes_nothing_back() -> None:
    buckets = Buckets(rate=1, burst=1, most=10)
    assert buckets.take("a", 5.0)
    assert not buckets.take("a", 4.0)


def test_the_longest_silent_unit_is_full_again() -> None:
    buckets = Buckets(rate=0.001, burst=1, most=2)
    assert buckets.take("a", 1.0)
    assert buckets.take("b", 1.0)
    assert buckets.take("c", 1.0)
    assert buckets.take("a", 1.0)
    assert not buckets.take("c", 1.0)
