"""Scripts, styles, signs and frames of pages on their way out: compressed, and known again by a hash of what they are.

Compression tells by its length how much of what a stranger put into an answer stands elsewhere in it (BREACH), so only
what holds nothing to be found out is compressed. Scripts, styles, signs and words are the same for everybody. The
frames named below are too: their GET without a query reflects nothing but ids of their own path, and what a person
sees on them comes through the API, whose answers are never compressed. Forms with tokens, pages that show a secret
and event streams are not among them; a new page is compressed only when it is named here. Pages that bring along what a
person sees are made of pieces and come compressed as far as they may be (``trunkline.pieces``).
"""

import hashlib
import re
import zlib
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT: Final = "public, max-age=300"
"""After an update a browser may have a script of before for five minutes; then it asks, and 304 costs no body."""
_TYPES: Final = frozenset({"text/javascript", "application/javascript", "text/css", "image/svg+xml"})
_FRAMES: Final = re.compile(
    r"/(?:(?:sign-in|confirm-email|keep-email|keep-passkeys|passkeys|account|notifications|courier|desk"
    r"|desk/wallboard|invitations/[a-z0-9_.]{1,40})/?)?"
)
_LEAST: Final = 256
"""Bytes below which compression gains nothing."""


class Texts:
    """ASGI middleware: ``ETag`` and 304 for what is the same for everybody, gzip for that and for frames."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; hold an answer of ours back until it is whole."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        await self._app(scope, receive, _Answer(scope, send).send)


class _Answer:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None
        self._parts: list[bytes] = []

    async def send(self, message: Message) -> None:
        """Everything that is none of ours goes on as it is."""
        if message["type"] == "http.response.start" and self._ours(message):
            self._start = message
        elif self._start is not None and message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._whole(self._start, b"".join(self._parts))
        else:
            await self._send(message)

    def _ours(self, start: Message) -> bool:
        headers = dict(start["headers"])
        if b"content-encoding" in headers or b"set-cookie" in headers:
            return False
        kind = headers.get(b"content-type", b"").decode("latin-1")
        if start["status"] == 200 and self._public(kind):
            return str(self._scope["method"]) == "GET"
        return self._frame(kind)

    def _public(self, kind: str) -> bool:
        kind = kind.partition(";")[0]
        path = str(self._scope["path"])
        return kind in _TYPES or (path.startswith("/static/") and kind in {"application/json", "text/plain"})

    def _frame(self, kind: str) -> bool:
        plain = self._scope["method"] == "GET" and not self._scope["query_string"]
        return plain and kind.startswith("text/html") and _FRAMES.fullmatch(self._scope["path"]) is not None

    async def _whole(self, start: Message, body: bytes) -> None:
        asked, headers = Headers(scope=self._scope), MutableHeaders(raw=start["headers"])
        wanted, status = "gzip" in asked.get("accept-encoding", ""), start["status"]
        packed = b""
        if self._public(headers.get("content-type", "")):
            tag, packed = _known(body)
            for name in ("last-modified", "accept-ranges"):
                if name in headers:
                    del headers[name]
            headers["ETag"] = tag
            headers.setdefault("Cache-Control", KEPT)
            if tag in asked.get("if-none-match", ""):
                status, body = 304, b""
        elif wanted:
            packed = _packed(body)
        if len(body) >= _LEAST:
            headers.add_vary_header("Accept-Encoding")
            if wanted:
                headers["Content-Encoding"] = "gzip"
                body = packed
        if status == 304:
            del headers["Content-Length"]
        else:
            headers["Content-Length"] = str(len(body))
        await self._send({**start, "status": status, "headers": headers.raw})
        await self._send({"type": "http.response.body", "body": body})


@lru_cache(maxsize=256)
def _known(body: bytes) -> tuple[str, bytes]:
    """The tag of a text that is the same for everybody, and its compressed form: each is made once a process."""
    # Weak (RFC 9110, 8.8.1): the same text compressed or not.
    return f'W/"{hashlib.sha256(body).hexdigest()[:20]}"', _packed(body)


@lru_cache(maxsize=256)
def _packed(body: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()
