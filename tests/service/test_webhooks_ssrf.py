"""No socket is ever connected to a blocked address: by name, literal, redirect, or a name server that changes its mind.

Every connection this process tries is seen by an audit hook, beneath each library, and what would leave the machine
is ended there: the allowed addresses are tried too, and nobody outside hears of it.
"""

import errno
import ipaddress
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.name_server import NameServer
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.sender import Answer, HttpSender, NoAnswer

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "webhooks" / "ssrf.json"
pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")

GIVEN: dict[str, Any] = json.loads(VECTORS.read_text("utf-8")) if VECTORS.exists() else {}
BLOCKED = [*GIVEN.get("block", {}), *GIVEN.get("derived_block", {})]
ALLOWED = list(GIVEN.get("allow", []))
TRANSPORTS = ["sockets", "aiohttp"]


@dataclass
class Wire:
    """Every TCP connection this process tried while it was watched; ours on loopback go through."""

    tried: list[str] = field(default_factory=list)
    watching: bool = False
    ours: set[int] = field(default_factory=set)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.watching or event != "socket.connect":
            return
        sock, target = arguments
        if not isinstance(target, tuple) or int(sock.type) & 0xF != 1:
            return
        self.tried.append(str(target[0]))
        if target[1] not in self.ours:
            raise OSError(errno.ENETUNREACH, "ended by the test")


WIRE = Wire()
sys.addaudithook(WIRE.hook)  # a hook stays for ever: it looks away outside of these tests


@pytest.fixture
def wire() -> Iterator[Wire]:
    WIRE.tried.clear()
    WIRE.ours.clear()
    WIRE.watching = True
    yield WIRE
    WIRE.watching = False


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    async with NameServer.running() as server:
        yield server


@asynccontextmanager
async def sending(transport: str, names: NameServer, *, dev: bool = False) -> AsyncIterator[HttpSender]:
    limits = WebhooksLimits.model_validate({"transport": transport})
    async with HttpSender(limits, Guard(dev=dev), lookup=names.lookup) as sender:
        yield sender


async def post(sender: HttpSender, url: str) -> Answer:
    return await sender.post(url, {"content-type": "application/json"}, b"{}", within=10)


def literal(text: str) -> str:
    return f"[{text}]" if ":" in text else text


def same(tried: str, text: str) -> bool:
    return ipaddress.ip_address(tried) == ipaddress.ip_address(text)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_blocked_address_by_name_and_by_literal(
    transport: str, names: NameServer, wire: Wire
) -> None:
    async with sending(transport, names) as sender:
        for number, text in enumerate(BLOCKED):
            name = f"n{number}.shop.example"
            names.says(name, [text])
            for url in (f"https://{name}/", f"https://{name}:8443/", f"https://{literal(text)}/"):
                assert (await post(sender, url)).none is NoAnswer.BLOCKED, (text, url)
    assert wire.tried == []
    assert len(names.asked) == 2 * len(BLOCKED), "names are asked for, literals are not"
    assert len(BLOCKED) >= 48


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_allowed_address_by_name_and_by_literal(
    transport: str, names: NameServer, wire: Wire
) -> None:
    async with sending(transport, names) as sender:
        for number, text in enumerate(ALLOWED):
            name = f"n{number}.shop.example"
            names.says(name, [text])
            for url in (f"https://{name}/", f"https://{literal(text)}/"):
                wire.tried.clear()
                assert (await post(sender, url)).none is NoAnswer.CONNECT, (text, url)
                assert wire.tried, (text, url)
                assert all(same(tried, text) for tried in wire.tried)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_urls_that_lead_astray(transport: str, names: NameServer, wire: Wire) -> None:
    names.says("127.0.0.1.nip.io", ["127.0.0.1"])
    async with sending(transport, names) as sender:
        for case in GIVEN["derived_urls"]:
            for url in (case["url"], case["url"].replace("http://", "https://", 1)):
                assert (await post(sender, url)).none is NoAnswer.BLOCKED, case
    assert wire.tried == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_name_server_that_changes_its_answer(transport: str, names: NameServer, wire: Wire) -> None:
    """Rebinding: open when the address was added, ours when we send; in every order, and mixed in one answer."""
    rebinding = "rebind.shop.example"
    names.says(rebinding, ["1.1.1.1"], ["127.0.0.1"], ["8.8.8.8"], ["169.254.169.254"], ["::1", "10.0.0.1"])
    expected = [NoAnswer.CONNECT, NoAnswer.BLOCKED, NoAnswer.CONNECT, NoAnswer.BLOCKED, NoAnswer.BLOCKED]
    answers = []
    for _ in range(4):
        for _ in expected:
            # A sender each: aiohttp remembers names for ten seconds, and then nothing would change at all.
            async with sending(transport, names) as sender:
                answers.append((await post(sender, f"https://{rebinding}/")).none)
    assert answers == expected * 4
    assert len(names.asked) == 20, "one lookup a connection: what was checked is what is connected to"
    assert set(wire.tried) == {"1.1.1.1", "8.8.8.8"}
    async with sending(transport, names) as sender:
        for _ in range(20):
            assert (await post(sender, f"https://{rebinding}/")).none in {NoAnswer.CONNECT, NoAnswer.BLOCKED}
        assert set(wire.tried) == {"1.1.1.1", "8.8.8.8"}
        wire.tried.clear()
        names.says(
            "mixed.shop.example", ["127.0.0.1", "1.1.1.1", "10.0.0.1", "::1", "fe80::1", "64:ff9b::a00:1"]
        )
        assert (await post(sender, "https://mixed.shop.example/")).none is NoAnswer.CONNECT
        assert set(wire.tried) == {"1.1.1.1"}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_guard_that_is_asked_twice_is_asked_at_the_socket(
    transport: str, names: NameServer, wire: Wire
) -> None:
    """Even where the answer was let through at the lookup, the socket itself is refused."""

    class Fooled(Guard):
        asked = 0

        def is_open(self, text: str) -> bool:
            Fooled.asked += 1
            return True if Fooled.asked == 1 else super().is_open(text)

    names.says("late.shop.example", ["127.0.0.1"])
    limits = WebhooksLimits.model_validate({"transport": transport})
    async with HttpSender(limits, Fooled(), lookup=names.lookup) as sender:
        assert (await post(sender, "https://late.shop.example:8443/")).none is NoAnswer.BLOCKED
    assert wire.tried == []


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_redirect_leads_anywhere(transport: str, names: NameServer, wire: Wire) -> None:
    """A real server that names every blocked address, and one of ours, in turn: it is asked, and nobody else."""
    trapped: list[str] = []
    goal = ""

    async def redirecting(request: web.Request) -> web.Response:
        headers = {"Location": goal, "Refresh": f"0; url={goal}", "Content-Location": goal}
        return web.Response(status=int(request.match_info["status"]), headers=headers)

    async def trap(request: web.Request) -> web.Response:
        trapped.append(request.path)
        return web.Response(status=204)

    app, house = web.Application(), web.Application()
    app.router.add_post("/{status}", redirecting)
    house.router.add_route("*", "/{path:.*}", trap)
    async with served(app) as port, served(house) as ours, sending(transport, names, dev=True) as sender:
        wire.ours |= {port, ours}
        goals = [f"https://{literal(text)}/" for text in BLOCKED]
        goals += [f"http://127.0.0.1:{ours}/", f"//127.0.0.1:{ours}/", "file:///etc/hostname", "/self"]
        for status in (301, 302, 303, 307, 308, 300, 201):
            for goal in goals:
                answer = await post(sender, f"http://127.0.0.1:{port}/{status}")
                assert (answer.status, answer.accepted) == (status, status == 201), goal
        assert trapped == []
        assert set(wire.tried) == {"127.0.0.1"}
        assert (await post(sender, f"http://127.0.0.1:{ours}/")).accepted, "it was there all the time"


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[int]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
