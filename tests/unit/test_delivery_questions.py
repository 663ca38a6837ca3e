"""Questions and answers: exactly what was shown, one decision, links that cannot be made up."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.model import Assigned
from delivery.place import Circle, Point, Polygon
from delivery.problems import LinkUnknown, OtherDecision, QuestionOver
from delivery.questions import (
    Answer,
    Decision,
    Link,
    Question,
    canonical,
    draw_token,
    judge,
    link_of,
    put,
    question_of,
    token_hash,
)
from delivery.states import State
from people.model import CarrierView, CourierView
from people.states import Carrier, Courier
from tests.delivery_world import CARRIER, COURIER, HOUR, MINUTE, NOW, OWNER, QUESTION, read

SHOP = CarrierView(CARRIER, "Büro & Söhne", Carrier.ACTIVE, frozenset(), livemode=True)
SAM = CourierView(COURIER, CARRIER, "Sam", Courier.ENROLLED, "jkt", NOW)


def asked(**changes: object) -> Question:
    return put(QUESTION, read(State.REQUESTED, **changes), SHOP, SAM, nonce="n")


def answer(question: Question, decision: Decision = "approve", **changes: object) -> Answer:
    whole = Answer(decision=decision, shown=question.digest, by=OWNER, level="link", source="link:x")
    return whole.but(**changes)


def test_what_is_shown_is_canonical_and_hashed() -> None:
    question = asked(place=Circle(centre=Point(lat=52.3702157, lon=4.8951679), radius=80.5))
    assert question.digest == sha256(question.shown.encode()).hexdigest()
    content = question.content()
    assert canonical(content) == question.shown
    assert content["place"] == {"kind": "circle", "centre": ["52.370216", "4.895168"], "radius_m": 80}
    assert content["carrier"] == {"id": CARRIER, "name": "Büro & Söhne"}
    assert content["courier"] == {"id": COURIER, "name": "Sam", "device": "jkt"}
    assert "parcels" not in content
    assert "." not in json.dumps(content["window"]).replace("+00:00", "")
    shape = Polygon(corners=(Point(lat=1, lon=1), Point(lat=1, lon=1.01), Point(lat=1.01, lon=1)))
    assert json.loads(asked(place=shape).shown)["place"]["corners"][1] == ["1.000000", "1.010000"]


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=9), st.integers(-9, 9), st.none())))
def test_canonical_does_not_depend_on_order(content: dict[str, object]) -> None:
    assert canonical(dict(reversed(content.items()))) == canonical(content)


def test_one_decision_and_the_same_again() -> None:
    question = asked()
    decided = judge(question, State.ASKED, answer(question), NOW)
    assert decided is not None
    assert (decided.answer, decided.by, decided.level, decided.at) == ("approve", OWNER, "link", NOW)
    after = question.but(decided=decided)
    assert judge(after, State.APPROVED, answer(question), NOW + HOUR * 99) is None
    assert judge(after, State.BLOCKED, answer(question, level="session"), NOW) is None
    with pytest.raises(OtherDecision):
        judge(after, State.APPROVED, answer(question, "decline"), NOW)


def test_only_what_was_shown_can_be_answered() -> None:
    question = asked()
    with pytest.raises(OtherDecision):
        judge(question, State.ASKED, answer(question, shown="0" * 64), NOW)
    other = put(QUESTION, read(State.REQUESTED), SHOP, None, nonce="n")
    with pytest.raises(OtherDecision):
        judge(other, State.ASKED, answer(question), NOW)


@pytest.mark.parametrize("state", sorted(set(State) - {State.ASKED}))
def test_nothing_is_asked_in_any_other_state(state: State) -> None:
    with pytest.raises(QuestionOver):
        judge(asked(), state, answer(asked()), NOW)


def test_nor_after_its_time() -> None:
    with pytest.raises(QuestionOver):
        judge(asked(), State.ASKED, answer(asked()), NOW + HOUR)
    assert judge(asked(), State.ASKED, answer(asked()), NOW + HOUR - MINUTE) is not None


def test_only_a_decline_can_be_silent() -> None:
    question = asked()
    quiet = judge(question, State.ASKED, answer(question, "decline", silent=True), NOW)
    loud = judge(question, State.ASKED, answer(question, "approve", silent=True), NOW)
    assert quiet is not None
    assert loud is not None
    assert (quiet.silent, loud.silent) == (True, False)


def test_a_link_says_its_question_and_proves_itself() -> None:
    token, hashed = draw_token(QUESTION)
    assert question_of(token) == QUESTION
    assert token_hash(token) == hashed
    question = asked().but(links=(Link(hash=hashed, person=OWNER, at=NOW),))
    assert link_of(question.links, token).person == OWNER
    other, _ = draw_token(QUESTION)
    for wrong in (other, token[:-1] + ("A" if token[-1] != "A" else "B"), ""):
        with pytest.raises(LinkUnknown):
            link_of(question.links, wrong)
    with pytest.raises(LinkUnknown):
        link_of((), token)
    assert draw_token(QUESTION)[0] != token
    assert token not in repr(question)


@given(st.text(max_size=500))
def test_no_text_breaks_the_reading_of_a_token(text: str) -> None:
    with pytest.raises(LinkUnknown):
        question_of(text)


def test_a_question_without_a_named_courier_says_so() -> None:
    assert put(QUESTION, read(State.REQUESTED), SHOP, None, nonce="n").content()["courier"] is None
    assert asked(courier=Assigned(courier=COURIER, jkt="jkt", at=NOW)).content()["courier"]["name"] == "Sam"
