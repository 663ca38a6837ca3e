"""The table of levels: what an approval needs, of whom, and what is said to whoever reached too little."""

from datetime import timedelta

import pytest

from delivery.levels import (
    ORDER,
    TABLE,
    WORDS,
    ApprovesBy,
    Ground,
    Precedent,
    Reached,
    check,
    grounds,
    how,
    needed,
)
from delivery.problems import LevelTooLow

HOUR = timedelta(hours=1)
BEFORE = Precedent("car_a", "home", 3 * HOUR)


def why(wanted: Precedent, *, cabin: bool = False) -> tuple[Ground, ...]:
    return grounds([BEFORE], wanted, cabin=cabin, long_after=2 * HOUR)


def test_every_ground_has_its_row_and_words() -> None:
    assert set(TABLE) == set(WORDS) == set(Ground)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (BEFORE, (Ground.REPEAT,)),
        (Precedent("car_a", "home", HOUR), (Ground.REPEAT,)),
        (Precedent("car_a", "home", 4 * HOUR), (Ground.LONG,)),
        (Precedent("car_a", "work", HOUR), (Ground.NEW_PLACE,)),
        (Precedent("car_a", "work", 3 * HOUR), (Ground.NEW_PLACE, Ground.LONG)),
        (Precedent("car_a", "home", HOUR, "pickup"), (Ground.NEW_KIND,)),
        (Precedent("car_a", "work", 3 * HOUR, "pickup"), (Ground.NEW_KIND, Ground.LONG)),
        (Precedent("car_a", "home", HOUR, None), (Ground.NEW_KIND,)),
        (Precedent("car_b", "home", 2 * HOUR), (Ground.NEW_CARRIER,)),
        (Precedent("car_b", "home", 3 * HOUR), (Ground.NEW_CARRIER, Ground.LONG)),
    ],
)
def test_what_was_approved_before_makes_a_repeat(wanted: Precedent, expected: tuple[Ground, ...]) -> None:
    assert why(wanted) == expected
    assert why(wanted, cabin=True)[0] is Ground.CABIN


@pytest.mark.parametrize("ground", list(Ground))
@pytest.mark.parametrize("reached", ORDER)
@pytest.mark.parametrize("by", ["passkey", "link", "nothing"])
def test_who_may_say_yes(ground: Ground, by: ApprovesBy, reached: Reached) -> None:
    enough = {
        "passkey": reached == "passkey" or (ground is Ground.REPEAT and reached == "session"),
        "link": ground is not Ground.CABIN or reached == "passkey",
        "nothing": False,
    }[by]
    if enough:
        check([ground], by, reached)
        return
    with pytest.raises(LevelTooLow) as refused:
        check([ground], by, reached)
    members = refused.value.members
    assert members["needed"] == needed([ground], by)
    assert members["how"] == how([ground], by, needed([ground], by)) != ""
    assert f'acr_values="{members["needed"]}"' in refused.value.headers["WWW-Authenticate"]


def test_the_strictest_ground_counts() -> None:
    assert needed([Ground.REPEAT, Ground.CABIN], "link") == "passkey"
    assert needed([Ground.REPEAT, Ground.LONG], "passkey") == "passkey"
