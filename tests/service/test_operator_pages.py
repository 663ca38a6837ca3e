"""The operator's pages over HTTP: health, vehicles, carriers, agents, letters; who is let in, and what is written down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from keys.signing import create_signing_keys
from maintenance.desk_index import places as of_desk
from people.carriers import Carriers
from people.lists import places as of_people
from people.states import Carrier
from spine.clock import SystemClock
from spine.dead_letters import DeadLetters
from spine.expiring import Expiring
from spine.facts.people import OperatorActed
from spine.house import House
from spine.index import Index
from spine.keyspace import Keyspace
from spine.log import Log, Tail
from spine.parked import Held, Standing
from spine.rates import Rates
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.gateway_scene import enrol
from trunkline import vehicle_list
from trunkline.app import attach, bare
from trunkline.compose import Services, services
from trunkline.ground import Ground
from trunkline.installation import keys_directory, publish_roots
from trunkline.settings import Settings
from vehicle_gateway import pki

pytestmark = pytest.mark.valkey
ORIGIN = "http://localhost:8000"
OURS = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Office:
    parts: Services
    http: httpx.AsyncClient
    token: str

    async def listed(self) -> None:
        """The lists as their reader makes them."""
        base = self.parts.ground
        for partition in range(base.house.partitions):
            for entry in await base.log.read(partition):
                for places in (of_people, of_desk, vehicle_list.places):
                    await base.index.place(places(entry))

    async def sign_in(self) -> None:
        answer = await self.http.post("/operator/sign-in", data={"token": self.token}, headers=OURS)
        assert (answer.status_code, answer.headers["location"]) == (303, "/operator")
        self.http.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]

    async def page(self, path: str = "", status: int = 200, language: str = "en") -> str:
        answer = await self.http.get(f"/operator{path}", headers={"Accept-Language": language})
        assert answer.status_code == status, answer.text
        return " ".join(answer.text.split())

    async def post(self, path: str, said: str, **form: object) -> None:
        """An act from a page of ours, and what the page it leads to is to say."""
        answer = await self.http.post(f"/operator{path}", data=form, headers=OURS)
        assert (answer.status_code, answer.headers.get("location", "").partition("?said=")[2]) == (303, said)

    async def acts(self) -> list[tuple[str, str]]:
        """What the log says that operators did."""
        base, found = self.parts.ground, []
        for partition in range(base.house.partitions):
            for entry in await base.log.read(partition):
                if isinstance(entry.fact, OperatorActed):
                    found.append((entry.fact.act, entry.fact.on))
        return found


@asynccontextmanager
async def opened(base: Ground) -> AsyncIterator[Office]:
    app = bare(base.settings)
    async with services(base) as parts:
        attach(app, parts, {"keys": []})
        made = await parts.people.operators.make("Olga", now=base.clock.now())
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
            yield Office(parts, http, made.text)


@pytest.fixture
async def office(
    valkey: Valkey, house: House, store: Store, clock: SetClock, tmp_path: Path
) -> AsyncIterator[Office]:
    log, settings = Log(valkey, house), Settings(data_dir=tmp_path, public_url=ORIGIN)
    create_signing_keys(keys_directory(settings))
    pki.make(settings.pki_dir, hosts=["localhost"], now=SystemClock().now(), limits=settings.gateway)
    publish_roots(settings)
    base = Ground(
        settings=settings, clock=clock, valkey=valkey, house=house, store=store, log=log,
        tail=Tail(log, limits=settings.spine), index=Index(valkey, house), expiring=Expiring(valkey),
        rates=Rates(valkey),
    )  # fmt: skip
    async with opened(base) as made:
        yield made


async def parked(office: Office, group: str = "keys") -> Held:
    """An entry that a reader gave up on."""
    base = office.parts.ground
    held = Held(
        partition=1, position="1893488400000-0", kind="delivery.approved", subject="dlv_1k7m9qxd4hwe2a5t",
        standing=Standing.PARKED, since=base.clock.now(), failures=5, tries=5, reason="ValueError",
    )  # fmt: skip
    key = Keyspace(base.valkey.prefix).held(held.partition, group)
    await base.valkey.ask("HSET", key, held.position, held.model_dump_json())
    return held


async def test_only_an_operator_sees_and_only_our_own_pages_act(office: Office) -> None:
    vehicle, _, _ = await enrol(office.parts.ground.store)
    paths = ("", "/vehicles", f"/vehicles/{vehicle}", "/carriers", "/agents", "/letters")
    acts = (
        f"/vehicles/{vehicle}/quarantine", f"/vehicles/{vehicle}/release", "/carriers/car_3k7m9qxd4hwe2a5t/freeze",
        "/carriers/car_3k7m9qxd4hwe2a5t/thaw", "/agents", "/agents/agt_3k7m9qxd4hwe2a5t/remove", "/letters/retry",
        "/letters/skip",
    )  # fmt: skip
    for path in paths:
        answer = await office.http.get(f"/operator{path}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/operator/sign-in"), path
    for path in acts:
        away = await office.http.post(f"/operator{path}", headers=OURS)
        assert (away.status_code, away.headers["location"]) == (303, "/operator/sign-in"), path
    await office.sign_in()
    for path in acts:
        for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            assert (await office.http.post(f"/operator{path}", headers=headers)).status_code == 403, path
        assert (await office.http.get(f"/operator{path}")).status_code in {200, 404, 405}
    for path in ("/vehicles/x", "/vehicles/veh_0000000000000000", "/carriers/car_0000000000000000"):
        assert (await office.http.get(f"/operator{path}")).status_code in {404, 422}, path
    for path in ("/vehicles?after=x", "/letters?said=" + "a" * 21, "/agents?after=" + "a" * 201):
        assert (await office.http.get(f"/operator{path}")).status_code == 422, path
    assert "<script>" not in await office.page("/letters?said=", 200)
    assert await office.acts() == [], "nothing was done, and nothing says so"
    # A removed operator's session is over, whatever the browser still keeps.
    operator = office.token.partition(".")[0].replace("tlo_", "opr_")
    await office.parts.people.operators.remove(operator, now=office.parts.ground.clock.now())
    assert (await office.http.post("/operator/letters/retry", headers=OURS)).status_code == 303


async def test_an_operator_who_asks_too_often_waits_and_nothing_is_done(office: Office) -> None:
    doorkeeper = office.parts.people.doorkeeper
    doorkeeper._limits = doorkeeper._limits.model_copy(update={"requests_per_operator": 3})
    await office.sign_in()
    for _ in range(2):
        await office.page("/carriers")
    token = {"Authorization": f"Bearer {office.token}"}
    assert (await office.http.get("/v1/operator/garages", headers=token)).status_code == 200
    headers = OURS | {"Accept": "text/html"}
    form = {"group": "keys", "position": "1893488400000-0", "partition": "1"}
    slow = await office.http.post("/operator/letters/retry", data=form, headers=headers)
    assert (slow.status_code, "That was too fast" in slow.text) == (429, True)
    assert 0 < int(slow.headers["Retry-After"]) <= 60
    assert (await office.http.get("/v1/operator/garages", headers=token)).status_code == 429, (
        "pages and API together"
    )
    assert await office.acts() == []
    made = await office.parts.people.operators.make("Otto", now=office.parts.ground.clock.now())
    other = {"Authorization": f"Bearer {made.text}"}
    assert (await office.http.get("/v1/operator/garages", headers=other)).status_code == 200
    await office.http.post("/operator/sign-out", headers=OURS)
    await office.page("/sign-in")


async def test_health_is_said_in_words(office: Office) -> None:
    await office.sign_in()
    page = await office.page()
    assert "Something waits for you" in page, "nobody reads"
    assert "parts of the log are read by nobody" in page
    assert "trunkline work" in page
    assert "Nobody has looked yet" in page
    await parked(office)
    assert "1 entry is parked" in await office.page()
    for language in ("nl", "de", "sv"):
        assert f'<html lang="{language}">' in await office.page(language=language)


async def test_a_vehicle_is_quarantined_and_released(office: Office) -> None:
    vehicle, unit, _ = await enrol(office.parts.ground.store)
    await office.listed()
    await office.sign_in()
    assert vehicle in await office.page("/vehicles")
    page = await office.page(f"/vehicles/{vehicle}")
    assert "in service" in page
    assert f"trunkline vehicle retire {vehicle}" in page
    await office.post(f"/vehicles/{vehicle}/quarantine", "quarantined")
    assert (await office.parts.vehicles.unit(unit)).state == "quarantined"
    assert "Release it" in await office.page(f"/vehicles/{vehicle}?said=quarantined")
    await office.post(f"/vehicles/{vehicle}/quarantine", "quarantined")  # again: no change
    await asyncio.gather(
        *(office.http.post(f"/operator/vehicles/{vehicle}/release", headers=OURS) for _ in range(5))
    )
    assert (await office.parts.vehicles.unit(unit)).state == "active"
    await office.post(f"/vehicles/{vehicle}/release", "refused")
    acts = await office.acts()
    assert acts[:2] == [("quarantine", vehicle)] * 2
    assert acts.count(("release", vehicle)) == 6, (
        "what was asked for is written down, also where it came too late"
    )


async def test_a_carrier_is_stopped_and_let_work_again(office: Office) -> None:
    base = office.parts.ground
    carriers = Carriers(base.store, base.settings.people)
    made = await carriers.enrol("<Parcel> Post", now=base.clock.now())
    await office.listed()
    await office.sign_in()
    assert "&lt;Parcel&gt; Post" in await office.page("/carriers")
    here = f"/carriers/{made.client_id}"
    assert made.client_secret not in await office.page(here)
    await office.post(f"{here}/freeze", "frozen")
    found = await carriers.view(made.client_id)
    assert found is not None
    assert found.state is Carrier.FROZEN
    assert "Let it work again" in await office.page(f"{here}?said=frozen")
    await office.post(f"{here}/thaw", "thawed")
    assert await office.acts() == [("freeze", made.client_id), ("thaw", made.client_id)]


async def test_agents_are_made_and_removed(office: Office) -> None:
    await office.sign_in()
    form = {"email": "ann@example.org", "role": "supervisor", "languages": ["en", "nl"]}
    await office.post("/agents", "made", **form)
    await office.listed()
    page = await office.page("/agents")
    assert "ann@example.org" in page
    assert "Supervisor: English, Dutch" in page
    agent = page.partition('action="/operator/agents/')[2].partition("/")[0]
    for odd in ({"email": "x"}, {"role": "owner"}, {"languages": []}, {"languages": ["xx"]}):
        answer = await office.http.post("/operator/agents", data={**form, **odd}, headers=OURS)
        assert answer.status_code == 422, odd
    await office.post(f"/agents/{agent}/remove", "removed")
    await office.listed()
    assert "ann@example.org" not in await office.page("/agents")
    await office.post("/agents/agt_0000000000000000/remove", "refused")
    facts = await office.acts()
    assert facts[:2] == [("make_agent", "desk"), ("remove_agent", agent)]
    assert "ann@" not in str(facts)


async def test_what_a_reader_gave_up_on_is_tried_again_or_skipped(office: Office) -> None:
    base = office.parts.ground
    held = await parked(office)
    await DeadLetters(base.valkey, base.house).put(2, "up/1/vu_x/evt", b"59.3293,18.0686", "malformed")
    await office.sign_in()
    page = await office.page("/letters")
    assert "delivery.approved" in page
    assert "malformed" in page
    assert "59.3293" not in page, "what a message holds may be personal"
    place = {"group": "keys", "partition": held.partition, "position": held.position}
    for odd in ({"group": "../x"}, {"partition": "-1"}, {"position": "x"}, {"position": "9" * 40}):
        answer = await office.http.post("/operator/letters/retry", data={**place, **odd}, headers=OURS)
        assert answer.status_code == 422, odd
    for away in ({"group": "nobody"}, {"partition": "99"}, {"position": "1-1"}):
        await office.post("/letters/retry", "refused", **{**place, **away})
    await office.post("/letters/retry", "retried", **place)
    await office.post("/letters/retry", "refused", **place)  # it is with its reader now
    await parked(office)
    answer = await office.http.post("/operator/letters/skip", data=place, headers=OURS)
    assert answer.status_code == 422, "nobody skips without a reason"
    await office.post("/letters/skip", "skipped", reason="its car was sold", **place)
    assert (await office.acts())[-1] == ("skip", f"keys/1/{held.position}")
    assert "None." in await office.page("/letters?said=skipped")
