"""`trunkline webhooks send` and `listen`: two processes as a developer has them, and the receiver under attack."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import standardwebhooks
from aiohttp import web

from tests.service.conftest import SetClock, until
from tests.unit.test_webhooks_signature import HOSTILE
from trunkline import webhook_trying
from trunkline.processes import plain_environment
from trunkline.webhook_trying import DataRefused, Receiver
from webhooks.guard import UrlRefused
from webhooks.limits import WebhooksLimits
from webhooks.signature import PrivateKey, Secret, headers

LIMITS = WebhooksLimits()
PROGRAM = "from trunkline.cli import main; main()"
BODY = b'{"type":"delivery.opened","data":{}}'


@asynccontextmanager
async def process(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "webhooks", *words, env=plain_environment({}),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def send(*words: str) -> tuple[int | None, Any, str]:
    async with process("send", *words, "--json") as child:
        said, errors = await child.communicate()
    return child.returncode, json.loads(said) if said.strip() else None, errors.decode()


async def test_a_developer_sends_and_listens(tmp_path: Path) -> None:
    secret, pair = Secret.new(), PrivateKey.new()
    data = tmp_path / "data.json"
    data.write_text('{"delivery": "dlv_7k3m9qxd4hwe2a5t"}', "utf-8")
    keys = ("--secret", secret.reveal(), "--secret", pair.public.reveal())
    async with process("listen", "--port", "0", *keys, "--json") as receiver:
        assert receiver.stderr is not None
        assert receiver.stdout is not None
        first = (await receiver.stderr.readline()).decode()
        url = first.rpartition(" ")[2].strip() + "hooks"
        for signer, version in ((secret, "v1"), (pair, "v1a")):
            code, said, errors = await send(
                "--url", url, "--secret", signer.reveal(), "--type", "delivery.opened", "--data", str(data), "--dev"
            )  # fmt: skip
            assert (code, said["status"], said["accepted"]) == (0, 204, True), errors
            heard = json.loads(await receiver.stdout.readline())
            assert (heard["verified"], heard["version"], heard["id"]) == (True, version, said["id"])
            assert heard["event"]["type"] == "delivery.opened"
            assert heard["event"]["data"] == {"delivery": "dlv_7k3m9qxd4hwe2a5t"}
        code, said, _ = await send("--url", url, "--secret", Secret.new().reveal(), "--dev")
        assert (code, said["status"]) == (1, 401)
        assert json.loads(await receiver.stdout.readline()) == {"verified": False, "why": "signature"}


async def test_what_is_not_sent(tmp_path: Path) -> None:
    secret = Secret.new().reveal()
    code, said, errors = await send("--url", "http://127.0.0.1:9/", "--secret", secret)
    assert (code, said) == (1, None), "without --dev the guard is that of the service"
    assert "endpoint.url_refused" in errors
    code, said, errors = await send("--url", "https://shop.example/", "--secret", "whsec_AAAA")
    assert (code, said) == (64, None)
    assert "Traceback" not in errors
    assert "AAAA" not in errors


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": "y" * 70_000}, {"x": object()}])
async def test_data_that_is_no_events(data: Mapping[str, Any], clock: SetClock) -> None:
    with pytest.raises(DataRefused):
        await webhook_trying.send(
            "http://127.0.0.1:9/", [Secret.new()], "a.b", data, clock=clock, dev=True, limits=LIMITS
        )
    with pytest.raises(UrlRefused):
        await webhook_trying.send(
            "http://10.0.0.1/", [Secret.new()], "a.b", {}, clock=clock, dev=True, limits=LIMITS
        )


class Heard(list[Mapping[str, Any]]):
    """What a receiver told."""


async def post(port: int, made: Mapping[str, str], body: bytes = BODY) -> int:
    async with (
        aiohttp.ClientSession(trust_env=False) as client,
        client.post(f"http://127.0.0.1:{port}/", data=body, headers=made) as answer,
    ):
        return answer.status


async def test_the_receiver_refuses_what_our_door_refuses(clock: SetClock) -> None:
    secret, heard = Secret.new(), Heard()
    receiver = Receiver([secret], heard.append, clock=clock, limits=LIMITS)
    async with receiver.listening(0) as port:
        for _, raw in HOSTILE.values():
            made = {name.decode(): value.decode("latin-1") for name, value in raw}
            if all(value.isprintable() and value == value.strip() for value in made.values()):
                assert await post(port, made) in {400, 401}
        at = int(clock.now().timestamp())
        big = b"x" * (LIMITS.body_most + 1)
        assert await post(port, headers([secret], "msg_1", at, big), big) == 413
        assert not any(each["verified"] for each in heard)
        good = headers([secret], "msg_1", at, BODY)
        assert [await post(port, good) for _ in range(2)] == [204, 204]
        assert [each["repeated"] for each in heard[-2:]] == [False, True]
        nothing = headers([secret], "msg_2", at, b"\xff")
        assert await post(port, nothing, b"\xff") == 204
        assert heard[-1]["event"] == "\\xff"


async def test_what_was_verified_is_passed_on_unchanged(clock: SetClock) -> None:
    """The developer's own program verifies again, and its answer is what the sender hears."""
    secret, heard, came = Secret.new(), Heard(), []
    answers = iter([503, 200])

    async def own(request: web.Request) -> web.Response:
        came.append((dict(request.headers), await request.read()))
        return web.Response(status=next(answers))

    app = web.Application()
    app.router.add_post("/mine", own)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        forward = f"http://127.0.0.1:{runner.addresses[0][1]}/mine"
        receiver = Receiver([secret], heard.append, clock=clock, limits=LIMITS, forward=forward)
        async with receiver.listening(0) as port:
            made = headers([secret], "msg_1", int(clock.now().timestamp()), BODY)
            assert [await post(port, made) for _ in range(2)] == [503, 200]
            assert [each["repeated"] for each in heard] == [False, False], "only what was taken counts"
            await until(lambda: len(came) == 2)
    finally:
        await runner.cleanup()
    for got, body in came:
        lower = {name.lower(): value for name, value in got.items()}
        assert {name: lower[name] for name in made} == made
        assert body == BODY
        own_signature = standardwebhooks.Webhook(secret.reveal()).sign("msg_1", clock.now(), body.decode())
        assert lower["webhook-signature"] == own_signature
