"""What the people of a car see of its cases, by API and page: plain words, calls, declining; nobody else sees any."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

import maintenance.api_owner
import maintenance.pages
from maintenance.memory import case_of
from maintenance.model import Call
from maintenance.service import Turn
from people.model import Role
from people.tokens import read as token_of
from spine.facts.maintenance import CallMade, CaseSeen, TriggerLeased
from spine.ids import AgentId
from tests.people_signing import ORIGIN
from tests.service.maintenance_house import (
    CAR,
    DAY,
    HOUR,
    PHONE,
    MaintenanceHouse,
    garage,
    house_of_people,
)
from tests.service.people_house import OTHER_CAR
from trunkline import problems
from trunkline.app import templates
from trunkline.languages import Languages

__all__ = ["garage", "house_of_people"]
pytestmark = pytest.mark.valkey
HIGH, CRITICAL = "P0301", "P0217"
CASE = case_of(CAR, "ignition", 1)
AGENT = AgentId("agt_1aaaaaaaaaaaaaaa")


@dataclass
class Web:
    garage: MaintenanceHouse
    http: httpx.AsyncClient
    token: str

    async def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if method == "POST":
            headers["Idempotency-Key"] = f"k{self.garage.scans}-{path}"
        answer = await self.http.request(method, path, json=body, headers=headers)
        return answer.status_code, answer.json()

    async def page(self, path: str, form: dict[str, str] | None = None, **headers: str) -> httpx.Response:
        self.http.cookies.set(self.garage.people.people.access.cookie, self.token)
        said = {"Sec-Fetch-Site": "same-origin", **headers}
        method = "GET" if form is None else "POST"
        try:
            return await self.http.request(method, path, data=form, headers=said)
        finally:
            self.http.cookies.clear()


@pytest.fixture
async def web(garage: MaintenanceHouse) -> AsyncIterator[Web]:
    app = FastAPI()
    problems.install(app)
    api = APIRouter(prefix="/v1")
    api.include_router(maintenance.api_owner.routes(garage.desk))
    app.include_router(api)
    app.include_router(maintenance.pages.routes(garage.desk, templates()))
    app.add_middleware(Languages)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        yield Web(garage, http, await garage.people.session(garage.owner))


async def called(garage: MaintenanceHouse, disposition: str = "no_answer") -> None:
    """An agent takes the case, looks, calls, and puts it back."""
    now = garage.now

    def work(read: Any, _: Any) -> Turn:
        about = {"at": now, "case": read.id, "vehicle": CAR}
        call = Call(n=1, at=now, by=AGENT, person=garage.owner, disposition=disposition)
        body = read.body.but(
            answers={"noise": "a rattle"}, note="nice person", trigger=read.body.trigger.but(calls=(call,))
        )
        seen = CaseSeen(by=AGENT, **about)
        leased = TriggerLeased(by=AGENT, until=now + timedelta(minutes=1), **about)
        made = CallMade(n=1, by=AGENT, disposition=disposition, **about)
        return Turn(body, [seen, leased, made])

    await garage.desk.cases.change(CASE, work)
    await garage.settle()


async def test_a_case_in_plain_words_in_the_language_of_its_owner(web: Web) -> None:
    await web.garage.wants_calls(language="nl")
    await web.garage.scan(HIGH)
    status, said = await web.ask("GET", f"/v1/owner/cars/{CAR}/cases")
    assert status == 200
    (case,) = said["data"]
    assert case["id"] == CASE
    assert (case["name"], case["urgency"], case["state"]) == ("Ontsteking", "Binnen enkele dagen", "queued")
    assert case["says"] == "Iemand van het contactcentrum gaat je bellen."
    assert case["drive"]
    assert case["codes"][0]["code"] == HIGH
    assert [one["kind"] for one in case["history"]] == ["case.opened", "trigger.queued"]
    status, english = await web.ask("GET", f"/v1/owner/cases/{CASE}?lang=en")
    assert english["name"] == "Ignition"
    assert (await web.ask("GET", f"/v1/owner/cases/{CASE}?lang=xx"))[0] == 422


async def test_an_owner_sees_who_looked_and_called_and_a_driver_does_not(web: Web) -> None:
    await web.garage.wants_calls()
    await web.garage.scan(HIGH)
    await called(web.garage)
    _, case = await web.ask("GET", f"/v1/owner/cases/{CASE}")
    assert [(one["n"], one["disposition"], one["by"]) for one in case["calls"]] == [(1, "no_answer", AGENT)]
    assert "case.seen" in [one["kind"] for one in case["history"]]
    assert "rattle" not in str(case)
    people = web.garage.people
    offers = people.people.invitations
    offered = await offers.offer(
        CAR, "driver@example.org", Role.DRIVER, by=web.garage.owner, may_approve=False, now=web.garage.now
    )
    driver = offered.person
    entry = people.people.persons.entry_of("driver@example.org")
    await people.people.persons.confirm(driver, entry, now=web.garage.now)
    await offers.accept(offered.id, person=driver, code=None, now=web.garage.now)
    await web.garage.settle()
    token = await people.session(driver)
    status, seen = await web.ask("GET", f"/v1/owner/cases/{CASE}", token=token)
    assert (status, seen["calls"], seen["can_decline"]) == (200, [], False)
    assert not {"case.seen", "case.called"} & {one["kind"] for one in seen["history"]}
    assert (await web.ask("POST", f"/v1/owner/cases/{CASE}/decline", {}, token=token))[0] == 403
    assert (await web.ask("PUT", f"/v1/owner/cars/{CAR}/calls", {"on": False}, token=token))[0] == 403
    _, calls = await web.ask("GET", f"/v1/owner/cars/{CAR}/calls", token=token)
    assert (calls["on"], calls["phone"]) == (True, None)


async def test_a_stranger_and_no_session_see_nothing(web: Web) -> None:
    await web.garage.scan(HIGH)
    stranger = await web.garage.people.session(await web.garage.people.person("else@example.org"))
    for method, path, body in (
        ("GET", f"/v1/owner/cars/{CAR}/cases", None),
        ("GET", f"/v1/owner/cases/{CASE}", None),
        ("GET", f"/v1/owner/cars/{CAR}/calls", None),
        ("PUT", f"/v1/owner/cars/{CAR}/calls", {"on": True, "phone": PHONE}),
        ("POST", f"/v1/owner/cases/{CASE}/decline", {}),
    ):
        assert (await web.ask(method, path, body, token=stranger))[0] == 404
        assert (await web.http.request(method, path, json=body)).status_code == 401
    assert (await web.ask("GET", f"/v1/owner/cases/{case_of(OTHER_CAR, 'brakes', 1)}"))[0] == 404
    assert (await web.ask("GET", "/v1/owner/cases/cse_..%2F..%2Fetc"))[0] in {404, 422}


async def test_the_choice_is_checked_kept_and_shown_to_whoever_made_it(web: Web) -> None:
    path = f"/v1/owner/cars/{CAR}/calls"
    for bad in (
        {"on": True},
        {"on": True, "phone": "0612345678"},
        {"on": True, "phone": PHONE, "zone": "Mars/Phobos"},
        {"on": True, "phone": PHONE, "hours": ["9", "25:00"]},
        {"on": True, "phone": PHONE, "country": "nl"},
        {"on": True, "phone": PHONE, "nonsense": 1},
    ):
        assert (await web.ask("PUT", path, bad))[0] == 422
    good = {
        "on": True,
        "phone": PHONE,
        "language": "sv",
        "zone": "Europe/Stockholm",
        "hours": ["10:00", "18:30"],
    }
    status, said = await web.ask("PUT", path, good)
    assert (status, said["on"], said["mine"], said["hours"]) == (200, True, True, ["10:00", "18:30"])
    assert (await web.ask("GET", path))[1]["phone"] == PHONE
    await web.ask("PUT", path, good)
    facts = [one for one in await web.garage.facts() if one.kind == "calls.chosen"]
    assert len(facts) == 1
    assert PHONE not in str(facts)


async def test_declined_is_called_about_no_more_and_stays_open(web: Web) -> None:
    await web.garage.wants_calls()
    await web.garage.scan(HIGH)
    status, case = await web.ask("POST", f"/v1/owner/cases/{CASE}/decline", {"why": "not_now"})
    assert (status, case["state"], case["open"]) == (200, "declined", True)
    assert (await web.ask("POST", f"/v1/owner/cases/{CASE}/decline", {"why": "not_now"}))[0] == 200
    await web.garage.later(10 * DAY)
    assert await web.garage.state("ignition") == "declined"
    assert (await web.garage.kinds()).count("trigger.declined") == 1


async def test_a_case_of_a_car_whose_clock_is_behind_is_seen_after_its_end_too(web: Web) -> None:
    """By the car's clock it opened before the car was its owner's; it was opened here, for this owner, after that."""
    role = await web.garage.desk.choosing.role(web.garage.owner, CAR)
    before = (role.visible_from - timedelta(seconds=1)).isoformat()
    await web.garage.scan(HIGH, at=before)
    for _ in range(3):
        web.garage.clock.advance(HOUR)
        await web.garage.scan()
    status, case = await web.ask("GET", f"/v1/owner/cases/{CASE}")
    assert (status, case["open"], case["opened_at"][:19]) == (200, False, before[:19])


async def test_a_new_owner_sees_the_fault_and_nothing_that_was_said_before(web: Web) -> None:
    await web.garage.wants_calls()
    await web.garage.scan(HIGH)
    await called(web.garage)
    web.garage.clock.advance(HOUR)
    await web.garage.people.people.cars.release(CAR, by=web.garage.owner, now=web.garage.now)
    await web.garage.settle()
    assert (await web.ask("GET", f"/v1/owner/cases/{CASE}"))[0] == 404
    web.garage.clock.advance(HOUR)
    token = await web.garage.people.session(await web.garage.people.owner("next@example.org", "WXYZ6789"))
    status, case = await web.ask("GET", f"/v1/owner/cases/{CASE}", token=token)
    assert (status, case["state"], case["calls"]) == (200, "offered", [])
    assert [one["kind"] for one in case["history"]] == ["case.opened"]
    everything = await web.garage.people.everything()
    for word in ("rattle", "nice person", "+316"):
        assert word not in everything
    assert (await web.ask("GET", f"/v1/owner/cars/{CAR}/calls", token=token))[1]["chosen_at"] is None
    await web.garage.again()


async def test_the_pages_say_it_and_change_it_without_a_script(web: Web) -> None:
    await web.garage.scan(HIGH, CRITICAL)
    page = await web.page("/cases")
    assert page.status_code == 200
    assert "Call me about faults" in page.text
    assert f'href="/cases/{CASE}"' in page.text
    assert "<script" not in page.text
    form = {
        "on": "yes",
        "phone": "+31 6 1234 5678",
        "language": "de",
        "country": "nl",
        "zone": "Europe/Berlin",
    }
    answer = await web.page(f"/cases/cars/{CAR}/calls", form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/cases?said=saved")
    await web.garage.settle()
    assert "Saved." in (await web.page("/cases?said=saved")).text, (
        "calls in German, and still an English reader"
    )
    german = {"Accept-Language": "de"}
    page = await web.page("/cases?said=saved", **german)
    assert '<html lang="de">' in page.text
    assert "Gespeichert." in page.text
    assert "Zündung" in page.text
    assert "checked" in page.text
    one = await web.page(f"/cases/{CASE}", **german)
    assert "Darf ich weiterfahren?" in one.text
    answer = await web.page(f"/cases/{CASE}/decline", {})
    assert answer.headers["location"] == f"/cases/{CASE}?said=declined"
    assert await web.garage.state("ignition") == "declined"
    answer = await web.page(
        f"/cases/{case_of(CAR, 'fuel_air', 1)}/decline", {}, **{"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert (
        (await web.page(f"/cases/cars/{CAR}/calls", {**form, "phone": "12"}))
        .headers["location"]
        .endswith("refused")
    )
    assert (await web.http.get("/cases")).headers["location"] == "/sign-in"
    assert token_of(web.token)
