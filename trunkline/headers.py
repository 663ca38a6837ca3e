"""Security headers of every answer, and a bound on every request body."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkline.problems import MEDIA, body

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


def csp(*, policy: str) -> str:
    """The same for a page whose script registers a worker: browsers take its URL from this one policy only."""
    return CSP.replace("trusted-types 'none'", f"trusted-types {policy}")


_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(self)",
}


def security_headers(*, tiles: str = "") -> list[tuple[bytes, bytes]]:
    """What every answer says. ``tiles``: the origin that pages may show map tiles of, where the operator has one."""
    policy = CSP.replace("img-src 'self'", f"img-src 'self' {tiles}") if tiles else CSP
    ours = {"Content-Security-Policy": policy, **_HEADERS, "Cache-Control": "no-store"}
    return [(name.lower().encode(), value.encode()) for name, value in ours.items()]


class SecurityHeaders:
    """ASGI middleware: adds the headers (``security_headers``); answers are not cached unless they say so."""

    def __init__(self, app: ASGIApp, *, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._app = app
        self._headers = headers or security_headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add to what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                ours = [header for header in self._headers if header[0] not in said]
                message = {**message, "headers": [*message["headers"], *ours]}
            await send(message)

        await self._app(scope, receive, with_headers)


class BodyLimit:
    """ASGI middleware: a body over ``limit`` bytes is answered 413 before any of our code sees it.

    One that is not here whole after ``patience`` is answered 408: nobody who is not known yet holds memory for long.
    """

    def __init__(self, app: ASGIApp, *, limit: int, patience: timedelta) -> None:
        self._app = app
        self._limit = limit
        self._patience = patience.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body within the limit, then hand it on whole."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "DELETE", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._patience):
                read = await self._read(receive)
        except TimeoutError:
            await _refuse(send, 408, "request.too_slow", "The body did not come in time.", try_again=True)
            return
        except _TooLarge:
            await _refuse(send, 413, "request.too_large", "The body is too large.", try_again=False)
            return
        if read is None:
            return
        whole: list[Message] = [{"type": "http.request", "body": read, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body; None where the client has gone. Raises ``_TooLarge``."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._limit:
                raise _TooLarge
            if not message.get("more_body", False):
                return b"".join(chunks)


class _TooLarge(Exception):
    """More bytes than may be."""


async def _refuse(send: Send, status: int, code: str, detail: str, *, try_again: bool) -> None:
    content = json.dumps(body(status, code, detail, may_have_happened=False, try_again=try_again)).encode()
    headers = [
        (b"content-type", MEDIA.encode()),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
