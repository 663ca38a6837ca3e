"""The fallback place over HTTP: chosen by an owner, read by carrier and courier when it is needed, by nobody else."""

from datetime import timedelta
from typing import Any

import pytest

from delivery.courier import Reason
from delivery.model import Parcel
from delivery.states import State
from spine.ids import DeliveryId, named_after
from spine.store import Change, Write
from spine.valkey import Valkey
from tests.service.delivery_house import CAR, HOUR, MINUTE, SPOT, home, house_of_people
from tests.service.test_delivery_api import Web, web
from tests.service.test_delivery_prompts import second
from tests.service.test_webhooks_engine import dump
from webhooks.dispatch import Brief
from webhooks.envelope import News
from webhooks.mail import Letter

__all__ = ["home", "house_of_people", "web"]
pytestmark = pytest.mark.valkey
LINE = "Jansen, Kade 2"
PLACE = {"to": "neighbour", "line": LINE, "when_declined": False}
CHOICE = f"/owner/cars/{CAR}/fallback"


async def choose(web: Web, place: dict[str, Any] | None = PLACE) -> None:
    kept = await web.call("PUT", CHOICE, {"place": place}, by=web.owner, If_Match="*")
    assert kept.status_code == 200, kept.text


async def carriers(web: Web, delivery: DeliveryId) -> tuple[dict[str, Any] | None, int]:
    """What the carrier is told, and how the place itself answers."""
    view = await web.call("GET", f"/deliveries/{delivery}", by=web.carrier)
    place = await web.call("GET", f"/deliveries/{delivery}/fallback", by=web.carrier)
    assert LINE not in view.text
    if place.status_code == 404:
        assert place.json()["code"] == "fallback.none"
    return view.json()["fallback"], place.status_code


async def mailed(web: Web, delivery: DeliveryId, type_: str) -> list[str]:
    """What the people of the car read about an end."""
    now = web.home.now
    about = {"delivery": delivery, "position": "1-0"}
    letter = await web.home.desk.composing(
        Brief("msg_x", type_, about, now, now + HOUR, None, None, web.home.owner)
    )
    assert isinstance(letter, Letter)
    return list(letter.paragraphs)


async def failed(web: Web, reason: Reason = "no_room", **changes: Any) -> DeliveryId:
    delivery = await web.home.arrived(**changes)
    await web.home.desk.courier.fail(web.home.device, delivery, reason)
    await web.home.settle()
    return delivery


async def test_chosen_read_when_it_failed_and_for_a_day(web: Web, valkey: Valkey) -> None:
    home = web.home
    await choose(web)
    delivery = await home.arrived()
    job = f"/courier/jobs/{delivery}"
    assert await carriers(web, delivery) == (None, 404), "never before"
    assert (await web.call("GET", f"{job}/fallback", by=web.courier)).status_code == 404
    assert (await web.call("GET", job, by=web.courier)).json()["fallback"] is None
    await home.desk.courier.fail(home.device, delivery, "no_room")
    await home.settle()
    told = {"to": "neighbour", "until": (home.now + 24 * HOUR).isoformat().replace("+00:00", "Z")}
    listed = await web.call("GET", "/deliveries", by=web.carrier)
    assert listed.json()["data"][0]["fallback"] == told
    assert LINE not in listed.text
    brief = Brief(
        "msg_x", "delivery.failed", {"delivery": delivery, "position": "1-0"}, home.now, home.now + HOUR, None,
        home.carrier, None,
    )  # fmt: skip
    news = await home.desk.composing(brief)
    assert isinstance(news, News)
    assert news.data["fallback"] == told, "the webhook says that there is one, and not where"
    mail = await mailed(web, delivery, "delivery.failed")
    assert any("named a neighbour" in line and "Mon 7 May" not in line for line in mail), mail
    assert LINE not in "".join(mail)

    assert await carriers(web, delivery) == (told, 200)
    read = await web.call("GET", f"/deliveries/{delivery}/fallback", by=web.carrier)
    assert read.json() == {"to": "neighbour", "line": LINE, "until": told["until"]}
    assert read.headers["cache-control"] == "no-store"
    seen = (await web.call("GET", job, by=web.courier)).json()
    assert (seen["sees"], seen["fallback"], seen["looks"]) == ("over", told, None)
    assert (await web.call("GET", f"{job}/fallback", by=web.courier)).json()["line"] == LINE
    await home.settle()
    facts = [one.fact for one in home.seen if one.kind == "delivery.fallback_seen"]
    assert [one.by for one in facts] == [home.carrier], "the first reading is recorded, once"  # type: ignore[union-attr]
    owners = await web.call("GET", f"/owner/deliveries/{delivery}", by=web.owner)
    assert "fallback_seen" in [what for _, what in owners.json()["timeline"]]
    assert (
        "fallback_seen"
        not in (await web.call("GET", f"/deliveries/{delivery}", by=web.carrier)).json()["times"]
    )
    log = "".join(one.fact.model_dump_json() for one in home.seen)
    assert LINE not in log
    await home.again()
    home.desk.deliveries.limits = home.desk.deliveries.limits.model_copy(
        update={"stream_beat": timedelta(milliseconds=20), "stream_life": timedelta(milliseconds=400)}
    )
    streamed = await web.call("GET", f"/owner/deliveries/{delivery}/events", by=web.owner)
    assert '"type":"delivery.fallback_seen"' in streamed.text, "the owner's page looks again at once"
    assert (
        '"type":"delivery.fallback_seen"'
        not in (await web.call("GET", f"/deliveries/{delivery}/events", by=web.carrier)).text
    )

    home.clock.advance(MINUTE)
    await choose(web, {**PLACE, "line": "Jansen, Kade 22"})
    read = await web.call("GET", f"/deliveries/{delivery}/fallback", by=web.carrier)
    assert read.json()["line"] == "Jansen, Kade 22", "what was misspelt is mended"
    await choose(web, None)
    assert await carriers(web, delivery) == (None, 404)
    assert LINE not in await dump(valkey), "taken back is gone"
    await choose(web)
    assert await carriers(web, delivery) == (None, 404), "what is named after the end is not for it"


async def test_it_is_read_no_longer_than_a_day(web: Web) -> None:
    await choose(web)
    delivery = await failed(web)
    web.home.clock.advance(24 * HOUR - MINUTE)
    await web.sign_in()
    assert (await carriers(web, delivery))[1] == 200
    web.home.clock.advance(MINUTE)
    assert await carriers(web, delivery) == (None, 404)
    gone = await web.call("GET", f"/courier/jobs/{delivery}/fallback", by=web.courier)
    assert gone.status_code == 404


@pytest.mark.parametrize("silently", [False, True])
async def test_who_declines_tells_nothing_unless_that_was_wanted(web: Web, silently: bool) -> None:
    home = web.home
    await choose(web)
    first = await home.asked()
    await home.decide(first, "decline", silent=silently)
    await home.settle()
    assert await carriers(web, first) == (None, 404)
    home.clock.advance(MINUTE)
    await choose(web, {**PLACE, "when_declined": True})
    assert await carriers(web, first) == (None, 404), "who was declined before stays out"
    home.clock.advance(25 * HOUR)
    await web.sign_in()
    again = await home.asked(parcels=(Parcel(reference="R-2"),))
    await home.decide(again, "decline", silent=silently)
    await home.settle()
    told, status = await carriers(web, again)
    assert (told is not None, status) == ((False, 404) if silently else (True, 200))
    mail = await mailed(web, again, "delivery.declined")
    assert any("named a neighbour" in line for line in mail) is not silently


async def test_what_cannot_be_used_looks_alike_whether_there_is_a_place_or_not(web: Web) -> None:
    home = web.home
    await choose(web, {**PLACE, "when_declined": True})
    wrong = await home.place("TL-0000-0000-0000")
    unanswered = await home.asked()
    home.clock.advance(25 * HOUR)
    await home.fire()
    await home.settle()
    await web.sign_in()
    for delivery in (wrong, unanswered):
        view = (await web.call("GET", f"/deliveries/{delivery}", by=web.carrier)).json()
        assert (view["state"], view["fallback"]) == ("address_not_usable", None)
        place = await web.call("GET", f"/deliveries/{delivery}/fallback", by=web.carrier)
        assert (place.status_code, place.json()["code"]) == (404, "fallback.none")


async def test_whoever_blocks_is_sold_or_said_not_me_tells_nothing(web: Web) -> None:
    home = web.home
    await choose(web)
    blocked = await home.approved()
    await home.desk.owner.block(home.owner, blocked)
    await home.settle()
    assert await carriers(web, blocked) == (None, 404)

    undone = await failed(web, parcels=(Parcel(reference="R-2"),))
    assert (await carriers(web, undone))[1] == 200
    disowned = await home.asked(parcels=(Parcel(reference="R-3"),))
    await home.decide(disowned, "decline", not_me=True)
    await home.settle()
    assert await carriers(web, undone) == (None, 404), "a carrier of which somebody said that it was not them"
    assert await carriers(web, disowned) == (None, 404)
    await home.desk.beforehand.lift(home.owner, CAR, home.carrier)
    assert (await carriers(web, undone))[1] == 200

    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    await home.settle()
    assert await carriers(web, undone) == (None, 404)
    assert LINE not in str(await home.subjects()), "erased with its household"
    home.clock.advance(timedelta(minutes=1))
    new = await home.people.owner("next@example.org", "WXYZ6789")
    web.owner = await home.people.session(new)
    assert (await web.call("GET", CHOICE, by=web.owner)).json() == {"place": None}
    await choose(web, {**PLACE, "line": "The new owner's door"})
    assert await carriers(web, undone) == (None, 404), "an earlier carrier never reads the next household's"


async def test_a_former_household_s_place_counts_no_more_before_anybody_has_erased_it(web: Web) -> None:
    home = web.home
    await choose(web, {**PLACE, "when_declined": True})
    undone = await failed(web)
    assert (await carriers(web, undone))[1] == 200
    kept = (await home.subjects())[named_after("fbk", CAR)]
    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    sold = await web.call("PUT", CHOICE, {"place": PLACE}, by=web.owner, If_Match="*")
    assert sold.status_code == 403
    await home.settle()
    home.clock.advance(MINUTE)
    new = await home.people.owner("next@example.org", "WXYZ6789")
    await home.settle()
    await home.store.change([kept.id], lambda _: Change({kept.id: Write(kept.state, kept.body)}))
    assert await carriers(web, undone) == (None, 404)
    web.owner = await home.people.session(new)
    assert (await web.call("GET", CHOICE, by=web.owner)).json() == {"place": None}, (
        "as if the reader were behind"
    )
    await choose(web, {**PLACE, "line": "The new owner's door"})
    assert await carriers(web, undone) == (None, 404), "it has no share in what the former one named before"


async def test_a_person_who_is_erased_leaves_no_address(web: Web, valkey: Valkey) -> None:
    home = web.home
    await choose(web)
    await home.people.people.persons.erase(home.owner, now=home.now)
    await home.settle()
    assert LINE not in await dump(valkey)


async def test_a_car_that_cannot_be_reached_is_known_before_driving(web: Web) -> None:
    home = web.home
    await choose(web)
    delivery = await home.keyed()
    job, fail = f"/courier/jobs/{delivery}", {"reason": "car_unreachable"}
    assert (await web.call("GET", job, by=web.courier)).json()["fallback"] is None
    early = await web.call("POST", f"{job}/fail", fail, by=web.courier, Idempotency_Key="f1")
    assert (early.status_code, early.json()["code"]) == (409, "car.reachable"), "no lie gives the place"
    await home.stands_at(SPOT, presence="offline")
    home.clock.advance(timedelta(days=0, minutes=30))
    seen = (await web.call("GET", job, by=web.courier)).json()
    assert (seen["state"], seen["car"]["reach"]) != ("keyed", "awake")
    assert seen["fallback"] == {"to": "neighbour", "until": None}
    assert (await web.call("GET", f"{job}/fallback", by=web.courier)).status_code == 404
    assert await carriers(web, delivery) == (None, 404)
    done = await web.call("POST", f"{job}/fail", fail, by=web.courier, Idempotency_Key="f2")
    assert (done.status_code, done.json()["state"]) == (200, "failed")
    assert LINE not in done.text, "an answer that is kept for repeats holds no address"
    assert (await web.call("GET", f"{job}/fallback", by=web.courier)).json()["line"] == LINE
    assert (await home.read(delivery)).body.failure == "car_unreachable"


async def test_only_an_owner_chooses_and_nobody_overwrites_unseen(web: Web) -> None:
    home = web.home
    first = await web.call("GET", CHOICE, by=web.owner)
    assert first.json() == {"place": None}
    kept = await web.call("PUT", CHOICE, {"place": PLACE}, by=web.owner, If_Match=first.headers["ETag"])
    assert kept.json() == {"place": PLACE}
    stale = await web.call("PUT", CHOICE, {"place": None}, by=web.owner, If_Match=first.headers["ETag"])
    assert (stale.status_code, stale.json()["code"]) == (409, "rules.changed")
    assert (await web.call("PUT", CHOICE, {"place": PLACE}, by=web.owner)).status_code == 422
    for odd in (
        {"place": {**PLACE, "line": "a\nb"}},
        {"place": {**PLACE, "to": "moon"}},
        {},
        [],
        {"place": 1},
    ):
        refused = await web.call("PUT", CHOICE, odd, by=web.owner, If_Match="*")
        assert refused.status_code == 422
        assert "Jansen" not in refused.text
    driver = await home.people.session(await second(home))
    for by, status in ((driver, 403), (web.carrier, 401), (web.courier, 401), ("", 401)):
        assert (await web.call("GET", CHOICE, by=by)).status_code == status
        put = await web.call("PUT", CHOICE, {"place": None}, by=by, If_Match="*")
        assert put.status_code == status
    assert (await web.call("GET", CHOICE, by=web.owner)).json() == {"place": PLACE}


async def test_another_carrier_and_another_courier_read_nothing(web: Web) -> None:
    home = web.home
    await choose(web)
    delivery = await failed(web)
    assert await home.state(delivery) is State.FAILED
    from tests.people_signing import Device

    phone = Device()
    other = (await home.people.people.carriers.enrol("Other", public_jwk=phone.jwk, now=home.now)).client_id
    token = await home.people.carrier_token(phone, other)
    for by, path in (
        (token, f"/deliveries/{delivery}/fallback"),
        (web.carrier, f"/courier/jobs/{delivery}/fallback"),
    ):
        refused = await web.call("GET", path, by=by)
        assert refused.status_code in {401, 404}
        assert LINE not in refused.text
