"""What stands around every page: where one is, whether somebody is signed in, and the choice of a language."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.types import ASGIApp, Receive, Scope, Send

from people.access import Access
from spine.ids import PersonId
from spine.words import Language
from trunkline import languages

PACKAGES: Final = ("trunkline", "people", "delivery", "webhooks", "maintenance")
"""Packages with templates."""
CHOICE: Final = "/language"
_YEAR: Final = 365 * 24 * 3600
_SESSIONS: Final = frozenset({"tl_session", "__Host-tl_session"})
_OURS: Final = re.compile(r"/(?![/\\])[!-~]{0,500}")
"""A path of this host: no second slash, which would name another host; nothing that ends a header's line."""


@dataclass(frozen=True, slots=True)
class Around:
    """Of the request that is answered."""

    path: str = "/"
    again: bool = False
    """Its page can be asked for again: it is no answer to a form."""
    signed_in: bool = False

    @property
    def back(self) -> str:
        """Where its page can be asked for again; empty where it cannot."""
        quoted = quote(self.path) if self.again else ""
        return quoted if local(quoted) else ""


_around: Final[ContextVar[Around]] = ContextVar("around", default=Around())  # noqa: B039 - frozen


class Framed:
    """ASGI middleware: keeps what the frame says of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep it for what runs below."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        signed_in = not _SESSIONS.isdisjoint(languages.cookies_of(scope))
        before = _around.set(Around(scope["path"], scope["method"] == "GET", signed_in))
        try:
            await self._app(scope, receive, send)
        finally:
            _around.reset(before)


def around() -> Around:
    """Of the request that is being answered."""
    return _around.get()


@contextmanager
def seen_from(path: str, *, signed_in: bool) -> Iterator[None]:
    """For a frame that is made to be kept: what is rendered meanwhile is the page of this path."""
    before = _around.set(Around(path, again=True, signed_in=signed_in))
    try:
        yield
    finally:
        _around.reset(before)


def local(path: str) -> bool:
    """Whether a browser that is sent there stays with us."""
    return _OURS.fullmatch(path) is not None


def templates(*, tiles: str = "", credit: str = "") -> Environment:
    """Templates of every package; undefined names are errors, everything is escaped.

    ``tiles``: the URL of map tiles with {z}, {x} and {y}, and whom to ``credit`` for them.
    """
    folders = [str(files(package).joinpath("templates")) for package in PACKAGES]
    made = Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        auto_reload=False,  # a look at three files for each page
    )
    languages.install(made)
    made.globals |= {"around": _around.get, "map_tiles": tiles, "map_credit": credit}
    return made


def routes(access: Access, speaks: Callable[[PersonId, str], Awaitable[None]]) -> APIRouter:
    """Where the choice at the foot of each page goes. ``speaks``: keeps it for whoever is signed in, for their mails."""
    router = APIRouter(include_in_schema=False)

    @router.post(CHOICE)
    async def choose(
        request: Request,
        language: Annotated[Language, Form()],
        back: Annotated[str, Form(max_length=600)] = "/",
    ) -> Response:
        access.refuse_cross_site(request)
        if (person := await access.in_browser(request)) is not None:
            await speaks(person, language)
        answer = RedirectResponse(back if local(back) else "/", 303)
        answer.set_cookie(
            languages.COOKIE, language, path="/", max_age=_YEAR, httponly=True, samesite="lax",
            secure=access.secure,
        )  # fmt: skip
        return answer

    return router
