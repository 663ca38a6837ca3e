"""``page_decision``: what the server takes for the page on which an owner decides, against a bare page of FastAPI and Jinja2.

The page is ``/deliveries/{id}``: where the start page and every notification lead whoever is signed in.
Its one answer has all that is waited for before the decision can be shown: frame and, as data, the delivery as it stands
in the store for the person of the session's cookie. Every round checks that it is there, with the question open. The peer
is one application with one route that renders the same words into one Jinja2 page, from memory, for anybody: on the same
uvicorn, uvloop and httptools, in a process of its own. Both are asked by the same client over a kept connection, one after
the other.

A mail's link leads to ``/decide``, whose token no server may see in a URL: there a frame is answered first, and then what
its script opens with the token. That is measured beside it (``by_link_p50_ms``), and must stay within ``MOST_MS`` too.
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp

from tests.bench.line import Line, percentile
from tests.bench.stand import NoPeer, Stand
from trunkline.demo import Timeline, introduce
from trunkline.play import Api, link_token
from trunkline.ports import free_port

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
            token = link_token(await cast.owner.mail.wait(cast.owner.address, "May ", seconds=60))
            shown = await cast.owner.view(delivery)
        with _Peer(shown) as peer:
            ours, bare, linked = await _rounds(stand.url, delivery, cast.owner.token, token, peer.url)
    seen: dict[str, Any] = {
        "ours_p50_ms": round(median(ours), 2),
        "ours_p99_ms": round(percentile(ours, 0.99), 2),
        "by_link_p50_ms": round(median(linked), 2),
        "bare_p50_ms": round(median(bare), 2),
        "bare_p99_ms": round(percentile(bare, 0.99), 2),
        "most_ms": MOST_MS,
        "load": round(os.getloadavg()[0], 1),
    }
    line = Line.judged(NAME, median(ours) / median(bare), BAR, "lower", seen=seen)
    if max(median(ours), median(linked)) > MOST_MS:
        return Line(NAME, line.ratio, BAR, "lower", ok=False, why=f"slower than {MOST_MS:g} ms: {seen}")
    return line


async def _rounds(
    url: str, delivery: str, session: str, token: str, bare_url: str
) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of the page and of the bare page, one after the other; then of what a mail's link takes."""
    ours, bare, linked = list[float](), list[float](), list[float]()
    browser = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": f"tl_session={session}"}
    link = {"Accept": "text/html", "Accept-Encoding": "gzip"}
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        for _ in range(ROUNDS + COLD):
            page, took = await _asked(client.get(f"{url}/deliveries/{delivery}", headers=browser))
            _check(delivery, gzip.decompress(page).decode())
            ours.append(took)
            bare.append((await _asked(client.get(bare_url, headers=browser)))[1])
        for _ in range(ROUNDS + COLD):
            _, frame = await _asked(client.get(f"{url}/decide", headers=link))
            opened = client.post(f"{url}/v1/questions/open", json={"token": token}, headers=link)
            linked.append(frame + (await _asked(opened))[1])
    return ours[COLD:], bare[COLD:], linked[COLD:]


async def _asked(asking: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> tuple[bytes, float]:
    """The body and the milliseconds until it was there."""
    started = time.perf_counter()
    async with asking as answer:
        body = await answer.read()
    took = (time.perf_counter() - started) * 1000
    if answer.status != 200 or len(body) < 300:
        raise NoPeer(f"{answer.url.path} answered {answer.status}")
    return body, took


def _check(delivery: str, page: str) -> None:
    """Raises ``NoPeer`` for a page from which nobody could decide."""
    carried = page.partition('id="carried">')[2].partition("</script>")[0]
    read = json.loads(carried) if carried else {}
    if (read.get("id"), read.get("state")) != (delivery, "asked") or read["question"]["needed"] is None:
        raise NoPeer("the page does not bring the question along")


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
