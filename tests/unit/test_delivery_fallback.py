"""Who may read where a parcel goes instead: after a yes and an end without a hand-over, for a day; else nobody."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from delivery.fallback import Fallback, Kept, calls_for_it, readable
from delivery.model import Read, finished
from delivery.states import State
from tests.delivery_world import HOUR, LIMITS, NOW, OWNER, read

PLACE = Fallback(to="neighbour", line="Jansen, Kade 2")
KEPT = Kept(place=PLACE, by=OWNER, since=NOW - HOUR)
UNDONE = {State.FAILED, State.EXPIRED, State.REFUSED}


def ended(state: State, **changes: Any) -> Read:
    found = read(state, **changes)
    return Read(id=found.id, state=state, body=finished(state, found.body, NOW))


@pytest.mark.parametrize("state", sorted(State))
def test_only_an_approved_delivery_that_ended_undone_calls_for_it(state: State) -> None:
    until = readable(ended(state), KEPT, NOW, LIMITS)
    assert until == (NOW + LIMITS.fallback_read_for if state in UNDONE else None)


@pytest.mark.parametrize("state", sorted(State))
def test_before_a_yes_only_an_open_no_does_and_only_where_its_owner_wants_that(state: State) -> None:
    wanted = KEPT.but(place=PLACE.but(when_declined=True), declined_since=NOW)
    late = wanted.but(declined_since=NOW + timedelta(seconds=1))
    unapproved: dict[str, Any] = {"approval": None, "key": None}
    found = ended(state, **unapproved)
    assert readable(found, KEPT, NOW, LIMITS) is None
    assert (readable(found, wanted, NOW, LIMITS) is not None) == (state is State.DECLINED)
    assert readable(found, late, NOW + HOUR, LIMITS) is None, "who was declined before stays out"
    for hidden in ({"silently": True}, {"disowned": True}, {"silently": True, "disowned": True}):
        assert not calls_for_it(ended(state, **unapproved, **hidden)), (
            "alike to an address that cannot be used"
        )


@pytest.mark.parametrize(
    "changes", [{"kind": "pickup"}, {"vehicle": None}, {"test": "approves", "livemode": False}]
)
def test_a_return_a_test_and_what_found_no_car_have_none(changes: dict[str, Any]) -> None:
    assert calls_for_it(ended(State.FAILED))
    assert not calls_for_it(ended(State.FAILED, **changes))


def test_it_is_read_for_a_day_and_only_what_was_chosen_before_the_end() -> None:
    found, day = ended(State.FAILED), LIMITS.fallback_read_for
    assert readable(found, KEPT, NOW + day - timedelta(seconds=1), LIMITS) == NOW + day
    assert readable(found, KEPT, NOW + day, LIMITS) is None
    assert readable(found, KEPT.but(since=NOW), NOW, LIMITS) is not None
    later = KEPT.but(since=NOW + timedelta(seconds=1))
    assert readable(found, later, NOW + HOUR, LIMITS) is None, "a later household's is not for this carrier"
    assert readable(found, Kept(), NOW, LIMITS) is None


@pytest.mark.parametrize("line", ["", "   ", "a\nb", "a\x00", "x" * 201, "a\u2028b"])
def test_a_line_is_one_line_of_some_text(line: str) -> None:
    with pytest.raises(ValidationError):
        Fallback(to="home", line=line)


def test_it_does_not_print_itself() -> None:
    assert "Jansen" not in repr(PLACE)
    assert "Jansen" not in repr(KEPT)
    with pytest.raises(ValidationError) as wrong:
        Fallback(to="home", line="Jansen\n")
    assert "Jansen" not in str(wrong.value)
