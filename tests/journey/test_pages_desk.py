"""The desk in a real browser: entry with a passkey, two agents on one list, drafts that survive, outcomes by one key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from spine.facts.vehicle import UnitScan
from spine.house import open_house
from spine.ids import UnitId, VehicleId
from spine.store import Change, Store, Write
from spine.valkey import Valkey
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, ready_to_open, until
from tests.journey.test_pages_for_everybody import faults
from tests.journey.test_pages_passkeys import Hand, ask_api, by_mail

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

PHONE = "+31612345678"


@asynccontextmanager
async def store_of(stand: Stand) -> AsyncIterator[Store]:
    valkey = Valkey.at(f"redis://127.0.0.1:{stand.stage.ports.store}/0")
    try:
        yield Store(valkey, await open_house(valkey, allow_everysec=True))
    finally:
        await valkey.close()


async def scanned(stand: Stand, vehicle: str, *codes: str) -> None:
    """The car's unit sends a scan: as its gateway puts it into the log."""
    car, now = VehicleId(vehicle), datetime.now(UTC)
    said = [{"code": code, "status": "confirmed"} for code in codes]
    scan = {
        "scan_id": f"s-{now.timestamp()}", "at": now.isoformat(), "outcome": "complete", "source": "obd",
        "drive_cycle": 7, "mil": True, "odometer_m": 84_213_000, "readiness": {"supported": [], "incomplete": []},
        "ecus": [{"id": "7E8", "answered": True, "codes": said}],
    }  # fmt: skip
    fact = UnitScan(at=now, vehicle=car, unit=UnitId("vu_" + car[4:]), scan=scan)
    async with store_of(stand) as store:
        await store.change(
            [f"tst_{car[4:]}"], lambda _: Change({f"tst_{car[4:]}": Write("kept", "{}")}, [fact])
        )


async def agent(
    stand: Stand, cast: Cast, web: Chromium, email: str, role: str = "agent", languages: str = "en,nl"
) -> Page:
    """Somebody whom the operator made an agent, signed in by mail, with a passkey on this device."""
    await stand.by_hand(
        stand.stage.command, "agent", "make", email, "--role", role, "--languages", languages
    )  # fmt: skip
    page = await web.page()
    await Hand.of(page)
    await by_mail(page, cast, web, email)
    await page.goto(f"{web.url}/passkeys")
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")
    return page


async def wants_calls(cast: Cast, vehicle: str) -> None:
    wish = {
        "on": True, "phone": PHONE, "language": "nl", "zone": "Europe/Amsterdam", "country": "NL",
        "hours": ["00:00", "23:59"],
    }  # fmt: skip
    await cast.owner.api.call("PUT", f"/v1/owner/cars/{vehicle}/calls", wish, token=cast.owner.token)


async def claimed(page: Page) -> bool:
    return bool(await page.locator("#case").is_visible())


async def test_two_agents_on_one_list(stand: Stand, cast: Cast, web: Chromium, tmp_path: Path) -> None:
    web.foresee("/v1/desk/", "409")
    web.foresee("/v1/desk/claim", "404")
    vehicle, _, _ = await stand.more_car(cast, "desk-car")
    await wants_calls(cast, vehicle)
    ann = await agent(stand, cast, web, "ann@desk.example")
    bob = await agent(stand, cast, web, "bob@desk.example")
    await scanned(stand, vehicle, "P0524")
    for page in (ann, bob):
        await page.goto(f"{web.url}/desk")
        await expect(page.get_by_role("button", name="Take engine control, critical")).to_be_visible()
    assert await faults(ann) == []
    await ann.screenshot(path=str(tmp_path / "list.png"), full_page=True)

    take = "Take engine control, critical"
    await asyncio.gather(
        *(page.get_by_role("button", name=take).click(no_wait_after=True) for page in (ann, bob))
    )

    async def decided() -> bool:
        return await claimed(ann) != await claimed(bob)

    await until(decided, "one of them has it")
    winner, loser = (ann, bob) if await claimed(ann) else (bob, ann)
    await expect(loser.locator("#said")).to_contain_text("Somebody else has it")
    await expect(winner.locator("#case-title")).to_be_focused()
    assert PHONE not in await winner.content(), "the number is told by dialling alone"
    await expect(winner.locator("#opening")).to_contain_text("Goedendag")

    # What is written is saved by itself, and is there after a reload.
    await winner.get_by_label("Wat merkt u ervan").fill("het lampje brandt")
    await winner.get_by_label("Note").fill("calls back from work")
    await expect(winner.locator("#saved")).to_contain_text("Saved")
    await winner.reload()
    await expect(winner.get_by_label("Wat merkt u ervan")).to_have_value("het lampje brandt")
    assert await faults(winner) == []

    # Saved from another screen of the same agent: nothing is overwritten, both texts are there.
    tab = await web.tab(winner.context)
    await tab.goto(f"{web.url}/desk")
    kept = await winner.evaluate("JSON.parse(sessionStorage.getItem('desk.case'))")
    path = f"/v1/desk/cases/{kept['case']}/draft"
    n = (await ask_api(tab, "GET", f"/v1/desk/cases/{kept['case']}"))["body"]["draft_n"]
    other = {"token": kept["token"], "n": n, "answers": {}, "note": "from the other screen"}
    assert (await ask_api(tab, "PUT", path, other))["status"] == 200
    await winner.get_by_label("Note").fill("mine")
    await expect(winner.locator("#theirs")).to_contain_text("from the other screen")
    await expect(winner.get_by_label("Note")).to_have_value("mine")
    assert await faults(winner) == []
    await winner.get_by_role("button", name="Keep mine").click()
    await expect(winner.locator("#saved")).to_contain_text("Saved")
    await tab.close()

    await winner.get_by_role("button", name="Show the number").focus()
    await winner.keyboard.press("Enter")
    await expect(winner.get_by_role("link", name=PHONE)).to_be_visible()
    await expect(winner.locator("#outcomes")).to_be_focused()
    await winner.set_viewport_size({"width": 390, "height": 844})
    await winner.screenshot(path=str(tmp_path / "case.png"), full_page=True)
    assert await faults(winner) == []
    await winner.locator("#outcomes").focus()
    await winner.keyboard.press("l")  # "not now", by one key
    await expect(winner.locator("#after-says")).to_contain_text("Not now")
    await expect(winner.get_by_role("button", name="Take the next case")).to_be_focused()
    assert await faults(winner) == []
    await winner.get_by_role("link", name="Wallboard").click()
    await expect(winner.locator("#state")).to_contain_text("left alone for a while")
    assert await faults(winner) == []
    await winner.screenshot(path=str(tmp_path / "wallboard.png"), full_page=True)


async def test_a_lost_lease_keeps_what_was_written(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    web.foresee("/v1/desk/", "409")
    vehicle, _, _ = await stand.more_car(cast, "lease-car")
    await wants_calls(cast, vehicle)
    page = await agent(stand, cast, web, "cleo@desk.example")
    await scanned(stand, vehicle, "P0A0F", "P0524")
    await page.goto(f"{web.url}/desk")
    await page.locator(f'[data-case="cse_{vehicle[4:]}.engine_control.1"]').click()
    await expect(page.locator("#case-title")).to_be_focused()
    kept = await page.evaluate("JSON.parse(sessionStorage.getItem('desk.case'))")
    # Somewhere else it is given back: this screen hears of it when it saves.
    given = await ask_api(page, "POST", f"/v1/desk/cases/{kept['case']}/release", {"token": kept["token"]})
    assert given["status"] == 200
    await page.get_by_label("Note").fill("typed after it was lost")
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.get_by_label("Note")).to_have_value("typed after it was lost")
    assert await faults(page) == []
    await page.screenshot(path=str(tmp_path / "lost.png"), full_page=True)
    await page.get_by_role("button", name="Take it again").click()
    await expect(page.locator("#lost")).to_be_hidden()
    await expect(page.locator("#saved")).to_contain_text("Saved")
    seen = await ask_api(page, "GET", f"/v1/desk/cases/{kept['case']}")
    assert seen["body"]["note"] == "typed after it was lost"
    await page.get_by_role("button", name="Give it back to the list").click()
    await expect(page.get_by_role("button", name="Take the next case")).to_be_visible()


async def test_a_visit_is_booked_on_the_phone(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    vehicle, _, _ = await stand.more_car(cast, "book-car")
    await wants_calls(cast, vehicle)
    await stand.by_hand(
        stand.stage.command, "garage", "make", "Garage Oost", "--address", "Kade 2, Utrecht", "--mail",
        "oost@garage.example", "--hours", "mon-sun 08:00-17:00",
    )  # fmt: skip
    page = await agent(stand, cast, web, "fay@desk.example")
    await scanned(stand, vehicle, "P0524")
    await page.goto(f"{web.url}/desk")
    await page.locator(f'[data-case="cse_{vehicle[4:]}.engine_control.1"]').click()
    await page.get_by_role("button", name="Show the number").click()
    time = page.get_by_role("button", name="at Garage Oost").first
    await expect(time).to_be_visible()
    assert await faults(page) == []
    await page.screenshot(path=str(tmp_path / "booking.png"), full_page=True)
    await time.click()
    await expect(page.locator("#after-says")).to_contain_text("Booked")
    cases = await cast.owner.api.call("GET", f"/v1/owner/cars/{vehicle}/cases", token=cast.owner.token)
    assert cases["data"][0]["state"] == "booked"
    assert [one["disposition"] for one in cases["data"][0]["calls"]] == ["booked"]
    await cast.owner.mail.wait("oost@garage.example", "")


async def test_help_from_the_owners_page_to_a_locked_car(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    delivery, _ = await ready_to_open(cast, "help")
    owner = await web.page(session=cast.owner.token)
    await owner.goto(f"{web.url}/deliveries/{delivery}")
    await owner.get_by_label("Where we may call you").fill("+31 6 87 65 43 21")
    await owner.get_by_role("button", name="Ask for help").click()
    await expect(owner.locator("#help-said")).to_contain_text("first in the list")
    assert await faults(owner) == []
    asked = await cast.courier.api.call(
        "POST", f"/v1/courier/deliveries/{delivery}/help", {}, token=cast.courier.token
    )
    assert asked["case"] == f"cse_{delivery[4:]}.help.1", "one open case a delivery"

    page = await agent(stand, cast, web, "dora@desk.example", "supervisor")
    await page.goto(f"{web.url}/desk")
    await page.get_by_role("button", name="Take Help with a delivery").first.click()
    await expect(page.locator("#help-facts")).to_contain_text("arrived")
    await page.get_by_role("button", name="Show the owner's number").click()
    await expect(page.get_by_role("link", name="+31687654321")).to_be_visible()
    await page.get_by_role("button", name="Lock the car").click()
    await expect(page.locator("#said")).to_contain_text("The car says that it is locked")
    assert await faults(page) == []
    await page.screenshot(path=str(tmp_path / "help.png"), full_page=True)
    await page.get_by_role("button", name="Help was given: close the case").click()
    await expect(page.locator("#after-says")).to_contain_text("Help was given")
    state = (await cast.carrier.view(delivery))["state"]
    assert state == "arrived", "nothing was opened"


async def test_who_does_not_work_here(stand: Stand, cast: Cast, web: Chromium) -> None:
    web.foresee("/v1/desk/me", "401")
    web.foresee("/v1/desk/me", "403")
    web.foresee("/v1/session/passkey/options", "404")
    stranger = await web.page()
    await stranger.goto(f"{web.url}/desk")
    await expect(stranger.get_by_role("link", name="Sign in")).to_be_visible()
    assert await faults(stranger) == []
    owner = await web.page(session=cast.owner.token)
    await owner.goto(f"{web.url}/desk")
    await expect(owner.locator("#entry-says")).to_contain_text("do not work at this desk")
    assert await faults(owner) == []
    await stand.by_hand(stand.stage.command, "agent", "make", "eli@desk.example", "--languages", "en")
    page = await web.page()
    await by_mail(page, cast, web, "eli@desk.example")
    await page.goto(f"{web.url}/desk")
    await page.get_by_role("button", name="Show your passkey").click()
    await expect(page.get_by_role("link", name="Make a passkey")).to_be_visible()
    assert await faults(page) == []
    listed: Any = await stand.by_hand(stand.stage.command, "agent", "list")
    known = {one["agent"]: one["role"] for one in listed}
    assert "agent" in known.values()
    gone = next(one["agent"] for one in listed)
    await stand.by_hand(stand.stage.command, "agent", "remove", gone)
    after: Any = await stand.by_hand(stand.stage.command, "agent", "list")
    assert gone not in {one["agent"] for one in after}
