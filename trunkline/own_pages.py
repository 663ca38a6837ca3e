"""What changes something and carries a session's cookie comes from our own pages: one rule before every route."""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from people.access import from_our_pages
from people.problems import CrossSite
from trunkline import problems
from trunkline.languages import cookies_of

SESSIONS: Final = frozenset({"tl_session", "tl_operator", "__Host-tl_session", "__Host-tl_operator"})
"""Cookies that stand for somebody."""


class OwnPages:
    """ASGI middleware: 403 for a request of another site that a browser sends somebody's session along with.

    Routes ask once more where they take a session (``people.access``): a route that forgets is safe all the same.
    """

    def __init__(self, app: ASGIApp, *, origin: str) -> None:
        self._app = app
        self._origin = origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "http" and not SESSIONS.isdisjoint(cookies_of(scope)):
            request = Request(scope)
            if not from_our_pages(request, self._origin):
                refused = CrossSite("Requests with the session's cookie come from our own pages.")
                await problems.told(request, refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)
