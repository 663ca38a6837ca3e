"""The short way of a tap: told apart from the ordinary one by nothing but the time it takes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from delivery import api_courier
from delivery.api_tap import Raised, Tap
from delivery.states import State
from spine.facts.vehicle import CommandCreated
from spine.valkey import StoreDown
from tests.people_signing import ORIGIN, Device
from tests.service.delivery_house import HERE, DeliveryHouse, home, house_of_people
from trunkline import problems
from trunkline.headers import BodyLimit, SecurityHeaders, security_headers

__all__ = ["home", "house_of_people"]

PROOF = {"proof": "a.b.c"}
PATIENCE = timedelta(seconds=60)


class Doors:
    """The same house behind an ordinary door, the product's, and one that knows the short way alone."""

    def __init__(self, home: DeliveryHouse, apps: list[Any], *clients: httpx.AsyncClient, token: str) -> None:
        self.home, self.apps, self.token = home, apps, token
        self.ordinary, self.product, self.short = clients

    async def tap(
        self, door: httpx.AsyncClient, delivery: str, body: Any = None, headers: Any = None
    ) -> httpx.Response:
        said = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Prefer": "wait=5",
        }
        if not isinstance(headers, list):
            headers = list({**said, **(headers or {})}.items())
        content = body if isinstance(body, bytes) else json.dumps(body or PROOF).encode()
        return await door.post(f"/v1/courier/jobs/{delivery}/open", content=content, headers=headers)


@pytest.fixture
async def doors(home: DeliveryHouse, request: pytest.FixtureRequest) -> AsyncIterator[Doors]:
    apps, patience = list[Any](), getattr(request, "param", PATIENCE)
    for short, ordinary in ((False, True), (True, True), (True, False)):
        app = FastAPI()
        problems.install(app)
        app.add_middleware(BodyLimit, limit=100_000, patience=patience)
        app.add_middleware(SecurityHeaders, headers=security_headers())
        if ordinary:
            app.include_router(api_courier.routes(home.desk), prefix="/v1")
        app.router.routes.insert(0, Raised())
        short_way = Tap(home.desk, app, patience=patience, headers=security_headers())
        apps.append(short_way if short else app)
    granted = await home.people.people.courier_tokens.sign_in(
        home.phone.sign_in(home.courier, home.now), now=home.now
    )
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(app=app, raise_app_exceptions=False), base_url=ORIGIN
                )
            )
            for app in apps
        ]
        yield Doors(home, apps, *clients, token=granted.token)


def said(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    return answer.status_code, answer.text, dict(answer.headers)


async def car(home: DeliveryHouse, created: CommandCreated) -> None:
    if created.op == "present":
        assert created.delivery is not None
        await home.receipts(created.delivery, "consumed", "opened")


async def test_it_opens_and_both_ways_say_the_same_of_it(doors: Doors) -> None:
    home = doors.home
    delivery = await home.arrived()
    async with home.living(lambda created: car(home, created)):
        opened = await doors.tap(
            doors.short, delivery, {**PROOF, "position": HERE.model_dump(), "reason": ""}
        )
        await home.reaches(delivery, State.OPEN)
    assert (opened.status_code, opened.json()["outcome"]) == (200, "opened"), opened.text
    again = [said(await doors.tap(door, delivery)) for door in (doors.ordinary, doors.product, doors.short)]
    assert again[0] == again[1] == again[2]
    assert again[0][0] == 200
    assert len([kind for kind in await home.kinds(delivery) if kind == "delivery.opening"]) == 1


async def test_pending_says_where_to_look(doors: Doors) -> None:
    delivery = await doors.home.arrived()
    short = await doors.tap(doors.short, delivery, headers={"Prefer": "wait=0"})
    assert (short.status_code, short.json().get("outcome")) == (202, "pending"), short.text
    assert short.headers["location"] == f"/v1/courier/jobs/{delivery}"
    assert said(short) == said(await doors.tap(doors.ordinary, delivery, headers={"Prefer": "wait=0"}))


async def test_what_is_refused_is_refused_alike(doors: Doors) -> None:
    home, tap = doors.home, doors.tap
    delivery = await home.arrived()
    phone = Device()
    other = (await home.people.people.carriers.enrol("Other", public_jwk=phone.jwk, now=home.now)).client_id
    named = await home.people.courier(other, phone)
    stranger = await home.people.people.courier_tokens.sign_in(phone.sign_in(named, home.now), now=home.now)
    cases: list[tuple[Any, Any]] = [
        (PROOF, {"Authorization": "Bearer nothing"}),
        (PROOF, {"Authorization": "Basic abc"}),
        (PROOF, {"Authorization": ""}),
        (PROOF, {"Authorization": f"Bearer {doors.token}x"}),
        (PROOF, {"Authorization": f"Bearer {stranger.token}"}),
        (PROOF, [("Content-Type", "application/json")]),
        (PROOF, {"Content-Type": "text/plain"}),
        (PROOF, {"Prefer": "x" * 201}),
        (b"", {}),
        (b"{", {}),
        (b"[]", {}),
        (b"\xff", {}),
        (b'{"proof": "a.b.c", "position": {"lat": NaN, "lon": 4}}', {}),
        ({"proof": "a b"}, {}),
        ({"proof": "a" * 2049}, {}),
        ({**PROOF, "more": 1}, {}),
        ({**PROOF, "reason": "x" * 201}, {}),
        ({**PROOF, "position": {"lat": 91, "lon": 4, "accuracy_m": 5}}, {}),
        ({**PROOF, "position": {"lat": 1.0, "lon": 4.0, "accuracy_m": 5}}, {}),  # too far
    ]
    for body, headers in cases:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        first, second = [
            said(await tap(door, delivery, content, headers)) for door in (doors.ordinary, doors.product)
        ]
        assert first == second, (body, headers)
        assert first[0] in {401, 404, 409, 422}, first
    for missing in ("dlv_3zzzzzzzzzzzzzzz", "dlv_1", "x/y"):
        assert said(await tap(doors.ordinary, missing)) == said(await tap(doors.product, missing))
    assert "delivery.opening" not in await home.kinds(delivery)


async def test_taps_are_counted_once_they_are_answered(doors: Doors) -> None:
    doorkeeper = doors.home.people.people.doorkeeper
    doorkeeper._limits = doorkeeper._limits.model_copy(update={"acts_per_courier": 2})
    delivery = await doors.home.arrived()
    taps = [
        (await doors.tap(doors.product, delivery, headers={"Prefer": "wait=0"})).status_code for _ in range(5)
    ]
    assert taps == [202, 202, 202, 429, 429], "the third is the one too many, which is found after its answer"
    doorkeeper._limits = doorkeeper._limits.model_copy(update={"acts_per_courier": 100})
    for _ in range(2):
        assert (await doors.tap(doors.product, delivery, headers={"Prefer": "wait=0"})).status_code == 202


async def test_the_ordinary_way_is_still_there(doors: Doors) -> None:
    """A media type with parameters, and a scheme in other letters, are fine, but not simply as they should be."""
    delivery = await doors.home.arrived()
    bearer = ("Authorization", f"Bearer {doors.token}")
    for headers in (
        {"Content-Type": "application/json; charset=utf-8"},
        {"Authorization": f"bearer {doors.token}"},
        [bearer, ("Content-Type", "application/json"), ("Content-Type", "text/plain"), ("Prefer", "wait=0")],
    ):
        sent = headers if isinstance(headers, list) else {"Prefer": "wait=0", **headers}
        answer = await doors.tap(doors.product, delivery, headers=sent)
        assert (answer.status_code, answer.json()["outcome"]) == (202, "pending")
        assert (await doors.tap(doors.short, delivery, headers=sent)).status_code == 404


@pytest.mark.parametrize("doors", [timedelta(seconds=0.2)], indirect=True, ids=["impatient"])
async def test_a_body_that_does_not_come_is_refused_as_others_are(doors: Doors) -> None:
    """As a server hands it over: the first half, and then nothing."""
    delivery = await doors.home.arrived()
    heads = []
    for app in doors.apps[:2]:
        halves, sent = [{"type": "http.request", "body": b'{"proof":', "more_body": True}], list[Any]()

        async def receive(halves: list[Any] = halves) -> Any:
            if not halves:
                await asyncio.Event().wait()
            return halves.pop()

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        headers = [
            (b"authorization", f"Bearer {doors.token}".encode()),
            (b"content-type", b"application/json"),
        ]
        scope = {
            "type": "http", "method": "POST", "path": f"/v1/courier/jobs/{delivery}/open", "headers": headers,
            "query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("car", 80), "root_path": "",
        }  # fmt: skip
        await app(scope, receive, send)
        heads.append(sent)
    assert heads[0] == heads[1]
    assert heads[0][0]["status"] == 408


async def test_a_body_in_pieces_is_one(doors: Doors) -> None:
    delivery = await doors.home.arrived()
    headers = {
        "Authorization": f"Bearer {doors.token}",
        "Content-Type": "application/json",
        "Prefer": "wait=0",
    }

    async def pieces() -> AsyncIterator[bytes]:
        for byte in json.dumps(PROOF).encode():
            yield bytes([byte])

    answer = await doors.short.post(f"/v1/courier/jobs/{delivery}/open", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "pending")


async def test_a_body_too_large_is_refused_as_others_are(doors: Doors) -> None:
    delivery = await doors.home.arrived()
    for size in (17_000, 120_000):
        content = json.dumps({**PROOF, "reason": "x" * size}).encode()
        first, second = [
            said(await doors.tap(door, delivery, content)) for door in (doors.ordinary, doors.product)
        ]
        assert first == second
        assert first[0] == (413 if size > 100_000 else 422)


async def test_what_nobody_foresaw_is_answered_where_all_is(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **_more: Any) -> None:
        raise RuntimeError("nobody foresaw it")

    delivery = await doors.home.arrived()
    monkeypatch.setattr(doors.home.desk.at_the_car, "open", broken)
    answers = [await doors.tap(door, delivery) for door in (doors.ordinary, doors.product)]
    assert [(one.status_code, one.json()["code"]) for one in answers] == [(500, "internal")] * 2
    assert answers[0].headers.keys() == answers[1].headers.keys()


async def test_a_store_that_is_away_is_said_alike(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **_more: Any) -> None:
        raise StoreDown("nobody answers")

    delivery = await doors.home.arrived()
    monkeypatch.setattr(doors.home.people.people.courier_tokens, "find", away)
    first, second = [said(await doors.tap(door, delivery)) for door in (doors.ordinary, doors.product)]
    assert first == second
    assert first[0] == 503
