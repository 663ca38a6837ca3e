"""``make screenshots``: every page, light and dark, on a phone and on a desk, into ``build/screenshots/``.

It starts an installation of its own with one car, brings each page into the states that look different, and takes the
pictures; a page that cannot be reached, is wider than its window (also at 320 px), holds words that do not fit where
they stand, or makes the console complain is told and ends in 1; so is a page that
no scene shows. ``ARGS="--only desk,cases"`` takes some; ``--language
de`` another language, into a folder of its own; ``--narrow`` takes 320 px, too.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, async_playwright

from tests.journey.chromium import BINARY, FLAGS
from tests.journey.phone import CAMERA
from tests.journey.stand import Stand
from tests.screenshots.pages import without_picture
from tests.screenshots.scenes import SCENES
from tests.screenshots.world import Shot, Speaking, World
from trunkline.languages import LANGUAGES

FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "screenshots"
WIDTHS: Final = {"phone": (390, 844), "desk": (1280, 800)}
NARROW: Final = ("narrow", (320, 700))
THEMES: Final = ("light", "dark")
_SETTLED_MS: Final = 8_000
_TIGHT: Final = """() => [...document.querySelectorAll("button, .button, .badge, .pill, label, summary, dt, dd, th, td, h1, h2, h3, nav a, p, li")]
    .filter((one) => one.checkVisibility() && one.clientWidth > 0 && !one.closest(".unseen, .scrolls, pre"))
    .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 120))"""
"""What does not fit where it stands: a word that is longer than its line, or a button than its words."""


@dataclass
class Studio:
    """Takes the pictures and keeps what was wrong."""

    browser: Browser
    url: str
    language: str
    folder: Path
    widths: Mapping[str, tuple[int, int]]
    taken: int = 0
    paths: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    async def take(self, name: str, shot: Shot) -> None:
        """One page at each width in each theme."""
        page = shot.page or await self._somebody(name, shot)
        if shot.page is None or urlsplit(page.url).path != urlsplit(shot.path).path:
            await page.goto(self.url + shot.path)
        await self._settled(page, name, shot.wait)
        self.paths.add(urlsplit(page.url).path)
        await page.mouse.move(0, 0)
        if shot.unfold:
            await page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        for device, (width, height) in self.widths.items():
            await page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                await page.screenshot(path=self.folder / f"{name}-{device}-{theme}.png", full_page=True)
                self.taken += 1
            await self._fits(page, name, width)
        width, height = NARROW[1]
        await page.set_viewport_size({"width": width, "height": height})
        await self._fits(page, name, width)
        if shot.page is None:
            await page.context.close()

    async def _fits(self, page: Page, name: str, width: int) -> None:
        wide = await page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            self.wrong.append(f"{name}: {wide} px wide at {width} px")
        self.wrong += [f"{name}: does not fit at {width} px: {one}" for one in await page.evaluate(_TIGHT)]

    async def _somebody(self, name: str, shot: Shot) -> Page:
        """A page in a browser of its own, with the scene's session."""
        context = await self.browser.new_context(locale="en-GB", timezone_id="Europe/Amsterdam")
        kept = {**shot.cookies, "tl_language": self.language}
        await context.add_cookies(
            [{"name": key, "value": said, "url": self.url} for key, said in kept.items()]
        )
        page = await context.new_page()
        page.on("console", lambda said: self._heard(name, said.type, said.text))
        page.on("pageerror", lambda error: self._heard(name, "error", str(error)))
        return page

    async def _settled(self, page: Page, name: str, wait: str) -> None:
        try:
            await page.locator(wait).first.wait_for(state="visible", timeout=_SETTLED_MS)
        except Exception as error:  # the picture shows what was there instead
            self.wrong.append(f"{name}: {wait} did not show ({type(error).__name__})")

    def _heard(self, name: str, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "status of 4" not in text:
            self.wrong.append(f"{name}: console {kind}: {text}")


async def take_all(stand: Stand, only: list[str], language: str, *, narrow: bool) -> Studio:
    """Every scene, one after the other: a later one may need what an earlier one did."""
    folder = FOLDER if language == LANGUAGES[0] else FOLDER / language
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=BINARY, args=[*FLAGS, *CAMERA])
        stack.push_async_callback(browser.close)
        cast = await stack.enter_async_context(stand.cast())
        web = Speaking(browser, stand.stage.url)
        web.language = language
        there = World(stand, cast, web, await stack.enter_async_context(AsyncExitStack()))
        widths = {**WIDTHS, NARROW[0]: NARROW[1]} if narrow else WIDTHS
        studio = Studio(browser, stand.stage.url, language, folder, widths)
        for name, scene in SCENES.items():
            if only and name.partition("-")[0] not in only and name not in only:
                continue
            try:
                await studio.take(name, await scene(there))
            except Exception as error:  # the others are wanted all the same
                studio.wrong.append(f"{name}: {type(error).__name__}: {error}")
                continue
            sys.stderr.write(f"{name}\n")
    return studio


def main() -> int:
    """Exit code 1 where something was wrong with a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="comma-separated names of scenes, or what they begin with")
    parser.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0])
    parser.add_argument("--narrow", action="store_true", help="pictures of 320 px, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tl-pictures-") as folder:
        stand = Stand(Path(folder))
        try:
            stand.start()
            only = [name for name in asked.only.split(",") if name]
            studio = asyncio.run(take_all(stand, only, asked.language, narrow=asked.narrow))
        finally:
            stand.stop()
    if not only:
        studio.wrong += [f"{path}: no scene shows it" for path in without_picture(studio.paths)]
    sys.stderr.write(f"{studio.taken} pictures in {FOLDER.relative_to(FOLDER.parents[1])}\n")
    sys.stderr.write("".join(f"{one}\n" for one in studio.wrong))
    return 1 if studio.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
