"""The routes of deliveries as programs and people use them, the streams, the pages, the mails, and the evidence."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from delivery import api, api_beforehand, api_courier, api_owner, api_pairing, api_questions, pages
from delivery.notifying import OVER
from delivery.place import Circle
from delivery.rules import Rules
from delivery.states import State
from delivery.streams import Audience, stream
from delivery.views import carrier_state, carrier_type
from people.model import Role
from spine.expiring import Expiring
from spine.facts.vehicle import CommandCreated
from spine.open_streams import OpenStreams, TooManyStreams
from spine.words import LANGUAGES, Words
from tests.people_signing import ORIGIN
from tests.service.delivery_house import CAR, HERE, HOUR, SPOT, DeliveryHouse, home, house_of_people
from tests.service.test_delivery_prompts import second
from tests.speaking import left_over, marked
from tests.unit.test_delivery_photos import BARE, FULL
from trunkline import problems
from trunkline.frame import templates
from trunkline.frames import Frames
from webhooks.dispatch import Brief
from webhooks.envelope import News, sequence_of
from webhooks.keyring import Keyring
from webhooks.limits import WebhooksLimits
from webhooks.mail import Letter
from webhooks.sealing import Seal
from webhooks.signature import headers as signed_headers
from webhooks.sources import Sources
from webhooks.verified import Verifier

__all__ = ["home", "house_of_people"]

PLATE = "B-XY 1234"


class Web:
    """The routes, without a network between, and everybody's tokens."""

    def __init__(self, home: DeliveryHouse, client: httpx.AsyncClient, sources: Sources) -> None:
        self.home, self.client, self.sources = home, client, sources
        self.carrier = self.courier = self.owner = ""

    async def sign_in(self) -> None:
        home, people = self.home, self.home.people
        self.carrier = await people.carrier_token(home.phone, home.carrier)
        proof = home.phone.sign_in(home.courier, home.now)
        answer = await people.people.courier_tokens.sign_in(proof, now=home.now)
        self.courier = answer.token
        self.owner = await people.session(home.owner)

    async def call(
        self, method: str, path: str, body: Any = None, *, by: str = "", **headers: str
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if by:
            sent["Authorization"] = f"Bearer {by}"
        content = body if isinstance(body, bytes) else None
        return await self.client.request(
            method, f"/v1{path}", json=None if content else body, content=content, headers=sent
        )

    def order(self, address: str, **changes: Any) -> dict[str, Any]:
        window = {"start": self.home.now.isoformat(), "end": (self.home.now + 2 * HOUR).isoformat()}
        return {"address": address, "window": window, "reference": "R-1", **changes}


@pytest.fixture
async def web(home: DeliveryHouse) -> AsyncIterator[Web]:
    keyring = Keyring(Seal(bytes(32)))
    limits = WebhooksLimits()
    sources = Sources(home.store, home.clock, limits, keyring)
    verifier = Verifier(home.store, Expiring(home.store.valkey), home.clock, limits, sources)
    app = FastAPI()
    problems.install(app)
    for router in (
        api.routes(home.desk), api_courier.routes(home.desk), api_owner.routes(home.desk),
        api_questions.routes(home.desk, verifier), api_beforehand.routes(home.desk),
        api_pairing.routes(home.desk),
    ):  # fmt: skip
        app.include_router(router, prefix="/v1")
    app.include_router(pages.routes(home.desk, Frames(templates())))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        made = Web(home, client, sources)
        await made.sign_in()
        yield made


async def car(home: DeliveryHouse, created: CommandCreated) -> None:
    if created.op == "challenge":
        await home.result(created.command, "done", challenge="nonce")
    elif created.op == "present":
        assert created.delivery is not None
        await home.receipts(created.delivery, "consumed", "opened")


async def test_a_delivery_by_hand(web: Web) -> None:
    home = web.home
    await home.desk.owner.set_rules(
        home.owner, CAR, Rules(plate=PLATE, place=Circle(centre=SPOT, radius=80)), if_match="*"
    )
    order = web.order(await home.address(), courier=home.courier)
    placed = await web.call("POST", "/deliveries", order, by=web.carrier, Idempotency_Key="k1")
    assert placed.status_code == 202, placed.text
    delivery = placed.json()["id"]
    again = await web.call("POST", "/deliveries", order, by=web.carrier, Idempotency_Key="k1")
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (placed.json(), "true")
    other = await web.call(
        "POST", "/deliveries", {**order, "reference": "R-2"}, by=web.carrier, Idempotency_Key="k1"
    )
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.other_body")
    await home.settle()

    owned = (await web.call("GET", "/owner/deliveries", by=web.owner)).json()["data"]
    assert [(one["id"], one["state"], one["carrier_name"]) for one in owned] == [
        (delivery, "asked", "Fast Parcels")
    ]
    answer = {"decision": "approve", "shown": owned[0]["question"]["shown"]}
    decided = await web.call("POST", f"/owner/deliveries/{delivery}/decision", answer, by=web.owner)
    assert (decided.status_code, decided.json()["state"]) == (200, "approved")
    flipped = {**answer, "decision": "decline"}
    assert (
        await web.call("POST", f"/owner/deliveries/{delivery}/decision", flipped, by=web.owner)
    ).status_code == 409
    await home.settle()

    jobs = (await web.call("GET", "/courier/jobs", by=web.courier)).json()["data"]
    assert [(one["id"], one["looks"]["plate"]) for one in jobs] == [(delivery, PLATE)]
    job = f"/courier/jobs/{delivery}"
    key = (await web.call("GET", f"{job}/key", by=web.courier)).json()
    assert key["token"].count(".") == 2
    assert (await web.call("POST", f"{job}/set-out", by=web.courier)).json()["state"] == "en_route"
    here = {"position": HERE.model_dump()}
    assert (await web.call("POST", f"{job}/arrived", here, by=web.courier)).json()["arrived_m"] == 10
    async with home.living(lambda created: car(home, created)):
        challenge = (await web.call("POST", f"{job}/challenge", by=web.courier, Prefer="wait=5")).json()
        assert (challenge["challenge"], challenge["unit"]) == ("nonce", key["unit"])
        opened = await web.call("POST", f"{job}/open", {"proof": "a.b.c"}, by=web.courier, Prefer="wait=5")
        await home.reaches(delivery, State.OPEN)
    assert (opened.status_code, opened.json()["outcome"], opened.json()["receipt"]["n"]) == (200, "opened", 2)
    await home.receipts(delivery, "closed", "locked")
    photo = await web.call("POST", f"{job}/photo", FULL, by=web.courier, Content_Type="image/jpeg")
    assert (photo.status_code, photo.json()["state"], photo.json()["sees"]) == (200, "delivered", "over")
    await home.settle()

    seen = (await web.call("GET", f"/deliveries/{delivery}", by=web.carrier)).json()
    assert (seen["state"], seen["key"], seen["ended"]) == (
        "delivered", {"state": "destroyed", "how": "consumed", "dies_at": None}, "delivered",
    )  # fmt: skip
    for path, who in (("deliveries", web.carrier), ("owner/deliveries", web.owner)):
        picture = await web.call("GET", f"/{path}/{delivery}/photos/{seen['photos'][0]}", by=who)
        assert (picture.content, picture.headers["content-type"]) == (BARE, "image/jpeg")
        assert (await web.call("GET", f"/{path}/{delivery}/photos/{'0' * 64}", by=who)).status_code == 404
    assert (await home.kinds(delivery)).count("delivery.photo_seen") == 2
    owned = (await web.call("GET", f"/owner/deliveries/{delivery}", by=web.owner)).json()
    what = [what for _, what in owned["timeline"]]
    assert what[0] == "requested"
    assert {"delivered", "ended", "photo_seen", "locked", "key destroyed: consumed"} <= set(what)
    assert (await web.call("GET", "/courier/jobs", by=web.courier)).json()["data"] == []
    listed = (await web.call("GET", "/deliveries?limit=1", by=web.carrier)).json()
    assert ([one["id"] for one in listed["data"]], listed["next"]) == ([delivery], None)

    evidence = await web.call("GET", f"/deliveries/{delivery}/evidence", by=web.carrier)
    document = evidence.json()
    assert evidence.headers["content-disposition"].endswith('evidence.json"')
    assert (document["delivery"], len(document["receipts"]), document["form"]) == (
        delivery,
        4,
        "trunkline-evidence/1",
    )
    assert len(document["approvals"]) == len(document["keys"]) == 1
    said = json.dumps([seen, document, listed])
    assert not [secret for secret in (PLATE, "52.37", "owner@example.org", '"Sam"') if secret in said]
    facts = [fact["kind"] for fact in document["facts"]]
    assert facts[0] == "delivery.requested"
    assert {"key.issued", "boot.opened", "delivery.opened"} <= set(facts)


async def test_pending_says_where_to_look(web: Web) -> None:
    delivery = await web.home.arrived()
    answer = await web.call(
        "POST", f"/courier/jobs/{delivery}/open", {"proof": "a.b.c"}, by=web.courier, Prefer="wait=0"
    )
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/courier/jobs/{delivery}"
    assert (answer.json()["outcome"], answer.json()["may_have_happened"]) == ("pending", True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/deliveries/{}"), ("POST", "/deliveries/{}/cancel"), ("GET", "/deliveries/{}/events"),
        ("GET", "/deliveries/{}/evidence"), ("GET", "/owner/deliveries/{}"), ("POST", "/owner/deliveries/{}/block"),
        ("GET", "/courier/jobs/{}"), ("GET", "/courier/jobs/{}/key"), ("POST", "/courier/jobs/{}/set-out"),
        ("POST", "/courier/jobs/{}/flash"), ("POST", "/courier/jobs/{}/done"),
    ],
)  # fmt: skip
async def test_nobody_elses_delivery_exists(web: Web, method: str, path: str) -> None:
    home = web.home
    delivery = await home.keyed()
    people = home.people.people
    from tests.people_signing import Device

    phone = Device()
    other = (await people.carriers.enrol("Other", public_jwk=phone.jwk, now=home.now)).client_id
    courier = await home.people.courier(other, phone)
    granted = await people.courier_tokens.sign_in(phone.sign_in(courier, home.now), now=home.now)
    stranger = await home.people.session(await home.people.person("stranger@example.org"))
    token = {
        "deliveries": await home.people.carrier_token(phone, other), "owner": stranger, "courier": granted.token
    }[path.split("/")[1]]  # fmt: skip
    answer = await web.call(method, path.format(delivery), by=token)
    assert (answer.status_code, answer.json()["code"]) == (404, "delivery.not_found")
    missing = await web.call(method, path.format("dlv_3zzzzzzzzzzzzzzz"), by=token)
    assert (missing.status_code, missing.json()["code"]) == (404, "delivery.not_found")
    assert (await web.call(method, path.format(delivery))).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"address": ""}, {"reference": ""}, {"reference": "x" * 65}, {"window": {}}, {"parcels": []},
        {"parcels": [{"reference": "a"}]}, {"opens": "engine"}, {"courier": "cou_1"}, {"more": 1},
        {"window": {"start": "2030-05-06T09:00:00", "end": "2030-05-06T10:00:00"}},
        {"window": {"start": "2030-05-06T10:00:00Z", "end": "2030-05-06T09:00:00Z"}},
    ],
)  # fmt: skip
async def test_orders_that_are_none(web: Web, changes: dict[str, Any]) -> None:
    order = {**web.order("TL-7K3M-9QXD-4HWE"), **changes}
    if changes == {"parcels": []}:
        order.pop("reference")
    answer = await web.call("POST", "/deliveries", order, by=web.carrier)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_the_link_of_a_mail(web: Web) -> None:
    home = web.home
    delivery = await home.asked()
    token = await home.link(delivery)
    asked = (await web.call("POST", "/questions/open", {"token": token})).json()
    assert (asked["delivery"], asked["decided"], asked["car"]["reach"]) == (delivery, None, "awake")
    assert asked["content"]["carrier"]["name"] == "Fast Parcels"
    wrong = {"token": token, "decision": "approve", "shown": "0" * 64}
    assert (await web.call("POST", "/questions/decide", wrong)).json()["code"] == "question.decided"
    right = {**wrong, "shown": asked["shown"]}
    for _ in range(2):
        decided = (await web.call("POST", "/questions/decide", right)).json()
        assert (decided["state"], decided["decided"]) == ("approved", "approve")
    unknown = await web.call("POST", "/questions/open", {"token": "A" * 60})
    assert (unknown.status_code, unknown.json()["code"]) == (410, "question.link")


async def test_a_linked_systems_signed_decision(web: Web) -> None:
    home = web.home
    source, secret = await web.sources.link(home.owner, "My app")
    delivery = await home.asked()
    read = await home.read(delivery)
    question = await home.desk.deciding.question(read)
    assert question is not None
    body = json.dumps(
        {"question": read.body.question, "shown": question.digest, "decision": "approve"}
    ).encode()
    headers = signed_headers([secret], "msg_1", int(home.now.timestamp()), body)
    path = f"/v1/decisions/{source.id}"
    for _ in range(2):
        answer = await web.client.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["decided"]) == (200, "approve"), answer.text
    forged = await web.client.post(path, content=body.replace(b"approve", b"decline"), headers=headers)
    assert forged.status_code == 401
    other = body.replace(b"approve", b"decline")
    flipped = signed_headers([secret], "msg_2", int(home.now.timestamp()), other)
    assert (await web.client.post(path, content=other, headers=flipped)).status_code == 409


async def test_rules_need_their_etag(web: Web) -> None:
    path = f"/owner/cars/{CAR}/rules"
    first = await web.call("GET", path, by=web.owner)
    rules = {**first.json(), "block_all": True}
    assert (await web.call("PUT", path, rules, by=web.owner)).status_code == 422
    done = await web.call("PUT", path, rules, by=web.owner, If_Match=first.headers["etag"])
    assert (done.status_code, done.json()["block_all"]) == (200, True)
    stale = await web.call(
        "PUT", path, {**rules, "plate": PLATE}, by=web.owner, If_Match=first.headers["etag"]
    )
    assert (stale.status_code, stale.json()["code"]) == (409, "rules.changed")


async def test_block_extend_and_place_over_http(web: Web) -> None:
    home = web.home
    delivery = await home.keyed()
    path = f"/owner/deliveries/{delivery}"
    until = ((await home.read(delivery)).body.window.end + HOUR).isoformat()
    assert (await web.call("POST", f"{path}/extend", {"until": until}, by=web.owner)).status_code == 200
    place = {"place": {"kind": "circle", "centre": SPOT.model_dump(), "radius": 60}}
    moved = await web.call("POST", f"{path}/place", place, by=web.owner)
    assert moved.json()["place"]["radius_m"] == 60
    blocked = (await web.call("POST", f"{path}/block", by=web.owner)).json()
    assert (blocked["state"], blocked["can_block"]) == ("blocked", False)


async def test_cancel_assign_reschedule_and_fail_over_http(web: Web) -> None:
    home = web.home
    delivery = await home.approved()
    assigned = await web.call(
        "POST", f"/deliveries/{delivery}/courier", {"courier": home.courier}, by=web.carrier
    )
    assert assigned.json()["courier"] == home.courier
    await home.settle()
    failed = await web.call("POST", f"/courier/jobs/{delivery}/fail", {"reason": "no_room"}, by=web.courier)
    assert failed.json()["state"] == "failed"
    window = {"window": {"start": home.now.isoformat(), "end": (home.now + HOUR).isoformat()}}
    new = await web.call("POST", f"/deliveries/{delivery}/reschedule", window, by=web.carrier)
    assert (new.status_code, new.json()["predecessor"]) == (201, delivery)
    cancelled = await web.call("POST", f"/deliveries/{new.json()['id']}/cancel", by=web.carrier)
    assert cancelled.json()["state"] == "cancelled"
    assert (
        await web.call("GET", f"/deliveries/{new.json()['id']}/evidence", by=web.carrier)
    ).status_code == 409


async def test_photos_fill_neither_disk_nor_log(web: Web) -> None:
    home = web.home
    delivery = await home.opened()
    home.desk.deliveries.limits = home.desk.deliveries.limits.model_copy(
        update={"photos_most": 2, "photo_tries_most": 6, "photo_looks_most": 3}
    )
    path = f"/courier/jobs/{delivery}/photo"

    async def send(number: int) -> tuple[int, str]:
        data = BARE.replace(bytes(20), bytes([number]) * 20)
        answer = await web.call("POST", path, data, by=web.courier, Content_Type="image/jpeg")
        return answer.status_code, answer.json().get("code", "")

    assert [await send(number) for number in (1, 2, 3, 4, 2)] == [
        (200, ""), (200, ""), (409, "photo.too_many"), (409, "photo.too_many"), (200, ""),
    ]  # fmt: skip
    read = await home.desk.courier.read(home.device, delivery)
    kept = {photo.sha256 for photo in read.body.photos}
    assert {one.name for one in home.desk.photos._directory.iterdir()} == {
        f"{delivery}.{name}" for name in kept
    }, "what is refused is not kept"
    assert (await send(5))[0] == 409
    assert await send(5) == (429, "rate.limited")
    looks = [
        (await web.call("GET", f"/owner/deliveries/{delivery}/photos/{min(kept)}", by=web.owner)).status_code
        for _ in range(5)
    ]
    assert looks == [200, 200, 200, 429, 429]
    assert (await home.kinds(delivery)).count("delivery.photo_seen") == 3


async def collect(home: DeliveryHouse, delivery: Any, after: str | None, count: int) -> list[dict[str, str]]:
    """Events of a carrier's stream: id and data."""

    async def still() -> Any:
        return await home.desk.carrier.read(home.carrier, delivery)

    response = stream(home.desk, await still(), Audience("one", carrier_type, carrier_state, still), after)
    events: list[dict[str, str]] = []
    async with asyncio.timeout(60):
        async for text in response.body_iterator:
            fields = dict(
                line.split(": ", 1) for line in str(text).strip().splitlines() if not line.startswith(":")
            )
            if fields.get("event") == "delivery":
                events.append({**json.loads(fields["data"]), "id": fields["id"]})
            if len(events) == count:
                return events
    return events


async def test_a_stream_goes_on_where_it_was_cut(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    events = await collect(home, delivery, None, 5)
    assert [one["type"].removeprefix("delivery.") for one in events] == [
        "approved", "keyed", "en_route", "arrived", "opened",
    ]  # fmt: skip
    assert set(events[0]) == {"type", "at", "delivery", "state", "id"}
    rest = await collect(home, delivery, events[1]["id"], 3)
    assert rest == events[2:]
    waiting = asyncio.create_task(collect(home, delivery, events[-1]["id"], 1))
    await home.receipts(delivery, "closed")
    assert [one["type"] for one in await waiting] == ["delivery.closed"]


async def test_a_stream_says_nothing_before_the_approval_and_beats(home: DeliveryHouse) -> None:
    limits = home.desk.deliveries.limits.model_copy(update={"stream_beat": timedelta(milliseconds=20)})
    home.desk.deliveries.limits = limits
    delivery = await home.asked()

    async def still() -> Any:
        return await home.desk.carrier.read(home.carrier, delivery)

    audience, texts = Audience("one", carrier_type, carrier_state, still), list[str]()
    following = stream(home.desk, await still(), audience, None).body_iterator
    async with asyncio.timeout(60):
        while texts.count(": still here\n\n") < 3:
            texts.append(str(await anext(following)))
    await following.aclose()  # type: ignore[attr-defined]
    # One with a short life ends by itself, after however many beats a busy machine had time for.
    home.desk.deliveries.limits = limits.model_copy(update={"stream_life": timedelta(milliseconds=200)})
    async with asyncio.timeout(60):
        texts += [str(text) async for text in stream(home.desk, await still(), audience, None).body_iterator]
    assert not [text for text in texts if "event:" in text]


async def test_a_listener_has_only_so_many_streams(home: DeliveryHouse) -> None:
    delivery = await home.asked()

    async def still() -> Any:
        return await home.desk.carrier.read(home.carrier, delivery)

    home.desk = replace(home.desk, streams=OpenStreams(each=1, total=2))
    read, audience = await still(), Audience("one", carrier_type, carrier_state, still)
    first = stream(home.desk, read, audience, None).body_iterator
    await anext(first)
    with pytest.raises(TooManyStreams):
        stream(home.desk, read, audience, None)
    stream(home.desk, read, replace(audience, id="another"), None)
    await first.aclose()  # type: ignore[attr-defined]
    stream(home.desk, read, audience, None)


async def test_a_stream_ends_with_the_right_to_see(home: DeliveryHouse) -> None:
    delivery = await home.asked()

    async def still() -> Any:
        return (await home.desk.owner.read(home.owner, delivery))[0]

    response = stream(
        home.desk, await still(), Audience("one", lambda kind, _: kind, lambda one: one.state, still), None
    )
    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    async with asyncio.timeout(60):
        texts = [str(text) async for text in response.body_iterator]
    assert not [text for text in texts if "event:" in text]


async def test_pages_only_look(web: Web) -> None:
    decide = await web.client.get("/decide")
    assert decide.status_code == 200
    assert 'src="/delivery/decide.js"' in decide.text
    page = await web.client.get("/deliveries/dlv_3k7m9qxd4hwe2a5t")
    assert 'data-id="dlv_3k7m9qxd4hwe2a5t"' in page.text
    assert (await web.client.get("/deliveries/<script>")).status_code == 422
    for path in ("/delivery/decide.js", "/delivery/delivery.js"):
        script = await web.client.get(path)
        assert script.headers["content-type"].startswith("text/javascript")
        assert "innerHTML" not in script.text
    assert "<script>" not in decide.text + page.text


async def test_a_page_brings_its_delivery_along_for_whoever_may_see_it_now(web: Web) -> None:
    home, people, cookie = web.home, web.home.people.people, web.home.people.people.access.cookie
    earlier = await home.asked(courier=home.courier)
    told = await home.people.person("told@example.org")
    home.clock.advance(HOUR)
    await people.invitations.offer(
        CAR, "told@example.org", Role.TOLD, by=home.owner, may_approve=False, now=home.now
    )
    offered = (await people.invitations.of_car(CAR))[0]
    await people.invitations.accept(offered.id, person=told, code=None, now=home.now)
    await home.settle()
    await home.stands_at(SPOT)
    delivery = await home.asked(courier=home.courier)

    async def carried(token: str, one: str = delivery) -> Any:
        page = await web.client.get(f"/deliveries/{one}", headers={"Cookie": f"{cookie}={token}"})
        assert page.status_code == 200
        assert f'data-id="{one}"' in page.text  # else its script asks, and says why there is nothing
        found = page.text.partition('id="carried">')[2].partition("</script>")[0]
        return json.loads(found) if found else None

    seen = (await web.call("GET", f"/owner/deliveries/{delivery}", by=web.owner)).json()
    assert await carried(web.owner) == seen
    assert (seen["question"]["needed"]["by"], seen["can_block"], seen["car"]["reach"]) == (
        "link",
        True,
        "awake",
    )
    stranger = await home.people.session(await home.people.person("stranger@example.org"))
    for token in (stranger, web.carrier, web.courier, web.owner[:-1] + "-", "", "x" * 5000, "tls_0"):
        assert await carried(token) is None, token
    hears = await home.people.session(told)
    assert await carried(hears) == {
        **seen, "can_block": False, "question": {**seen["question"], "needed": None}
    }  # fmt: skip
    assert await carried(hears, earlier) is None  # it is of the time before this role
    assert (await carried(web.owner, earlier))["id"] == earlier
    bearer = await web.client.get(f"/deliveries/{delivery}", headers={"Authorization": f"Bearer {web.owner}"})
    assert seen["carrier_name"] not in bearer.text  # a page is opened by a browser, and that has a cookie

    await people.sessions.revoke(home.owner, None, now=home.now)
    assert await carried(web.owner) is None
    again = await home.people.session(home.owner)
    assert await carried(again) == seen
    await people.cars.release(CAR, by=home.owner, now=home.now)
    assert await carried(again) is None
    assert (await web.call("GET", f"/owner/deliveries/{delivery}", by=again)).status_code == 404


def brief(home: DeliveryHouse, delivery: Any, type_: str, **to: Any) -> Brief:
    found = next(
        one
        for one in home.post.queued.values()
        if one.type == type_
        and one.reference["delivery"] == delivery
        and bool(one.person) == bool(to.get("person"))
    )
    return Brief(
        found.id, found.type, found.reference, found.at, found.expires_at, found.endpoint,
        to.get("subscriber"), to.get("person"),
    )  # fmt: skip


async def test_the_mail_that_asks(home: DeliveryHouse) -> None:
    delivery = await home.asked(courier=home.courier)
    asked = brief(home, delivery, "delivery.asked", person=home.owner)
    letter = await home.desk.composing(asked)
    assert isinstance(letter, Letter)
    assert (letter.to, letter.subject) == ("owner@example.org", "May Fast Parcels deliver into your car?")
    assert "Sam" in " ".join(letter.paragraphs)
    assert letter.link is not None
    url = await home.desk.deciding.mint(letter.link)
    assert url.startswith("https://trunkline.test/decide#")
    assert (await home.desk.deciding.open(url.partition("#")[2]))[0].id == delivery
    await home.decide(delivery)
    assert await home.desk.composing(asked) is None


async def test_alarms_say_what_is_known_when_they_are_sent(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "left_open")
    alarm = brief(home, delivery, "delivery.left_open", person=home.owner)
    letter = await home.desk.composing(alarm)
    assert isinstance(letter, Letter)
    assert letter.subject == "Your car stands open"
    assert "is shut" not in " ".join(letter.paragraphs)
    await home.receipts(delivery, "closed", "locked")
    letter = await home.desk.composing(alarm)
    assert isinstance(letter, Letter)
    assert "the boot is shut" in " ".join(letter.paragraphs)


async def test_every_mail_can_be_written(home: DeliveryHouse) -> None:
    from delivery.letter_words import SUBJECTS, WORDS
    from delivery.news import MAILED

    assert set(SUBJECTS) == set(MAILED)
    assert set(WORDS) == set(MAILED) - {"delivery.asked"}
    delivery = await home.keyed()
    asked = brief(home, delivery, "delivery.asked", person=home.owner)
    home.desk.composing._speak = marked
    for language, type_ in product(LANGUAGES, [*WORDS, OVER]):
        await home.people.people.persons.speaks(home.owner, language, chosen=True)
        changed = Brief(**{**{f: getattr(asked, f) for f in Brief.__slots__}, "type": type_})
        letter = await home.desk.composing(changed)
        assert isinstance(letter, Letter)
        assert letter.language == language
        assert not left_over(letter.subject, *letter.paragraphs, letter.link.label if letter.link else "")
    for type_ in ("standing_made", "standing_ended", "carrier_lifted", "owner_keys_changed", "waiting"):
        about = {"vehicle": CAR, "carrier": home.carrier, "keys": "2"}
        changed = Brief("msg_x", f"delivery.{type_}", about, home.now, home.now, None, None, home.owner)
        letter = await home.desk.composing(changed)
        assert letter is None if type_ == "waiting" else isinstance(letter, Letter)
        if isinstance(letter, Letter):
            assert letter.language == language
            assert not left_over(letter.subject, *letter.paragraphs)


DUTCH = {
    "May {carrier} deliver into your car?": "Mag {carrier} in je auto bezorgen?",
    "When: {times}.": "Wanneer: {times}.",
    "{day}, {from} to {to}": "{day}, {from} tot {to}",
    "Look and answer": "Kijken en antwoorden",
}


async def test_whoever_chose_dutch_is_asked_in_dutch(home: DeliveryHouse) -> None:
    home.desk.composing._speak = lambda name: Words(name or "en", DUTCH if name == "nl" else {})
    ben = await second(home)
    await home.people.people.persons.speaks(home.owner, "nl", chosen=True)
    delivery = await home.asked()
    said = {}
    for person in (home.owner, ben):
        letter = await home.desk.composing(brief(home, delivery, "delivery.asked", person=person))
        assert isinstance(letter, Letter)
        assert letter.link is not None
        said[person] = (letter.language, letter.subject, letter.link.label)
        assert any(line.startswith("Wanneer: ma 6 mei") for line in letter.paragraphs) is (
            person == home.owner
        )
    assert said == {
        home.owner: ("nl", "Mag Fast Parcels in je auto bezorgen?", "Kijken en antwoorden"),
        ben: ("en", "May Fast Parcels deliver into your car?", "Look and answer"),
    }


async def test_everybody_at_the_car_is_told_its_own_time(web: Web) -> None:
    home = web.home
    await home.people.people.cars.set_zone(CAR, "Europe/Helsinki", by=home.owner, now=home.now)
    delivery = await home.asked(courier=home.courier)
    letter = await home.desk.composing(brief(home, delivery, "delivery.asked", person=home.owner))
    assert isinstance(letter, Letter)
    assert letter.link is not None
    start = home.order("x").window.start.astimezone(ZoneInfo("Europe/Helsinki"))
    (when,) = [line for line in letter.paragraphs if line.startswith("When: ")]
    assert f"{start:%H:%M} to " in when
    assert when.endswith("(car's time, Helsinki).")
    token = (await home.desk.deciding.mint(letter.link)).partition("#")[2]
    asked = (await web.call("POST", "/questions/open", {"token": token})).json()
    path = f"/owner/deliveries/{delivery}"
    owned = (await web.call("GET", path, by=web.owner)).json()
    listed = (await web.call("GET", "/owner/deliveries", by=web.owner)).json()["data"][0]
    answer = {"decision": "approve", "shown": owned["question"]["shown"]}
    decided = (await web.call("POST", f"{path}/decision", answer, by=web.owner)).json()
    await home.settle()
    job = (await web.call("GET", f"/courier/jobs/{delivery}", by=web.courier)).json()
    assert {one["zone"] for one in (asked, owned, listed, decided, job)} == {"Europe/Helsinki"}
    assert job["window"]["start"].endswith("Z")
    seen = (await web.call("GET", f"/deliveries/{delivery}", by=web.carrier)).text
    assert "Helsinki" not in seen  # nothing of where the car is goes to its carrier


async def test_webhooks_say_what_their_reader_may_know(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    to_carrier = await home.desk.composing(brief(home, delivery, "delivery.opened", subscriber=home.carrier))
    assert isinstance(to_carrier, News)
    assert (to_carrier.subject, to_carrier.data["state"]) == (delivery, "open")
    assert CAR not in json.dumps(dict(to_carrier.data))
    to_owner = await home.desk.composing(brief(home, delivery, "delivery.asked", subscriber=home.owner))
    assert to_owner is None  # it is decided: the question is withdrawn
    other = await home.asked(window=home.order("x").window.but(end=home.now + HOUR))
    asked = await home.desk.composing(brief(home, other, "delivery.asked", subscriber=home.owner))
    assert isinstance(asked, News)
    assert asked.data["question"]["shown"]
    gone = Brief(
        "m", "delivery.opened", {"delivery": "dlv_3zzzzzzzzzzzzzzz"}, home.now, home.now, None, None, None
    )
    assert await home.desk.composing(gone) is None


def test_sequences_grow_with_positions() -> None:
    positions = ["1893487200000-0", "1893487200000-7", "1893487200001-0"]
    numbers = [sequence_of(one) for one in positions]
    assert numbers == sorted(set(numbers))
    assert max(numbers) < 2**53


async def test_a_person_who_left_gets_no_mail(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    asked = brief(home, delivery, "delivery.asked", person=home.owner)
    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    assert await home.desk.composing(asked) is None
