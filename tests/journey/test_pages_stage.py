"""The demo's page: whoever follows its link plays owner, courier and car side by side, and a fault reaches the agent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast
from tests.journey.stand import HOME, PROFILE, Cast, Stand, until
from tests.journey.test_pages_for_everybody import faults
from trunkline.play import Refused
from trunkline.ports import free_port
from trunkline.stage_page_door import Door
from trunkline.stage_page_show import curtain, log_of
from trunkline.stage_page_socket import SOCKET

__all__ = ["browser", "cast"]
pytestmark = IN_THE_BROWSER

CAR = "stage-car"
PLAYED_MS = 90_000
FLASHES = """() => {
    window.flashes = 0;
    const seen = () => (window.flashes += document.getElementById("drawing").classList.contains("flash"));
    new MutationObserver(seen).observe(document.getElementById("drawing"), { attributeFilter: ["class"] });
}"""
"""Notes that the drawing flashes: it does so for two seconds, which a busy machine may not look at."""


@asynccontextmanager
async def a_demos_api(stand: Stand) -> AsyncIterator[str]:
    """One more process `api` of this installation, with the setting that a demo has. Its address."""
    stage, port = stand.stage, free_port()
    url = f"http://localhost:{port}"
    environment = stage.environment(
        TRUNKLINE_LISTEN_PORT=str(port),
        TRUNKLINE_PUBLIC_URL=url,
        TRUNKLINE_STAGE_SOCKET=str(stage.directory / SOCKET),
    )
    log = stage.directory / "logs" / "api-of-the-demo.log"
    child = await stand.by_hand(
        lambda: stage.nursery.child("api-of-the-demo", "serve", log=log, environment=environment)
    )
    try:
        await stand.by_hand(child.wait_for_port, port, 60.0)
        yield url
    finally:
        await stand.by_hand(child.stop)


@asynccontextmanager
async def on_stage(stand: Stand, cast: Cast, url: str) -> AsyncIterator[tuple[Door, list[str]]]:
    """The door of a demo whose cast comes a moment later. ``links``: those printed after the first."""
    links: list[str] = []
    door = Door(url, used=links.append)
    # A car of its own, whose person at the boot has time.
    unhurried = stand.directory / "unhurried.toml"
    unhurried.write_text(
        PROFILE.read_text("utf-8").replace("shut_within = 2\n", "shut_within = 120\n"), "utf-8"
    )
    options = ("--settings", str(unhurried), "--position", f"{HOME[0]},{HOME[1]}")
    await stand.by_hand(lambda: stand.stage.add_car(CAR, options=options))
    vehicle = await stand._claimed(cast.owner, CAR)
    address = await cast.owner.make_address(vehicle)
    async with door.open(stand.directory), log_of(stand.stage) as tail, curtain(
        door, tail, directory=stand.directory, unit=stand.unit_folder(CAR), owner=cast.owner,
        carrier=cast.carrier, vehicle=vehicle, address=address, home=HOME,
    ):  # fmt: skip
        try:
            yield door, links
        finally:
            await _mended(cast, vehicle)
    await stand.kill(f"unit-{CAR}")


async def _mended(cast: Cast, vehicle: str) -> None:
    """The owner takes care of it herself: no case of this car stays on the agents' list."""
    api, token = cast.owner.api, cast.owner.token
    found = await api.call("GET", f"/v1/owner/cars/{vehicle}/cases", token=token)
    for case in found["data"]:
        with contextlib.suppress(Refused):  # it was not open any more
            await api.call("POST", f"/v1/owner/cases/{case['id']}/decline", {}, token=token)


async def test_one_person_plays_all_of_them(
    stand: Stand, cast: Cast, browser: Browser, tmp_path: Path
) -> None:
    with pytest.raises(Refused, match="404"):  # an installation has no such page
        await cast.owner.api.call("GET", "/stage")
    async with a_demos_api(stand) as url, on_stage(stand, cast, url) as (door, links):
        web = Chromium(browser, url)
        page = await web.page(viewport={"width": 1440, "height": 1000})
        await _shut_out(page, web)
        await page.goto(door.link)
        await expect(page).to_have_url(f"{url}/stage")
        await expect(page.locator("#play")).to_be_enabled()
        assert len(links) == 1
        await _played(page, tmp_path)
        await _by_hand(page)
        await _a_fault(page, tmp_path)
        await _looks(page)
        for context in web.browser.contexts:
            await context.close()
        assert web.complaints == [], web.complaints


async def _shut_out(page: Page, web: Chromium) -> None:
    """Without the link, and with one that was made up."""
    web.foresee("/stage/enter", "401")
    web.foresee("/stage/start", "410")
    await page.goto(f"{web.url}/stage")
    await expect(page.get_by_role("heading", name="Open the link from your terminal")).to_be_visible()
    assert await faults(page) == []
    await page.set_viewport_size({"width": 1440, "height": 1000})
    await page.goto(f"{web.url}/")
    await page.goto(f"{web.url}/stage#made-up")
    await expect(page.locator("#closed-says")).to_contain_text("This link was used before.")


async def _played(page: Page, folder: Path) -> None:
    """One press, and the whole delivery goes by; "Next" hurries it."""
    drawing = page.locator("#drawing")
    await page.get_by_role("button", name="Play it for me").click()
    captions: list[str] = []
    hurrying = asyncio.create_task(_hurry(page, captions))
    try:
        await expect(drawing).to_have_attribute("data-lid", "up", timeout=PLAYED_MS)
        await expect(page.locator("#chip-boot")).to_have_text("Boot open")
        await expect(drawing).to_have_attribute("data-parcel", "in", timeout=PLAYED_MS)
        await page.screenshot(path=str(folder / "open.png"))
        await expect(drawing).to_have_attribute("data-lid", "down", timeout=PLAYED_MS)
        await expect(drawing).to_have_attribute("data-lock", "locked")
        await expect(page.locator("#caption-says")).to_contain_text("That was a delivery", timeout=PLAYED_MS)
    except AssertionError as cause:
        raise AssertionError("\n".join([str(cause), *captions, await _everything(page)])) from cause
    finally:
        hurrying.cancel()
    said = await page.locator("#log-list").inner_text()
    for words in (
        "The shop's carrier asks", "Ada says yes", "One key is made", "Here is my number",
        "I checked key and signature by myself", "The lid is down", "Locked.", "The key is destroyed",
        "A photo of the parcel is kept",
    ):  # fmt: skip
        assert words in said, said
    await expect(page.frame_locator("#owner").get_by_role("heading", name="Done")).to_be_visible()
    await page.locator("#caption-stop").click()
    await expect(page.locator("#caption")).to_be_hidden()


async def _hurry(page: Page, captions: list[str]) -> None:
    while True:
        # The last caption stays for the reader: looked at and pressed in one go, so that it cannot come in between.
        said = await page.evaluate(
            """() => {
                const said = document.getElementById("caption-says").textContent;
                if (!said.includes("That was a delivery")) document.getElementById("caption-next").click();
                return said;
            }"""
        )
        if said not in captions[-1:]:
            captions.append(said)
        await asyncio.sleep(0.2)


async def _everything(page: Page) -> str:
    """What the page and its frames say: a play that stands still is not seen twice."""
    return "\n----\n".join([await frame.locator("body").inner_text() for frame in page.frames])


async def _by_hand(page: Page) -> None:
    """Everything by one's own fingers, in the frames."""
    owner, courier = page.frame_locator("#owner"), page.frame_locator("#courier")
    drawing = page.locator("#drawing")
    await page.get_by_role("button", name="Order a parcel").click()
    await expect(page.get_by_role("button", name="Order a parcel")).to_be_disabled()
    # Of the delivery before a last mail may still come.
    await page.locator("#notice").filter(has_text="May ").click()
    await owner.locator("#approve").click()
    await courier.get_by_role("link", name="All jobs").first.click()
    await courier.locator("#entries a").first.click()
    await courier.get_by_role("button", name="Set out").click()
    await expect(drawing).to_have_attribute("data-courier", "way")
    await expect(courier.locator("#far")).to_have_text("right here")
    await courier.get_by_role("button", name="I am here").click()
    await expect(drawing).to_have_attribute("data-courier", "here")
    await page.evaluate(FLASHES)
    await courier.get_by_role("button", name="Flash the lights").click()
    await until(lambda: _flashed(page), "the drawing flashes")
    await expect(page.get_by_role("button", name="Shut the boot")).to_be_disabled()
    await courier.get_by_role("button", name="Open with two taps instead").click()
    await courier.get_by_role("button", name="Yes, open it").click()
    await expect(drawing).to_have_attribute("data-lid", "up")
    await page.get_by_role("button", name="Put the parcel in").click()
    await expect(drawing).to_have_attribute("data-parcel", "in")
    await page.get_by_role("button", name="Shut the boot").click()
    await expect(drawing).to_have_attribute("data-lid", "down")
    await expect(page.locator("#chip-lock")).to_have_text("Locked")
    await courier.get_by_role("button", name="Done without a photo").click()
    await expect(page.get_by_role("button", name="Order a parcel")).to_be_enabled()
    await page.get_by_role("button", name="Lose the network").click()
    await expect(page.locator("#chip-net")).to_have_text("No network")
    await page.get_by_role("button", name="Find the network again").click()
    await expect(page.locator("#chip-net")).to_have_text("On the network")


async def _flashed(page: Page) -> bool:
    return bool(await page.evaluate("window.flashes > 0"))


async def _a_fault(page: Page, folder: Path) -> None:
    """What the car measures becomes a case: at the desk, in a mail, and again there after a reload."""
    await page.get_by_role("button", name="Report worn brake pads").click()
    desk = page.frame_locator("#desk")
    await expect(desk.get_by_role("button", name="Take brakes, high")).to_be_visible()
    await expect(page.locator("#notice-subject")).to_contain_text("Brakes")
    await expect(page.locator("#log-list")).to_contain_text("My front brake pad is worn to 100 percent.")
    await page.screenshot(path=str(folder / "fault.png"), full_page=True)
    await page.reload()
    await expect(page.locator("#play")).to_be_enabled()
    await expect(page.locator("#log-list")).to_contain_text("My front brake pad is worn to 100 percent.")
    await expect(page.get_by_role("button", name="Brake pads reported")).to_be_disabled()
    await expect(desk.get_by_role("button", name="Take brakes, high")).to_be_visible()


async def _looks(page: Page) -> None:
    """Nothing to complain of at any width, in both themes; narrow, one side at a time by arrow keys."""
    assert await faults(page) == []
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("tab", name="Car").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Owner")).to_be_focused()
    await expect(page.locator("#owner")).to_be_visible()
    await expect(page.locator("#drawing")).to_be_hidden()

    async def alone() -> bool:
        return await page.locator(".board:visible").count() == 1

    await until(alone, "one side is shown")
