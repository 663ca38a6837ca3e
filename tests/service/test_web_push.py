"""Notifications from a fact to the text a browser reads, and who may be notified, where, and for how long."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import AF_INET
from typing import Annotated

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import Depends, FastAPI

from delivery.hours import Quiet
from delivery.model import Window
from delivery.news import News
from delivery.rules import Rules
from people.access import PersonPrincipal
from people.mail_links import MailKind
from spine.ids import DeliveryId, PersonId, PushId
from spine.valkey import Valkey
from spine.words import Words, untranslated
from tests.people_signing import ORIGIN
from tests.push_service import Browser, PushService
from tests.service.conftest import until
from tests.service.delivery_house import CAR, HOUR, DeliveryHouse, home, house_of_people
from tests.service.test_delivery_prompts import second
from tests.service.test_webhooks_engine import LIMITS, dump
from trunkline import problems
from trunkline.posting import alive
from webhooks import web_push_api
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.forgetting import KINDS, Forgetting
from webhooks.guard import Guard, UrlRefused
from webhooks.keyring import Keyring
from webhooks.mail import FileOutbox, Link, Mail
from webhooks.messages import beside, message_id
from webhooks.sealing import Seal
from webhooks.sender import HttpSender
from webhooks.states import State
from webhooks.web_push import topic_of
from webhooks.web_push_api import Owner
from webhooks.web_push_devices import Device, Devices
from webhooks.web_push_letters import composer as push_composer
from webhooks.web_push_sending import PushDoor

__all__ = ["home", "house_of_people"]

KEY = ec.generate_private_key(ec.SECP256R1())
CONTACT = "mailto:ops@example.org"


@dataclass
class Household:
    """The house of deliveries with a real engine, and browsers behind a push service."""

    home: DeliveryHouse
    engine: Engine
    devices: Devices
    service: PushService
    sessions: dict[PersonId, str] = field(default_factory=dict)
    endpoints: Endpoints | None = None

    async def session(self, person: PersonId) -> str:
        """The name of a session of this person, made once."""
        if person not in self.sessions:
            _, made = await self.home.people.people.sessions.make(person, now=self.home.now)
            self.sessions[person] = made.id
        return self.sessions[person]

    async def on(self, person: PersonId | None = None) -> tuple[Browser, Device]:
        """A browser of a person (the owner) in which notifications are on."""
        whose, browser = person or self.home.owner, self.service.browser()
        session = await self.session(whose)
        device, new = await self.devices.add(
            whose, browser.subscription, name="Chrome · Android", session=session
        )
        assert new
        return browser, device

    async def asked_id(self, delivery: DeliveryId, to: PersonId | PushId) -> str:
        read = await self.home.read(delivery)
        assert read.body.question is not None
        return message_id(delivery, f"asked.{read.body.question.rsplit('.', 1)[1]}", to)

    async def forget(self) -> None:
        """The reader that erases what has ended, over the whole log."""
        forgetting = Forgetting(self.endpoints, self.devices)  # type: ignore[arg-type]
        for partition in range(8):
            for entry in await self.home.log.read(partition, limit=5_000):
                if entry.kind in KINDS:
                    await forgetting.handle(entry)


async def in_english(_: PersonId) -> Words:
    return untranslated("en")


async def _no_link(link: Link) -> str:
    return f"https://trunkline.test{link.page}#a-token-of-43-characters-that-opens-the-question"


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with PushService.running() as running:
        yield running


@pytest.fixture
async def household(home: DeliveryHouse, service: PushService, tmp_path: Path) -> AsyncIterator[Household]:
    guard, keyring, store, clock = Guard(dev=True), Keyring(Seal(b"k" * 32)), home.store, home.clock
    devices = Devices(store, clock, LIMITS, guard, keyring.seal, alive(home.people.people))
    endpoints = Endpoints(store, clock, LIMITS, guard, keyring)
    async with HttpSender(LIMITS, guard) as sender:
        engine = Engine(
            store,
            clock,
            LIMITS,
            {"delivery": home.desk.composing, "push": push_composer(in_english)},
            sender,
            Mail(FileOutbox(tmp_path / "mail"), _no_link, sender="Trunkline <no-reply@example.org>"),
            endpoints,
            devices=devices,
            push=PushDoor(sender, KEY, CONTACT, LIMITS),
        )
        people = home.people.people
        home.news = News(
            home.desk.deliveries, people.cars, home.desk.rules, engine, endpoints, home.post, devices
        )
        yield Household(home, engine, devices, service, endpoints=endpoints)
        await engine.close()


async def test_a_question_from_its_fact_to_the_text_on_the_screen(
    household: Household, valkey: Valkey, tmp_path: Path
) -> None:
    home = household.home
    browser, device = await household.on()
    delivery = await home.asked()
    assert not browser.got
    await household.engine.sweep()
    [pushed] = browser.got
    assert pushed.said == {
        "title": "May Fast Parcels deliver into your car?",
        "body": pushed.said["body"],
        "tag": delivery,
        "url": f"/deliveries/{delivery}",
        "at": int(home.now.timestamp() * 1000),
        "silent": False,
        "lang": "en",
    }
    [file] = (tmp_path / "mail").iterdir()
    mailed = file.read_text("utf-8")
    assert all(words in mailed for words in pushed.said["body"].split(". ")), "the same words as the mail"
    assert "#a-token" in mailed
    assert "token" not in json.dumps(pushed.said), "what opens the question stands in the mail alone"
    assert "http" not in json.dumps(pushed.said)

    approve_by = (await home.read(delivery)).body.approve_by
    headers = pushed.headers
    assert int(headers["ttl"]) == int((approve_by - home.now).total_seconds())
    assert (headers["urgency"], headers["content-encoding"]) == ("high", "aes128gcm")
    assert headers["topic"] == topic_of(device.id, delivery)
    assert delivery not in json.dumps(headers)
    token = headers["authorization"].removeprefix("vapid t=").partition(",")[0]
    claims = jwt.decode(
        token,
        KEY.public_key(),
        algorithms=["ES256"],
        audience=household.service.url,
        options={"verify_exp": False},
    )
    assert claims["sub"] == CONTACT
    assert home.now.timestamp() < claims["exp"] <= (home.now + timedelta(hours=24)).timestamp()

    at_rest = await dump(valkey)
    assert browser.endpoint not in at_rest
    assert browser.auth.hex() not in at_rest
    assert pushed.said["body"][:40] not in at_rest
    await home.again()
    await household.engine.sweep()
    assert len(browser.got) == 1, "read again it is the same message"


async def test_what_is_decided_takes_the_questions_place_and_who_never_saw_it_hears_no_question(
    household: Household,
) -> None:
    home = household.home
    phone, shown = await household.on()
    ben = await second(home)
    his, _ = await household.on(ben)
    first = await home.asked()
    await household.engine.sweep()
    late, unseen = await household.on()
    assert phone.titles() == his.titles() == ["May Fast Parcels deliver into your car?"]
    await home.decide(first, "decline")
    await home.settle()
    await household.engine.sweep()
    assert his.titles()[1:] == ["Declined: a delivery by Fast Parcels"]
    assert his.got[1].said["body"].startswith("Another person of your car declined it.")
    assert phone.titles()[1:] == ["Declined: a delivery by Fast Parcels"]
    assert phone.got[1].said["silent"] is True, "who declined it need not be woken by it"
    assert phone.got[1].said["body"] == "You declined it."
    for browser in (phone, his):
        one, two = browser.got
        assert one.said["tag"] == two.said["tag"]
        assert one.headers["topic"] == two.headers["topic"], "also where the phone was off"
    assert late.got == [], "a device that never showed the question is not told that it is over"

    home.clock.advance(25 * HOUR)
    other = await home.asked()
    assert (await household.engine.view(await household.asked_id(other, shown.id))).state is State.PENDING
    asked = await household.asked_id(other, unseen.id)
    await home.decide(other)
    await home.settle()
    assert (await household.engine.view(asked)).state is State.WITHDRAWN
    await household.engine.sweep()
    assert phone.titles()[2:] == ["Approved: a delivery by Fast Parcels"]
    assert late.titles() == ["Approved: a delivery by Fast Parcels"]
    await home.again()


async def test_in_quiet_hours_only_what_cannot_wait_makes_a_sound(household: Household) -> None:
    home = household.home
    browser, _ = await household.on()
    quiet = Quiet(start="22:00", end="07:00", zone="Etc/UTC")
    await home.desk.owner.set_rules(home.owner, CAR, Rules(quiet=quiet), if_match="*")
    home.clock.set(datetime(2030, 5, 6, 23, 0, tzinfo=UTC))
    waits = await home.asked(window=Window(start=home.now + 12 * HOUR, end=home.now + 14 * HOUR))
    await household.engine.sweep()
    assert browser.got == []
    await home.approved()
    await household.engine.sweep()
    assert [(one.said["silent"], one.headers["urgency"]) for one in browser.got] == [(True, "low")]
    assert browser.titles() == ["Approved: a delivery by Fast Parcels"], (
        "the urgent question was answered unseen"
    )
    urgent = await home.asked()
    await household.engine.sweep()
    assert (browser.got[1].said["silent"], browser.got[1].said["tag"]) == (False, urgent)
    await home.later(8 * HOUR + timedelta(minutes=1))
    await household.engine.sweep()
    [morning] = [one for one in browser.got if one.said["tag"] == waits]
    assert (morning.said["silent"], morning.headers["urgency"]) == (False, "high")


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_never_asked_again(
    household: Household, valkey: Valkey, status: int
) -> None:
    home = household.home
    browser, device = await household.on()
    other, second_device = await household.on()
    household.service.answers = [(status, {}), (201, {})]
    delivery = await home.asked()
    await household.engine.sweep()
    assert len(await household.devices.of(home.owner)) == 1
    assert [len(one.got) for one in (browser, other)] in ([0, 1], [1, 0])
    [left] = await household.devices.of(home.owner)
    [gone] = {device.id, second_device.id} - {left.id}
    await household.forget()
    assert gone not in "\n".join(await valkey.ask("KEYS", "*")), "its queue, rows and health went with it"
    asked = household.service.asked
    await home.decide(delivery)
    await home.settle()
    await household.engine.sweep()
    assert household.service.asked == asked + 1
    kinds = [entry.fact.reason for entry in home.seen if entry.kind == "push.ended"]  # type: ignore[union-attr]
    assert kinds == ["gone"]


async def test_a_push_service_that_asks_for_time_gets_it(household: Household) -> None:
    home = household.home
    browser, device = await household.on()
    household.service.answers = [(429, {"Retry-After": "600"}), (503, {})]
    delivery = await home.asked()
    message = await household.asked_id(delivery, device.id)
    assert message == beside(await household.asked_id(delivery, home.owner), device.id)
    await household.engine.sweep()
    home.clock.advance(timedelta(seconds=599))
    await household.engine.sweep()
    assert household.service.asked == 1
    home.clock.advance(timedelta(seconds=2))
    await household.engine.sweep()
    view = await household.engine.view(message)
    assert view.kept is not None
    assert [row.status for row in view.kept.attempts] == [429, 503]
    assert view.next_at is not None
    home.clock.set(view.next_at + timedelta(minutes=6))
    await household.engine.sweep()
    assert browser.titles() == ["May Fast Parcels deliver into your car?"]


async def test_it_is_never_sent_where_our_own_network_is(household: Household, service: PushService) -> None:
    home = household.home

    async def lookup(host: str, port: int) -> list[tuple[object, str]]:
        return [(AF_INET, "127.0.0.1")]

    strict = Devices(home.store, home.clock, LIMITS, Guard(), Seal(b"k" * 32), alive(home.people.people))
    session = await household.session(home.owner)
    for url in (
        service.url + "/push/x",
        "https://127.0.0.1/push/x",
        "https://[::1]/x",
        "https://169.254.169.254/latest",
        "https://localhost/x",
        "https://push.example.net:22/x",
        "https://user@push.example.net/x",
    ):
        browser = Browser(url)
        with pytest.raises(UrlRefused):
            await strict.add(home.owner, browser.subscription, name="", session=session)
    assert await strict.of(home.owner) == []
    browser = Browser(f"https://push.example.net:8443/{service.url[-5:]}")
    device, _ = await strict.add(home.owner, browser.subscription, name="", session=session)
    async with HttpSender(LIMITS, Guard(), lookup=lookup) as sender:  # type: ignore[arg-type]
        door = PushDoor(sender, KEY, CONTACT, LIMITS)
        parts = (home.store, home.clock, LIMITS, {"delivery": home.desk.composing}, sender)
        engine = Engine(*parts, None, household.endpoints, devices=strict, push=door)  # type: ignore[arg-type]
        delivery = await home.asked()
        await engine.withdraw(await household.asked_id(delivery, home.owner))
        await engine.sweep()
        view = await engine.view(await household.asked_id(delivery, device.id))
        await engine.close()
    assert view.kept is not None
    assert [row.reason for row in view.kept.attempts] == ["blocked"]
    assert service.asked == 0


async def test_a_device_ends_with_its_session_and_with_its_person(
    household: Household, valkey: Valkey
) -> None:
    home, people = household.home, household.home.people.people
    browser, device = await household.on()
    await home.asked()
    await people.sessions.revoke(home.owner, None, now=home.now)
    await household.engine.sweep()
    assert browser.got == [], "whoever was signed out hears nothing, also of what was on its way"
    assert await household.devices.of(home.owner) == []
    household.sessions.clear()
    another, kept = await household.on()
    await home.settle()
    await home.asked()
    await people.persons.erase(home.owner, now=home.now)
    await household.engine.sweep()
    assert another.got == []
    await household.forget()
    everything = await dump(valkey)
    assert kept.fingerprint not in everything
    assert f":{kept.id}" not in everything
    assert f":{device.id}" not in everything


async def test_the_person_is_mailed_of_each_new_device_once(household: Household) -> None:
    home = household.home
    browser, device = await household.on()
    await home.settle()
    session = await household.session(home.owner)
    again, new = await household.devices.add(
        home.owner, browser.subscription, name="renamed", session=session
    )
    assert (again.id, new, again.name) == (device.id, False, "renamed")
    await home.settle()
    await home.again()
    assert home.people.mailbox.kinds().count(MailKind.NOTIFIED) == 1
    letter = await home.people.letter(home.owner, MailKind.NOTIFIED)
    assert letter is not None
    assert letter.subject == "A new device shows your notifications"
    assert letter.link.to == "/notifications"


async def test_turned_on_twice_at_once_is_one_device_and_an_end_while_a_message_is_on_its_way_is_an_end(
    household: Household, valkey: Valkey
) -> None:
    home, service = household.home, household.service
    browser, session = service.browser(), await household.session(home.owner)
    made = await asyncio.gather(
        *(household.devices.add(home.owner, browser.subscription, name="", session=session) for _ in range(5))
    )
    assert len({device.id for device, _ in made}) == 1
    assert sum(new for _, new in made) == 1
    [device] = await household.devices.of(home.owner)
    await home.asked()
    service.hold = asyncio.Event()
    sending = asyncio.create_task(household.engine.sweep())
    await until(lambda: service.asked == 1)
    await household.devices.remove(home.owner, device.id)
    service.hold.set()
    await sending
    await household.forget()
    await household.engine.sweep()
    assert service.asked == 1
    assert f":{device.id}" not in await dump(valkey)


# ---- over HTTP


@dataclass
class Client:
    """Somebody who is signed in."""

    http: httpx.AsyncClient
    token: str
    person: PersonId

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.token}"} | headers
        return await self.http.request(method, f"/v1{path}", json=body, headers=bearer)


@pytest.fixture
async def http(household: Household) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    signed_in = household.home.people.people.access.owner()

    async def me(who: Annotated[PersonPrincipal, Depends(signed_in)]) -> Owner:
        return Owner(who.id, who.session)

    router = web_push_api.routes(
        household.devices, household.engine, household.home.clock, me, lambda: "the-key"
    )
    app.include_router(router, prefix="/v1")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


async def client(household: Household, http: httpx.AsyncClient, person: PersonId) -> Client:
    token, _ = await household.home.people.people.sessions.make(person, now=household.home.now)
    return Client(http, token.text, person)


PATH = "/owner/push-subscriptions"


async def test_turned_on_listed_and_ended_over_http(household: Household, http: httpx.AsyncClient) -> None:
    home, service = household.home, household.service
    ada, ben = await client(household, http, home.owner), await client(household, http, await second(home))
    assert (await http.get("/v1/push-key")).json() == {"key": "the-key"}
    browser = service.browser()
    made = await ada.ask("POST", PATH, {**browser.json, "name": "Firefox · Linux"})
    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"],
        "name": "Firefox · Linux",
        "made_at": made.json()["made_at"],
        "fingerprint": browser.subscription.fingerprint,
        "here": True,
    }
    await household.engine.sweep()
    assert browser.titles() == ["Notifications are on"], "at once, so that it is seen to work"
    assert (await ada.ask("POST", PATH, browser.json)).json()["id"] == made.json()["id"]
    await household.engine.sweep()
    assert len(browser.got) == 1
    assert [one["id"] for one in (await ada.ask("GET", PATH)).json()["data"]] == [made.json()["id"]]

    assert (await ben.ask("GET", PATH)).json() == {"data": []}
    theirs = await ben.ask("DELETE", f"{PATH}/{made.json()['id']}")
    assert (theirs.status_code, theirs.json()["code"]) == (404, "push.unknown")
    assert (await ada.ask("DELETE", f"{PATH}/psh_{'0' * 16}")).status_code == 404
    assert (await http.get(f"/v1{PATH}")).status_code == 401
    assert (await ada.ask("DELETE", f"{PATH}/{made.json()['id']}")).status_code == 204
    assert (await ada.ask("DELETE", f"{PATH}/{made.json()['id']}")).status_code == 404
    await home.asked()
    await household.engine.sweep()
    assert len(browser.got) == 1


async def test_a_forged_subscription_and_one_too_many_are_refused(
    household: Household, http: httpx.AsyncClient
) -> None:
    ada = await client(household, http, household.home.owner)
    good = household.service.browser().json
    for odd in (
        {**good, "endpoint": "ftp://push.example.net/x"},
        {**good, "endpoint": "https://10.0.0.1/x"},
        {**good, "endpoint": "https://push.example.net/" + "x" * 3_000},
        {**good, "keys": {**good["keys"], "p256dh": "A" * 87}},
        {**good, "keys": {**good["keys"], "auth": "A"}},
        {**good, "keys": {"p256dh": good["keys"]["p256dh"]}},
        {**good, "name": "a\nb"},
        {**good, "person": "per_5aaaaaaaaaaaaaaa"},
        {},
        [],
    ):
        refused = await ada.ask("POST", PATH, odd)
        assert refused.status_code == 422, odd
    assert (await ada.ask("GET", PATH)).json() == {"data": []}
    most = LIMITS.push_devices_most
    made = [await ada.ask("POST", PATH, household.service.browser().json) for _ in range(most)]
    assert {one.status_code for one in made} == {201}
    full = await ada.ask("POST", PATH, household.service.browser().json)
    assert (full.status_code, full.json()["code"]) == (409, "push.too_many")
    for _ in range(LIMITS.push_started_most - most - 1):
        await ada.ask("POST", PATH, household.service.browser().json)
    often = await ada.ask("POST", PATH, household.service.browser().json)
    assert (often.status_code, often.json()["code"]) == (429, "push.too_often")
    assert int(often.headers["retry-after"]) > 0
    assert len((await ada.ask("GET", PATH)).json()["data"]) == most


async def test_what_is_shown_is_chosen_over_http(household: Household, http: httpx.AsyncClient) -> None:
    ada, path = await client(household, http, household.home.owner), "/owner/notifications"
    first = await ada.ask("GET", path)
    everything = {"faults": True, "visits": True, "mended": True}
    assert first.json() == everything
    wanted = {**everything, "visits": False}
    kept = await ada.ask("PUT", path, wanted, **{"If-Match": first.headers["ETag"]})
    assert (kept.status_code, kept.json()) == (200, wanted)
    assert (await ada.ask("GET", path)).headers["ETag"] == kept.headers["ETag"] != first.headers["ETag"]
    stale = await ada.ask("PUT", path, everything, **{"If-Match": first.headers["ETag"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "push.choice_changed")
    for odd in ({**wanted, "critical": False}, {"visits": "perhaps"}, [], None):
        assert (await ada.ask("PUT", path, odd, **{"If-Match": "*"})).status_code == 422
    assert (await ada.ask("PUT", path, wanted)).status_code == 422, "blind writes are not taken"
    ben = await client(household, http, await second(household.home))
    assert (await ben.ask("GET", path)).json() == everything, "each person's own"
    assert (await http.get(f"/v1{path}")).status_code == 401


async def test_another_site_turns_nothing_on(household: Household, http: httpx.AsyncClient) -> None:
    token, _ = await household.home.people.people.sessions.make(household.home.owner, now=household.home.now)
    cookie = household.home.people.people.access.cookie
    body = household.service.browser().json
    http.cookies.set(cookie, token.text)
    refused = await http.post(f"/v1{PATH}", json=body, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert await household.devices.of(household.home.owner) == []
