"""A subscriber's webhook receiver, verifying with the reference library of Standard Webhooks."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from trunkline.play import Api
from trunkline.ports import free_port


@dataclass
class Sink:
    """What came, in order, verified; ``forged`` counts what did not verify."""

    secret: str = field(default="", repr=False)
    came: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0
    _more: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @classmethod
    @asynccontextmanager
    async def of(cls, api: Api, token: str, types: Sequence[str] = ()) -> AsyncIterator["Sink"]:
        """Subscribed as whoever holds the token, until the end."""
        async with cls.listening() as (sink, url):
            asked = {"url": url, "types": list(types)}
            made = await api.call("POST", "/v1/webhook-endpoints", asked, token=token)
            sink.secret = made["secret"]
            try:
                yield sink
            finally:
                await api.call("DELETE", f"/v1/webhook-endpoints/{made['id']}", token=token)

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncIterator[tuple["Sink", str]]:
        """A receiver and its URL; whoever subscribes it tells it the ``secret``."""
        sink, port = cls(), free_port()
        app = web.Application()
        app.router.add_post("/hooks", sink._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield sink, f"http://127.0.0.1:{port}/hooks"
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.text()
        if not self.secret:  # a ping may be faster than whoever reads the answer with the secret in it
            return web.Response(status=503)
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=400)
        self.came.append(json.loads(body))
        self._more.set()
        return web.Response(status=204)

    def told(self, delivery: str) -> list[str]:
        """The types that came about one delivery."""
        return [news["type"] for news in self.came if news.get("subject") == delivery]

    async def wait(self, type_: str, delivery: str, *, seconds: float = 60) -> dict[str, Any]:
        """The news of this type about this delivery."""
        async with asyncio.timeout(seconds):
            while True:
                for news in self.came:
                    if (news["type"], news.get("subject")) == (type_, delivery):
                        return news
                self._more.clear()
                await self._more.wait()
