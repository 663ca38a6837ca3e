"""What keys, receipts and commands mean for a delivery, in every state, once and again."""

from typing import Any

import pytest

from delivery.due import overdue
from delivery.life import about, heard
from delivery.limits import DeliveryLimits
from delivery.model import Planned, Read, Receipt, finished
from delivery.service import Turn
from delivery.states import State, follows, step
from delivery.timing import settles_at
from spine.facts import keys as k
from spine.facts import vehicle as v
from spine.facts.base import Base
from spine.facts.delivery import DeliveryFailed
from tests.delivery_world import COMMAND, DELIVERY, KEY, MINUTE, NOW, UNIT, VEHICLE, key, read

ABOUT: dict[str, Any] = {"at": NOW, "vehicle": VEHICLE, "unit": UNIT}
KEYED: dict[str, Any] = {**ABOUT, "delivery": DELIVERY, "key": KEY}
COMMANDED: dict[str, Any] = {**ABOUT, "command": COMMAND, "op": "present", "delivery": DELIVERY}


def receipt(kind: type[Base], n: int = 1, **more: Any) -> Any:
    return kind(**{**KEYED, "n": n, "receipt_hash": "h", **more})


NEWS: list[Any] = [
    k.KeyIssued(**KEYED, jti="j", seq=1, jkt="jkt", kid="k", nbf=NOW, exp=NOW + MINUTE, claims_hash="c"),
    k.KeySigned(**KEYED),
    k.KeyHandedOut(**KEYED),
    k.KeyRevoked(**KEYED, reason="r", dies_at=NOW + MINUTE),
    k.KeyDestroyed(**KEYED, how="expired"),
    k.KeyLapsed(**KEYED),
    receipt(k.KeyConsumed),
    receipt(k.KeyRefused, code="too_early"),
    receipt(k.KeyRefused, code="revoked"),
    receipt(k.BootOpened),
    receipt(k.BootNotLifted),
    receipt(k.BootClosed),
    receipt(k.BootLocked),
    receipt(k.BootLeftOpen),
    receipt(k.BootIndeterminate),
    v.CommandRefused(**COMMANDED, code="vehicle_state"),
    v.CommandRefused(**COMMANDED, code="already_used"),
    v.CommandRefused(**COMMANDED, code="internal"),
    v.CommandUndeliverable(**COMMANDED),
    v.CommandExpired(**COMMANDED),
    v.CommandUnanswered(**COMMANDED),
]


def after(before: Read, fact: Any) -> Read:
    """The delivery after it heard of a fact, as it would be saved."""
    news = about(fact)
    assert news is not None
    turn: Turn | None = heard(before, news, NOW)
    if turn is None:
        return before
    state = step(before.state, *turn.facts)
    return Read(id=before.id, state=state, body=finished(state, turn.body, NOW))


@pytest.mark.parametrize("fact", NEWS, ids=lambda fact: fact.kind + getattr(fact, "code", ""))
@pytest.mark.parametrize("state", State)
def test_nothing_heard_breaks_and_hearing_it_again_changes_nothing(state: State, fact: Any) -> None:
    for before in (
        read(state),
        read(state, key=None, opening=None),
        read(state, key=key(n=2, key=f"{KEY[:-1]}2")),
    ):
        once = after(before, fact)
        assert after(once, fact) == once


@pytest.mark.parametrize(
    ("state", "kind", "then"),
    [
        (State.OPENING, k.BootOpened, State.OPEN),
        (State.UNSURE, k.BootOpened, State.OPEN),
        (State.BLOCKED, k.BootOpened, State.OPEN),
        (State.OPEN, k.BootClosed, State.CLOSED),
        (State.OPEN, k.BootLeftOpen, State.LEFT_OPEN),
        (State.LEFT_OPEN, k.BootLocked, State.CLOSED),
        (State.OPEN, k.BootNotLifted, State.CLOSED),
        (State.OPENING, k.BootIndeterminate, State.UNSURE),
        (State.OPEN, k.BootIndeterminate, State.UNSURE),
        (State.CLOSED, k.BootLocked, State.CLOSED),
    ],
)
def test_what_receipts_lead_to(state: State, kind: type[Base], then: State) -> None:
    assert after(read(state), receipt(kind)).state is then


def test_the_life_ends_with_the_lock_once_the_courier_is_done() -> None:
    assert after(read(State.CLOSED, done=True), receipt(k.BootLocked)).state is State.DELIVERED
    assert after(read(State.CLOSED, done=True, not_lifted=True), receipt(k.BootLocked)).state is State.FAILED
    assert after(read(State.OPEN, done=True), receipt(k.BootLocked)).state is State.DELIVERED


def test_a_lid_that_nobody_lifted_is_locked_again_and_settles_as_failed() -> None:
    shut = after(read(State.OPEN), receipt(k.BootNotLifted))
    assert shut.body.locked_at == shut.body.closed_at is not None
    due = settles_at(shut.body, DeliveryLimits())
    assert due == shut.body.locked_at + DeliveryLimits().again_within
    failed = overdue(shut, due)
    assert isinstance(failed, DeliveryFailed)
    assert failed.reason == "not_lifted"


def test_older_receipts_of_the_unit_say_nothing_new() -> None:
    known = read(State.ARRIVED, receipt=Receipt(unit=UNIT, n=7))
    assert after(known, receipt(k.BootOpened, n=7)) == known
    assert after(known, receipt(k.BootOpened, n=8)).state is State.OPEN
    assert after(known, receipt(k.BootOpened, n=1, unit="vu_3bbbbbbbbbbbbbbb")).state is State.OPEN


@pytest.mark.parametrize(
    "code", ["too_early", "vehicle_state", "wrong_place", "refused", "busy", "stale_trust"]
)
def test_a_refusal_returns_to_the_car_with_its_reason(code: str) -> None:
    refused = after(read(State.OPENING), v.CommandRefused(**COMMANDED, code=code))
    assert (refused.state, refused.body.refusal) == (State.ARRIVED, code)


@pytest.mark.parametrize("code", ["revoked", "expired", "already_used"])
def test_three_refusals_end_it(code: str) -> None:
    assert after(read(State.OPENING), v.CommandRefused(**COMMANDED, code=code)).state is State.REFUSED
    assert after(read(State.UNSURE), receipt(k.KeyRefused, code=code)).state is State.REFUSED


@pytest.mark.parametrize("code", ["internal", "may_have_opened"])
def test_an_answer_that_nobody_can_tell_is_unsure(code: str) -> None:
    assert after(read(State.OPENING), v.CommandRefused(**COMMANDED, code=code)).state is State.UNSURE


def test_only_the_attempt_that_is_on_its_way_can_fail() -> None:
    other = {**COMMANDED, "command": "cmd_3k3maaaaaaaaaaaa.2.open"}
    assert after(read(State.OPENING), v.CommandUnanswered(**other)) == read(State.OPENING)
    assert after(read(State.OPENING), v.CommandRefused(**other, code="busy")) == read(State.OPENING)
    assert about(v.CommandUnanswered(**{**COMMANDED, "op": "flash"})) is None
    assert about(v.CommandUnanswered(**{**COMMANDED, "delivery": None})) is None
    assert about(k.RevocationConfirmed(**ABOUT, version=1, n=1)) is None


def test_what_never_left_opened_nothing() -> None:
    for kind in (v.CommandUndeliverable, v.CommandExpired):
        found = after(read(State.OPENING), kind(**COMMANDED))
        assert (found.state, found.body.refusal) == (State.ARRIVED, "not_sent")
    assert after(read(State.OPENING), v.CommandUnanswered(**COMMANDED)).state is State.UNSURE


def test_the_key_is_followed() -> None:
    fresh = read(State.APPROVED, key=None, planned=Planned(n=1, epoch=0))
    issued = after(fresh, NEWS[0])
    assert issued.body.key is not None
    assert (issued.state, issued.body.key.signed, issued.body.key.dead) == (State.APPROVED, False, False)
    signed = after(issued, k.KeySigned(**KEYED))
    assert signed.state is State.KEYED
    assert after(signed, k.KeyHandedOut(**KEYED)).body.key == signed.body.key.but(handed_out=True)  # type: ignore[union-attr]
    revoked = after(signed, k.KeyRevoked(**KEYED, reason="r", dies_at=NOW + MINUTE))
    assert revoked.body.key_alive
    assert not after(revoked, k.KeyDestroyed(**KEYED, how="confirmed_by_car")).body.key_alive


def test_a_key_for_another_device_never_makes_it_ready() -> None:
    for issued in (
        read(State.APPROVED, key=key(signed=False, jkt="another")),
        read(State.APPROVED, key=key(signed=False), epoch=1),
        after(read(State.APPROVED, key=None), NEWS[0]),
    ):
        assert issued.body.key_outdated
        assert after(issued, k.KeySigned(**KEYED)).state is State.APPROVED


def test_a_replacement_begins_at_the_car_again() -> None:
    used = read(
        State.CLOSED,
        wants_again=True,
        opened_at=NOW,
        locked_at=NOW,
        done=True,
        key=key(key="key_3k3maaaaaaaaaaaa.2", n=2, signed=False),
    )
    again = after(used, k.KeySigned(**{**KEYED, "key": "key_3k3maaaaaaaaaaaa.2"}))
    assert again.state is State.ARRIVED
    assert (again.body.wants_again, again.body.opened_at, again.body.locked_at, again.body.done) == (
        False,
        None,
        None,
        False,
    )


@pytest.mark.parametrize("fact", [k.BootClosed, k.BootLocked, k.BootNotLifted])
def test_the_late_end_of_an_earlier_key_s_opening_ends_nothing_of_the_newer_key(fact: type[Base]) -> None:
    newer = read(State.ARRIVED, key=key(key="key_3k3maaaaaaaaaaaa.2", n=2))
    heard_late = after(newer, receipt(fact, 3))
    assert heard_late.state is State.ARRIVED
    assert (heard_late.body.closed_at, heard_late.body.locked_at) == (None, None)
    assert heard_late.body.receipt == Receipt(unit=UNIT, n=3)


def test_an_opening_by_an_earlier_key_is_told_all_the_same() -> None:
    newer = read(State.ARRIVED, key=key(key="key_3k3maaaaaaaaaaaa.2", n=2))
    assert after(newer, receipt(k.BootOpened, 3)).body.opened_at is not None


@pytest.mark.parametrize("state", State)
def test_facts_are_only_told_where_the_table_has_them(state: State) -> None:
    for fact in NEWS:
        news = about(fact)
        assert news is not None
        turn = heard(read(state), news, NOW)
        for told in turn.facts if turn else ():
            assert follows(state, told) or len(turn.facts) > 1  # type: ignore[union-attr]
