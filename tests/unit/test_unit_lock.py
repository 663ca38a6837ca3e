"""The lock's table: every state meets every input, and what must hold whatever comes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import STEPS, TIMES, Act, Input, Lock, step


@pytest.mark.parametrize(("state", "happened"), list(product(Lock, Input)))
def test_every_state_meets_every_input(state: Lock, happened: Input) -> None:
    after, acts = step(state, happened)
    if (state, happened) not in STEPS:
        assert (after, acts) == (state, ())
    if Act.DRIVE_OPEN in acts:  # only a consumed key moves the latch open, and only a shut one
        assert (state, happened) == (Lock.LATCHED, Input.RELEASE)
    if Act.OPENED in acts:
        assert state is Lock.UNLATCHING


@pytest.mark.parametrize("state", [s for s in Lock if s not in {Lock.LATCHED, Lock.UNLATCHING}])
def test_a_lid_that_comes_down_is_locked(state: Lock) -> None:
    _, acts = step(state, Input.SHUT)
    already_driven = {Lock.LOCKING, Lock.RELOCKING, Lock.STUCK, Lock.RELEASED}
    assert Act.DRIVE_LOCK in acts or state in already_driven


@pytest.mark.parametrize("state", Lock)
def test_a_state_with_a_time_has_a_step_when_it_is_over(state: Lock) -> None:
    assert (state in TIMES) == ((state, Input.OVERDUE) in STEPS)
    if state in TIMES:
        assert getattr(UnitLimits(), TIMES[state])


@given(st.lists(st.sampled_from([i for i in Input if i is not Input.RELEASE])))
def test_without_a_key_the_latch_is_never_driven_open(inputs: list[Input]) -> None:
    state = Lock.UNKNOWN
    for happened in inputs:
        state, acts = step(state, happened)
        assert Act.DRIVE_OPEN not in acts


@given(st.lists(st.sampled_from(Input)))
def test_each_release_says_opened_or_indeterminate_at_most_once(inputs: list[Input]) -> None:
    state, releases, outcomes = Lock.UNKNOWN, 0, 0
    for happened in inputs:
        state, acts = step(state, happened)
        releases += Act.DRIVE_OPEN in acts
        outcomes += (Act.OPENED in acts) + (Act.INDETERMINATE in acts)
        assert releases - 1 <= outcomes <= releases


@given(st.lists(st.sampled_from(Input)))
def test_whatever_happened_shut_and_locked_ends_latched(inputs: list[Input]) -> None:
    state = Lock.UNKNOWN
    for happened in inputs:
        state, _ = step(state, happened)
    for happened in (Input.OVERDUE, Input.LIFTED, Input.SHUT, Input.LATCH_SHUT):
        state, _ = step(state, happened)
    assert state is Lock.LATCHED


def test_the_paths_of_one_key_one_opening() -> None:
    def told(*inputs: Input) -> list[Act]:
        state, acts = Lock.LATCHED, []
        for happened in inputs:
            state, more = step(state, happened)
            acts += [act for act in more if act not in {Act.DRIVE_LOCK, Act.DRIVE_OPEN}]
        return acts

    i = Input
    assert told(i.RELEASE, i.LATCH_OPEN, i.LIFTED, i.SHUT, i.LATCH_SHUT) == [
        Act.OPENED,
        Act.CLOSED,
        Act.LOCKED,
    ]
    assert told(i.RELEASE, i.LATCH_OPEN, i.OVERDUE, i.LATCH_SHUT) == [Act.OPENED, Act.NOT_LIFTED]
    assert told(i.RELEASE, i.LATCH_OPEN, i.LIFTED, i.OVERDUE, i.SHUT, i.LATCH_SHUT) == [
        Act.OPENED, Act.LEFT_OPEN, Act.CLOSED, Act.LOCKED,
    ]  # fmt: skip
    assert told(i.RELEASE, i.OVERDUE, i.LATCH_SHUT) == [Act.INDETERMINATE, Act.LOCKED]
