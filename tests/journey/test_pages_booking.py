"""From the mail about an appointment to the booking page and the garage's page, in a real browser."""

import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import icalendar
from playwright.async_api import Page, expect

from maintenance.limits import MaintenanceLimits
from maintenance.model import CaseBody, Trigger
from maintenance.service import Cases
from maintenance.states import TriggerState
from spine.clock import SystemClock
from spine.facts.maintenance import CaseOpened, TriggerOffered
from spine.house import open_house
from spine.ids import CaseId, VehicleId
from spine.store import Change, Store
from spine.valkey import Valkey
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, until
from tests.journey.test_pages_for_everybody import faults
from trunkline.play import link_token

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER


@asynccontextmanager
async def opened(stand: Stand, cast: Cast, n: int) -> AsyncIterator[CaseId]:
    """A case of the car's brakes, as a scan would open it; closed by nothing but its own end."""
    valkey = Valkey.at(f"redis://127.0.0.1:{stand.stage.ports.store}/0")
    store, clock = Store(valkey, await open_house(valkey)), SystemClock()
    vehicle, now = VehicleId(cast.vehicle), clock.now()
    case = CaseId(f"cse_{vehicle[4:]}.brakes.{n}")
    body = CaseBody(
        vehicle=vehicle, system="brakes", n=n, severity="medium", codes=("C0035",), opened_at=now,
        odometer_m=81_234_000, trigger=Trigger(since=now),
    )  # fmt: skip
    facts = [
        CaseOpened(at=now, case=case, vehicle=vehicle, system="brakes", severity="medium", why="confirmed"),
        TriggerOffered(at=now, case=case, vehicle=vehicle, why="opened"),
    ]
    write = Cases(store, clock, MaintenanceLimits()).written(TriggerState.NEW, body, facts, now)
    await store.change([case], lambda _: Change({case: write}, facts))
    try:
        yield case
    finally:
        await valkey.close()


async def garage(stand: Stand) -> tuple[dict[str, Any], str]:
    """A garage that is open day and night, made by the command line; and where its mail goes."""
    address = f"garage-{uuid4().hex[:8]}@example.org"
    made: dict[str, Any] = await stand.by_hand(
        stand.stage.command, "garage", "make", "Garage Noord", "--address", "Kade 1, 3511 AB Utrecht",
        "--mail", address, "--hours", "mon-sun 00:00-24:00", "--notice", "5",
    )  # fmt: skip
    assert made["slots"] > 600
    return made, address


def invited(mail: str) -> tuple[str, Any]:
    """Method and event of a mail's calendar part."""
    parsed = email.message_from_string(mail, policy=email.policy.default)
    (part,) = [one for one in parsed.walk() if one.get_content_type() == "text/calendar"]
    read = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    (event,) = read.walk("VEVENT")
    return str(read["METHOD"]), event


async def by_link(web: Chromium, path: str) -> Page:
    page = await web.page()
    await page.goto(web.url + path)
    return page


async def test_from_the_page_to_the_calendar_and_back(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    made, address = await garage(stand)
    async with opened(stand, cast, 71) as case:
        page = await web.page(session=cast.owner.token, viewport={"width": 390, "height": 844})

        async def offered() -> bool:
            await page.goto(f"{web.url}/cases/{case}/book")
            return await page.get_by_role("button", name="Book this time").count() > 0

        await until(offered, "the garage's times are offered")
        assert await faults(page) == []
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.screenshot(path=str(tmp_path / "choose.png"), full_page=True)
        first = await page.get_by_role("radio").first.input_value()
        for day in await page.get_by_role("heading", level=3).all_text_contents():
            assert await page.get_by_role("group", name=day, exact=True).get_by_role("radio").count() > 0, day
        await page.get_by_role("button", name="Later times").click()
        await expect(page.get_by_role("radio").first).not_to_have_value(first)
        await page.get_by_role("radio").nth(3).check()
        await page.get_by_role("button", name="Book this time").first.click()
        await expect(page.get_by_role("status")).to_contain_text("It is booked")
        await expect(page.get_by_text("booked", exact=True)).to_be_visible()
        assert await faults(page) == []

        owners = await cast.owner.mail.wait(cast.owner.address, "Booked: Garage Noord")
        garages = await cast.owner.mail.wait(address, "New appointment")
        (method, event), (_, theirs) = invited(owners), invited(garages)
        assert (method, int(event["SEQUENCE"]), str(event["UID"])) == ("REQUEST", 0, str(theirs["UID"]))
        assert cast.owner.address not in garages

        # the mail's link: moved without signing in
        mine = await by_link(web, f"/book#{link_token(owners)}")
        await expect(mine.get_by_role("heading", level=1)).to_have_text("A garage visit")
        assert "#" not in mine.url
        assert mine.url == f"{web.url}/book"
        await mine.get_by_role("button", name="Later times").click()
        await mine.get_by_role("radio").nth(1).check()
        await mine.get_by_role("button", name="Move it to this time").first.click()
        await expect(mine.get_by_role("status")).to_contain_text("It is moved")
        assert await faults(mine) == []
        await mine.screenshot(path=str(tmp_path / "moved.png"), full_page=True)
        method, event = invited(await cast.owner.mail.wait(cast.owner.address, "Moved: Garage Noord"))
        assert (method, int(event["SEQUENCE"])) == ("REQUEST", 1)

        # the garage's link: its one appointment, and it cannot take place
        there = await by_link(web, f"/garage#{link_token(garages)}")
        await expect(there.get_by_role("heading", level=1)).to_have_text("Appointments of Garage Noord")
        await expect(there.get_by_text("C0035")).to_be_visible()
        await expect(there.get_by_text("81234 km")).to_be_visible()
        await there.get_by_text("It cannot take place").first.click()
        assert await faults(there) == []
        await there.screenshot(path=str(tmp_path / "garage.png"), full_page=True)
        await there.get_by_role("button", name="It cannot take place").click()
        await expect(there.get_by_text("cancelled", exact=True)).to_be_visible()
        await expect(there.get_by_text("C0035")).to_be_hidden()
        said = await cast.owner.mail.wait(cast.owner.address, "Cancelled by the garage")
        assert invited(said)[0] == "CANCEL"

        # the next link books the next appointment
        again = await by_link(web, f"/book#{link_token(said)}")
        await again.get_by_role("radio").nth(2).check()  # the first one's notice may end meanwhile
        await again.get_by_role("button", name="Book this time").first.click()
        await expect(again.get_by_role("status")).to_contain_text("It is booked")
        await again.get_by_text("Cancel the appointment").first.click()
        assert await faults(again) == []
        await again.get_by_role("button", name="Cancel the appointment").click()
        await expect(again.get_by_role("status")).to_contain_text("It is cancelled")
    token = made["token"]
    listed = await cast.owner.api.call("GET", "/v1/garage/appointments", token=token)
    assert {one["state"] for one in listed["data"]} == {"cancelled"}
    await stand.by_hand(stand.stage.command, "garage", "remove", made["garage"])
    assert datetime.fromisoformat(listed["data"][0]["start"]) > datetime.now(UTC)


async def test_a_link_that_is_none_and_a_page_without_one(cast: Cast, web: Chromium) -> None:
    for path in ("/book", "/garage"):
        web.foresee(path, "404")
        page = await by_link(web, path)
        await expect(page.get_by_text("This page is reached by the link of a mail.")).to_be_visible()
        assert await faults(page) == []
        wrong = await by_link(web, f"{path}#{'A' * 43}")
        await expect(wrong.get_by_role("alert")).to_contain_text("not known, or too old")
        assert await faults(wrong) == []
    bare = await web.page(javascript=False)
    await bare.goto(f"{web.url}/book#{'A' * 43}")
    assert "needs JavaScript once" in await bare.content()
    await expect(bare.get_by_role("button")).to_have_count(0)
