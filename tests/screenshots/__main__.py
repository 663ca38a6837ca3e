"""``make screenshots``: every page, light and dark, on a phone and on a desk, into ``build/screenshots/``.

It starts an installation of its own with one car, brings each page into the states that look different, and takes the
pictures; a page that cannot be reached, is wider than its window, or makes the console complain is told and ends in 1.
``ARGS="--only desk,cases"`` takes some; ``--language de`` another language.
"""

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page, async_playwright

from tests.journey.chromium import BINARY, FLAGS, Chromium
from tests.journey.stand import Stand
from tests.screenshots.scenes import SCENES, Shot, World
from trunkline.languages import LANGUAGES

FOLDER: Final = Path(__file__).resolve().parents[2] / "build" / "screenshots"
WIDTHS: Final = {"phone": (390, 844), "desk": (1280, 800)}
THEMES: Final = ("light", "dark")
_SETTLED_MS: Final = 4_000


@dataclass
class Studio:
    """Takes the pictures and keeps what was wrong."""

    browser: Browser
    url: str
    language: str
    taken: int = 0
    wrong: list[str] = field(default_factory=list)

    async def take(self, name: str, shot: Shot) -> None:
        """One page at each width in each theme."""
        page = shot.page or await self._somebody(name, shot)
        if shot.page is None or not page.url.endswith(shot.path):
            await page.goto(self.url + shot.path)
        await self._settled(page, name, shot.wait)
        for device, (width, height) in WIDTHS.items():
            await page.set_viewport_size({"width": width, "height": height})
            for theme in THEMES:
                await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
                await page.screenshot(path=FOLDER / f"{name}-{device}-{theme}.png", full_page=True)
                self.taken += 1
            wide = await page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                self.wrong.append(f"{name}: {wide} px wide at {width} px")
        if shot.page is None:
            await page.context.close()

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
        if kind in {"error", "warning"} and "status of 40" not in text:
            self.wrong.append(f"{name}: console {kind}: {text}")


async def take_all(stand: Stand, only: list[str], language: str) -> Studio:
    """Every scene, one after the other: a later one may need what an earlier one did."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=BINARY, args=list(FLAGS))
        stack.push_async_callback(browser.close)
        cast = await stack.enter_async_context(stand.cast())
        studio, there = (
            Studio(browser, stand.stage.url, language),
            World(stand, cast, Chromium(browser, stand.stage.url)),
        )
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
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tl-pictures-") as folder:
        stand = Stand(Path(folder))
        try:
            stand.start()
            only = [name for name in asked.only.split(",") if name]
            studio = asyncio.run(take_all(stand, only, asked.language))
        finally:
            stand.stop()
    sys.stderr.write(f"{studio.taken} pictures in {FOLDER.relative_to(FOLDER.parents[1])}\n")
    sys.stderr.write("".join(f"{one}\n" for one in studio.wrong))
    return 1 if studio.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
