"""The demo's page: before its link was followed, at its beginning, with the boot open, and with a fault at the desk."""

import asyncio
from typing import Final

from playwright.async_api import Page, expect

from tests.journey.test_pages_stage import PLAYED_MS, _hurry, a_demos_api, on_stage
from tests.screenshots.world import Scene, Shot, Speaking, World


async def _page(world: World) -> Page:
    """The page, once for all scenes."""
    if "stage" not in world.kept:
        url = await world.until_the_end.enter_async_context(a_demos_api(world.stand))
        door, _ = await world.until_the_end.enter_async_context(on_stage(world.stand, world.cast, url))
        web = Speaking(world.web.browser, url)
        web.language = world.web.language
        page = await web.page(permissions=["geolocation"])
        world.kept |= {"stage": page, "door": door}
    return world.kept["stage"]  # type: ignore[no-any-return]


def _shot(page: Page, wait: str) -> Shot:
    return Shot("/stage", wait, page=page)


async def _locked(world: World) -> Shot:
    page = await _page(world)
    await page.goto(f"{world.kept['door'].link.partition('#')[0]}")
    return _shot(page, "#closed-says, h1")


async def _begin(world: World) -> Shot:
    page = await _page(world)
    await page.goto("about:blank")
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.goto(world.kept["door"].link)
    await expect(page.locator("#play")).to_be_enabled(timeout=PLAYED_MS)
    return _shot(page, "#play")


async def _open(world: World) -> Shot:
    page = await _page(world)
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.locator("#play").click()
    hurrying = asyncio.create_task(_hurry(page, []))
    try:
        await expect(page.locator("#drawing")).to_have_attribute("data-lid", "up", timeout=PLAYED_MS)
    finally:
        hurrying.cancel()
    return _shot(page, "#drawing[data-lid=up], #stage, main")


async def _done(world: World) -> Shot:
    page = await _page(world)
    await page.set_viewport_size({"width": 1280, "height": 800})
    hurrying = asyncio.create_task(_hurry(page, []))
    try:
        await expect(page.locator("#drawing")).to_have_attribute("data-lid", "down", timeout=PLAYED_MS)
        await expect(page.locator("#drawing")).to_have_attribute("data-courier", "away", timeout=5_000)
    except AssertionError:
        pass  # the courier's way home is not what is looked at
    finally:
        hurrying.cancel()
    return _shot(page, "main")


STAGE: Final[dict[str, Scene]] = {
    "stage-locked": _locked,
    "stage": _begin,
    "stage-open": _open,
    "stage-done": _done,
}
