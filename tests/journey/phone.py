"""A courier's phone for the page tests: Chromium with a camera that looks at a QR code, standing at the car."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import segno
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.journey.chromium import FLAGS, PATIENCE_MS, Chromium, binary
from tests.journey.stand import HOME, Stand

CAMERA: Final = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
_WIDTH, _HEIGHT, _MODULE = 640, 480, 8
HERE: Final = {"latitude": HOME[0], "longitude": HOME[1], "accuracy": 8}
NEAR: Final = {"latitude": HOME[0] + 0.0009, "longitude": HOME[1], "accuracy": 8}
"""100 m north of the car's place, so that a reason is asked for."""


def look_at(film: Path, text: str) -> None:
    """Put a QR code before the camera: a film of three grey frames (YUV4MPEG2)."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="pbm", scale=_MODULE, border=4, plain=True)
    lines = drawn.getvalue().decode().split("\n")
    rows = [row for row in lines[1:] if row and not row.startswith("#")]
    wide, high = map(int, rows[0].split())
    bits = "".join(rows[1:]).replace(" ", "")
    grey = bytearray(b"\xc8" * (_WIDTH * _HEIGHT))
    left, top = (_WIDTH - wide) // 2, (_HEIGHT - high) // 2
    for y in range(high):
        row = bits[y * wide : (y + 1) * wide]
        start = (top + y) * _WIDTH + left
        grey[start : start + wide] = bytes(16 if bit == "1" else 235 for bit in row)
    frame = b"FRAME\n" + bytes(grey) + b"\x80" * (_WIDTH * _HEIGHT // 2)
    head = f"YUV4MPEG2 W{_WIDTH} H{_HEIGHT} F10:1 Ip A1:1 C420jpeg\n".encode()
    film.write_bytes(head + frame * 3)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera looks at; drawn anew by ``look_at``, also while it looks elsewhere."""
    file = tmp_path_factory.mktemp("camera") / "camera.y4m"
    look_at(file, "nothing")
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phones(film: Path) -> AsyncIterator[Browser]:
    """A browser of its own, because a camera's film is named when it starts."""
    found = binary()
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        flags = [*FLAGS, *CAMERA, f"--use-file-for-fake-video-capture={film}"]
        launched = await playwright.chromium.launch(executable_path=found, args=flags)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def web(phones: Browser, stand: Stand) -> AsyncIterator[Chromium]:
    """The phones at the installation's pages; afterwards an unforeseen complaint is an error."""
    made = Chromium(phones, stand.stage.url)
    yield made
    for context in phones.contexts:
        await context.close()
    assert made.complaints == [], made.complaints


async def at_the_car(web: Chromium, **options: Any) -> Page:
    """A phone beside the car, whose owner lets the page know where it is."""
    wanted: dict[str, Any] = {
        "geolocation": HERE, "permissions": ["geolocation", "camera"], "has_touch": True,
    }  # fmt: skip
    return await web.page(**{**wanted, **options})


async def held(page: Page, name: str = "Hold to open") -> None:
    """Hold the button as a thumb does, until the page has heard it."""
    button = page.get_by_role("button", name=name)
    await button.scroll_into_view_if_needed()
    box = await button.bounding_box()
    assert box
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await expect(page.locator("button.holding")).to_have_count(0, timeout=5_000)
    await page.mouse.up()
