"""The demo's page in process `api`: shown here, played by the demo itself at the other end of a socket.

Only ``trunkline demo`` sets ``stage_socket``; without it none of these routes exists. This process can do nothing of
what they ask: it holds no carrier's key and reaches no car. It passes on, and sets the cookies.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal
from urllib.parse import urlsplit

import aiohttp
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from jinja2 import Environment
from pydantic import BaseModel, ConfigDict, Field

from people.access import Access
from spine.problems import Kind, Problem
from trunkline.headers import CSP
from trunkline.problems import MEDIA
from trunkline.stage_page_sessions import AGENT, PAGE
from trunkline.stage_page_socket import KEY_HEADER, short_path

KEY: Final = "tl_stage"
"""Cookie of the browser that followed the printed link."""
ACTS: Final = ("courier", "order", "put", "shut", "network", "worn")
_POLICY: Final = CSP.replace("default-src 'none';", "default-src 'none'; frame-src 'self';")
_PERMISSIONS: Final = "camera=(self), microphone=(), geolocation=(self)"
_PATIENCE: Final = aiohttp.ClientTimeout(total=60)
_LONGEST: Final = 64


class Elsewhere(Problem):
    """The request came by another name than the printed address, or from another page."""

    code: ClassVar[str] = "stage.elsewhere"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class Dark(Problem):
    """The demo behind this page does not answer."""

    code: ClassVar[str] = "stage.dark"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Link(_In):
    """What the printed link carries in its fragment."""

    token: Annotated[str, Field(min_length=1, max_length=_LONGEST, repr=False)]


class Act(_In):
    """One hand on the stage. ``courier``: id of the one whose phone this browser is. ``on``: of ``network``."""

    act: Literal["courier", "order", "put", "shut", "network", "worn"]
    courier: Annotated[str, Field(max_length=_LONGEST)] | None = None
    on: bool | None = None


def routes(pages: Environment, access: Access, *, socket: Path, origin: str) -> APIRouter:
    """``origin``: where the printed address leads; by no other name is anything answered (DNS rebinding)."""
    host = urlsplit(origin).netloc

    async def by_our_name(request: Request) -> None:
        if request.headers.get("host") != host:
            raise Elsewhere(f"Open the demo as {origin}: it answers by no other name.")

    async def of_our_page(request: Request) -> None:
        site = request.headers.get("sec-fetch-site")
        ours = request.headers.get("origin") == origin if site is None else site == "same-origin"
        if not ours:
            raise Elsewhere("Only the demo's own page can ask this.")

    router = APIRouter(prefix=PAGE, include_in_schema=False, dependencies=[Depends(by_our_name)])

    @router.get("")
    async def page() -> HTMLResponse:
        """It holds nothing: whoever has no key sees how to get in."""
        headers = {"Content-Security-Policy": _POLICY, "Permissions-Policy": _PERMISSIONS}
        return HTMLResponse(pages.get_template("stage.html").render(), headers=headers)

    router.include_router(_asked(Relay(socket), access), dependencies=[Depends(of_our_page)])
    return router


def _asked(relay: "Relay", access: Access) -> APIRouter:
    """What the page's script asks."""
    router = APIRouter(include_in_schema=False)

    @router.post("/start")
    async def start(link: Link) -> Response:
        """The link is used up, and this browser has its key."""
        answer = await relay.post("/start", link.model_dump())
        key = answer.content.pop("key", "")
        response = answer.response()
        if key:
            _keep(response, KEY, key, path=PAGE)
        return response

    @router.post("/enter")
    async def enter(request: Request) -> Response:
        """Owner and agent are signed in, each in a session of their own."""
        answer = await relay.post("/enter", {}, key=request.cookies.get(KEY, ""))
        sessions = {name: answer.content.pop(name, "") for name in ("owner", "agent")}
        response = answer.response()
        if all(sessions.values()):
            _keep(response, access.cookie, sessions["owner"], samesite="lax")
            _keep(response, AGENT, sessions["agent"])
        return response

    @router.post("/act")
    async def act(wanted: Act, request: Request) -> Response:
        """Something that nobody does on a page: the shop's order, a hand at the boot, a worn brake pad."""
        answer = await relay.post(
            "/act", wanted.model_dump(exclude_none=True), key=request.cookies.get(KEY, "")
        )
        return answer.response()

    @router.get("/events")
    async def events(request: Request) -> Response:
        """What the car does, what car and service say, and the mail that comes to the owner's phone."""
        after = request.headers.get("last-event-id", "")[:_LONGEST]
        return await relay.stream("/events", key=request.cookies.get(KEY, ""), after=after)

    return router


def _keep(
    response: Response,
    name: str,
    value: str,
    *,
    path: str = "/",
    samesite: Literal["strict", "lax"] = "strict",
) -> None:
    """Until the browser ends; a demo is on loopback, where there is no TLS."""
    response.set_cookie(name, value, path=path, httponly=True, samesite=samesite)


class Relayed:
    """What the demo answered."""

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        self.status = status
        self.content = content

    def response(self) -> Response:
        """The same for the browser."""
        return JSONResponse(
            self.content, self.status, media_type=MEDIA if self.status >= 400 else "application/json"
        )


class Relay:
    """Passes on over the socket. Raises ``Dark``."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def post(self, path: str, document: dict[str, Any], *, key: str = "") -> Relayed:
        """One request and its JSON."""
        try:
            async with AsyncExitStack() as stack:
                session = await self._session(stack)
                answer = await stack.enter_async_context(
                    session.post(f"http://stage{path}", json=document, headers=_with(key))
                )
                return Relayed(answer.status, await answer.json(content_type=None))
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as cause:
            raise Dark("The demo does not answer. Is it still running?") from cause

    async def stream(self, path: str, *, key: str, after: str) -> Response:
        """Events as they come, until either side ends."""
        stack = AsyncExitStack()
        try:
            session = await self._session(stack)
            headers = {**_with(key), **({"Last-Event-ID": after} if after else {})}
            answer = await stack.enter_async_context(
                session.get(f"http://stage{path}", headers=headers, timeout=aiohttp.ClientTimeout(total=None))
            )
            if answer.status != 200:
                async with stack:
                    return Relayed(answer.status, await answer.json(content_type=None)).response()
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as cause:
            await stack.aclose()
            raise Dark("The demo does not answer. Is it still running?") from cause

        async def told() -> AsyncIterator[bytes]:
            async with stack:
                try:
                    async for part in answer.content.iter_any():
                        yield part
                except (aiohttp.ClientError, TimeoutError):
                    return

        return StreamingResponse(told(), media_type="text/event-stream")

    async def _session(self, stack: AsyncExitStack) -> aiohttp.ClientSession:
        path = stack.enter_context(short_path(self._socket))
        connector = aiohttp.UnixConnector(path=path)
        return await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, trust_env=False, timeout=_PATIENCE)
        )


def _with(key: str) -> dict[str, str]:
    return {KEY_HEADER: key} if key.isascii() and key.isprintable() else {}
