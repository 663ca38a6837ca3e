"""Contact centers that are asked by their own API: tried again, never twice, ended there when it ended here."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from maintenance.centers_states import HandoutState
from maintenance.centers_vendors import VendorFailed
from maintenance.states import TriggerState
from tests.people_signing import ORIGIN
from tests.service.centers_house import CASE, CENTER, CODE, PHONE, CentersHouse, centers_house
from tests.service.people_house import PeopleHouse, house_of_people

__all__ = ["house_of_people"]

H, T = HandoutState, TriggerState
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KEY = "hnd_3k7m9qxd4hwe2a5t.brakes.1.1"
TOKEN = "the account's token"
FAILS, FOR_GOOD = VendorFailed("ThrottlingException", for_good=False), VendorFailed("http_401", for_good=True)


@pytest.fixture
async def home(house_of_people: PeopleHouse, tmp_path: Path) -> AsyncIterator[CentersHouse]:
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n", "utf-8")
    twilio = {
        "account_sid": "AC" + "0" * 32, "workspace_sid": "WS" + "1" * 32, "workflow_sid": "WW" + "2" * 32,
        "auth_token_file": str(token),
    }  # fmt: skip
    center = {"source": CENTER, "via": "twilio", "severities": ["high"], "twilio": twilio}
    house = await centers_house(house_of_people, center)
    yield house
    await house.http.aclose()


async def started(home: CentersHouse) -> None:
    await home.handed()
    await home.fire()


async def sound(home: CentersHouse) -> None:
    assert await home.desk.centers.sweep.run() == {}
    await home.again()


async def event(
    home: CentersHouse, kind: str, *, token: str = TOKEN, sid: str = "", **attributes: Any
) -> Any:
    """An event callback of TaskRouter, signed as Twilio signs."""
    said = {"trunkline_key": KEY, "trunkline_case": CASE, **attributes}
    form = {
        "EventType": kind, "TaskSid": f"WT-{KEY}", "TaskAttributes": json.dumps(said), "Sid": sid or f"EV{kind}",
        "TimestampMs": "1893574800000", "WorkerName": "an agent's name",
    }  # fmt: skip
    url = f"/v1/centers/{CENTER}/twilio"
    text = ORIGIN + url + "".join(name + form[name] for name in sorted(form))
    mac = base64.b64encode(hmac.new(token.encode(), text.encode(), sha1).digest()).decode()
    headers = {"x-twilio-signature": mac, "content-type": "application/x-www-form-urlencoded"}
    answer = await home.http.post(url, content=urlencode(form), headers=headers)
    await home.settle()
    return answer


async def test_the_vendor_has_one_task_and_the_case_its_name(home: CentersHouse) -> None:
    await started(home)
    (task,) = home.vendor.tasks.values()
    assert (task.phone, task.idempotency_key) == (PHONE, KEY)
    assert (await home.case()).body.trigger.center_ref == f"WT-{KEY}"
    assert home.post.queued == {}, "nothing goes by webhook"
    await home.later(MINUTE)
    assert home.vendor.asked == [False]
    await sound(home)


async def test_it_is_asked_again_with_growing_pauses_until_it_has_to_be_claimed(home: CentersHouse) -> None:
    home.vendor.fails = [FAILS] * 100
    await started(home)
    for _ in range(50):
        await home.later(20 * SECOND)
    read, (_, out) = await home.case(), await home.handout()
    assert (read.state, out.why) == (T.QUEUED, "unclaimed")
    assert 6 <= len(home.vendor.asked) <= 12
    assert home.vendor.asked[0] is False
    assert all(home.vendor.asked[1:]), "who comes after a failed try asks first whether there is a task"


async def test_an_error_that_no_try_can_mend_brings_it_back_at_once(home: CentersHouse) -> None:
    home.vendor.fails = [FOR_GOOD]
    await started(home)
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "undelivered")


async def test_a_lost_answer_makes_no_second_task(home: CentersHouse) -> None:
    home.vendor.lost = True
    await started(home)
    await home.later(5 * SECOND)
    assert len(home.vendor.tasks) == 1
    assert (await home.case()).body.trigger.center_ref == f"WT-{KEY}"


async def test_killed_while_it_was_asked(home: CentersHouse) -> None:
    await home.wants_calls()
    await home.scan(CODE)
    # the try is noted, the vendor makes the task, and there the process ends
    assert await home.people.killed_after(1, home.fire)
    await home.fire()
    assert home.vendor.asked == [False, True]
    assert len(home.vendor.tasks) == 1
    await sound(home)


async def test_what_comes_back_is_ended_there(home: CentersHouse) -> None:
    await started(home)
    await home.later(15 * MINUTE)
    await home.fire()
    assert (await home.case()).state is T.QUEUED
    assert home.vendor.stopped == [f"WT-{KEY}"]
    await home.later(MINUTE)
    assert home.vendor.stopped == [f"WT-{KEY}"]


async def test_ending_it_there_is_tried_again_and_given_up_at_last(home: CentersHouse) -> None:
    await started(home)
    home.vendor.fails = [FAILS] * 3
    for _ in range(16):
        await home.later(MINUTE)
    for _ in range(10):
        await home.later(MINUTE)
    assert home.vendor.stopped == [f"WT-{KEY}"]
    assert not (await home.handout())[1].to_cancel


async def test_a_task_whose_name_we_never_heard_is_found_and_ended(home: CentersHouse) -> None:
    home.vendor.lost = True
    home.vendor.fails = []
    await started(home)
    home.vendor.fails = [FAILS] * 7
    for _ in range(60):
        await home.later(20 * SECOND)
    assert home.vendor.stopped == [f"WT-{KEY}"]


async def test_the_owner_who_wants_no_calls_any_more_has_the_task_ended(home: CentersHouse) -> None:
    await started(home)
    await home.wants_calls(on=False)
    await home.fire()
    assert home.vendor.stopped == [f"WT-{KEY}"]
    assert (await home.case()).state is T.OFFERED


async def test_nothing_is_handed_out_anew_before_the_last_task_is_ended_there(home: CentersHouse) -> None:
    await started(home)
    home.vendor.fails = [FAILS]
    await home.wants_calls(on=False)
    await home.fire()
    await home.wants_calls()
    await home.fire()
    assert ((await home.case()).state, (await home.handout())[1].n) == (T.QUEUED, 1)
    await home.again()
    await home.later(MINUTE)
    assert home.vendor.stopped == [f"WT-{KEY}"]
    assert ((await home.case()).state, (await home.handout())[1].n) == (T.LEASED, 2)
    await sound(home)


async def test_a_task_whose_name_we_never_heard_is_ended_though_its_owner_wants_no_calls(
    home: CentersHouse,
) -> None:
    home.vendor.lost = True
    await started(home)
    await home.wants_calls(on=False)
    await home.fire()
    assert home.vendor.stopped == [f"WT-{KEY}"]
    await sound(home)


async def test_a_name_that_a_late_report_tells_ends_a_task_that_could_not_be_found(
    home: CentersHouse,
) -> None:
    """The flow at the center says what its task is called after we had given up looking for it."""
    home.vendor.lost = True
    await started(home)
    home.vendor.tasks.clear()
    await home.wants_calls(on=False)
    await home.fire()
    assert home.vendor.stopped == []
    assert not (await home.handout())[1].to_cancel
    answer = await home.send("accepted", ref="WT-late")
    assert answer.json()["outcome"] == "kept"
    await home.fire()
    assert home.vendor.stopped == ["WT-late"]
    await sound(home)


async def test_taskrouter_s_events_are_reports(home: CentersHouse) -> None:
    await started(home)
    assert (await event(home, "task.created")).json()["status"] == "accepted"
    assert (await event(home, "reservation.accepted")).json()["status"] == "claimed"
    assert (await home.handout())[0] is H.CLAIMED
    assert (await event(home, "worker.activity.update")).json() is None
    done = await event(home, "task.completed", trunkline_disposition="no_answer")
    assert (done.json()["status"], done.json()["outcome"]) == ("no_answer", "applied")
    assert (await home.case()).state is T.SCHEDULED
    again = await event(home, "task.completed", trunkline_disposition="no_answer")
    assert (again.status_code, again.json()) == (200, done.json())
    assert home.vendor.stopped == [], "it is over there already"
    await sound(home)


async def test_a_task_that_ends_without_an_outcome_is_ours_again(home: CentersHouse) -> None:
    await started(home)
    await event(home, "reservation.accepted")
    await event(home, "task.completed")
    assert ((await home.case()).state, (await home.handout())[1].why) == (T.QUEUED, "silent")
    assert home.vendor.stopped == [], "it is over there already"
    assert not await home.day_is_free(), "there may have been a call"


@pytest.mark.parametrize("kind", ["task.canceled", "workflow.timeout"])
async def test_what_taskrouter_gives_up_is_ours_again(home: CentersHouse, kind: str) -> None:
    await started(home)
    await event(home, kind)
    assert (await home.case()).state is T.QUEUED


async def test_an_event_that_twilio_did_not_sign_is_refused(home: CentersHouse) -> None:
    await started(home)
    before = await home.people.everything()
    assert (await event(home, "reservation.accepted", token="another")).status_code == 401
    long = await home.http.post(f"/v1/centers/{CENTER}/twilio", content=b"a=b&" * 200)
    huge = await home.http.post(f"/v1/centers/{CENTER}/twilio", content=b"x" * 70_000)
    assert (long.status_code, huge.status_code) == (401, 413)
    assert await home.people.everything() == before


@pytest.mark.parametrize(
    "attributes",
    [
        {"trunkline_key": "hnd_3k7m9qxd4hwe2a5t.brakes.1.9"},
        {"trunkline_case": "cse_3k7m9qxd4hwe2a5t.engine.1"},
    ],
)
async def test_attributes_that_name_another_hand_out_are_refused(home: CentersHouse, attributes: Any) -> None:
    await started(home)
    assert (await event(home, "reservation.accepted", **attributes)).status_code == 404


@pytest.mark.parametrize(
    "attributes", [{"trunkline_case": 7}, {"trunkline_key": {}}, {"trunkline_case": "../x"}]
)
async def test_attributes_that_are_no_names_are_refused(home: CentersHouse, attributes: Any) -> None:
    await started(home)
    assert (await event(home, "reservation.accepted", **attributes)).status_code == 422
