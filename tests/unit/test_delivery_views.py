"""Who may see what: a carrier nothing of the car before the approval, a courier by the clock, nobody the plate in a fact."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from delivery import testing
from delivery.jobs import job_view
from delivery.model import Arrival, Behaviour, Read, finished
from delivery.place import Circle, Point
from delivery.ports import Car
from delivery.rules import Rules
from delivery.service import told
from delivery.states import ACTS, ENDS, Act, State, step
from delivery.views import NOT_USABLE, carrier_state, carrier_type, carrier_view, key_out, timeline
from spine.facts import FACT
from spine.facts import delivery as f
from spine.facts.base import Base
from tests.delivery_world import (
    HOUR,
    KEY,
    LIMITS,
    MINUTE,
    NOW,
    OWNER,
    PLATE,
    UNIT,
    VEHICLE,
    key,
    read,
)

SPOT = Point(lat=52.37021, lon=4.89517)
PLACE = Circle(centre=SPOT, radius=80)
RULES = Rules(name="Golf", plate=PLATE, colour="blue", place=PLACE)
AWAKE = Car("awake", NOW, None, SPOT)
SECRETS = (PLATE, "blue", "Golf", "52.37", "4.89", VEHICLE, UNIT, OWNER, "TL-")
STATES = sorted(State)


def everything(state: State, *, approved: bool = True) -> Read:
    found = read(
        state,
        place=PLACE,
        address="TL-7K3M-9QXD-4HWE",
        out_by=321,
        arrival=Arrival(at=NOW, metres=7, reason="fence"),
        **({"refusal": "too_early"} if approved else {"approval": None, "key": None}),
    )
    return Read(id=found.id, state=state, body=finished(state, found.body, NOW))


@given(st.sampled_from(STATES), st.booleans(), st.booleans())
def test_a_carriers_view_never_says_where_or_which_car(state: State, approved: bool, silent: bool) -> None:
    found = everything(state, approved=approved)
    found = Read(id=found.id, state=state, body=found.body.but(silently=silent))
    said = carrier_view(found).model_dump_json()
    assert not [secret for secret in SECRETS if secret in said]
    assert "321" not in said
    assert "fence" not in said


def test_before_the_approval_no_answer_says_whether_a_car_exists() -> None:
    def seen(state: State, **changes: Any) -> str:
        found = read(state, **{"approval": None, "key": None, **changes})
        times = {"delivery.requested": NOW - HOUR, "delivery.asked": NOW}
        found = Read(id=found.id, state=state, body=found.body.but(times=times))
        return carrier_view(found).model_dump_json(exclude={"state"}) + carrier_state(found)

    no_car = {"vehicle": None, "question": None, "opening": None, "courier": None}
    assert seen(State.ASKED, courier=None) == seen(
        State.REQUESTED, **no_car, address="TL-X", unusable="address"
    )
    told_so = {seen(State.UNUSABLE, **no_car), seen(State.DECLINED, courier=None, silently=True)}
    assert told_so == {seen(State.EXPIRED, courier=None)}
    assert next(iter(told_so)).endswith(NOT_USABLE)
    assert seen(State.DECLINED).endswith("declined")


@pytest.mark.parametrize("kind", [fact.model_fields["kind"].default for fact in get_args(f.DeliveryFact)])
def test_news_before_the_approval_says_as_little(kind: str) -> None:
    for state in State:
        waiting = read(state, approval=None)
        assert carrier_type(kind, waiting) in {
            None, "delivery.address_not_usable", "delivery.declined", "delivery.cancelled", "delivery.rescheduled",
        }  # fmt: skip
    assert carrier_type("delivery.asked", read(State.APPROVED)) is None
    assert carrier_type("delivery.place_changed", read(State.APPROVED)) is None


def test_news_of_unsure_and_left_open_reach_the_carrier() -> None:
    for kind in ("delivery.unsure", "delivery.left_open"):
        assert carrier_type(kind, read(State.UNSURE)) == kind


def job(found: Read, at: Any) -> Any:
    return job_view(found, AWAKE, UNIT, RULES, at, LIMITS)


@pytest.mark.parametrize("state", STATES)
def test_a_courier_sees_nothing_after_the_end_and_an_area_before_the_time(state: State) -> None:
    found = everything(state)
    start = found.body.window.start
    early, late = job(found, start - 31 * MINUTE), job(found, start - 30 * MINUTE)
    if state not in ACTS[Act.SEE]:
        assert early.sees == late.sees == "over"
        assert not [s for s in (*SECRETS, "fence") if s in late.model_dump_json(exclude={"id"})]
        return
    assert (early.sees, early.looks, early.position) == ("area", None, Point(lat=52.37, lon=4.9))
    assert PLATE not in early.model_dump_json()
    assert (late.sees, late.looks.plate, late.position) == ("place", PLATE, SPOT)
    assert set(late.can) == {act for act in ACTS if state in ACTS[act]} - {
        Act.JOIN, Act.DECIDE, Act.BLOCK, Act.EXTEND, Act.MOVE_PLACE, Act.CANCEL, Act.RESCHEDULE, Act.ASSIGN, Act.SEE,
    }  # fmt: skip


def test_no_end_shows_a_job() -> None:
    assert ENDS.isdisjoint(ACTS[Act.SEE])


def test_where_the_car_is_silent_the_agreed_place_is_shown() -> None:
    found = everything(State.KEYED)
    assert job_view(found, Car("no_coverage"), UNIT, RULES, NOW, LIMITS).position == SPOT


def test_the_key_in_plain_words() -> None:
    assert key_out(read(State.ASKED, key=None)).state == "none"
    assert key_out(read(State.KEYED)).model_dump() == {"state": "made", "how": None, "dies_at": key().exp}
    ending = key_out(read(State.BLOCKED, key=key(dies_at=NOW + HOUR)))
    assert (ending.state, ending.dies_at) == ("ending", NOW + HOUR)
    dead = key_out(read(State.BLOCKED, key=key(dies_at=NOW + HOUR, how="confirmed_by_car")))
    assert (dead.state, dead.how) == ("destroyed", "confirmed_by_car")


def test_the_timeline_is_in_order_and_has_the_lock_and_the_key() -> None:
    found = read(
        State.DELIVERED,
        times={"delivery.opened": NOW, "delivery.approved": NOW - HOUR, "delivery.closed": NOW + MINUTE},
        locked_at=NOW + 2 * MINUTE,
        key=key(how="consumed", died_at=NOW),
    )
    assert [what for _, what in timeline(found)] == [
        "approved", "key destroyed: consumed", "opened", "closed", "locked",
    ]  # fmt: skip


def test_the_timeline_tells_what_the_car_did_by_the_cars_own_clock() -> None:
    """Both receipts came at once, after the lock had moved; the service had its own time for the one, not the other."""
    heard = NOW + MINUTE
    found = read(
        State.DELIVERED,
        times={
            "delivery.opening": NOW, "delivery.opened": heard, "delivery.closed": heard,
            "delivery.delivered": heard, "delivery.ended": heard,
        },
        opened_at=NOW, closed_at=NOW + MINUTE / 2, locked_at=NOW + MINUTE / 2,
    )  # fmt: skip
    assert timeline(found)[:4] == (
        (NOW, "opening"), (NOW, "opened"), (NOW + MINUTE / 2, "closed"), (NOW + MINUTE / 2, "locked"),
    )  # fmt: skip
    assert [what for _, what in timeline(found)[4:]] == ["delivered", "ended"]


def test_no_fact_has_room_for_a_person_or_a_place() -> None:
    adapter: TypeAdapter[Any] = FACT
    told_of = {name for fact in get_args(f.DeliveryFact) for name in fact.model_fields}
    assert told_of == {
        "kind", "at", "delivery", "carrier", "vehicle", "drop", "livemode", "reason", "question", "approve_by", "by",
        "level", "shown", "silent", "courier", "jkt", "former", "key", "command", "code", "final", "successor",
        "sha256", "until", "outcome", "fra", "assertion",
    }  # fmt: skip
    asked = told(
        f.DeliveryAsked, everything(State.REQUESTED), NOW, question="qst_3k3maaaaaaaaaaaa.1", approve_by=NOW
    )
    said = adapter.dump_json(asked).decode()
    assert not [secret for secret in (PLATE, "52.37", "TL-", "R-1") if secret in said]


def life_of(behaviour: Behaviour) -> list[str]:
    """Every fact of a test delivery, played to where it stays."""
    now, facts = NOW, list[str]()
    found = read(
        State.REQUESTED, approval=None, key=None, opening=None, question=None, vehicle=None, test=behaviour,
        test_at=now, courier=None,
    )  # fmt: skip
    while True:
        happened, changes = testing.next_step(found, now)
        if not happened:
            return [*facts, found.state]
        assert all(fact.vehicle is None for fact in happened)
        facts += [type(fact).__name__ for fact in happened]
        state = step(found.state, *happened)
        if state in ENDS:
            return [*facts, state]
        found = Read(id=found.id, state=state, body=found.body.but(**changes))
        now += LIMITS.test_step


@pytest.mark.parametrize(
    ("behaviour", "end", "passes"),
    [
        ("approves", State.DELIVERED, f.DeliveryOpened),
        ("declines", State.DECLINED, f.DeliveryDeclined),
        ("silent", State.EXPIRED, f.DeliveryAsked),
        ("out_of_place", State.FAILED, f.OutOfPlace),
        ("offline", State.FAILED, f.OpeningRefused),
        ("stuck", State.FAILED, f.DeliveryClosed),
        ("left_open", State.DELIVERED, f.DeliveryLeftOpen),
        ("unsure", State.UNSURE, f.DeliveryUnsure),
    ],
)
def test_test_addresses_behave_by_name(behaviour: Behaviour, end: State, passes: type[Base]) -> None:
    facts = life_of(behaviour)
    assert facts[-1] == end
    assert passes.__name__ in facts
    assert KEY.startswith("key_")
