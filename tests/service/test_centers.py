"""Cases at a foreign contact center: handed out, claimed, concluded; and back at our own desk when nobody does."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from maintenance.centers_reactions import CANCELLED, CREATED, RETURNED
from maintenance.centers_states import BACK, HandoutState
from maintenance.centers_sweep import ALL, OUT
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.ids import CaseId, SlotId
from tests.service.centers_house import (
    CAR,
    CASE,
    CENTER,
    CODE,
    ENDPOINT,
    OTHER,
    PHONE,
    SECOND,
    CentersHouse,
    centers_house,
)
from tests.service.people_house import PeopleHouse, house_of_people

__all__ = ["house_of_people"]

H, T = HandoutState, TriggerState
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def home(house_of_people: PeopleHouse) -> AsyncIterator[CentersHouse]:
    house = await centers_house(house_of_people)
    yield house
    await house.http.aclose()


async def sound(home: CentersHouse) -> None:
    """Nothing is wrong with any hand-out, and reading the log again changes nothing."""
    assert await home.desk.centers.sweep.run() == {}
    await home.again()


# ---- out


async def test_a_high_case_is_handed_to_its_center_with_the_number_and_never_a_number_at_rest(
    home: CentersHouse,
) -> None:
    await home.handed()
    state, out = await home.handout()
    assert (state, out.addresses, out.claim_by) == (H.OUT, (ENDPOINT,), home.now + 15 * MINUTE)
    (message,) = home.post.queued.values()
    assert (message.type, message.endpoint, message.expires_at) == (CREATED, ENDPOINT, out.claim_by)
    body = await home.body_of(message)
    assert body is not None
    assert (body["phone"], body["priority"], body["severity"]) == (PHONE, 2, "high")
    assert body["idempotency_key"] == "hnd_3k7m9qxd4hwe2a5t.brakes.1.1"
    text = json.dumps([one.model_dump(mode="json") for one in await home.facts()]) + repr(message)
    assert PHONE not in text
    assert (await home.desk.index.page(OUT, ALL)).members == [CASE]
    await sound(home)
    assert len(home.post.queued) == 1, "read twice, queued once"


@pytest.mark.parametrize("wanted", [None, {"on": False}])
async def test_nobody_who_did_not_ask_for_calls_is_handed_out(home: CentersHouse, wanted: Any) -> None:
    if wanted is not None:
        await home.wants_calls(**wanted)
    await home.scan(CODE)
    assert (await home.case()).state is T.OFFERED
    assert not home.post.queued


async def test_what_no_center_takes_stays_on_our_own_list(house_of_people: PeopleHouse) -> None:
    home = await centers_house(
        house_of_people, {"source": CENTER, "severities": ["high"], "countries": ["DE"]}
    )
    await home.wants_calls()
    await home.scan(CODE)
    assert ((await home.case()).state, home.post.queued) == (T.QUEUED, {})
    await home.http.aclose()


async def test_a_center_without_an_address_gets_nothing(home: CentersHouse) -> None:
    home.post.addresses = []
    await home.wants_calls()
    await home.scan(CODE)
    assert (await home.case()).state is T.QUEUED
    await sound(home)


async def test_outside_the_calling_window_it_waits_and_goes_out_when_that_opens(home: CentersHouse) -> None:
    home.clock.advance(11 * HOUR)  # 22 h in Amsterdam
    await home.wants_calls()
    await home.scan(CODE)
    assert ((await home.case()).state, home.post.queued) == (T.QUEUED, {})
    await home.again()
    await home.later(11 * HOUR)
    assert (await home.case()).state is T.LEASED
    assert home.post.types() == ["created"]
    await sound(home)


async def test_a_critical_case_goes_out_at_any_hour(home: CentersHouse) -> None:
    home.clock.advance(11 * HOUR)
    await home.wants_calls()
    await home.scan(CODE, ecus=critical())
    assert (await home.case()).body.severity == "critical"
    assert home.post.types() == ["created"]
    read = await home.case()
    assert read.body.trigger.dialled is not None
    assert read.body.trigger.dialled.safety, "the audit shows that it is outside the window"


def critical() -> list[dict[str, Any]]:
    code = {"code": CODE, "status": "confirmed", "severity": "check_immediately"}
    return [{"id": "7E8", "answered": True, "codes": [code]}]


async def test_the_center_keeps_the_one_call_a_person_a_day(home: CentersHouse) -> None:
    await home.handed()
    assert not await home.day_is_free()
    await home.scan(CODE, "P0301")
    second = await home.read("ignition")
    assert second.state is T.QUEUED, "the person's call of today is the first case's"
    await home.send("booked", slot=None)  # refused: a slot goes with it
    await home.send("no_answer")
    assert await home.day_is_free(), "nobody was spoken to"


# ---- claimed, concluded


async def test_claimed_worked_on_and_concluded(home: CentersHouse) -> None:
    await home.handed()
    assert (await home.send("accepted")).json() == {
        "case": CASE, "status": "accepted", "outcome": "applied", "state": "leased",
    }  # fmt: skip
    state, out = await home.handout()
    assert (state, out.until) == (H.OUT, home.now + 15 * MINUTE), "accepted is not handled"
    await home.later(10 * MINUTE)
    assert (await home.send("claimed")).json()["outcome"] == "applied"
    await home.later(15 * MINUTE)
    await home.send("in_progress")
    assert (await home.handout())[0] is H.CLAIMED
    await home.send(
        "callback_at",
        callback_at=(home.now + 3 * HOUR).isoformat(),
        note="Rings back",
        answers={"when": "soon"},
    )
    read = await home.case()
    assert (read.state, read.body.trigger.due) == (T.SCHEDULED, home.now + 3 * HOUR)
    assert (read.body.note, read.body.answers, read.body.trigger.center) == (
        "Rings back",
        {"when": "soon"},
        None,
    )
    assert [call.disposition for call in read.body.trigger.calls] == ["callback_at"]
    assert (await home.handout())[1].why == "concluded"
    assert home.post.types() == ["created"], "the center knows that it is over"
    await sound(home)


async def test_the_note_stands_in_the_case_and_nowhere_else(home: CentersHouse) -> None:
    await home.handed()
    await home.send("no_answer", note="Speak to the neighbour")
    text = json.dumps([one.model_dump(mode="json") for one in await home.facts()])
    assert "neighbour" not in text
    rows = await home.people.subjects()
    assert [one for one, saved in rows.items() if "neighbour" in saved.body] == [CASE]


OUTCOMES = {
    "no_answer": T.SCHEDULED, "busy": T.SCHEDULED, "voicemail": T.SCHEDULED, "wrong_number": T.UNREACHED,
    "declined_own_garage": T.DECLINED, "declined_not_now": T.SUPPRESSED, "already_repaired": T.SUPPRESSED,
    "sold_vehicle": T.SUPPRESSED, "language": T.QUEUED, "do_not_call": T.OFFERED, "escalated_supervisor": T.QUEUED,
    "emergency": T.QUEUED,
}  # fmt: skip


@pytest.mark.parametrize(("status", "state"), OUTCOMES.items())
async def test_every_outcome_is_the_own_desk_s(home: CentersHouse, status: str, state: T) -> None:
    await home.handed()
    answer = await home.send(status)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")
    read = await home.case()
    assert read.state is state
    assert read.body.trigger.center is None
    assert [call.by for call in read.body.trigger.calls] == [CENTER]
    assert home.post.types().count("created") == 1, "what the center could not do is not given to it again"
    await sound(home)


async def test_a_second_try_goes_to_the_center_again(home: CentersHouse) -> None:
    await home.handed()
    await home.send("no_answer")
    await home.later(2 * HOUR)
    read = await home.case()
    assert (read.state, read.body.trigger.center) == (T.LEASED, CENTER)
    assert (await home.handout())[1].n == 2
    assert home.post.types() == ["created", "created"]


async def test_a_center_books_a_slot(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    await home.send("claimed")
    answer = await home.send("booked", slot=slot)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "applied"), answer.text
    read = await home.case()
    assert (read.state, read.body.trigger.appointment) == (T.BOOKED, f"apt_{CASE[4:]}.1")
    assert (await home.booking.read(read.body.trigger.appointment)).body.booked_by == CENTER  # type: ignore[arg-type]
    assert [call.disposition for call in read.body.trigger.calls] == ["booked"]
    assert home.post.types() == ["created"], "nobody tells the center to stop what it did itself"
    await sound(home)


async def test_a_center_sees_what_is_free_and_books_it_as_the_owner_would(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    (message,) = home.post.queued.values()
    given = await home.body_of(message)
    assert given is not None
    assert given["slots_url"].endswith(f"/v1/centers/{CENTER}/slots")
    answer = await home.ask()
    assert answer.status_code == 200, answer.text
    (offer,) = answer.json()["data"]
    assert (offer["garage"]["name"], offer["garage"]["address"]) == ("Garage", "Kade 1")
    shown = [one["slot"] for one in offer["slots"]]
    assert (shown[0], len(shown)) == (slot, home.desk.limits.centers.slots_offered)
    later = await home.ask(start=offer["slots"][-1]["end"])
    assert not set(shown) & {one["slot"] for one in later.json()["data"][0]["slots"]}
    await home.send("claimed")
    taken = CaseId(str(CASE).replace("brakes", "ignition"))
    await home.scan("C0040", "P0301")
    await home.booking.book(taken, SlotId(shown[0]), by=home.owner)
    refused = await home.send("booked", slot=shown[0])
    assert (refused.status_code, refused.json()["code"]) == (409, "slot.taken")
    other = refused.json()["alternatives"][0]["slot"]
    assert (await home.send("booked", slot=other)).json()["outcome"] == "applied"
    assert (await home.case()).state is T.BOOKED
    over = await home.ask()
    assert (over.status_code, over.json()["code"]) == (409, "center.handout_over")
    await sound(home)


async def test_free_slots_are_shown_to_nobody_else(home: CentersHouse) -> None:
    await home.slot()
    await home.handed()
    for answer in (
        await home.ask(by=OTHER),
        await home.ask(source=OTHER),
        await home.ask(source=OTHER, by=OTHER),
    ):
        assert answer.status_code in {401, 404}, answer.text
    assert (await home.ask(idempotency_key="hnd_3k7m9qxd4hwe2a5t.brakes.1.7")).status_code == 404
    assert (await home.ask(garage="gar_1aaaaaaaaaaaaaaa")).status_code == 404
    assert (await home.ask(garage="x")).status_code == 422
    assert (await home.ask(more="x")).status_code == 422


async def test_a_slot_that_is_gone_leaves_the_case_with_the_center(home: CentersHouse) -> None:
    await home.handed()
    await home.send("claimed")
    answer = await home.send("booked", slot="slt_3k7m9qxd4hwe2a5t.1.1893574800")
    assert answer.status_code == 404
    read = await home.case()
    assert (read.state, read.body.trigger.center) == (T.LEASED, CENTER)
    assert (await home.handout())[1].books_until is None
    await sound(home)


async def test_a_center_that_dies_between_slot_and_report_has_booked_all_the_same(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    # the note that it books, the slot, appointment with case: and there the process ends
    assert await home.people.killed_after(
        3, lambda: home.send("booked", slot=slot, id_="msg_once", settle=False)
    )
    await home.settle()
    assert (await home.case()).state is T.BOOKED
    assert "cancelled" not in home.post.types()
    answer = await home.send("booked", slot=slot, id_="msg_once")
    assert answer.json()["outcome"] == "applied"
    assert [call.disposition for call in (await home.case()).body.trigger.calls] == ["booked"]
    await sound(home)


# ---- back


async def test_accepted_is_not_handled(home: CentersHouse) -> None:
    before = await home.handed()
    await home.send("accepted")
    await home.later(10 * MINUTE)  # here the person's call of the day is looked at: it may still go on
    await home.later(5 * MINUTE)
    read = await home.case()
    assert (read.state, read.body.trigger.center, read.body.trigger.lease) == (T.QUEUED, None, None)
    assert read.body.trigger.since == before.body.trigger.since, "as old as it was"
    assert (await home.handout())[1].why == "unclaimed"
    assert home.post.types() == ["created", "cancelled", "returned"]
    cancelled = next(one for one in home.post.queued.values() if one.type == CANCELLED)
    assert await home.body_of(cancelled) == {
        "idempotency_key": "hnd_3k7m9qxd4hwe2a5t.brakes.1.1", "case": CASE, "vehicle": CAR, "why": "unclaimed",
    }  # fmt: skip
    assert await home.day_is_free()
    counted = await home.counted()
    assert (counted["handouts"], counted["handouts_back"], counted["handouts_back:unclaimed"]) == (1, 1, 1)
    await home.later(2 * DAY)
    assert home.post.types().count("created") == 1, "from here on our own people do it"
    await sound(home)


async def test_the_owner_is_told_in_their_language(home: CentersHouse) -> None:
    await home.handed(language="nl")
    await home.later(15 * MINUTE)
    (letter,) = await home.letters()
    assert letter.to == "owner@example.org"
    assert letter.subject == "Onze eigen mensen bellen je over je auto"
    assert PHONE not in str(letter.paragraphs)


async def test_a_center_that_claimed_and_fell_silent_may_have_called(home: CentersHouse) -> None:
    await home.handed()
    await home.send("claimed")
    await home.later(21 * MINUTE)
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "silent")
    assert not await home.day_is_free(), "nobody rings them a second time today"
    await sound(home)


async def test_nobody_holds_a_case_for_ever(home: CentersHouse) -> None:
    await home.handed()
    for _ in range(20):
        await home.send("in_progress")
        await home.later(10 * MINUTE)
    assert (await home.case()).state is T.QUEUED
    assert (await home.handout())[1].ended_at is not None
    await sound(home)


async def test_given_back_it_is_ours_at_once(home: CentersHouse) -> None:
    await home.handed()
    await home.send("rejected")
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "returned")
    assert await home.day_is_free()
    await sound(home)


async def test_a_dead_message_brings_it_back_at_once_but_only_the_last_address_s(home: CentersHouse) -> None:
    home.post.addresses = [ENDPOINT, SECOND]
    await home.handed()
    await home.dies(SECOND)
    assert (await home.case()).state is T.LEASED
    await home.dies(ENDPOINT)
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "undelivered")
    await home.dies(ENDPOINT)
    await sound(home)


async def test_a_message_that_died_after_the_center_answered_changes_nothing(home: CentersHouse) -> None:
    """It arrived, and its answer did not."""
    await home.handed()
    await home.send("claimed")
    await home.dies()
    assert (await home.case()).state is T.LEASED
    await sound(home)


async def test_an_address_that_is_full_is_a_dead_one(home: CentersHouse) -> None:
    home.post.full = True
    await home.wants_calls()
    await home.scan(CODE)
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "undelivered")
    await sound(home)


# ---- what happens here meanwhile


async def test_more_urgent_is_told_and_has_to_be_claimed_sooner(home: CentersHouse) -> None:
    await home.handed()
    await home.scan(CODE, ecus=critical())
    assert home.post.types() == ["created", "updated"]
    _, out = await home.handout()
    assert (out.severity, out.until) == ("critical", home.now + 2 * MINUTE)
    await home.later(2 * MINUTE)
    assert (await home.case()).state is T.QUEUED
    await sound(home)


async def test_the_owner_who_wants_no_calls_any_more_is_called_by_nobody(home: CentersHouse) -> None:
    await home.handed()
    message = next(iter(home.post.queued.values()))
    await home.wants_calls(on=False)
    read = await home.case()
    assert (read.state, read.body.trigger.center) == (T.OFFERED, None)
    assert await home.body_of(message) is None, "what is still queued says nothing any more"
    assert home.post.types() == ["created", "cancelled"]
    assert home.post.withdrawn == {message.id}
    await sound(home)


async def test_a_case_that_closes_is_taken_back(home: CentersHouse) -> None:
    await home.handed()
    for _ in range(3):
        await home.later(MINUTE)
        await home.scan()
    assert (await home.case()).state is T.ENDED
    assert home.post.types() == ["created", "cancelled"]
    assert (await home.handout())[1].why == "withdrawn"
    await sound(home)


async def test_the_owner_books_and_the_center_is_told_to_stop(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    await home.booking.book(CASE, slot, by=home.owner)
    await home.settle()
    assert home.post.types() == ["created", "cancelled"]
    assert (await home.send("no_answer")).json() == {
        "case": CASE, "status": "no_answer", "outcome": "kept", "state": "booked",
    }  # fmt: skip
    await sound(home)


# ---- in any order, more than once, too late, by others


async def test_the_same_callback_again_is_answered_alike_and_changes_nothing(home: CentersHouse) -> None:
    await home.handed()
    first = await home.send("no_answer", id_="msg_same")
    again = await home.send("no_answer", id_="msg_same")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len((await home.case()).body.trigger.calls) == 1
    other = await home.send("busy", id_="msg_same")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.other_body")


async def test_callbacks_out_of_order(home: CentersHouse) -> None:
    await home.handed()
    assert (await home.send("in_progress")).json()["outcome"] == "applied"
    assert (await home.send("claimed")).json()["outcome"] == "kept"
    assert (await home.send("accepted")).json()["outcome"] == "kept"
    assert (await home.handout())[0] is H.CLAIMED
    await home.send("no_answer")
    assert (await home.send("in_progress")).json()["outcome"] == "kept"
    read = await home.case()
    assert (read.state, len(read.body.trigger.calls)) == (T.SCHEDULED, 1)
    assert [(one.status, one.outcome) for one in (await home.handout())[1].heard] == [
        ("in_progress", "applied"), ("claimed", "kept"), ("accepted", "kept"), ("no_answer", "applied"), ("in_progress", "kept"),
    ]  # fmt: skip
    await sound(home)


@pytest.mark.parametrize("status", ["claimed", "no_answer", "declined_own_garage", "rejected", "emergency"])
async def test_a_late_callback_is_kept_and_changes_nothing(home: CentersHouse, status: str) -> None:
    await home.handed()
    await home.later(15 * MINUTE)
    before = await home.case()
    answer = await home.send(status, note="late")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "kept")
    assert await home.case() == before
    (kept,) = [one for one in await home.facts() if isinstance(one, f.HandoutReported)]
    assert (kept.status, kept.outcome, kept.center) == (status, "kept", CENTER)
    await sound(home)


async def test_a_late_wish_for_no_calls_holds_all_the_same(home: CentersHouse) -> None:
    await home.handed()
    await home.later(15 * MINUTE)
    assert (await home.send("do_not_call")).json()["outcome"] == "kept"
    calls = await home.desk.choosing.of(CAR)
    assert calls is not None
    assert calls.do_not_call


async def test_an_old_wish_for_no_calls_does_not_undo_a_newer_choice(home: CentersHouse) -> None:
    await home.handed()
    await home.send("rejected")
    await home.later(MINUTE)
    await home.wants_calls(on=False)
    await home.wants_calls(on=True)
    assert (await home.send("do_not_call")).json()["outcome"] == "kept"
    calls = await home.desk.choosing.of(CAR)
    assert calls is not None
    assert not calls.do_not_call


async def test_a_late_booking_takes_no_slot(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    await home.later(15 * MINUTE)
    assert (await home.send("booked", slot=slot)).json()["outcome"] == "kept"
    assert (await home.desk.capacity.slot(slot)).state == "free"


async def test_a_callback_of_an_earlier_hand_out_does_not_touch_the_next(home: CentersHouse) -> None:
    await home.handed()
    await home.send("no_answer")
    await home.later(2 * HOUR)
    assert (await home.send("wrong_number", n=1)).json()["outcome"] == "kept"
    assert (await home.case()).state is T.LEASED
    assert (await home.send("claimed", n=2)).json()["outcome"] == "applied"


async def test_anothers_case_is_as_unknown_as_none(home: CentersHouse) -> None:
    await home.handed()
    other = await home.send("claimed", source=OTHER)
    none = await home.send("claimed", n=7)
    never = await home.send("claimed", case="cse_3k7m9qxd4hwe2a5t.engine.9")
    assert {one.status_code for one in (other, none, never)} == {404}
    assert len({one.text for one in (other, none, never)}) == 1
    assert (await home.handout())[1].heard == ()


async def test_a_forged_callback_is_not_even_read(home: CentersHouse) -> None:
    await home.handed()
    before = await home.people.everything()
    assert (await home.send("claimed", by=OTHER)).status_code == 401
    bare = await home.http.post(f"/v1/centers/{CENTER}/callbacks", content=b"{}")
    stranger = await home.http.post("/v1/centers/ep_0c2h8tq4n6w0rj3v/callbacks", content=b"{}")
    unsigned = await home.http.post(f"/v1/centers/{CENTER}/twilio", content=b"EventType=task.created")
    assert {one.status_code for one in (bare, stranger, unsigned)} == {401}
    assert await home.people.everything() == before


@pytest.mark.parametrize(
    "more",
    [
        {"case": "cse_x"}, {"status": "done"}, {"at": "yesterday"}, {"note": "x" * 4_001}, {"answers": {"A b": "x"}},
        {"answers": {f"q{n}": "x" for n in range(41)}}, {"extra": 1}, {"slot": "slt_1"}, {"callback_at": None, "status": "callback_at"},
    ],
)  # fmt: skip
async def test_what_says_too_little_or_too_much_is_refused_and_never_quoted(
    home: CentersHouse, more: Any
) -> None:
    await home.handed()
    said = {"note": "a secret note", **more}
    status = said.pop("status", "claimed")
    case = said.pop("case", CASE)
    body = home.report("claimed") | {"status": status, "case": case} | said
    answer = await signed(home, json.dumps(body).encode())
    assert (answer.status_code, answer.json()["code"]) == (422, "center.report_unreadable")
    assert "secret note" not in answer.text
    assert (await signed(home, b"\xff[", "msg_y")).status_code == 422
    assert (await signed(home, b"x" * 70_000, "msg_z")).status_code == 413
    assert (await home.case()).state is T.LEASED


async def signed(home: CentersHouse, body: bytes, id_: str = "msg_x") -> Any:
    from webhooks import signature

    headers = signature.headers([home.secrets[CENTER]], id_, int(home.now.timestamp()), body)
    return await home.http.post(f"/v1/centers/{CENTER}/callbacks", content=body, headers=headers)


async def test_a_callback_outside_the_window_for_calls_is_told_so(home: CentersHouse) -> None:
    await home.handed()
    night = home.now.replace(hour=1) + DAY
    answer = await home.send("callback_at", callback_at=night.isoformat())
    assert answer.status_code == 422
    assert (await home.case()).state is T.LEASED, "it may say another time"


@pytest.mark.parametrize("round_", range(8))
async def test_a_callback_races_with_the_fall_back(home: CentersHouse, round_: int) -> None:
    await home.handed()
    home.clock.advance(15 * MINUTE)
    answers = await asyncio.gather(
        home.send("claimed", settle=False),
        home.desk.centers.ending.fall_back(CASE, "unclaimed"),
        home.desk.due.on_due(await home.store.load(CASE)),
        home.send("no_answer", settle=False),
    )
    await home.settle()
    read, (_, out) = await home.case(), await home.handout()
    said = [answers[0].json()["outcome"], answers[3].json()["outcome"]]
    if out.why in BACK:
        assert said[1] == "kept"
        assert read.state is T.QUEUED
    else:
        assert (out.why, said[1], read.state) == ("concluded", "applied", T.SCHEDULED)
    assert home.post.types().count("returned") == (out.why in BACK)
    await sound(home)


@pytest.mark.parametrize("commits", range(6))
async def test_killed_between_any_two_steps(home: CentersHouse, commits: int) -> None:
    """Day of the person, lease with hand-out, message, fall-back: whoever comes after goes on."""
    await home.wants_calls()
    await home.scan(CODE, settle=False)

    async def everything() -> None:
        await home.settle()
        await home.later(15 * MINUTE)

    await home.people.killed_after(commits, everything)
    await home.settle()
    await home.later(20 * MINUTE)
    await home.later(20 * MINUTE)
    read, (_, out) = await home.case(), await home.handout()
    assert (read.state, out.why) == (T.QUEUED, "unclaimed")
    assert (
        sorted(home.post.types()) == ["cancelled", "created", "returned"]
        or "created" not in home.post.types()
    )
    await sound(home)


async def test_the_sweep_finds_and_mends_what_fell_apart(home: CentersHouse) -> None:
    from maintenance.service import Turn

    await home.handed()
    # as if a hand-out had been lost with a store that was restored from an older copy
    lease = (await home.case()).body.trigger.lease
    assert lease is not None
    await home.desk.cases.change(
        CASE, lambda r, _: Turn(r.body.but(trigger=r.body.trigger.but(lease=lease.but(token="other"))))
    )
    assert await home.desk.centers.sweep.run() == {CASE: "leased_without_handout"}
    await home.later(16 * MINUTE)
    assert (await home.case()).state is T.QUEUED
    await home.later(DAY)
    assert await home.desk.centers.sweep.run() == {}


async def test_returned_mail_goes_to_nobody_who_sold_the_car(home: CentersHouse) -> None:
    await home.handed()
    await home.later(15 * MINUTE)
    assert RETURNED in {one.type for one in home.post.queued.values()}
    await home.people.people.cars.release(CAR, by=None, now=home.now)
    await home.settle()
    assert await home.letters() == [None]
