"""Notifications of faults and visits: what is mailed, on the screens that want it, at night only what is dangerous."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from delivery.hours import Quiet
from delivery.rules import RuleBook, Rules
from maintenance.composition import Maintenance
from maintenance.news import KINDS as CASES
from maintenance.visit_news import KINDS as VISITS
from people.model import Role
from spine.ids import PersonId
from spine.log import Entry
from spine.readers import Received
from tests.people_signing import ORIGIN
from tests.push_service import Browser, PushService
from tests.service.conftest import SetClock
from tests.service.garage_house import GarageHouse, garages
from tests.service.maintenance_house import CAR, HOUR, MaintenanceHouse, garage, house_of_people
from tests.service.people_house import PeopleHouse
from tests.service.test_web_push import CONTACT, KEY
from tests.service.test_webhooks_engine import LIMITS
from trunkline.compose import asleep
from trunkline.posting import alive
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.guard import Guard
from webhooks.keyring import Keyring
from webhooks.mail import FileOutbox, Link, Mail
from webhooks.sealing import Seal
from webhooks.sender import HttpSender
from webhooks.web_push_choice import Choice, ChoiceChanged
from webhooks.web_push_devices import Device, Devices, DeviceUnknown
from webhooks.web_push_sending import PushDoor

__all__ = ["garage", "garages", "house_of_people"]
pytestmark = pytest.mark.valkey
MEDIUM, HIGH, CRITICAL = "P0420", "P0301", "P0217"
MIDNIGHT = datetime(2030, 5, 6, 23, 0, tzinfo=UTC)


class Told:
    """What the streams of persons are told; nothing of it is looked at here."""

    async def tell(self, *_: Any, **__: Any) -> None: ...


@dataclass
class Screens:
    """A real engine, mails as files, and browsers behind a push service."""

    people: PeopleHouse
    engine: Engine
    devices: Devices
    endpoints: Endpoints
    service: PushService
    outbox: Path
    clock: SetClock
    sessions: dict[PersonId, str] = field(default_factory=dict)

    async def on(self, person: PersonId) -> tuple[Browser, Device]:
        """A browser of this person in which notifications are on."""
        browser = self.service.browser()
        if person not in self.sessions:
            _, made = await self.people.people.sessions.make(person, now=self.clock.now())
            self.sessions[person] = made.id
        device, _ = await self.devices.add(
            person, browser.subscription, name="", session=self.sessions[person]
        )
        return browser, device

    async def choose(self, person: PersonId, **choice: bool) -> None:
        wanted = Choice(**choice)
        await self.devices.choose(person, wanted, session=self.sessions[person], if_match="*")

    async def sleeps(self) -> None:
        """The car's household has quiet hours from ten to seven."""
        quiet = Quiet(start="22:00", end="07:00", zone="Etc/UTC")
        await RuleBook(self.people.store).set(CAR, Rules(quiet=quiet), if_match="*")

    async def told(self, parts: Maintenance, entries: Sequence[Entry]) -> None:
        """Both readers over these facts, and everything sent."""
        news = parts.news(self.engine, self.endpoints, Told(), self.devices)
        visits = parts.visit_news(self.engine, self.devices)
        for entry in entries:
            received = Received(entry.partition, entry.position, entry.fact, None)
            if entry.kind in CASES:
                await news.handle(received)
            if entry.kind in VISITS:
                await visits.handle(received)
        await self.engine.sweep()

    def mailed(self, subject: str) -> bool:
        files = [one.read_bytes() for one in self.outbox.glob("*.eml")]
        return any(str(message_from_bytes(one, policy=SMTP)["Subject"]).startswith(subject) for one in files)


async def second(garage: MaintenanceHouse) -> PersonId:
    """Somebody else who decides about the car."""
    people = garage.people.people
    await people.invitations.offer(
        CAR, "ben@example.org", Role.DRIVER, by=garage.owner, may_approve=True, now=garage.now
    )
    await garage.settle()
    ben = await garage.people.person("ben@example.org")
    [offered] = await people.invitations.of_car(CAR)
    await people.invitations.accept(offered.id, person=ben, code=None, now=garage.now)
    await garage.settle()
    return ben


async def nothing() -> int:
    """In place of sending."""
    return 0


async def _link(link: Link) -> str:
    return f"{ORIGIN}{link.page}#a-token-of-43-characters-that-books-one-visit-only"


@pytest.fixture
async def screens(house_of_people: PeopleHouse, clock: SetClock, tmp_path: Path) -> AsyncIterator[Any]:
    """Put around the maintenance of a test: it is called with it."""
    guard, keyring, store = Guard(dev=True), Keyring(Seal(b"k" * 32)), house_of_people.store
    devices = Devices(store, clock, LIMITS, guard, keyring.seal, alive(house_of_people.people))
    endpoints, engines = Endpoints(store, clock, LIMITS, guard, keyring), []
    async with PushService.running() as service, HttpSender(LIMITS, guard) as sender:

        def made(parts: Maintenance) -> Screens:
            compose = parts.composing(sender="no-reply@example.org", asleep=asleep(RuleBook(store)))
            mail = Mail(FileOutbox(tmp_path), _link, sender="Trunkline <no-reply@example.org>")
            engine = Engine(
                store, clock, LIMITS, {"case": compose, "appointment": compose}, sender, mail, endpoints,
                devices=devices, push=PushDoor(sender, KEY, CONTACT, LIMITS),
            )  # fmt: skip
            engines.append(engine)
            return Screens(house_of_people, engine, devices, endpoints, service, tmp_path, clock)

        yield made
        for engine in engines:
            await engine.close()


async def test_a_fault_is_told_on_the_screen_in_the_words_of_its_mail(
    garage: MaintenanceHouse, screens: Any
) -> None:
    here: Screens = screens(garage.desk)
    browser, _ = await here.on(garage.owner)
    await garage.wants_calls(language="de")
    await garage.scan(HIGH)
    await here.told(garage.desk, garage.seen)
    case = (await garage.read("ignition")).id
    [pushed] = browser.got
    said = pushed.said
    assert said["title"] == "Ihr Auto meldet: Zündung"
    assert here.mailed(said["title"])
    assert (said["url"], said["tag"], said["silent"], said["lang"]) == (f"/cases/{case}", case, False, "de")
    assert "http" not in said["body"], "no link that knows its reader"
    assert pushed.headers["urgency"] == "normal"
    for entry in list(garage.seen):
        await here.told(garage.desk, [entry])
    assert len(browser.got) == 1, "read again it is the same message"

    for _ in range(3):
        garage.clock.advance(HOUR)
        await garage.scan()
    await here.told(garage.desk, garage.seen)
    assert browser.titles()[1:] == ["Behoben: Zündung"]
    assert browser.got[1].said["tag"] == case, "in the place of what it ends"


async def test_at_night_only_a_new_danger_makes_a_sound(garage: MaintenanceHouse, screens: Any) -> None:
    here: Screens = screens(garage.desk)
    browser, _ = await here.on(garage.owner)
    await here.sleeps()
    garage.clock.set(MIDNIGHT)
    await garage.scan(HIGH)
    await garage.scan(HIGH, CRITICAL)
    await here.told(garage.desk, garage.seen)
    heard = {one.said["title"]: (one.said["silent"], one.headers["urgency"]) for one in browser.got}
    assert heard == {
        "Your car reports: Ignition": (True, "low"),
        "Your car reports something that is dangerous: Fuel and air": (False, "high"),
    }
    await garage.later(timedelta(days=1))
    await here.told(garage.desk, garage.seen)
    again = browser.got[-1]
    assert again.said["title"] == "Still open, and dangerous: Fuel and air"
    assert again.said["silent"], "nobody is woken every night by what they know"
    garage.clock.advance(12 * HOUR)
    for _ in range(4):
        garage.clock.advance(timedelta(minutes=30))
        await garage.scan(HIGH)
    await here.told(garage.desk, garage.seen)
    assert (browser.titles()[-1], browser.got[-1].said["silent"]) == ("Mended: Fuel and air", False)


async def test_what_a_person_does_without_is_mailed_and_what_is_critical_comes_all_the_same(
    garage: MaintenanceHouse, screens: Any
) -> None:
    here: Screens = screens(garage.desk)
    browser, _ = await here.on(garage.owner)
    ben = await second(garage)
    his, _ = await here.on(ben)
    await here.choose(garage.owner, faults=False, mended=False)
    await garage.scan(HIGH, CRITICAL)
    for _ in range(4):
        garage.clock.advance(HOUR)
        await garage.scan()
    await here.told(garage.desk, garage.seen)
    assert browser.titles() == [
        "Your car reports something that is dangerous: Fuel and air",
        "Mended: Fuel and air",
    ], "an alarm does not stay on a screen after it is over"
    for subject in ("Your car reports: Ignition", "Mended: Ignition"):
        assert here.mailed(subject)
    assert his.titles() == [
        "Your car reports something that is dangerous: Fuel and air",
        "Your car reports: Ignition",
        "Mended: Fuel and air",
        "Mended: Ignition",
    ], "another person of the car chose nothing"


async def test_who_has_left_the_car_or_signed_out_hears_nothing_of_its_faults(
    garage: MaintenanceHouse, screens: Any
) -> None:
    here: Screens = screens(garage.desk)
    browser, _ = await here.on(garage.owner)
    ben = await second(garage)
    his, _ = await here.on(ben)
    await garage.scan(CRITICAL)
    queued, here.engine.sweep = here.engine.sweep, nothing  # type: ignore[method-assign]
    await here.told(garage.desk, garage.seen)
    await garage.people.people.sessions.revoke(ben, None, now=garage.now)
    garage.clock.advance(HOUR)
    await garage.people.people.cars.release(CAR, by=garage.owner, now=garage.now)
    await garage.settle()
    await queued()
    assert browser.got == his.got == []


async def test_a_visit_is_told_until_it_is_over_and_at_night_without_a_sound(
    garages: GarageHouse, screens: Any
) -> None:
    here: Screens = screens(garages.parts)
    owner = await garages.people.owner("owner@example.org")
    browser, _ = await here.on(owner)
    await here.sleeps()
    place = await garages.garage()
    case = await garages.case("critical", vehicle=CAR)
    read = 0

    async def told() -> None:
        nonlocal read
        await garages.settle()
        entries, read = garages.seen[read:], len(garages.seen)
        await here.told(
            garages.parts, [one for one in entries if one.kind.startswith(("appointment", "slot"))]
        )

    *_, first, later = await garages.free(place)
    visit = await garages.parts.booking.book(case, first, by=owner)
    await told()
    [booked] = browser.got
    assert booked.said["title"].startswith("Booked: Garage Noord, ")
    assert "Kade 1, Utrecht" in booked.said["body"]
    assert (booked.said["url"], booked.said["tag"]) == (f"/cases/{case}", visit.id)
    garages.clock.set(MIDNIGHT)
    await garages.parts.booking.move(visit.id, later, by=owner)
    await told()
    moved = browser.got[-1]
    assert moved.said["title"].startswith("Moved: Garage Noord, ")
    assert (moved.said["tag"], moved.said["silent"], moved.headers["urgency"]) == (visit.id, True, "low")
    assert moved.headers["topic"] == booked.headers["topic"], "also where the phone was off"
    garages.clock.advance(12 * HOUR)
    await here.choose(owner, visits=False)
    await garages.parts.owner_booking.cancel(owner, case)
    await told()
    assert len(browser.got) == 2
    assert here.mailed("Cancelled: Garage Noord")
    names = {one.said["title"] for one in browser.got}
    assert not any("New appointment" in name for name in names), "what garages read goes to garages"


async def test_a_choice_is_kept_by_its_etag_and_erased_with_its_person(
    garage: MaintenanceHouse, screens: Any
) -> None:
    here: Screens = screens(garage.desk)
    owner = garage.owner
    assert await here.devices.choice(owner) == Choice()
    browser, device = await here.on(owner)
    session, without = here.sessions[owner], Choice(visits=False)
    chosen = await here.devices.choose(owner, without, session=session, if_match=Choice().etag)
    assert chosen == await here.devices.choice(owner) == without
    with pytest.raises(ChoiceChanged):
        await here.devices.choose(owner, Choice(mended=False), session=session, if_match=Choice().etag)
    assert await here.devices.choose(owner, without, session=session, if_match=Choice().etag) == without
    _, another = await here.on(owner)
    await here.devices.remove(owner, device.id)
    assert await here.devices.choice(owner) == without, "a device that comes or goes changes no choice"
    assert [one.id for one in await here.devices.of(owner)] == [another.id]
    with pytest.raises(DeviceUnknown):
        await here.devices.choose(owner, Choice(faults=False), session="ended", if_match="*")
    assert await here.devices.choice(owner) == without
    await here.devices.forget(owner)
    assert await here.devices.choice(owner) == Choice()
    assert browser.got == []
