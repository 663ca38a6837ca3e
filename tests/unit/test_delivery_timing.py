"""When a key may be made, and when a delivery is looked at again: every rule of keys.md 3.9 on its own."""

from datetime import timedelta

import pytest

from delivery.due import overdue
from delivery.limits import DeliveryLimits
from delivery.model import Window, finished
from delivery.states import AT_THE_CAR, ENDS, UNDER_WAY, State
from delivery.timing import KeyWindow, key_due, next_wake, place_was_shown, settles_at
from spine.facts import delivery as f
from tests.delivery_world import HOUR, LIMITS, MINUTE, NOW, body, key, read

SECOND = timedelta(seconds=1)


def window(start: timedelta, length: timedelta = 2 * HOUR) -> Window:
    return Window(start=NOW + start, end=NOW + start + length)


def test_a_key_two_hours_before_its_window_and_not_earlier() -> None:
    soon = body(key=None, window=window(2 * HOUR))
    assert key_due(State.APPROVED, soon, NOW, LIMITS) == KeyWindow(1, NOW + 2 * HOUR, NOW + 4 * HOUR)
    assert key_due(State.APPROVED, soon, NOW - SECOND, LIMITS) is None
    assert next_wake(State.APPROVED, soon, NOW - SECOND, LIMITS) == NOW
    assert next_wake(State.APPROVED, soon, NOW, LIMITS) == NOW + 4 * HOUR


def test_a_key_of_six_hours_at_most_then_a_later_one() -> None:
    day = body(key=None, window=window(timedelta(), 20 * HOUR))
    assert key_due(State.APPROVED, day, NOW, LIMITS) == KeyWindow(1, NOW, NOW + 6 * HOUR)
    over = day.but(key=key(how="expired"))
    later = NOW + 6 * HOUR
    assert key_due(State.KEYED, over, later, LIMITS) == KeyWindow(2, later, later + 6 * HOUR)


@pytest.mark.parametrize("state", State)
def test_never_two_live_keys(state: State) -> None:
    assert key_due(state, body(), NOW, LIMITS) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"approval": None}, {"courier": None}, {"vehicle": None}, {"test": "approves"},
        {"key": key(n=3, how="expired")}, {"window": window(-2 * HOUR)},
        {"window": window(-HOUR, HOUR + 59 * SECOND)}, {"key": key(how="consumed")}, {"key": key(how="indeterminate")},
    ],
)  # fmt: skip
def test_no_key_unless_all_holds(changes: dict[str, object]) -> None:
    assert key_due(State.ARRIVED, body(**{"key": None, **changes}), NOW, LIMITS) is None


@pytest.mark.parametrize("how", ["confirmed_by_car", "never_handed_out", "expired", "lapsed"])
def test_a_dead_key_is_followed_by_another(how: str) -> None:
    found = key_due(State.APPROVED, body(key=key(how=how)), NOW, LIMITS)
    assert found is not None
    assert found.n == 2


@pytest.mark.parametrize("state", State)
def test_a_used_key_only_when_asked_for_again(state: State) -> None:
    for how in ("consumed", "indeterminate"):
        asked = body(key=key(how=how), wants_again=True)
        expected = state in {State.CLOSED, State.UNSURE}
        assert (key_due(state, asked, NOW, LIMITS) is not None) is expected
        assert key_due(state, body(key=key(how=how)), NOW, LIMITS) is None


@pytest.mark.parametrize("state", sorted(set(State) - UNDER_WAY - {State.CLOSED, State.UNSURE}))
def test_no_key_in_other_states(state: State) -> None:
    assert key_due(state, body(key=None, wants_again=True), NOW, LIMITS) is None


def test_a_key_that_could_not_be_made_is_tried_again() -> None:
    waits = body(key=None, key_again_at=NOW + 30 * SECOND)
    assert next_wake(State.APPROVED, waits, NOW, LIMITS) == NOW + 30 * SECOND
    assert next_wake(State.APPROVED, waits, NOW + 30 * SECOND, LIMITS) == waits.window.end


def test_what_wakes_each_state() -> None:
    sure = body(opened_at=NOW, closed_at=NOW, key=key(how="consumed"))
    assert next_wake(State.REQUESTED, sure, NOW, LIMITS) == sure.approve_by
    assert next_wake(State.REQUESTED, sure.but(told_at=NOW + MINUTE), NOW, LIMITS) == NOW + MINUTE
    assert next_wake(State.ASKED, sure, NOW, LIMITS) == sure.approve_by
    assert next_wake(State.OPENING, sure, NOW, LIMITS) == NOW + LIMITS.unsure_after
    assert next_wake(State.OPEN, sure, NOW, LIMITS) == NOW + LIMITS.closed_within
    assert next_wake(State.CLOSED, sure, NOW, LIMITS) == NOW + LIMITS.closed_within
    assert next_wake(State.CLOSED, sure.but(locked_at=NOW), NOW, LIMITS) == NOW + LIMITS.again_within
    assert next_wake(State.LEFT_OPEN, sure, NOW, LIMITS) is None
    assert next_wake(State.UNSURE, sure, NOW, LIMITS) == sure.window.end
    assert next_wake(State.UNSURE, sure.but(ended="unsure"), NOW, LIMITS) is None
    late = sure.but(key=key())
    assert next_wake(State.UNSURE, late, NOW, LIMITS) == key().exp + 5 * MINUTE
    for state in UNDER_WAY:
        assert next_wake(state, body(), NOW, LIMITS) == body().window.end


@pytest.mark.parametrize("state", sorted(ENDS))
def test_after_the_end_people_are_forgotten_then_all_of_it(state: State) -> None:
    over = finished(state, body(), NOW)
    assert over.finished_at == NOW
    assert next_wake(state, over, NOW, LIMITS) == NOW + LIMITS.personal_kept
    assert next_wake(state, over.but(erased=True), NOW, LIMITS) == NOW + LIMITS.kept


def test_the_truth_takes_an_end_back() -> None:
    over = finished(State.BLOCKED, body(), NOW).but(ended="blocked")
    assert finished(State.OPEN, over, NOW + HOUR).finished_at is None
    assert finished(State.OPEN, over, NOW + HOUR).ended is None
    assert finished(State.BLOCKED, over, NOW + HOUR) == over


def test_settling() -> None:
    shut = body(closed_at=NOW, locked_at=NOW)
    assert settles_at(shut.but(done=True), LIMITS) == NOW
    assert settles_at(shut.but(wants_again=True), LIMITS) == shut.window.end


@pytest.mark.parametrize(
    ("state", "changes", "kind"),
    [
        (State.REQUESTED, {"approve_by": NOW}, f.DeliveryExpired),
        (State.ASKED, {"approve_by": NOW}, f.DeliveryExpired),
        (State.ASKED, {"approve_by": NOW + SECOND}, None),
        (State.APPROVED, {"window": window(-HOUR, HOUR)}, f.DeliveryExpired),
        (State.ARRIVED, {"window": window(-HOUR, HOUR)}, f.DeliveryExpired),
        (State.ARRIVED, {}, None),
        (State.OPENING, {}, f.DeliveryUnsure),
        (State.OPEN, {}, f.DeliveryUnsure),
        (State.CLOSED, {}, f.DeliveryUnsure),
        (State.CLOSED, {"locked_at": NOW}, f.DeliveryDelivered),
        (State.CLOSED, {"locked_at": NOW, "not_lifted": True}, f.DeliveryFailed),
        (State.UNSURE, {}, None),
        (State.LEFT_OPEN, {}, None),
    ],
)  # fmt: skip
def test_what_is_overdue(state: State, changes: dict[str, object], kind: type | None) -> None:
    found = overdue(read(state, **changes), NOW)
    assert (type(found) if found else None) is kind


def test_when_the_place_may_have_been_read() -> None:
    later = body(window=window(HOUR))
    assert not place_was_shown(later, NOW + 29 * MINUTE, LIMITS)
    assert place_was_shown(later, NOW + 30 * MINUTE, LIMITS)
    assert not place_was_shown(later.but(approval=None), NOW + HOUR, LIMITS)
    assert not place_was_shown(later.but(courier=None), NOW + HOUR, LIMITS)


def test_limits_fit_together() -> None:
    for wrong in (
        {"key_longest": 7 * HOUR}, {"near": 300.0}, {"wait": 30.0}, {"window_shortest": SECOND}, {"kept": HOUR},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"must|refuses"):
            DeliveryLimits.model_validate(wrong)
    assert AT_THE_CAR.isdisjoint(UNDER_WAY)
