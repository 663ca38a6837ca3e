"""Webhooks tried by hand: one signed request to a receiver, and a small receiver that verifies and prints."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

from aiohttp import web

from spine.clock import Clock
from spine.ids import new_id
from spine.problems import Kind, Problem
from webhooks.envelope import News, encode, wire_id
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.sender import Answer, HttpSender
from webhooks.signature import SignatureRefused, headers, verify
from webhooks.signers import Checker, Signer


class DataRefused(Problem):
    """The data cannot be an event's: it is no JSON, or too large."""

    code: ClassVar[str] = "event.data_refused"
    kind: ClassVar[Kind] = Kind.INVALID


_SEEN_MOST: Final = 1_000
_SHOWN: Final = 512


async def send(
    url: str,
    signers: Sequence[Signer],
    type_: str,
    data: Mapping[str, Any],
    *,
    clock: Clock,
    dev: bool,
    limits: WebhooksLimits,
) -> dict[str, Any]:
    """One event, signed and posted through the guard, never again; what came of it.

    ``dev``: http and loopback are allowed. Raises ``UrlRefused`` and ``DataRefused``.
    """
    guard = Guard(dev=dev)
    guard.check(url)
    message, now = new_id("msg", 0), clock.now()
    try:
        body = encode(message, type_, now, "/trunkline/by-hand", News(data=data))
    except (TypeError, ValueError) as broken:
        raise DataRefused("an event's data is JSON") from broken
    if len(body) > limits.body_most:
        raise DataRefused(f"an event has at most {limits.body_most} bytes")
    signed = headers(signers, wire_id(message), int(now.timestamp()), body)
    async with HttpSender(limits, guard) as sender:
        answer = await sender.post(
            url,
            {**signed, "content-type": "application/json"},
            body,
            within=limits.total_timeout.total_seconds(),
        )
    return {"id": wire_id(message), "bytes": len(body), **_said(answer)}


def _said(answer: Answer) -> dict[str, Any]:
    return {
        "accepted": answer.accepted,
        "status": answer.status,
        "reason": answer.none.value if answer.none else None,
        "ms": answer.ms,
        "answer": answer.text[:_SHOWN].decode("utf-8", "backslashreplace"),
    }


class Receiver:
    """Verifies what comes as strictly as our own door, tells of it, and passes on what was verified."""

    def __init__(
        self,
        checkers: Sequence[Checker],
        tell: Callable[[Mapping[str, Any]], None],
        *,
        clock: Clock,
        limits: WebhooksLimits,
        forward: str | None = None,
    ) -> None:
        """``tell``: gets one document per request. ``forward``: a URL on this machine that gets them unchanged."""
        self._checkers = checkers
        self._tell = tell
        self._clock = clock
        self._limits = limits
        self._forward = forward
        self._sender = HttpSender(limits, Guard(dev=True))
        self._seen: OrderedDict[str, None] = OrderedDict()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[int]:
        """Serve on loopback; gives the port (0: a free one is taken). Raises ``OSError`` where it is taken."""
        app = web.Application(client_max_size=self._limits.body_most)
        app.router.add_post("/{path:.*}", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            async with self._sender:
                await web.TCPSite(runner, "127.0.0.1", port).start()
                yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            self._tell({"verified": False, "why": "too_large"})
            return web.Response(status=413)
        try:
            signed = verify(
                self._checkers,
                request.raw_headers,
                body,
                now=self._clock.now(),
                tolerance=self._limits.tolerance,
            )
        except SignatureRefused as refused:
            self._tell({"verified": False, "why": refused.why.value})
            return web.Response(status=401)
        said: dict[str, Any] = {
            "verified": True,
            "id": signed.message_id,
            "repeated": signed.message_id in self._seen,
            "sent_at": signed.timestamp,
            "version": signed.version,
            "event": _read(body),
        }
        status = 204
        if self._forward is not None:
            answer = await self._passed_on(self._forward, request, body)
            said["forwarded"] = _said(answer)
            # What the developer's own program answers is what the sender hears, so that its retries can be seen.
            status = answer.status or 502
        if 200 <= status < 300:
            self._remember(signed.message_id)
        self._tell(said)
        return web.Response(status=status)

    def _remember(self, message: str) -> None:
        self._seen[message] = None
        while len(self._seen) > _SEEN_MOST:
            self._seen.popitem(last=False)

    async def _passed_on(self, url: str, request: web.Request, body: bytes) -> Answer:
        kept = {
            name: value
            for name, value in request.headers.items()
            if name.lower().startswith("webhook-") or name.lower() == "content-type"
        }
        return await self._sender.post(url, kept, body, within=self._limits.total_timeout.total_seconds())


async def receive(receiver: Receiver, port: int, ready: Callable[[int], None]) -> None:
    """Listen until it is ended."""
    async with receiver.listening(port) as chosen:
        ready(chosen)
        await asyncio.Event().wait()


def _read(body: bytes) -> Any:  # noqa: ANN401 - whatever was signed
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace")
