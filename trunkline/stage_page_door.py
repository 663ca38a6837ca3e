"""The demo's end of its page: one link lets one browser in, and only that browser plays."""

import asyncio
import contextlib
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

from aiohttp import web

from spine.problems import Kind, Problem
from trunkline.play import Refused
from trunkline.problems import MEDIA, STATUS, body
from trunkline.stage_page_news import News
from trunkline.stage_page_play import Play
from trunkline.stage_page_sessions import PAGE
from trunkline.stage_page_socket import KEY_HEADER, SOCKET, short_path
from vehicle_unit.control import NotRunning

log = logging.getLogger("trunkline")

_SECRET_BYTES: Final = 24
_BODY_BYTES: Final = 4096
_KEYS_MOST: Final = 16
"""Browsers that one demo lets in."""


class LinkUsed(Problem):
    """This link is not good (any more)."""

    code: ClassVar[str] = "stage.link"
    kind: ClassVar[Kind] = Kind.GONE


class NoKey(Problem):
    """This browser did not follow the printed link of this demo."""

    code: ClassVar[str] = "stage.key"
    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED


class NotReady(Problem):
    """The cast is still coming."""

    code: ClassVar[str] = "stage.not_ready"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class Door:
    """Served on a socket that only this account can open. ``play`` and ``news`` are given once the cast is there."""

    def __init__(self, url: str, *, used: Callable[[str], None] = lambda _: None) -> None:
        """``used``: told the next link when one was used up."""
        self._url = url
        self._used = used
        self._token = secrets.token_urlsafe(_SECRET_BYTES)
        self._keys: list[str] = []
        self._ready = asyncio.Event()
        self._ending = asyncio.Event()
        self._play: Play | None = None
        self._news: News | None = None

    @property
    def link(self) -> str:
        """What is printed: good for one browser. The fragment reaches no server and no log."""
        return f"{self._url}{PAGE}#{self._token}"

    def raise_curtain(self, play: Play, news: News) -> None:
        """The cast is there."""
        self._play, self._news = play, news
        self._ready.set()

    @asynccontextmanager
    async def open(self, directory: Path) -> AsyncIterator[None]:
        """Serve in this folder. Raises ``OSError``."""
        app = web.Application(client_max_size=_BODY_BYTES, middlewares=[_problems])
        app.router.add_post("/start", self._start)
        app.router.add_post("/enter", self._enter)
        app.router.add_post("/act", self._act)
        app.router.add_get("/events", self._events)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        socket = directory / SOCKET
        socket.unlink(missing_ok=True)
        try:
            with short_path(socket) as path:
                await web.UnixSite(runner, path).start()
            socket.chmod(0o600)
            yield
        finally:
            self._ending.set()
            await runner.cleanup()
            socket.unlink(missing_ok=True)

    async def _start(self, request: web.Request) -> web.Response:
        token = str((await _document(request)).get("token", ""))
        if not hmac.compare_digest(token.encode(), self._token.encode()) or len(self._keys) >= _KEYS_MOST:
            raise LinkUsed("This link was used before. The terminal of the demo shows a fresh one.")
        self._token = secrets.token_urlsafe(_SECRET_BYTES)
        self._keys.append(secrets.token_urlsafe(_SECRET_BYTES))
        self._used(self.link)
        return web.json_response({"key": self._keys[-1]})

    async def _enter(self, request: web.Request) -> web.Response:
        play, _ = self._let_in(request)
        return web.json_response(dict(await play.sessions()))

    async def _act(self, request: web.Request) -> web.Response:
        play, _ = self._let_in(request)
        asked = await _document(request)
        return web.json_response(dict(await play.act(str(asked.get("act")), asked)))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        _, news = self._let_in(request)
        after = request.headers.get("Last-Event-ID", "")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async with news.listen(int(after) if after.isdecimal() else 0) as events:
            ending = asyncio.create_task(self._ending.wait())
            try:
                while (part := await _next(events, ending)) is not None:
                    await response.write(part)
            except ConnectionError:
                pass
            finally:
                ending.cancel()
        return response

    def _let_in(self, request: web.Request) -> tuple[Play, News]:
        shown = request.headers.get(KEY_HEADER, "").encode()
        if not any(hmac.compare_digest(shown, key.encode()) for key in self._keys):
            raise NoKey("Open the link that the demo printed.")
        if self._play is None or self._news is None:
            raise NotReady("The cast is still coming.")
        return self._play, self._news


async def _next(events: AsyncIterator[bytes], ending: asyncio.Task[Any]) -> bytes | None:
    """The next event; None when the demo ends."""
    coming = asyncio.ensure_future(anext(events))
    try:
        await asyncio.wait([coming, ending], return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else None
    finally:
        coming.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await coming


async def _document(request: web.Request) -> dict[str, Any]:
    document = await request.json()
    if not isinstance(document, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what came over a wire
    return document


@web.middleware
async def _problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every refusal as the API says it."""
    try:
        return await handler(request)
    except Problem as problem:
        status = problem.status if isinstance(problem, Refused) else STATUS[problem.kind]
        code, detail, perhaps = problem.code, problem.detail, problem.may_have_happened
        again = problem.try_again
    except (ValueError, LookupError, OSError, NotRunning) as cause:
        log.warning("stage.failed", extra={"why": type(cause).__name__})
        status, code, detail, perhaps, again = 503, "stage.failed", "That did not work now.", True, True
    said = body(status, code, detail, may_have_happened=perhaps, try_again=again)
    return web.json_response(said, status=status, content_type=MEDIA)
