"""Debian's Chromium for the page tests; what it complains of (console, page errors, CSP) fails the test."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from tests.journey.stand import Cast, Stand

IN_THE_BROWSER: Final = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
"""``pytestmark`` of each file of page tests: one browser, so one loop, for all of them."""

BINARY: Final = Path("/usr/bin/chromium")
SHELL: Final = "chromium-headless-shell"
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
PATIENCE_MS: Final = 45_000


@dataclass
class Chromium:
    """One browser; each person in it has a context of their own. ``complaints``: what nobody had foreseen."""

    browser: Browser
    url: str
    complaints: list[str] = field(default_factory=list)
    _foreseen: list[tuple[str, str]] = field(default_factory=list)

    def foresee(self, path: str, answer: str) -> None:
        """A request under ``path`` will be answered with this status (or network error): the console says so."""
        self._foreseen.append((path, answer))

    def foresee_no_network(self, *paths: str) -> None:
        """The network will be away: of what is asked then, and of what was on its way as it went."""
        for path in paths:
            for answer in ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_IO_SUSPENDED"):
                self.foresee(path, answer)

    async def page(self, *, session: str = "", javascript: bool = True, **options: Any) -> Page:
        """A page of somebody new; with ``session`` they are signed in."""
        wanted = {
            "viewport": {"width": 390, "height": 844},
            "locale": "en-GB",
            "timezone_id": midday(),
        }
        context = await self.browser.new_context(java_script_enabled=javascript, **{**wanted, **options})
        context.set_default_timeout(PATIENCE_MS)
        if session:
            await context.add_cookies([{"name": "tl_session", "value": session, "url": self.url}])
        return await self.tab(context)

    async def tab(self, context: BrowserContext) -> Page:
        """One more tab of the same person."""
        page = await context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        return page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        path = urlsplit(message.location.get("url", "")).path
        for known, answer in self._foreseen:
            if path.startswith(known) and answer in message.text:
                return
        self.complaints.append(f"console {message.type}: {message.text} ({path})")


def midday() -> str:
    """A time zone where it is about eleven in the morning now: what is shown hangs on no hour of the day.

    A window of some hours from now on lies within one day there. POSIX: ``Etc/GMT-2`` is two hours east.
    """
    east = 11 - datetime.now(UTC).hour
    return f"Etc/GMT{-east:+d}"


def binary(*, whole: bool = False) -> Path:
    """Debian's Chromium; without it the test is skipped, in CI it fails.

    Where Debian's headless shell is installed, that: the same engine of the same version without the windows and tabs
    around it, which cost two thirds of a page test. ``whole``: for what the shell has not.
    """
    if not whole and (shell := shutil.which(SHELL)):
        return Path(shell)
    if not BINARY.exists():
        missing = "chromium is missing (Debian package: chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return BINARY


@asynccontextmanager
async def launched(*flags: str, whole: bool = False) -> AsyncIterator[Browser]:
    """A browser to the end of the block."""
    found = binary(whole=whole)
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=found, args=[*FLAGS, *flags])
        yield made
        await made.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Started once: a process of its own costs more than most tests."""
    async with launched() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def web(browser: Browser, stand: Stand) -> AsyncIterator[Chromium]:
    """The browser at the installation's pages; afterwards an unforeseen complaint is an error."""
    made = Chromium(browser, stand.stage.url)
    yield made
    for context in browser.contexts:
        await context.close()
    assert made.complaints == [], made.complaints


@pytest_asyncio.fixture(loop_scope="session")
async def cast(stand: Stand) -> AsyncIterator[Cast]:
    """The people of a delivery, in the loop of the browser."""
    async with stand.cast() as there:
        yield there
    await stand.tidy()


OF_A_THEME: Final = ("color-contrast", "link-in-text-block")
"""Rules whose answer hangs on the colours."""
OF_A_WIDTH: Final = ("target-size", "scrollable-region-focusable", "bypass", "page-has-heading-one")
"""Rules whose answer may hang on what is shown at a width."""


async def violations(page: Page, *, only: Sequence[str] = ()) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA and its own best practices; or against some rules alone."""
    if not await page.evaluate("typeof axe === 'object'"):
        # The debugger's door: what is evaluated through it is not under the page's CSP.
        await page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = await page.evaluate(
        "only => axe.run(document, {runOnly: only, resultTypes: ['violations']})",
        {"type": "rule", "values": list(only)} if only else {"type": "tag", "values": list(RULES)},
    )
    return [
        f"{one['id']}: {json.dumps([node['html'][:160] for node in one['nodes']])}"
        for one in found["violations"]
    ]
