"""The subscriber's own addresses over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse

from spine.house import House
from spine.ids import EndpointId
from spine.problems import Kind, Problem
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock, running
from tests.service.test_webhooks_engine import Office, Sink, compose, delivered, eventually, make_office, sink
from webhooks.api import Subscriber, routes
from webhooks.api_mending import mending
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.messages import message_id
from webhooks.sender import HttpSender
from webhooks.signature import Secret

__all__ = ["sink"]

CARRIER, OTHER = "car_3aaaaaaaaaaaaaaa", "car_5bbbbbbbbbbbbbbb"
ZOE = {"x-who": "per_5aaaaaaaaaaaaaaa"}
CAR, UNKNOWN = "veh_7k3m9qxd4hwe2a5t", "veh_5zzzzzzzzzzzzzzz"
LIMITS = WebhooksLimits(jitter=0, ping_wait=timedelta(seconds=30))
STATUS = {Kind.INVALID: 422, Kind.NOT_FOUND: 404, Kind.CONFLICT: 409}
PATH = "/v1/webhook-endpoints"


async def signed_in(x_who: Annotated[str, Header()]) -> Subscriber:
    return Subscriber(x_who, livemode=x_who != OTHER, vehicles=x_who.startswith("per_"))


@pytest.fixture
async def office(store: Store, clock: SetClock) -> AsyncIterator[Office]:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        yield make_office(store, clock, sender, {"delivery": compose}, LIMITS)


@pytest.fixture
async def http(
    office: Office, store: Store, valkey: Valkey, house: House
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.exception_handler(Problem)
    async def problem(request: Request, raised: Problem) -> JSONResponse:
        return JSONResponse({"code": raised.code}, STATUS[raised.kind])

    app.include_router(routes(office.endpoints, office.engine, signed_in))
    app.include_router(mending(office.endpoints, office.engine, signed_in, signed_in))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"x-who": CARRIER}
    ) as client:
        yield client


async def test_the_life_of_an_address(http: httpx.AsyncClient) -> None:
    made = await http.post(PATH, json={"url": "https://shop.example/h", "types": ["delivery.*"]})
    assert made.status_code == 201
    body = made.json()
    assert Secret.read(body.pop("secret"))
    assert body["state"] == "pending", "nobody answers at that address"
    assert body["livemode"] is True
    one = await http.get(f"{PATH}/{body['id']}")
    assert one.json() == body, "the secret is shown once"
    assert (await http.get(PATH)).json() == {"data": [body]}
    rotated = await http.post(f"{PATH}/{body['id']}/rotate", json={"overlap_seconds": 0})
    assert Secret.read(rotated.json()["secret"])
    assert (await http.delete(f"{PATH}/{body['id']}")).status_code == 204
    for answer in (
        await http.delete(f"{PATH}/{body['id']}"),
        await http.get(f"{PATH}/{body['id']}"),
        await http.get(f"{PATH}/{body['id']}/attempts"),
        await http.post(f"{PATH}/{body['id']}/rotate", json={}),
        await http.get(f"{PATH}/nonsense"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "endpoint.unknown")
    assert (await http.get(PATH)).json() == {"data": []}


async def test_a_repeated_request_has_the_same_answer(http: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "order-66"}
    first = await http.post(PATH, json={"url": "https://shop.example/h"}, headers=key)
    again = await http.post(PATH, json={"url": "https://shop.example/h"}, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    other = await http.post(PATH, json={"url": "https://shop.example/i"}, headers=key)
    assert other.status_code == 409
    path = f"{PATH}/{first.json()['id']}/rotate"
    secrets = [(await http.post(path, json={}, headers=key)).json() for _ in range(2)]
    assert secrets[0] == secrets[1]


async def test_nobody_sees_anothers(http: httpx.AsyncClient) -> None:
    made = (await http.post(PATH, json={"url": "https://shop.example/h"})).json()
    other = {"x-who": OTHER}
    assert (await http.get(PATH, headers=other)).json() == {"data": []}
    for answer in (
        await http.get(f"{PATH}/{made['id']}", headers=other),
        await http.delete(f"{PATH}/{made['id']}", headers=other),
        await http.post(f"{PATH}/{made['id']}/rotate", json={}, headers=other),
        await http.get(f"{PATH}/{made['id']}/attempts", headers=other),
    ):
        assert answer.status_code == 404
    assert (await http.post(PATH, json={"url": "https://x.example"}, headers=other)).json()[
        "livemode"
    ] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "http://10.0.0.1/"},
        {"url": "ftp://shop.example"},
        {"url": "https://shop.example", "types": ["no type"]},
        {"url": "https://shop.example", "types": ["a"] * 51},
        {"url": "https://shop.example", "more": 1},
        {"url": "https://shop.example/" + "x" * 2_048},
        {"url": 7},
    ],
)
async def test_what_is_refused(http: httpx.AsyncClient, body: dict[str, object]) -> None:
    assert (await http.post(PATH, json=body)).status_code == 422


async def test_attempts_are_listed(
    http: httpx.AsyncClient, office: Office, sink: Sink, valkey: Valkey, house: House
) -> None:
    sink.says(500, text="broken")
    endpoint, _ = await office.address(sink.url)
    queued = [office.news(endpoint, f"n{n}") for n in range(3)]
    for news in queued:
        await office.engine.queue(news)
        await office.due(news.id)
    path = f"{PATH}/{endpoint}/attempts"
    page = (await http.get(path, params={"limit": 2})).json()
    assert [each["type"] for each in page["data"]] == ["delivery.n2", "delivery.n1"]
    [row] = page["data"][0]["attempts"]
    assert (row["n"], row["status"], row["outcome"], row["answer"]) == (1, 500, "failed", "broken")
    assert page["data"][0]["state"] == "pending"
    rest = (await http.get(path, params={"limit": 2, "after": page["next"]})).json()
    assert [each["type"] for each in rest["data"]] == ["delivery.n0"]
    assert rest["next"] is None
    assert (await http.get(path, params={"after": "nonsense"})).status_code == 422

    sink.says(200)
    assert (await office.next(queued[0].id)).state == "delivered"
    first = (await http.get(path, params={"limit": 1})).json()["data"][0]
    assert first["state"] == "delivered", "a message stands where its newest row is"
    assert [each["outcome"] for each in first["attempts"]] == ["failed", "accepted"]


async def test_an_address_is_pinged_and_mended(http: httpx.AsyncClient, office: Office, sink: Sink) -> None:
    sink.says(503)
    made = (await http.post(PATH, json={"url": sink.url, "order": "delivery", "rate": 5})).json()
    path = f"{PATH}/{made['id']}"
    assert (made["state"], made["order"], made["rate"]) == ("pending", "delivery", 5)
    async with running(office.engine.run()):
        asked = (await http.post(f"{path}/ping")).json()
        assert (asked["answered"], asked["endpoint"]["state"]) == (False, "pending")
        assert asked["attempts"][0]["status"] == 503
        sink.says(204)
        office.clock.advance(timedelta(seconds=1))
        asked = (await http.post(f"{path}/ping")).json()
        assert (asked["answered"], asked["endpoint"]["state"]) == (True, "enabled")
        sink.says(400, headers={"webhook-delivery": "abort-message"})
        news = office.news(made["id"])
        await office.engine.queue(news)
        await eventually(lambda: dead(office, made["id"]))
        health = (await http.get(f"{path}/health")).json()
        assert (health["dead"], health["breaker"], health["waiting"]) == (1, "closed", 0)
        assert health["failing_since"]
        sink.says(204)
        span = {"since": "2030-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z"}
        assert (await http.post(f"{path}/recover", json=span)).json() == {"messages": 1}
        await eventually(lambda: delivered(office, news.id))
        again = await http.post(f"{path}/messages/{news.id}/resend")
        assert (again.status_code, again.json()["message"]) == (202, news.id)


async def dead(office: Office, endpoint: EndpointId) -> bool:
    return (await office.engine.backlog(endpoint)).dead == 1


async def test_mending_is_nobody_elses(http: httpx.AsyncClient, office: Office) -> None:
    mine = (await http.post(PATH, json={"url": "https://shop.example/h"})).json()["id"]
    theirs = (await http.post(PATH, json={"url": "https://x.example"}, headers={"x-who": OTHER})).json()["id"]
    news = office.news(theirs)
    await office.engine.queue(news)
    span = {"since": "2030-01-01T00:00:00Z", "until": "2031-01-01T00:00:00Z"}
    for answer in (
        await http.post(f"{PATH}/{theirs}/ping"),
        await http.get(f"{PATH}/{theirs}/health"),
        await http.post(f"{PATH}/{theirs}/recover", json=span),
        await http.post(f"{PATH}/{theirs}/messages/{news.id}/resend"),
        await http.post(f"{PATH}/{mine}/messages/{news.id}/resend"),
        await http.post(f"{PATH}/{mine}/messages/{message_id('dlv_7k3m', 'x', mine)}/resend"),
        await http.post(f"{PATH}/nonsense/ping"),
    ):
        assert answer.status_code == 404
    for odd in ("x", "msg_", "msg_7k3m.asked.ep.%00", "..", "a" * 500):
        assert (await http.post(f"{PATH}/{mine}/messages/{odd}/resend")).status_code in {404, 405, 422}
    for wrong in (
        {},
        {"since": "yesterday", "until": "2031-01-01T00:00:00Z"},
        span | {"more": 1},
        {"since": 1},
    ):
        assert (await http.post(f"{PATH}/{mine}/recover", json=wrong)).status_code == 422
    for wrong in ({"order": "time"}, {"rate": -1}, {"vehicles": ["veh_7abcd"]}, {"rate": "NaN"}):
        body = {"url": "https://shop.example/h"} | wrong
        assert (await http.post(PATH, json=body)).status_code == 422


async def test_filters_are_shown_and_changed(http: httpx.AsyncClient, office: Office) -> None:
    asked = {"url": "https://house.example/h", "types": ["delivery.*"], "vehicles": [CAR, UNKNOWN, CAR]}
    made = (await http.post(PATH, json=asked, headers=ZOE)).json()
    path = f"{PATH}/{made['id']}"
    assert made["vehicles"] == [CAR, UNKNOWN], (
        "one of which nothing is heard never matches, and is not told apart"
    )
    assert (await http.get(path, headers=ZOE)).json()["vehicles"] == [CAR, UNKNOWN]
    heard = office.endpoints.for_subscriber
    assert await heard(ZOE["x-who"], "delivery.opened", vehicle=CAR) == [made["id"]]
    assert await heard(ZOE["x-who"], "delivery.opened", vehicle="veh_3aaaaaaaaaaaaaaa") == []

    changed = await http.patch(path, json={"vehicles": [UNKNOWN], "rate": 5}, headers=ZOE)
    assert changed.status_code == 200
    assert changed.json() == (await http.get(path, headers=ZOE)).json()
    after = changed.json()
    assert (after["vehicles"], after["rate"], after["types"], after["order"], after["state"]) == (
        [UNKNOWN], 5, ["delivery.*"], "none", "pending",
    )  # fmt: skip
    assert await heard(ZOE["x-who"], "delivery.opened", vehicle=CAR) == []
    for same in ({}, {"vehicles": None, "types": None}, {"vehicles": [UNKNOWN]}):
        assert (await http.patch(path, json=same, headers=ZOE)).json() == after
    body = {"vehicles": [], "types": [], "order": "delivery", "rate": 0}
    last = (await http.patch(path, json=body, headers=ZOE)).json()
    assert {name: last[name] for name in body} == body


async def test_a_carrier_filters_by_no_vehicle_whatever_it_names(http: httpx.AsyncClient) -> None:
    made = (await http.post(PATH, json={"url": "https://shop.example/h"})).json()
    path, answers = f"{PATH}/{made['id']}", []
    for vehicle in (CAR, UNKNOWN):
        answers.append(await http.post(PATH, json={"url": "https://shop.example/i", "vehicles": [vehicle]}))
        answers.append(await http.patch(path, json={"vehicles": [vehicle]}))
    answers.append(await http.post(PATH, json={"url": "https://shop.example/i", "order": "vehicle"}))
    answers.append(await http.patch(path, json={"order": "vehicle"}))
    assert {(each.status_code, each.text) for each in answers} == {
        (422, '{"code":"endpoint.filters_refused"}')
    }
    own = await http.post(PATH, json={"url": "https://house.example/i", "order": "vehicle"}, headers=ZOE)
    assert (own.status_code, own.json()["order"]) == (201, "vehicle"), "a person knows the own car"
    [left] = (await http.get(PATH)).json()["data"]
    assert (left["id"], left["vehicles"]) == (made["id"], [])
    changed = await http.patch(path, json={"types": ["delivery.opened"], "vehicles": [], "order": "delivery"})
    assert (changed.status_code, changed.json()["types"]) == (200, ["delivery.opened"])


async def test_a_change_is_nobody_elses_and_never_malformed(http: httpx.AsyncClient) -> None:
    made = (await http.post(PATH, json={"url": "https://house.example/h"}, headers=ZOE)).json()
    path = f"{PATH}/{made['id']}"
    for answer in (
        await http.patch(path, json={"rate": 1}),
        await http.patch(f"{PATH}/nonsense", json={"rate": 1}),
        await http.patch(f"{PATH}/{ZOE['x-who']}", json={"rate": 1}, headers=ZOE),
        await http.patch(f"{PATH}/ep_5zzzzzzzzzzzzzzz", json={"rate": 1}, headers=ZOE),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "endpoint.unknown")
    for wrong in (
        {"url": "https://elsewhere.example"}, {"vehicles": ["car"]}, {"vehicles": [CAR] * 501}, {"vehicles": [7]},
        {"vehicles": [CAR + "\n"]}, {"types": ["no type"]}, {"types": ["a"] * 51}, {"order": "time"}, {"rate": -1},
        {"rate": "NaN"}, {"rate": 1e9}, [], "x",
    ):  # fmt: skip
        assert (await http.patch(path, json=wrong, headers=ZOE)).status_code == 422, wrong
    assert (await http.get(path, headers=ZOE)).json()["rate"] == 0
    await http.delete(path, headers=ZOE)
    assert (await http.patch(path, json={"rate": 1}, headers=ZOE)).status_code == 404
