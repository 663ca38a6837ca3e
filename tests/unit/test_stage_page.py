"""The demo's page: let in by one link, by one name, from one page; and nowhere but in a demo."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import ValidationError

from people.access import Access
from spine.entries import Entry
from spine.facts.delivery import DeliveryDelivered, DeliveryRequested
from spine.facts.keys import KeyConsumed
from spine.facts.vehicle import CommandDone, SignalChanged
from spine.ids import CarrierId, CommandId, DeliveryId, KeyId, UnitId, VehicleId
from trunkline import problems, stage_page
from trunkline.frame import templates
from trunkline.headers import CSP, SecurityHeaders
from trunkline.settings import Settings
from trunkline.stage_page_door import Door
from trunkline.stage_page_news import News, event
from trunkline.stage_page_sessions import SideBySide
from trunkline.stage_page_socket import SOCKET
from vehicle_unit.simulated import SimulatedBoot
from vehicle_unit.vehicle import PADS, Vehicle

ORIGIN: Final = "http://localhost:8080"
OURS: Final = {"Sec-Fetch-Site": "same-origin"}
NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
CAR, OTHER = VehicleId("veh_3k7m9qxd4hwe2a5t"), VehicleId("veh_4k7m9qxd4hwe2a5t")
UNIT, DELIVERY = UnitId("vu_3k7m9qxd4hwe2a5t"), DeliveryId("dlv_3k7m9qxd4hwe2a5t")
CARRIER = CarrierId("car_3k7m9qxd4hwe2a5t")


class House:
    """The page's routes in front of a door that really listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ("deep" * 30)  # deeper than a socket's path may be
        self.folder.mkdir()
        self.links: list[str] = []
        self.door = Door(ORIGIN, used=self.links.append)
        app = FastAPI()
        problems.install(app)
        access = cast("Access", SimpleNamespace(cookie="tl_session"))
        app.include_router(stage_page.routes(templates(), access, socket=self.folder / SOCKET, origin=ORIGIN))
        app.add_middleware(SecurityHeaders)
        app.add_middleware(SideBySide, session="tl_session")
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    @property
    def token(self) -> str:
        return self.door.link.partition("#")[2]

    async def start(self, token: str, **headers: str) -> httpx.Response:
        return await self.http.post("/stage/start", json={"token": token}, headers={**OURS, **headers})


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    async with made.door.open(made.folder), made.http:
        yield made


async def test_a_link_lets_one_browser_in_and_is_used_up(house: House) -> None:
    first = house.token
    answer = await house.start(first)
    assert (answer.status_code, answer.json()) == (200, {})
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept
    assert "SameSite=strict" in kept
    assert "Path=/stage" in kept
    assert "key" not in answer.text
    assert house.links == [house.door.link]
    again = await house.start(first)
    assert (again.status_code, again.json()["code"]) == (410, "stage.link")
    assert (await house.start("")).status_code == 422
    assert (await house.start("ä" * 20)).status_code == 410
    assert (await house.start(house.token)).status_code == 200


async def test_whoever_has_no_key_plays_nothing(house: House) -> None:
    for key in ("", "guessed", "t\x7f"):
        cookie = {"Cookie": f"tl_stage={key}"} if key else {}
        for path, body in (("enter", {}), ("act", {"act": "shut"})):
            answer = await house.http.post(f"/stage/{path}", json=body, headers={**OURS, **cookie})
            assert (answer.status_code, answer.json()["code"]) == (401, "stage.key")
        answer = await house.http.get("/stage/events", headers={**OURS, **cookie})
        assert (answer.status_code, answer.json()["code"]) == (401, "stage.key")
    await house.start(house.token)
    answer = await house.http.post("/stage/enter", json={}, headers=OURS)
    assert (answer.status_code, answer.json()["code"]) == (503, "stage.not_ready")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1:8080", "localhost"])
async def test_it_answers_by_no_other_name(house: House, host: str) -> None:
    """A name of a stranger that leads to this machine (DNS rebinding)."""
    answer = await house.start(house.token, Host=host)
    assert (answer.status_code, answer.json()["code"]) == (403, "stage.elsewhere")
    assert (await house.http.get("/stage", headers={"Host": host})).status_code == 403
    assert house.links == []


@pytest.mark.parametrize(
    "from_where",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:3000"},
        {},
    ],
)
async def test_no_other_page_can_ask_it(house: House, from_where: dict[str, str]) -> None:
    await house.start(house.token)
    for path, body in (
        ("start", {"token": house.token}),
        ("enter", {}),
        ("act", {"act": "network", "on": False}),
    ):
        answer = await house.http.post(f"/stage/{path}", json=body, headers=from_where)
        assert (answer.status_code, answer.json()["code"]) == (403, "stage.elsewhere")
    assert (await house.http.get("/stage/events", headers=from_where)).status_code == 403
    assert len(house.links) == 1


async def test_what_is_malformed_is_refused(house: House) -> None:
    await house.start(house.token)
    for body in (
        {"act": "fly"}, {}, [], {"act": "order", "courier": "x" * 65}, {"act": "shut", "more": 1}, {"act": "network", "on": "?"},
    ):  # fmt: skip
        answer = await house.http.post("/stage/act", json=body, headers=OURS)
        assert answer.status_code == 422, body


async def test_a_demo_that_has_gone_is_said(tmp_path: Path) -> None:
    house = House(tmp_path)
    async with house.http:
        answer = await house.start("token")
        assert (answer.status_code, answer.json()["code"]) == (503, "stage.dark")
        assert (await house.http.get("/stage/events", headers=OURS)).status_code == 503
        page = await house.http.get("/stage")
    policy = page.headers["content-security-policy"]
    assert "frame-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert " style=" not in page.text


def test_only_a_demo_has_it() -> None:
    assert Settings(data_dir=Path("/nowhere")).stage_socket is None
    with pytest.raises(ValidationError, match="on this machine"):
        Settings(
            data_dir=Path("/nowhere"), stage_socket=Path("/nowhere/s"), public_url="https://cars.example.org"
        )
    assert "frame-src" not in CSP
    assert "frame-ancestors 'none'" in CSP


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "tl_language=nl; tl_session=owner; x"),
        ("/v1/me", "tl_language=nl; tl_session=owner; x"),
        ("/desks", "tl_language=nl; tl_session=owner; x"),
        ("/desk", "tl_language=nl; tl_session=agent; x"),
        ("/desk/desk.js", "tl_language=nl; tl_session=agent; x"),
        ("/v1/desk/claim", "tl_language=nl; tl_session=agent; x"),
    ],
)
async def test_the_desk_has_the_agents_session_and_all_else_the_owners(path: str, said: str) -> None:
    heard: dict[str, Any] = {}

    async def app(scope: Any, _: Any, send: Any) -> None:
        heard.update(scope)
        policy = [(b"content-security-policy", CSP.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": policy})
        await send({"type": "http.response.body", "body": b""})

    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app=SideBySide(app, session="tl_session")), base_url=ORIGIN
    )
    cookies = "tl_language=nl; tl_session=owner; tl_agent=agent; x"
    answer = await client.get(path, headers={"Cookie": cookies})
    got = dict(heard["headers"])[b"cookie"].decode()
    assert sorted(got.split("; ")) == sorted(said.split("; "))
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


async def test_an_agents_cookie_alone_signs_nobody_in_elsewhere() -> None:
    middleware = SideBySide(cast("Any", None), session="tl_session")
    assert middleware._cookies(b"tl_agent=a", at_desk=False) == b""
    assert middleware._cookies(b"tl_session=o", at_desk=True) == b""


def entry(fact: Any) -> Entry:
    return Entry(0, "1-0", fact)


def test_what_is_told_of_the_log(tmp_path: Path) -> None:
    news = News(vehicle=CAR, unit=tmp_path, mail=tmp_path, address="ada@example.org")
    told: list[Any] = []
    news.say = lambda name, data: told.append(data)  # type: ignore[method-assign]
    news.scene["delivery"] = DELIVERY
    of_key = {"unit": UNIT, "delivery": DELIVERY, "key": KeyId("key_3k7m9qxd4hwe2a5t"), "n": 1}
    of_command = {"unit": UNIT, "command": CommandId("cmd_3k7m9qxd4hwe2a5t")}
    at_the_car = NOW.replace(second=7)
    for fact in (
        DeliveryRequested(at=NOW, delivery=DELIVERY, carrier=CARRIER),
        KeyConsumed(at=NOW, vehicle=OTHER, receipt_hash="x", **of_key),
        KeyConsumed(at=NOW, vehicle=CAR, receipt_hash="x", unit_at=at_the_car, **of_key),
        CommandDone(at=NOW, vehicle=CAR, op="challenge", **of_command),
        CommandDone(at=NOW, vehicle=CAR, op="present", **of_command),
        SignalChanged(at=NOW, vehicle=CAR, path="Vehicle.Speed", value=3),
        SignalChanged(at=NOW, vehicle=CAR, path=PADS, value=100),
        DeliveryDelivered(at=NOW, vehicle=CAR, delivery=DELIVERY, carrier=CARRIER),
    ):
        news.heard(entry(fact))
    assert [one["kind"] for one in told] == [
        "delivery.requested", "key.consumed", "command.done", "vehicle.signal_changed", "delivery.delivered",
    ]  # fmt: skip
    assert told[1]["at"] == at_the_car.isoformat(), "of what the car says the car's own time"
    assert "receipt_hash" not in json.dumps(told)
    assert news.scene["delivery"] is None


async def test_a_page_that_comes_back_hears_what_it_missed_and_no_more(tmp_path: Path) -> None:
    news = News(vehicle=CAR, unit=tmp_path, mail=tmp_path, address="ada@example.org")
    for number in range(3):
        news.say("said", number)
    async with news.listen(after=1) as events:
        heard = [await anext(events) for _ in range(5)]
        news.say("said", 3)
        heard.append(await anext(events))
    assert heard[2:] == [
        event(2, "said", 1),
        event(3, "said", 2),
        event(0, "caught_up", {}),
        event(4, "said", 3),
    ]
    async with news.listen(after=99) as events:  # of a demo before
        assert (await anext(events)).startswith(b"event: car")
        await anext(events)
        assert await anext(events) == event(1, "said", 0)


def test_by_hand_a_lid_stays_up_and_pads_are_told_only_where_they_are_measured() -> None:
    heard: list[Any] = []
    vehicle = Vehicle(heard=heard.append)
    boot = SimulatedBoot(vehicle, lifts_after=None, shuts_after=timedelta(0))
    boot.by_hand = True
    boot.drive_open()
    boot.lift()  # with a clock to shut it, this would need a running loop
    assert vehicle.lid_up
    boot.shut()
    assert not vehicle.lid_up
    assert PADS not in vehicle.signals()
    vehicle.change(pad_wear=100)
    assert heard[-1] == {PADS: 100}


async def test_a_page_that_is_too_slow_comes_back_instead_of_showing_what_was(tmp_path: Path) -> None:
    news = News(vehicle=CAR, unit=tmp_path, mail=tmp_path, address="ada@example.org")
    async with news.listen(after=0) as events:
        while b"caught_up" not in await anext(events):
            pass
        for number in range(1_001):
            news.say("said", {"number": number})
        assert [one async for one in events] == []
        news.say("said", {"number": "later"})
    async with news.listen(after=0) as events:
        assert b"later" in b"".join([await anext(events) for _ in range(202)])


def test_only_letters_that_are_there_and_links_of_ours_are_told(tmp_path: Path) -> None:
    news = News(vehicle=CAR, unit=tmp_path, mail=tmp_path, address="ada@example.org")
    (tmp_path / "1.eml").symlink_to(tmp_path / "gone")
    told: list[Any] = []
    news.say = lambda name, data: told.append((name, data["to"]))  # type: ignore[method-assign]
    secret = "#" + "s" * 24
    for number, link in enumerate(("decide", "/evil.example/x", "\\evil.example")):
        text = f"To: ada@example.org\nSubject: May they?\n\nFollow {ORIGIN}/{link}{secret}\n"
        (tmp_path / f"{number + 2}.eml").write_text(text)
        news.look_for_mail()
    assert told == [("mail", f"/decide{secret}"), ("mail", ""), ("mail", "")]
