"""How a hand-out ends: with the calling window, after a claim, by a booking; and two who look at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from maintenance.centers_states import HandoutState
from maintenance.desk_windows import window_of
from maintenance.garage_problems import SlotTaken
from maintenance.states import TriggerState
from spine.ids import CaseId, SlotId
from tests.service.centers_house import CAR, CASE, CODE, CentersHouse, centers_house
from tests.service.people_house import PeopleHouse, house_of_people

__all__ = ["house_of_people"]

H, T = HandoutState, TriggerState
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def home(house_of_people: PeopleHouse) -> AsyncIterator[CentersHouse]:
    house = await centers_house(house_of_people)
    yield house
    await house.http.aclose()


async def sound(home: CentersHouse) -> None:
    assert await home.desk.centers.sweep.run() == {}
    await home.again()


async def before_it_closes(home: CentersHouse, left: timedelta) -> None:
    """The clock stands so long before the end of the owner's calling window."""
    await home.wants_calls()
    closes = window_of(await home.desk.choosing.of(CAR)).closes(home.now)
    home.clock.advance(closes - left - home.now)


async def test_it_is_to_be_claimed_before_the_window_closes(home: CentersHouse) -> None:
    await before_it_closes(home, 8 * MINUTE)
    await home.scan(CODE)
    closes = home.now + 8 * MINUTE
    _, out = await home.handout()
    assert (out.claim_by, out.until, out.expires_at) == (closes, closes, closes)
    (message,) = home.post.queued.values()
    body = await home.body_of(message)
    assert body is not None
    assert body["claim_by"] == body["expires_at"] == closes.isoformat().replace("+00:00", "Z")
    await home.send("claimed")
    assert (await home.handout())[1].until == closes, "nobody calls in the evening"
    await home.later(8 * MINUTE)
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "silent")
    await sound(home)


@pytest.mark.parametrize("status", ["claimed", "in_progress"])
async def test_who_claims_after_the_window_closed_has_it_no_more(home: CentersHouse, status: str) -> None:
    await before_it_closes(home, 8 * MINUTE)
    await home.scan(CODE)
    home.clock.advance(8 * MINUTE)  # before any timer
    first = await home.send(status, id_="msg_late")
    assert (first.json()["outcome"], first.json()["state"]) == ("kept", "queued")
    assert (await home.handout())[1].why == "returned"
    assert "cancelled" in home.post.types()
    assert not await home.day_is_free(), "there may have been a call"
    assert (await home.send(status, id_="msg_late")).json() == first.json()
    await sound(home)


async def test_just_before_the_window_closes_it_waits_for_the_next_opening(home: CentersHouse) -> None:
    await before_it_closes(home, MINUTE)
    await home.scan(CODE)
    assert ((await home.case()).state, home.post.queued) == (T.QUEUED, {})
    assert await home.day_is_free()
    await home.later(2 * MINUTE)
    assert home.post.queued == {}
    await home.later(14 * HOUR)
    assert ((await home.case()).state, home.post.types()) == (T.LEASED, ["created"])
    await sound(home)


async def test_given_back_after_a_claim_there_may_have_been_a_call(home: CentersHouse) -> None:
    await home.handed()
    await home.send("claimed")
    await home.send("rejected")
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "returned")
    assert not await home.day_is_free()
    await sound(home)


async def test_a_case_that_the_owner_booked_is_nobody_s_to_call_about(home: CentersHouse) -> None:
    """The hand-out's timer comes before the log is read on."""
    slot = await home.slot()
    await home.handed()
    await home.booking.book(CASE, slot, by=home.owner)
    assert not await home.desk.centers.ending.fall_back(CASE, "unclaimed")
    await home.settle()
    read, (state, out) = await home.case(), await home.handout()
    assert (state, out.why, read.body.trigger.center) == (H.OVER, "withdrawn", None)
    assert home.post.types() == ["created", "cancelled"], "no mail that our own people call"
    await sound(home)


async def test_a_center_that_booked_and_never_said_so_is_no_reason_for_a_mail(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    assert await home.people.killed_after(3, lambda: home.send("booked", slot=slot, settle=False))
    await home.settle()
    await home.later(16 * MINUTE)
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.BOOKED, "withdrawn")
    assert "returned" not in home.post.types()
    await sound(home)


async def test_a_mail_that_waited_says_nothing_of_a_case_that_is_booked_since(home: CentersHouse) -> None:
    slot = await home.slot()
    await home.handed()
    await home.later(15 * MINUTE)
    assert [one is not None for one in await home.letters()] == [True]
    await home.booking.book(CASE, slot, by=home.owner)
    await home.settle()
    assert await home.letters() == [None]


async def test_a_booking_that_fails_leaves_no_hand_out_that_nobody_looks_at(home: CentersHouse) -> None:
    """The owner books while the center does: whoever looks meanwhile takes that for the center's own booking."""
    slot = await home.slot()
    await home.handed()

    class Meanwhile:
        async def __call__(self, case: CaseId, slot: SlotId, *, by: str) -> None:
            await home.booking.book(case, slot, by=home.owner)
            await home.settle()
            assert (await home.handout())[0] is H.OUT
            await home.booking.book(case, slot, by=by)
            raise SlotTaken("gone")

    home.desk.centers.reports._book = Meanwhile()
    answer = await home.send("booked", slot=slot, settle=False)
    assert answer.status_code >= 400
    assert ((await home.handout())[0], (await home.handout())[1].why) == (H.OVER, "withdrawn")
    await home.settle()
    assert home.post.types() == ["created", "cancelled"]
    await sound(home)


async def test_two_look_at_once_and_the_one_who_handed_it_out_keeps_the_day(home: CentersHouse) -> None:
    handed = await home.handed()
    before = handed.but(state=T.QUEUED)  # as others had read it
    await asyncio.gather(*(home.desk.centers.handing._hand_out(before) for _ in range(3)))
    assert not await home.day_is_free()
    assert (await home.handout())[1].n == 1
    await sound(home)
