"""The short way of a tap: told apart from the ordinary one by nothing but the time it takes."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from delivery import api_courier
from delivery.api_tap import Tap
from delivery.states import State
from spine.facts.vehicle import CommandCreated
from tests.people_signing import ORIGIN, Device
from tests.service.delivery_house import HERE, DeliveryHouse, home, house_of_people
from trunkline import problems
from trunkline.headers import BodyLimit

__all__ = ["home", "house_of_people"]

PROOF = {"proof": "a.b.c"}


class Doors:
    """The same house behind an ordinary door, the product's, and one that knows the short way alone."""

    def __init__(self, home: DeliveryHouse, *clients: httpx.AsyncClient, token: str) -> None:
        self.home, self.token = home, token
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
async def doors(home: DeliveryHouse) -> AsyncIterator[Doors]:
    apps = []
    for short, ordinary in ((False, True), (True, True), (True, False)):
        app = FastAPI()
        problems.install(app)
        app.add_middleware(BodyLimit, limit=100_000, patience=timedelta(seconds=5))
        if ordinary:
            app.include_router(api_courier.routes(home.desk), prefix="/v1")
        if short:
            app.router.routes.insert(0, Tap(home.desk))
        apps.append(app)
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
        yield Doors(home, *clients, token=granted.token)


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
    assert (short.status_code, short.json()["outcome"]) == (202, "pending")
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
