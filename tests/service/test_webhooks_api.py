"""The subscriber's own addresses over HTTP."""

from collections.abc import AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse

from spine.house import House
from spine.problems import Kind, Problem
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.test_webhooks_engine import LIMITS, Office, Sink, compose, make_office, sink
from webhooks.api import Subscriber, routes
from webhooks.endpoints import queues_of
from webhooks.guard import Guard
from webhooks.history import History
from webhooks.sender import HttpSender
from webhooks.signature import Secret

__all__ = ["sink"]

CARRIER, OTHER = "car_3aaaaaaaaaaaaaaa", "car_5bbbbbbbbbbbbbbb"
STATUS = {Kind.INVALID: 422, Kind.NOT_FOUND: 404, Kind.CONFLICT: 409}
PATH = "/v1/webhook-endpoints"


async def signed_in(x_who: Annotated[str, Header()]) -> Subscriber:
    return Subscriber(x_who, livemode=x_who != OTHER)


@pytest.fixture
async def office(store: Store, clock: SetClock) -> AsyncIterator[Office]:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        yield make_office(store, clock, sender, {"delivery": compose})


@pytest.fixture
async def http(
    office: Office, store: Store, valkey: Valkey, house: House
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()

    @app.exception_handler(Problem)
    async def problem(request: Request, raised: Problem) -> JSONResponse:
        return JSONResponse({"code": raised.code}, STATUS[raised.kind])

    app.include_router(routes(office.endpoints, History(queues_of(store, LIMITS)), signed_in))
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
