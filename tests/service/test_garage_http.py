"""Garages, operators and owners over HTTP: whose token, whose appointment, and bodies that do not fit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from maintenance import api_booking, api_garage, api_garages, booking_links, garage_links, visit_pages
from spine.ids import CaseId, GarageId, PersonId, SlotId
from tests.fuzz.bodies import BODIES
from tests.people_signing import ORIGIN
from tests.service.garage_house import DAY, HOUR, GarageHouse, details, garages
from tests.service.people_house import CAR, OTHER_CAR, house_of_people
from trunkline import problems
from trunkline.app import templates
from trunkline.languages import Languages

__all__ = ["garages", "house_of_people"]

APT = "apt_3k7m9qxd4hwe2a5t.brakes.1.1"


@dataclass
class Scene:
    house: GarageHouse
    http: httpx.AsyncClient
    garage: GarageId
    token: str
    other: str
    owner: PersonId
    session: str
    case: CaseId

    async def ask(self, method: str, path: str, token: str | None = None, body: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.request(method, path, headers=headers, json=body)

    async def booked(self) -> str:
        slot = (await self.house.free(self.garage))[-1]
        said = await self.ask("POST", f"/v1/owner/cases/{self.case}/book", self.session, {"slot": slot})
        assert said.status_code == 200, said.text
        await self.house.settle()
        return str(said.json()["appointment"]["id"])


@pytest.fixture
async def scene(garages: GarageHouse) -> AsyncIterator[Scene]:
    app, api = FastAPI(), APIRouter(prefix="/v1")
    problems.install(app)
    for routes in (api_booking.routes, api_garage.routes, api_garages.routes):
        api.include_router(routes(garages.parts))
    app.include_router(api)
    app.include_router(visit_pages.routes(garages.parts, templates()))
    app.add_middleware(Languages)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("192.0.2.7", 5555))
    owner = await garages.people.owner("owner@example.org")
    made = await garages.parts.garages.make(details(), now=garages.now)
    other = await garages.parts.garages.make(details(name="Garage Zuid"), now=garages.now)
    await garages.settle()
    await garages.parts.capacity.fill(await garages.parts.garages.read(GarageId(made.subject)))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        yield Scene(
            garages, http, GarageId(made.subject), made.text, other.text, owner,
            await garages.people.session(owner), await garages.case("high", vehicle=CAR),
        )  # fmt: skip


async def test_a_garage_that_asks_too_often_waits_and_no_other_does(scene: Scene) -> None:
    parts = scene.house.parts
    limits = parts.limits.garages.model_copy(update={"requests_most": 3})
    object.__setattr__(parts, "limits", parts.limits.model_copy(update={"garages": limits}))
    assert [(await scene.ask("GET", "/v1/garage", scene.token)).status_code for _ in range(3)] == [200] * 3
    wanted = {"start": (scene.house.now + DAY).isoformat()}
    slow = await scene.ask("POST", "/v1/garage/slots", scene.token, wanted)
    assert (slow.status_code, slow.json()["code"], slow.json()["may_have_happened"]) == (
        429,
        "rate.limited",
        False,
    )
    assert 0 < int(slow.headers["Retry-After"]) <= 60
    assert (await scene.ask("GET", "/v1/garage", scene.other)).status_code == 200


async def test_a_garage_sees_and_ends_its_own(scene: Scene) -> None:
    name = await scene.booked()
    found = (await scene.ask("GET", "/v1/garage/appointments", scene.token)).json()["data"]
    assert [one["id"] for one in found] == [name]
    assert found[0]["car"] == {"codes": ["C0035"], "severity": "high", "odometer_m": 81_000_000}
    assert "owner" not in str(found)
    early = await scene.ask("POST", f"/v1/garage/appointments/{name}/done", scene.token)
    assert (early.status_code, early.json()["code"]) == (409, "appointment.too_early")
    free = (await scene.house.free(scene.garage))[0]
    moved = await scene.ask("POST", f"/v1/garage/appointments/{name}/move", scene.token, {"slot": free})
    assert moved.json()["slot"] == free
    scene.house.clock.set((await scene.house.slot(SlotId(free))).body.start)
    for act, state in (("received", "received"), ("done", "done"), ("done", "done")):
        said = await scene.ask("POST", f"/v1/garage/appointments/{name}/{act}", scene.token)
        assert (said.status_code, said.json()["state"]) == (200, state)
    over = await scene.ask("GET", f"/v1/garage/appointments/{name}", scene.token)
    assert over.json()["car"] is None, "codes and odometer only while it lives"
    late = await scene.ask("POST", f"/v1/garage/appointments/{name}/cancel", scene.token)
    assert (late.status_code, late.json()["code"]) == (409, "appointment.changed")


async def test_another_garages_is_answered_like_none(scene: Scene) -> None:
    name = await scene.booked()
    unknown = name[:-1] + "7"
    slot = (await scene.house.free(scene.garage))[0]
    for path, method, body in (
        ("/v1/garage/appointments/{}", "GET", None),
        ("/v1/garage/appointments/{}/move", "POST", {"slot": slot}),
        *(
            (f"/v1/garage/appointments/{{}}/{act}", "POST", None)
            for act in ("received", "done", "no_show", "cancel")
        ),
    ):
        theirs = await scene.ask(method, path.format(name), scene.other, body)
        nobody = await scene.ask(method, path.format(unknown), scene.other, body)
        assert theirs.status_code == nobody.status_code == 404, path
        assert theirs.content == nobody.content
    theirs = await scene.ask("DELETE", f"/v1/garage/slots/{slot}", scene.other)
    nobody = await scene.ask("DELETE", f"/v1/garage/slots/{slot[:-1]}7", scene.other)
    assert (theirs.status_code, theirs.content) == (404, nobody.content)
    mine = await scene.ask("POST", f"/v1/garage/appointments/{name}/move", scene.token, {"slot": slot})
    assert mine.status_code == 200
    assert (await scene.ask("GET", "/v1/garage/appointments", scene.other)).json()["data"] == []
    foreign = await scene.ask(
        "POST", "/v1/garage/slots", scene.other, {"start": (scene.house.now + DAY).isoformat()}
    )
    there = foreign.json()["slot"]
    refused = await scene.ask("POST", f"/v1/garage/appointments/{name}/move", scene.token, {"slot": there})
    assert (refused.status_code, refused.json()["code"]) == (404, "slot.not_found"), "only to its own slots"


async def test_no_other_token_opens_a_garages_door(scene: Scene) -> None:
    people = scene.house.people.people
    operator = (await people.operators.make("op", now=scene.house.now)).text
    wrong = [
        None, "", "x", scene.session, operator, scene.token[:-1] + ("A" if scene.token[-1] != "A" else "B"),
        "tlo" + scene.token[3:], "tlg_2m4x7k9d1w8hq3e6." + "A" * 43, scene.token + "A", "é" * 60,
    ]  # fmt: skip
    for token in wrong:
        if token is not None and not token.isascii():
            continue
        said = await scene.ask("GET", "/v1/garage", token)
        assert said.status_code == 401, token
    for path in ("/v1/operator/garages", f"/v1/owner/cases/{scene.case}/slots"):
        assert (await scene.ask("GET", path, scene.token)).status_code == 401
    await scene.house.parts.garages.new_token(scene.garage, now=scene.house.now)
    assert (await scene.ask("GET", "/v1/garage", scene.token)).status_code == 401, "stolen, and replaced"


async def test_a_garage_publishes_and_takes_back(scene: Scene) -> None:
    start = (scene.house.now + 6 * DAY).replace(hour=20)
    wanted = {"bay": 1, "start": start.isoformat()}
    made = await scene.ask("POST", "/v1/garage/slots", scene.token, wanted)
    assert made.status_code == 201, made.text
    assert (await scene.ask("POST", "/v1/garage/slots", scene.token, wanted)).json() == made.json()
    listed = await scene.http.get(
        "/v1/garage/slots", params={"start": start.isoformat(), "days": 1},
        headers={"Authorization": f"Bearer {scene.token}"},
    )  # fmt: skip
    assert made.json()["slot"] in {one["slot"] for one in listed.json()["data"]}
    for _ in range(2):
        gone = await scene.ask("DELETE", f"/v1/garage/slots/{made.json()['slot']}", scene.token)
        assert gone.status_code == 204
    for body in (
        {}, {"start": "yesterday"}, {"start": "2030-05-06T10:00:00"}, {"start": start.isoformat(), "bay": 0},
        {"start": start.isoformat(), "bay": 2}, {"start": start.isoformat(), "more": 1}, [], "x", None,
        {"start": "9999-12-31T23:59:59Z"}, {"start": "0001-01-01T00:00:00+14:00"}, {"start": 1e300},
        {"start": start.isoformat(), "end": start.isoformat()},
        {"start": "9999-12-31T23:59:59-12:00"}, {"start": start.isoformat(), "end": "9999-12-31T23:59:59-12:00"},
    ):  # fmt: skip
        said = await scene.ask("POST", "/v1/garage/slots", scene.token, body)
        assert said.status_code == 422, (body, said.text)
    for query in (
        "start=x",
        "days=0",
        "days=1000",
        "start=9999-12-31T23:59:59Z",
        "start=0001-01-01T00:00:00%2B14:00",
    ):
        said = await scene.ask("GET", f"/v1/garage/slots?{query}", scene.token)
        assert said.status_code in {200, 422}, (query, said.text)


async def test_an_owner_books_moves_and_cancels(scene: Scene) -> None:
    path = f"/v1/owner/cases/{scene.case}"
    shown = (await scene.ask("GET", f"{path}/slots", scene.session)).json()
    assert (shown["can_book"], shown["appointment"], shown["severity"]) == (True, None, "high")
    slots = [one["slot"] for one in shown["offers"][0]["slots"]]
    booked = (await scene.ask("POST", f"{path}/book", scene.session, {"slot": slots[0]})).json()
    assert booked["appointment"]["state"] == "booked"
    again = await scene.ask("POST", f"{path}/book", scene.session, {"slot": slots[1]})
    assert (again.status_code, again.json()["code"]) == (409, "case.already_booked")
    moved = (await scene.ask("POST", f"{path}/move", scene.session, {"slot": slots[1]})).json()
    assert moved["appointment"]["id"] == booked["appointment"]["id"]
    other = await scene.house.case()
    await scene.house.parts.booking.book(other, SlotId(slots[2]), by="agt_x")
    taken = await scene.ask("POST", f"{path}/move", scene.session, {"slot": slots[2]})
    assert (taken.status_code, taken.json()["code"]) == (409, "slot.taken")
    assert {"slot", "garage", "start", "end"} == set(taken.json()["alternatives"][0])
    for _ in range(2):
        gone = await scene.ask("POST", f"{path}/cancel", scene.session)
        assert (gone.status_code, gone.json()["appointment"]["state"]) == (200, "cancelled")
    stranger = await scene.house.people.owner("stranger@example.org", code="WXYZ2345", vehicle=OTHER_CAR)
    theirs = await scene.house.people.session(stranger)
    seen = await scene.ask("GET", f"{path}/slots", theirs)
    none = await scene.ask("GET", "/v1/owner/cases/cse_3k7m9qxd4hwe2a5t.brakes.77/slots", theirs)
    assert (seen.status_code, none.status_code) == (404, 404)
    for body in (
        {},
        {"slot": "x"},
        {"slot": 5},
        {"slot": slots[0], "by": "me"},
        [],
        {"slot": slots[0] + "0" * 40},
    ):
        assert (await scene.ask("POST", f"{path}/book", scene.session, body)).status_code == 422
    for wrong in (
        "cse_x",
        "cse_3k7m9qxd4hwe2a5t.brakes",
        "cse_" + "a" * 300,
        "per_3k7m9qxd4hwe2a5t.brakes.1",
    ):
        said = await scene.ask("GET", f"/v1/owner/cases/{wrong}/slots", scene.session)
        assert said.status_code == 422
    later = await scene.ask("GET", f"{path}/slots?start=2030-05-08T00:00:00Z", scene.session)
    assert later.json()["offers"][0]["slots"][0]["start"] >= "2030-05-08"
    for start in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00%2B14:00"):
        said = await scene.ask("GET", f"{path}/slots?start={start}", scene.session)
        assert said.status_code in {200, 422}, said.text
    unknown = await scene.ask("GET", f"{path}/slots?garage=gar_2m4x7k9d1w8hq3e6", scene.session)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "garage.not_found")


async def test_a_link_books_over_http_and_wrong_ones_are_slowed(scene: Scene) -> None:
    until = scene.house.now + DAY
    wanted = booking_links.wanted("x", scene.owner, scene.case, 1, until)
    token = (await scene.house.parts.booking_links.mint(wanted)).split("#")[1]
    shown = (await scene.ask("POST", "/v1/booking/open", None, {"token": token})).json()
    slot = shown["offers"][0]["slots"][0]["slot"]
    booked = await scene.ask("POST", "/v1/booking/book", None, {"token": token, "slot": slot})
    assert booked.json()["appointment"]["state"] == "booked"
    assert (await scene.http.get("/v1/booking/book")).status_code == 405
    gone = await scene.ask("POST", "/v1/booking/cancel", None, {"token": token})
    assert gone.json()["appointment"]["state"] == "cancelled"
    used = await scene.ask("POST", "/v1/booking/book", None, {"token": token, "slot": slot})
    assert (used.status_code, used.json()["code"]) == (410, "booking.link_used")
    for body in ({}, {"token": "é" * 50}, {"token": "a" * 500}, {"token": 5}, [], {"token": token, "x": 1}):
        assert (await scene.ask("POST", "/v1/booking/open", None, body)).status_code == 422
    codes = [
        (await scene.ask("POST", "/v1/booking/open", None, {"token": f"{n:060d}"})).status_code
        for n in range(61)
    ]
    assert codes[0] == 404
    assert codes[-1] == 429, "whoever guesses is slowed down"
    assert (await scene.ask("POST", "/v1/booking/open", None, {"token": token})).status_code == 200


async def test_a_garages_link_over_http(scene: Scene) -> None:
    name = await scene.booked()
    links, now = scene.house.parts.garage_links, scene.house.now
    other = await scene.house.case()
    second = await scene.house.parts.booking.book(
        other, (await scene.house.free(scene.garage))[0], by="agt_x"
    )
    await scene.house.settle()
    one = (await links.mint(garage_links.wanted("", scene.garage, name, now + DAY))).split("#")[1]  # type: ignore[arg-type]
    every = (await links.mint(garage_links.wanted("", scene.garage, None, now + DAY))).split("#")[1]
    shown = (await scene.ask("POST", "/v1/garage-link/open", None, {"token": one})).json()
    assert [each["id"] for each in shown["appointments"]] == [name]
    assert (
        len((await scene.ask("POST", "/v1/garage-link/open", None, {"token": every})).json()["appointments"])
        == 2
    )
    foreign = await scene.ask(
        "POST", "/v1/garage-link/cancel", None, {"token": one, "appointment": second.id}
    )
    assert foreign.status_code == 404, "a link of one appointment never touches another"
    moved = await scene.ask(
        "POST",
        "/v1/garage-link/move",
        None,
        {"token": one, "appointment": name, "slot": shown["free"][1]["slot"]},
    )
    assert moved.status_code == 200
    gone = await scene.ask("POST", "/v1/garage-link/cancel", None, {"token": every, "appointment": second.id})
    assert gone.json()["state"] == "cancelled"
    # links are kept by the store's own clock, as every expiring thing is; a new token ends them at once
    await scene.house.parts.garages.new_token(scene.garage, now=now)
    assert (await scene.ask("POST", "/v1/garage-link/open", None, {"token": every})).status_code == 404


async def test_operators_make_and_remove_garages(scene: Scene) -> None:
    operator = (await scene.house.people.people.operators.make("op", now=scene.house.now)).text
    body = details(name="Garage West").model_dump(mode="json")
    headers = {"Authorization": f"Bearer {operator}", "Idempotency-Key": "k1"}
    first = await scene.http.post("/v1/operator/garages", json=body, headers=headers)
    again = await scene.http.post("/v1/operator/garages", json=body, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    name, token = first.json()["garage"], first.json()["token"]
    await scene.house.settle()
    listed = await scene.ask("GET", "/v1/operator/garages", operator)
    assert {one["id"] for one in listed.json()["data"]} >= {name, scene.garage}
    assert token not in listed.text
    assert "hash" not in listed.text
    changed = await scene.ask("PUT", f"/v1/operator/garages/{name}", operator, {**body, "minutes": 30})
    assert changed.json()["details"]["minutes"] == 30
    newer = (await scene.ask("POST", f"/v1/operator/garages/{name}/token", operator)).json()["token"]
    assert (await scene.ask("GET", "/v1/garage", token)).status_code == 401
    assert (await scene.ask("GET", "/v1/garage", newer)).status_code == 200
    for wrong in (
        {},
        {**body, "zone": "x"},
        {**body, "mail": "x\r\ny@z"},
        {**body, "hours": {"mon": [{"start": "9"}]}},
    ):
        said = await scene.ask("POST", "/v1/operator/garages", operator, wrong)
        assert said.status_code == 422
        assert "x\\r" not in said.text
    for _ in range(2):
        assert (await scene.ask("DELETE", f"/v1/operator/garages/{name}", operator)).status_code == 204
    assert (await scene.ask("GET", "/v1/garage", newer)).status_code == 401
    assert (await scene.ask("GET", f"/v1/operator/garages/{name}", operator)).status_code == 404


async def test_the_pages_change_nothing_by_looking(scene: Scene) -> None:
    wanted = booking_links.wanted("x", scene.owner, scene.case, 1, scene.house.now + DAY)
    token = (await scene.house.parts.booking_links.mint(wanted)).split("#")[1]
    before = await scene.house.people.everything()
    for path in ("/book", "/garage", "/maintenance/link.js"):
        assert (await scene.http.get(path)).status_code == 200
    page = await scene.http.post("/book", data={"token": token})
    assert page.status_code == 200
    assert "Garage Noord" in page.text
    assert await scene.house.people.everything() == before
    slot = (await scene.house.free(scene.garage))[0]
    booked = await scene.http.post("/book", data={"token": token, "act": "book", "slot": slot})
    assert "It is booked" in booked.text
    assert (
        "It is booked"
        in (await scene.http.post("/book", data={"token": token, "act": "book", "slot": slot})).text
    )
    german = await scene.http.get("/book", headers={"Accept-Language": "fr, de-DE;q=0.8"})
    assert 'lang="de"' in german.text
    chosen = {"Accept-Language": "de", "Cookie": "tl_language=sv"}
    assert 'lang="sv"' in (await scene.http.get("/book", headers=chosen)).text, (
        "what was chosen counts for more"
    )
    wrong = await scene.http.post("/book", data={"token": "A" * 60})
    assert (wrong.status_code, "not known" in wrong.text) == (404, True)
    for data in (
        {"token": "x" * 500},
        {"token": token, "act": "steal"},
        {"token": token, "slot": "x"},
        {"more": "1"},
    ):
        assert (await scene.http.post("/book", data=data)).status_code == 422
    path = f"/cases/{scene.case}/book"
    assert (await scene.http.get(path)).status_code == 303, "whoever is not signed in is sent there"
    cookie = {"Cookie": f"{scene.house.people.people.access.cookie}={scene.session}"}
    seen = await scene.http.get(path, headers=cookie)
    assert "Your appointment" in seen.text
    foreign = await scene.http.post(
        path, data={"act": "cancel"}, headers={**cookie, "Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    ours = {**cookie, "Sec-Fetch-Site": "same-origin"}
    done = await scene.http.post(path, data={"act": "cancel"}, headers=ours)
    assert (done.status_code, done.headers["Location"]) == (303, f"{path}?said=said_cancelled")
    assert "It is cancelled" in (await scene.http.get(done.headers["Location"], headers=cookie)).text
    assert "<script" not in (await scene.http.get(f"{path}?said=<script>", headers=cookie)).text
    again = await scene.http.post(path, data={"act": "book", "slot": slot}, headers=ours)
    assert again.headers["Location"].endswith("said=said_booked")


async def test_a_garages_page(scene: Scene) -> None:
    name = await scene.booked()
    link = await scene.house.parts.garage_links.mint(
        garage_links.wanted("", scene.garage, None, scene.house.now + DAY)
    )
    token = link.split("#")[1]
    page = await scene.http.post("/garage", data={"token": token})
    assert page.status_code == 200
    assert "C0035" in page.text
    assert "81000 km" in page.text
    assert 'value="done"' not in page.text, "too early to say"
    scene.house.clock.advance(timedelta(hours=3))
    found = await scene.house.parts.booking.read(name)  # type: ignore[arg-type]
    scene.house.clock.set(found.body.start + HOUR / 2)
    done = await scene.http.post("/garage", data={"token": token, "act": "received", "appointment": name})
    assert "at the garage" in done.text
    late = await scene.http.post("/garage", data={"token": token, "act": "no_show", "appointment": name})
    assert "changed meanwhile" in late.text
    assert (await scene.http.post("/garage", data={"token": "B" * 43})).status_code == 404


async def test_no_body_makes_a_mistake_of_ours(scene: Scene) -> None:
    name = await scene.booked()
    operator = (await scene.house.people.people.operators.make("op", now=scene.house.now)).text
    doors = [
        ("/v1/garage/slots", scene.token), (f"/v1/garage/appointments/{name}/move", scene.token),
        ("/v1/garage-link/open", None), ("/v1/garage-link/move", None), ("/v1/garage-link/done", None),
        ("/v1/booking/open", None), ("/v1/booking/book", None), ("/v1/booking/cancel", None),
        (f"/v1/owner/cases/{scene.case}/book", scene.session), (f"/v1/owner/cases/{scene.case}/move", scene.session),
        ("/v1/operator/garages", operator), ("/book", None), ("/garage", None),
    ]  # fmt: skip
    for path, token in doors:
        for body in (*BODIES, b"token=" + b"%ff" * 50, b"start=9999-12-31T23:59:59-12:00", b"&" * 5000):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            kind = "application/json" if path.startswith("/v1") else "application/x-www-form-urlencoded"
            said = await scene.http.post(path, content=body, headers={**headers, "Content-Type": kind})
            assert said.status_code < 500, (path, body[:80], said.text)
