"""A courier's phone for the page tests: Chromium with a camera that looks at a QR code, standing at the car."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import segno
from playwright.async_api import Browser, Page, expect

from keys.car.frames import Chunks, Joined
from tests.journey.chromium import Chromium, launched
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
    fresh = film.with_suffix(".fresh")
    fresh.write_bytes(head + frame * 3)
    fresh.replace(film)  # at once: a camera that opens, or still runs, never reads half a film


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera looks at; drawn anew by ``look_at``, also while it looks elsewhere."""
    file = tmp_path_factory.mktemp("camera") / "camera.y4m"
    look_at(file, "nothing")
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phones(film: Path) -> AsyncIterator[Browser]:
    """A browser of its own, because a camera's film is named when it starts."""
    async with launched(*CAMERA, f"--use-file-for-fake-video-capture={film}") as made:
        yield made


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
    await expect(page.locator("button.holding")).to_have_count(0)
    await page.mouse.up()


RADIO: Final = """
(() => {
    const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    class Characteristic extends EventTarget {
        async writeValueWithResponse(value) {
            await carWrite(btoa(String.fromCharCode(...new Uint8Array(value))));
        }
        async startNotifications() {
            await carConnect();
            return this;
        }
    }
    const [toUnit, toPhone] = [new Characteristic(), new Characteristic()];
    const service = { getCharacteristic: async (uuid) => ({ "62140002": toUnit, "62140003": toPhone })[uuid.slice(0, 8)] };
    const gatt = {
        connected: false,
        async connect() {
            gatt.connected = true;
            return { getPrimaryService: async () => service };
        },
        disconnect() {
            gatt.connected = false;
            device.dispatchEvent(new Event("gattserverdisconnected"));
        },
    };
    const device = Object.assign(new EventTarget(), { gatt });
    globalThis.carNotify = (text) => {
        toPhone.value = new DataView(bytes(text).buffer);
        toPhone.dispatchEvent(new Event("characteristicvaluechanged"));
    };
    const requestDevice = async ({ filters: [{ services: [uuid] }] }) => {
        if (!navigator.userActivation.isActive) throw new DOMException("no gesture", "SecurityError");
        if (!uuid.startsWith("62140001")) throw new DOMException("no such car", "NotFoundError");
        return device;
    };
    Object.defineProperty(navigator, "bluetooth", { value: { requestDevice } });
})();
"""
"""Web Bluetooth as a page sees it, over two functions of the test: its radio is emulated, its bytes are not."""


class Radio:
    """The car's end: what is written goes to the unit's own link, what it says comes as notifications of an MTU."""

    def __init__(self, page: Page, port: int, mtu: int) -> None:
        self._page = page
        self._port = port
        self._chunks = Chunks(mtu)
        self._joined = Joined()
        self._writer: asyncio.StreamWriter | None = None
        self._telling: asyncio.Task[None] | None = None
        self.longest_write = 0

    async def on(self) -> None:
        """Before the page is opened."""
        await self._page.expose_function("carConnect", self._connect)
        await self._page.expose_function("carWrite", self._write)
        await self._page.add_init_script(RADIO)

    async def off(self) -> None:
        """The car drives away."""
        if self._telling is not None:
            self._telling.cancel()
        if self._writer is not None:
            self._writer.close()

    async def _connect(self) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._telling = asyncio.create_task(self._tell(reader))

    async def _write(self, text: str) -> None:
        value = base64.b64decode(text)
        self.longest_write = max(self.longest_write, len(value))
        assert self._writer is not None
        self._writer.write(self._joined.feed(value))
        await self._writer.drain()

    async def _tell(self, reader: asyncio.StreamReader) -> None:
        while piece := await reader.read(4_096):
            for value in self._chunks.cut(piece):
                await self._page.evaluate("text => carNotify(text)", base64.b64encode(value).decode())
