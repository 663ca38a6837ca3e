"""In a demo alone: the owner's and the agent's session in one browser, and real pages in the frames of its page."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE: Final = "/stage"
AGENT: Final = "tl_agent"
"""Cookie of the agent's session: a browser keeps one cookie of a name, and the owner's has the usual one."""
_DESK: Final = ("/desk", "/v1/desk")
_CSP: Final = "Content-Security-Policy"
_ALONE: Final = "frame-ancestors 'none'"


class SideBySide:
    """ASGI middleware: the desk is asked with the agent's session; all but the demo's page may be framed by it.

    Which of the two sessions a request carries is all that changes: what each may do is asked as everywhere.
    """

    def __init__(self, app: ASGIApp, *, session: str) -> None:
        """``session``: name of the usual session cookie."""
        self._app = app
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Choose the session, pass on, loosen the frame."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        headers = [
            (name, self._cookies(value, at_desk=below(path, *_DESK)) if name == b"cookie" else value)
            for name, value in scope["headers"]
        ]

        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start" and not below(path, PAGE):
                answered = MutableHeaders(scope=message)
                if _CSP in answered:
                    answered[_CSP] = answered[_CSP].replace(_ALONE, "frame-ancestors 'self'")
            await send(message)

        await self._app({**scope, "headers": headers}, receive, framed)

    def _cookies(self, header: bytes, *, at_desk: bool) -> bytes:
        """The header with one session in it: the agent's under the usual name, or the usual one alone."""
        kept = []
        for pair in header.decode("latin-1").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == AGENT:
                if at_desk:
                    kept.append(f"{self._session}={value}")
            elif name != self._session or not at_desk:
                kept.append(pair.strip())
        return "; ".join(kept).encode("latin-1")


def below(path: str, *roots: str) -> bool:
    """Whether it is one of these pages or lies under one."""
    return any(path == root or path.startswith(f"{root}/") for root in roots)
