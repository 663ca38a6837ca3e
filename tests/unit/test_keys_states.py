"""The life of a key as a table: every state meets every fact, and only the declared steps are taken."""

from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest

from keys.states import HOW, LIVE, STEPS, NotAllowed, State, event, step
from spine.facts.keys import KeyDestroyed, KeyFact, _Key, _Receipt
from tests.keys_world import NOW

ABOUT: dict[str, Any] = {
    "at": NOW, "vehicle": "veh_7aaaaaaaaaaaaaaa", "unit": "vu_7aaaaaaaaaaaaaaa",
    "delivery": "dlv_7aaaaaaaaaaaaaaa", "key": "key_7aaaaaaaaaaaaaaa.1",
}  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "key.drafted": {"jti": "j", "seq": 1, "jkt": "t", "nbf": NOW, "exp": NOW + timedelta(hours=1)},
    "key.issued": {"jti": "j", "seq": 1, "jkt": "t", "kid": "k", "nbf": NOW, "exp": NOW + timedelta(hours=1),
                   "claims_hash": "h"},
    "key.revoked": {"reason": "r", "dies_at": NOW},
    "key.refused": {"code": "expired"},
}  # fmt: skip


def facts() -> list[KeyFact]:
    made: list[KeyFact] = []
    for kind in get_args(KeyFact):
        if not issubclass(kind, _Key):
            continue  # about a unit, not a key
        more = MORE.get(kind.model_fields["kind"].default, {})
        if issubclass(kind, _Receipt):
            more = {**more, "n": 1, "receipt_hash": "h"}
        if kind is KeyDestroyed:
            hows = get_args(kind.model_fields["how"].annotation)
            made += [KeyDestroyed(**ABOUT, how=how) for how in hows]
        else:
            made.append(kind(**ABOUT, **more))
    return made


FACTS = facts()


@pytest.mark.parametrize(
    ("state", "fact"),
    list(product(State, FACTS)),
    ids=lambda one: event(one) if not isinstance(one, State) else one,
)
def test_only_declared_steps_are_allowed(state: State, fact: KeyFact) -> None:
    if (state, event(fact)) in STEPS:
        assert step(state, fact) is STEPS[state, event(fact)]
    else:
        with pytest.raises(NotAllowed):
            step(state, fact)


def test_the_table_names_only_facts_there_are() -> None:
    assert {name for _, name in STEPS} == {event(fact) for fact in FACTS}


def test_every_state_can_be_reached_and_every_end_has_a_reason() -> None:
    assert set(STEPS.values()) | {State.NEW} == set(State)
    assert set(HOW) == set(State) - LIVE - {State.NEW}


def test_what_is_over_never_lives_again() -> None:
    for (before, name), after in STEPS.items():
        if before not in LIVE and before is not State.NEW:
            assert after not in LIVE, name


def test_a_consumed_key_is_never_consumed_again() -> None:
    for state in (State.CONSUMED, State.INDETERMINATE):
        assert (state, "key.consumed") not in STEPS
