"""The courier's page on a phone: enrolled by QR, working without signal, opening only by a held button."""

from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Page, Route, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, cast, violations
from tests.journey.phone import HERE, at_the_car, held, look_at, phone
from tests.journey.stand import Cast, Stand, decide, until
from tests.journey.test_pages_for_everybody import faults

__all__ = ["cast"]
pytestmark = IN_THE_BROWSER


async def ordered(cast: Cast, courier: str, reference: str) -> str:
    """A job of this courier that its owner has approved, with its key made."""
    delivery = await cast.carrier.order(cast.address, courier=courier, reference=reference)
    await decide(cast.owner, delivery)
    await cast.carrier.wait_for(delivery, {"keyed"})
    return delivery


async def test_dev(stand: Stand, cast: Cast, tmp_path: Path) -> None:
    film = tmp_path / "camera.y4m"
    courier, code = await cast.carrier.name_courier("Robin")
    look_at(film, f"{stand.stage.url}/courier#{code}")
    async with phone(stand.stage.url, film) as web:
        page = await at_the_car(web)
        await page.goto(f"{web.url}/courier")
        await page.screenshot(path="/tmp/courier/s1.png")
        await page.get_by_role("button", name="Scan the code").click()
        await expect(page.get_by_role("heading", name="Your jobs")).to_be_visible()
        await page.screenshot(path="/tmp/courier/s2.png")
        delivery = await ordered(cast, courier, "parcel-77")
        await page.reload()
        await page.screenshot(path="/tmp/courier/s3.png")
        await page.locator(f"a[href='#{delivery}']").click()
        await expect(page.locator("#state")).to_have_text("Ready")
        await page.screenshot(path="/tmp/courier/s4.png", full_page=True)
        await page.get_by_role("button", name="Set out").click()
        await page.get_by_role("button", name="I am here").wait_for()
        await page.screenshot(path="/tmp/courier/s5.png", full_page=True)
        await page.get_by_role("button", name="Flash the lights").click()
        await expect(page.locator("#said")).to_have_text("The lights flash.")
        await page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        await page.context.set_offline(True)
        await page.get_by_role("button", name="I am here").click()
        await expect(page.locator("#waiting")).to_have_text("1 waiting to send")
        await page.screenshot(path="/tmp/courier/s6.png", full_page=True)
        await page.reload()
        await expect(page.locator("#waiting")).to_have_text("1 waiting to send")
        await page.context.set_offline(False)
        await page.get_by_role("button", name="Hold to open").wait_for()
        await page.screenshot(path="/tmp/courier/s7.png", full_page=True)
        await held(page)
        await expect(page.locator("#state")).to_have_text("Open")
        await page.screenshot(path="/tmp/courier/s8.png", full_page=True)
