"""A code in a car to a visit in a calendar, and back to a clean car: others' cars, a real broker, every process.

Two cars: one read over an ELM327 (`elmulator`), whose owner books by the mail's link; one over DoIP (`doip-server`),
whose critical case a contact center with its own system books on the phone.
"""

import contextlib
import email
import email.policy
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from maintenance.appointments import uid_of
from spine.clock import SystemClock
from spine.ids import AppointmentId
from tests.journey.sink import Sink
from tests.journey.stand import Cast, Stand, until
from tests.service.test_readers_peers import SERVICES, peers
from trunkline.embedded import mosquitto_binary
from trunkline.play import Api, link_token
from trunkline.ports import free_port
from webhooks import signature
from webhooks.signers import Secret

__all__ = ["peers"]

PHONE = "+31612345678"
_APART = timedelta(seconds=2)
"""As far as the clocks of a unit and of the service may be apart here."""
GARAGE_MAIL = "garage@example.org"
CLEAN = SERVICES.replace(
    '["0x5902FF0301002F", "0x5902FF0301002F04200008", "0x5902FF", "0x5902FF0301"]', '["0x5902FF"]'
)
ALWAYS_FAULTY = SERVICES.replace(
    '["0x5902FF0301002F", "0x5902FF0301002F04200008", "0x5902FF", "0x5902FF0301"]', '["0x5902FF0301002F"]'
)


@dataclass
class Center:
    """A contact center with a system of its own: what it hears, and its signed callbacks."""

    source: str
    secret: Secret = field(repr=False)
    hears: Sink = field(repr=False)
    api: Api = field(repr=False)
    said: int = 0

    async def report(self, about: dict[str, Any], status: str, **more: Any) -> dict[str, Any]:
        self.said += 1
        now = SystemClock().now()
        said = {
            "case": about["case"], "idempotency_key": about["idempotency_key"], "status": status, "at": now.isoformat(), **more,
        }  # fmt: skip
        raw = json.dumps(said)
        headers = signature.headers(
            [self.secret], f"msg_center{self.said}", int(now.timestamp()), raw.encode()
        )
        url = about["callback_url"]
        assert url.startswith(self.api.url)
        session = self.api._session
        assert session is not None
        async with session.post(url, data=raw, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            taken: dict[str, Any] = json.loads(text)
            return taken


@dataclass
class Workshop:
    """A garage with a token of its own."""

    id: str
    token: str = field(repr=False)
    api: Api = field(repr=False)

    async def does(self, act: str, appointment: str) -> Any:
        path = f"/v1/garage/appointments/{appointment}/{act}"
        return await self.api.call("POST", path, {}, token=self.token)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """An installation of its own: which cases go to a contact center is read when processes start."""
    if mosquitto_binary() is None:
        missing = "mosquitto is missing (Debian package: mosquitto)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    made = Stand(tmp_path_factory.mktemp("faults"))
    table = made.directory / "centers.toml"
    table.touch()
    made.stage._extra["centers_file"] = str(table)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
async def people(house: Stand) -> AsyncIterator[Cast]:
    async with house.cast() as there:
        yield there


@contextmanager
def elm(peers: Path, scenario: str, port: int) -> Iterator[None]:
    """Somebody else's ELM327 with somebody else's car, at a port of its own."""
    program = [peers / "elmulator", "serve", scenario, "--port", str(port)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        running.stdout.readline()
        try:
            yield
        finally:
            running.kill()


@contextmanager
def doip(peers: Path, services: str, port: int, folder: Path) -> Iterator[None]:
    """Somebody else's DoIP gateway with one control unit."""
    folder.mkdir(exist_ok=True)
    (folder / "gateway.yaml").write_text(
        f"gateway:\n  name: Test\n  network: {{host: 127.0.0.1, port: {port}, max_connections: 5, timeout: 30}}\n"
        "  protocol: {version: 0x02, inverse_version: 0xFD}\n  ecus: [ecu.yaml]\n", "utf-8"
    )  # fmt: skip
    (folder / "ecu.yaml").write_text(
        "ecu:\n  name: Engine\n  target_address: 0x1000\n  functional_address: 0x1FFF\n  tester_addresses: [0x0E00]\n"
        "  uds_services: {service_files: [svc.yaml]}\n", "utf-8"
    )  # fmt: skip
    (folder / "svc.yaml").write_text(services, "utf-8")
    log = folder / "log"
    program = [peers / "python", "-u", "-m", "doip_server.main", "--gateway-config", "gateway.yaml"]
    with log.open("w") as out, subprocess.Popen(program, cwd=folder, stdout=out, stderr=out) as running:
        try:
            while "ready to accept" not in log.read_text("utf-8"):
                assert running.poll() is None, log.read_text("utf-8")
            yield
        finally:
            running.kill()


async def car_of(house: Stand, people: Cast, name: str, *reader: str) -> str:
    """A further car of the owner whose unit reads it so; its vehicle."""
    options = (*house.unit_options(), *reader)
    await house.by_hand(house.stage.add_car, name, options=options)
    vehicle = await house._claimed(people.owner, name)
    claimed = SystemClock().now()

    async def after() -> bool:
        return SystemClock().now() - claimed > _APART

    # A unit's clock is set by whole seconds: what it reads at once may be dated before the claim, and be nobody's to see.
    await until(after, "the unit's clock is past the claim")
    return vehicle


async def workshop(house: Stand, api: Api) -> Workshop:
    made = await house.by_hand(
        house.stage.command, "garage", "make", "Garage Noord", "--address", "Kade 1, Utrecht", "--mail", GARAGE_MAIL,
        "--hours", "mon-sun 00:00-23:00", "--notice", "0", "--bays", "2", "--language", "nl",
    )  # fmt: skip
    return Workshop(made["garage"], made["token"], api)


@asynccontextmanager
async def contact_center(house: Stand, api: Api) -> AsyncIterator[Center]:
    """Registered, listening, and given every critical case."""
    made = await house.by_hand(house.stage.command, "webhooks", "source", "add", "Center")
    (house.directory / "centers.toml").write_text(
        f'[[center]]\nsource = "{made["source"]}"\nseverities = ["critical"]\nlanguages = ["nl"]\n', "utf-8"
    )
    for name in ("work", "api"):
        await house.kill(name)
        await house.start_again(name)
    async with Sink.listening() as (sink, url):
        told = await house.by_hand(house.stage.command, "webhooks", "source", "address", made["source"], url)
        sink.secret = told["secret"]
        yield Center(made["source"], Secret.read(made["secret"]), sink, api)


async def wants_calls(people: Cast, vehicle: str) -> None:
    choice = {"on": True, "phone": PHONE, "language": "nl", "zone": "Europe/Amsterdam", "country": "NL"}
    await people.owner.api.call("PUT", f"/v1/owner/cars/{vehicle}/calls", choice, token=people.owner.token)


async def mended(house: Stand, people: Cast, vehicle: str, name: str) -> dict[str, Any]:
    """One clean scan closes it after a repair; one that overtakes the news of the repair does not count alone."""
    await drive(house, name)
    with contextlib.suppress(TimeoutError):
        return await case_in(people, vehicle, "ended", seconds=15)
    await drive(house, name)
    return await case_in(people, vehicle, "ended")


async def case_in(people: Cast, vehicle: str, state: str, *, seconds: float = 60) -> dict[str, Any]:
    """The car's newest case, once its trigger is in this state."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        answer = await people.owner.api.call(
            "GET", f"/v1/owner/cars/{vehicle}/cases", token=people.owner.token
        )
        found[:] = answer["data"]
        return bool(found) and found[0]["state"] == state

    await until(there, f"the case is {state}", seconds=seconds)
    return found[0]


async def drive(house: Stand, name: str) -> None:
    """Ignition off and on: the unit reads the car in a new drive cycle."""
    await house.car(name, ignition=False)
    await house.car(name, ignition=True)


async def invitation(house: Stand, address: str, appointment: str, method: str = "REQUEST") -> Any:
    """The calendar part of a mail about a visit: the event in it, parsed by a library of others."""
    found: list[Any] = []

    async def there() -> bool:
        for path in sorted((house.directory / "mail").glob("*.eml")):
            letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if letter["To"] != address:
                continue
            for part in letter.walk():
                if part.get_content_type() != "text/calendar":
                    continue
                calendar = Calendar.from_ical(part.get_content())
                event = calendar.walk("VEVENT")[0]
                uid = uid_of(AppointmentId(appointment))
                if calendar["METHOD"] == method and str(event["UID"]).startswith(f"{uid}@"):
                    found.append(event)
        return bool(found)

    await until(there, f"an invitation for {address} to {appointment}")
    return found[-1]


async def test_an_owner_books_what_an_elm327_read_and_a_clean_scan_closes_it(
    house: Stand, people: Cast, peers: Path
) -> None:
    port = free_port()
    garage = await workshop(house, people.owner.api)
    # The car is read while it is claimed: what it had before is not its new owner's to be told.
    with elm(peers, "no_codes_basic", port):
        vehicle = await car_of(house, people, "elm", "--elm", f"tcp://127.0.0.1:{port}")
    with elm(peers, "p0301_basic", port):
        await drive(house, "elm")
        case = await case_in(people, vehicle, "offered")
        assert ([one["code"] for one in case["codes"]], case["severity"]) == (["P0301"], "high")
        letter = await people.owner.mail.wait(people.owner.address, "Your car reports", seconds=90)
        token = link_token(letter)
        shown = await people.owner.api.call("POST", "/v1/booking/open", {"token": token})
        slot = shown["offers"][0]["slots"][0]["slot"]
        booked = await people.owner.api.call("POST", "/v1/booking/book", {"token": token, "slot": slot})
        appointment = booked["appointment"]["id"]
    case = await case_in(people, vehicle, "booked")
    mine, theirs = [
        await invitation(house, address, appointment) for address in (people.owner.address, GARAGE_MAIL)
    ]
    assert mine["UID"] == theirs["UID"]
    assert mine.decoded("DTSTART").timestamp() == _time(booked["appointment"]["start"])
    assert int(mine["SEQUENCE"]) == 0
    with elm(peers, "p0301_basic", port):
        await drive(house, "elm")  # still there: nothing new follows
    await garage.does("received", appointment)
    await garage.does("done", appointment)
    with elm(peers, "no_codes_basic", port):
        closed = await mended(house, people, vehicle, "elm")
    assert (closed["open"], closed["appointment"]) == (False, appointment)


async def test_a_contact_center_books_what_came_over_doip_and_a_clean_scan_closes_it(
    house: Stand, people: Cast, peers: Path, tmp_path: Path
) -> None:
    port = free_port()
    garage = await workshop(house, people.owner.api)
    async with contact_center(house, people.owner.api) as center:
        with doip(peers, CLEAN, port, tmp_path / "new"):
            vehicle = await car_of(house, people, "doip", "--doip", f"127.0.0.1:{port}")
        await wants_calls(people, vehicle)
        with doip(peers, ALWAYS_FAULTY, port, tmp_path / "faulty"):
            await drive(house, "doip")
            case = await case_in(people, vehicle, "leased")
        assert case["severity"] == "critical", "the control unit said: check immediately"
        told = (await center.hears.wait("appointment.trigger.created", case["id"]))["data"]
        assert (told["phone"], told["language"], told["priority"]) == (PHONE, "nl", 1)
        assert told["attributes"]["codes"].startswith("P0301")
        assert (await center.report(told, "claimed"))["outcome"] == "applied"
        free = await people.owner.api.call(
            "GET", f"/v1/owner/cases/{case['id']}/slots", token=people.owner.token
        )
        slot = free["offers"][0]["slots"][0]["slot"]
        assert (await center.report(told, "booked", slot=slot))["outcome"] == "applied"
        assert center.hears.forged == 0
    case = await case_in(people, vehicle, "booked")
    event = await invitation(house, people.owner.address, case["appointment"])
    assert str(event["LOCATION"])
    await garage.does("received", case["appointment"])
    await garage.does("done", case["appointment"])
    with doip(peers, CLEAN, port, tmp_path / "clean"):
        closed = await mended(house, people, vehicle, "doip")
    assert (closed["open"], closed["appointment"]) == (False, case["appointment"])


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
