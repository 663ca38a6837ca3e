"""``page_decision``: what the server takes for the page on which an owner decides, against a bare page of FastAPI and Jinja2.

Ours is all that must be answered before the decision can be shown: the frame of ``/deliveries/...`` and then what its
script reads with the session's cookie, the delivery as it stands in the store. The peer is one application with one
route that renders the same words into one Jinja2 page, from memory, for anybody: on the same uvicorn, uvloop and
httptools, in a process of its own. Both are asked by the same client over a kept connection, one after the other.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp

from tests.bench.line import Line, percentile
from tests.bench.stand import NoPeer, Stand
from trunkline.demo import Timeline, introduce
from trunkline.play import Api
from trunkline.processes import free_port

NAME: Final = "page_decision"
BAR: Final = 3.0
MOST_MS: Final = 10.0
"""The median of ours, whatever the peer takes."""
ROUNDS: Final = 400
COLD: Final = 40
"""First ones, not counted."""


async def measure() -> Line:
    """The ratio of medians; ours must also stay within ``MOST_MS``."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder, Stand(Path(folder) / "data") as stand:
        async with Api(stand.url) as api:
            cast = await introduce(stand, api, Timeline())
            delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="bench")
            await cast.owner.mail.wait(cast.owner.address, "May ", seconds=60)
            shown = await cast.owner.view(delivery)
        with _Peer(shown) as peer:
            frames, reads, bare = await _rounds(stand.url, delivery, cast.owner.token, peer.url)
    ours = [frame + read for frame, read in zip(frames, reads, strict=True)]
    seen: dict[str, Any] = {
        "ours_p50_ms": round(median(ours), 2),
        "ours_p99_ms": round(percentile(ours, 0.99), 2),
        "frame_p50_ms": round(median(frames), 2),
        "read_p50_ms": round(median(reads), 2),
        "bare_p50_ms": round(median(bare), 2),
        "bare_p99_ms": round(percentile(bare, 0.99), 2),
        "most_ms": MOST_MS,
        "load": round(os.getloadavg()[0], 1),
    }
    line = Line.judged(NAME, median(ours) / median(bare), BAR, "lower", seen=seen)
    if median(ours) > MOST_MS:
        return Line(NAME, line.ratio, BAR, "lower", ok=False, why=f"slower than {MOST_MS:g} ms: {seen}")
    return line


async def _rounds(
    url: str, delivery: str, session: str, bare_url: str
) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of the frame, of what its script reads, and of the bare page: each once a round."""
    frames, reads, bare = list[float](), list[float](), list[float]()
    browser = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": f"tl_session={session}"}
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        for _ in range(ROUNDS + COLD):
            frames.append(await _asked(client, f"{url}/deliveries/{delivery}", browser))
            script = {**browser, "Accept": "application/json"}
            reads.append(await _asked(client, f"{url}/v1/owner/deliveries/{delivery}", script))
            bare.append(await _asked(client, bare_url, browser))
    return frames[COLD:], reads[COLD:], bare[COLD:]


async def _asked(client: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> float:
    started = time.perf_counter()
    async with client.get(url, headers=headers) as answer:
        body = await answer.read()
    took = (time.perf_counter() - started) * 1000
    if answer.status != 200 or len(body) < 300:
        raise NoPeer(f"{url} answered {answer.status}")
    return took


class _Peer:
    """The bare application in a process of its own."""

    def __init__(self, shown: dict[str, Any]) -> None:
        self._shown = shown
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/decision"

    def __enter__(self) -> "_Peer":
        words = [str(value) for value in self._shown.values()]
        command = [sys.executable, "-m", "tests.bench.page_peer", str(self._port), *words]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if self._child.stdout is None or self._child.stdout.readline().strip() != "ready":
            self.__exit__()
            raise NoPeer("the bare page did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
