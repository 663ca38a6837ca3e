"""FastAPI's application, with room for one way before all its layers."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class Application(FastAPI):
    """One with a way before all its layers (``first``), once that is known; it hands on to ``whole`` what it leaves."""

    first: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (self.first or self.whole)(scope, receive, send)

    async def whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All layers and routes."""
        await super().__call__(scope, receive, send)
