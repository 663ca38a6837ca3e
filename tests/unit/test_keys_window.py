"""The memory of used numbers: never twice, and never a refusal within 256 of the highest (keys.md 3.5)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car.window import MAX_JUMP, SIZE, Standing, Window
from tests.depth import deep

moves = st.lists(
    st.one_of(
        st.tuples(st.just("use"), st.integers(-300, 400)),
        st.tuples(st.just("leap"), st.integers(0, MAX_JUMP + 5)),
        st.tuples(st.just("floor"), st.integers(-50, 300)),
    ),
    max_size=60,
)


@settings(max_examples=deep(500), deadline=None)
@given(moves)
def test_never_twice_and_never_refused_near_the_top(steps: list[tuple[str, int]]) -> None:
    window, used, highest, floor = Window(), set[int](), -1, 0
    for kind, by in steps:
        if kind == "floor":
            floor = max(floor, highest + by)
            window = window.raise_floor(max(0, highest + by))
            highest = max(highest, floor - 1)
            continue
        seq = max(0, highest + by)
        if window.standing(seq) is Standing.UNUSED:
            assert seq not in used
            assert floor <= seq <= highest + MAX_JUMP
            window = window.mark(seq)
            used.add(seq)
        else:
            near = seq > highest - SIZE and seq <= highest + MAX_JUMP and seq >= floor
            assert seq in used or not near
        highest = max(highest, max(used, default=-1))
        assert window.highest == highest
        assert 0 <= window.bitmap < 2**SIZE


def test_what_each_answer_means() -> None:
    window = Window().mark(5)
    assert window.standing(5) is Standing.USED
    assert window.standing(4) is Standing.UNUSED
    assert window.standing(5 + MAX_JUMP) is Standing.UNUSED
    assert window.standing(6 + MAX_JUMP) is Standing.TOO_FAR
    far = window.mark(1000)
    assert (far.floor, far.standing(744), far.standing(745)) == (745, Standing.BELOW_FLOOR, Standing.UNUSED)
    with pytest.raises(ValueError, match="unused"):
        far.mark(1000)


def test_the_floor_only_rises() -> None:
    window = Window().mark(10).raise_floor(8)
    assert window.raise_floor(3) == window
    assert (window.standing(7), window.standing(9), window.standing(10)) == (
        Standing.BELOW_FLOOR, Standing.UNUSED, Standing.USED,
    )  # fmt: skip
    assert Window().raise_floor(2**40).standing(2**40) is Standing.UNUSED


@pytest.mark.parametrize(("floor", "bitmap"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**256)])
def test_it_fits_its_forty_bytes(floor: int, bitmap: int) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(floor, bitmap)
