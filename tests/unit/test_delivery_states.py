"""Every state met by every fact: what is allowed, that nothing else is, and which acts each state takes."""

from typing import get_args

import pytest

from delivery.states import (
    ACTS,
    ENDS,
    FINAL,
    STEPS,
    UNDER_WAY,
    Act,
    State,
    StepNotAllowed,
    diagram,
    follows,
    require,
    step,
)
from spine.facts import Fact
from spine.facts import delivery as facts
from spine.facts.base import Base

FACTS: list[type[Base]] = list(get_args(get_args(Fact)[0]))
EVERYTHING = [(state, fact, mark) for state in State for fact in FACTS for mark in ("", FINAL)]


@pytest.mark.parametrize("state", State)
def test_only_declared_steps_are_allowed(state: State) -> None:
    for fact in FACTS:
        for mark in ("", FINAL) if fact is facts.OpeningRefused else ("",):
            happened = (
                fact.model_construct(final=mark == FINAL)
                if fact is facts.OpeningRefused
                else fact.model_construct()
            )
            if (state, fact, mark) in STEPS:
                assert follows(state, happened)
                assert step(state, happened) is STEPS[state, fact, mark]
            else:
                assert not follows(state, happened)
                with pytest.raises(StepNotAllowed):
                    step(state, happened)


def test_every_state_can_be_reached_and_left_or_is_an_end() -> None:
    reached, growing = {State.NEW}, True
    while growing:
        found = {after for (before, _, _), after in STEPS.items() if before in reached} - reached
        reached |= found
        growing = bool(found)
    assert reached == set(State)
    for state in set(State) - ENDS:
        assert any(before is state and after is not state for (before, _, _), after in STEPS.items())


def test_a_verified_receipt_is_believed_after_every_end_that_a_key_can_outlive() -> None:
    for state in (
        State.BLOCKED,
        State.CANCELLED,
        State.EXPIRED,
        State.FAILED,
        State.REFUSED,
        State.RESCHEDULED,
    ):
        assert STEPS[state, facts.DeliveryOpened, ""] is State.OPEN
        assert STEPS[state, facts.DeliveryUnsure, ""] is State.UNSURE
        assert STEPS[state, facts.DeliveryLeftOpen, ""] is State.LEFT_OPEN
    for state in (State.UNUSABLE, State.DECLINED, State.REQUESTED, State.ASKED):
        assert (state, facts.DeliveryOpened, "") not in STEPS


def test_a_refusal_is_an_answer_and_not_an_end_unless_final() -> None:
    assert STEPS[State.OPENING, facts.OpeningRefused, ""] is State.ARRIVED
    assert STEPS[State.OPENING, facts.OpeningRefused, FINAL] is State.REFUSED


def test_unsure_and_left_open_are_resolved_by_late_receipts() -> None:
    assert STEPS[State.UNSURE, facts.DeliveryOpened, ""] is State.OPEN
    assert STEPS[State.UNSURE, facts.DeliveryClosed, ""] is State.CLOSED
    assert STEPS[State.LEFT_OPEN, facts.DeliveryClosed, ""] is State.CLOSED
    assert STEPS[State.UNSURE, facts.OpeningRefused, ""] is State.ARRIVED


def test_every_end_can_say_that_its_key_is_gone() -> None:
    for state in ENDS | {State.UNSURE}:
        assert STEPS[state, facts.DeliveryEnded, ""] is state


@pytest.mark.parametrize(
    ("act", "fact"),
    [
        (Act.CANCEL, facts.DeliveryCancelled), (Act.BLOCK, facts.DeliveryBlocked), (Act.EXTEND, facts.DeliveryExtended),
        (Act.MOVE_PLACE, facts.PlaceChanged), (Act.RESCHEDULE, facts.DeliveryRescheduled),
        (Act.ASSIGN, facts.CourierAssigned), (Act.SET_OUT, facts.CourierSetOut), (Act.ARRIVE, facts.CourierArrived),
        (Act.OPEN, facts.OpeningStarted), (Act.PHOTO, facts.PhotoTaken), (Act.FAIL, facts.DeliveryFailed),
        (Act.JOIN, facts.ParcelAdded), (Act.DECIDE, facts.DeliveryApproved), (Act.DECIDE, facts.DeliveryDeclined),
        (Act.DONE, facts.DeliveryDelivered), (Act.AGAIN, facts.KeyWantedAgain),
    ],
)  # fmt: skip
def test_a_state_that_takes_an_act_has_its_step_and_no_other_does(act: Act, fact: type[Base]) -> None:
    assert ACTS[act] == {before for (before, kind, mark) in STEPS if kind is fact and not mark}


def test_acts_are_refused_elsewhere_with_words() -> None:
    assert set(ACTS) == set(Act)
    require(State.ASKED, Act.CANCEL)
    with pytest.raises(StepNotAllowed, match="set out is not possible: the delivery is left open"):
        require(State.LEFT_OPEN, Act.SET_OUT)


def test_nothing_that_the_lock_was_asked_for_can_be_cancelled() -> None:
    assert State.OPENING not in ACTS[Act.CANCEL]
    assert not ACTS[Act.CANCEL] & (ENDS | {State.OPEN, State.CLOSED, State.UNSURE})
    assert ACTS[Act.BLOCK] >= UNDER_WAY | {State.OPENING}


def test_the_diagram_shows_every_step_that_moves() -> None:
    drawn = diagram()
    assert drawn.startswith("stateDiagram-v2\n    [*] --> new\n")
    assert "    opening --> refused: delivery.refused (final)\n" in drawn
    assert "    unsure --> open: delivery.opened\n" in drawn
    assert drawn.count(" --> [*]") == len(ENDS)
