"""A push service and the browsers behind it: it takes what is posted, and they open it with their own keys."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import http_ece
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from webhooks.web_push import Subscription, b64, point_of, read_subscription


@dataclass
class Pushed:
    """One message as it came, and what its browser read in it."""

    headers: dict[str, str]
    body: bytes = field(repr=False)
    said: dict[str, Any]


@dataclass
class Browser:
    """One browser's subscription. ``got``: what it was pushed, opened by a reader that is not ours."""

    endpoint: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = field(default_factory=lambda: os.urandom(16))
    got: list[Pushed] = field(default_factory=list)

    @property
    def json(self) -> dict[str, Any]:
        """As ``PushSubscription.toJSON()`` gives it."""
        keys = {"p256dh": b64(point_of(self.key.public_key())), "auth": b64(self.auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    @property
    def subscription(self) -> Subscription:
        keys = self.json["keys"]
        return read_subscription(self.endpoint, keys["p256dh"], keys["auth"])

    def titles(self) -> list[str]:
        return [one.said["title"] for one in self.got]

    def take(self, headers: dict[str, str], body: bytes) -> None:
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        self.got.append(Pushed(headers, body, json.loads(plain)))


class PushService:
    """Answers 201, or what ``answers`` says next. ``asked``: how often it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.browsers: dict[str, Browser] = {}
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.asked = 0
        self.hold: asyncio.Event | None = None
        """Until it is set no answer is given."""

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["PushService"]:
        service = cls()
        app = web.Application()
        app.router.add_post("/push/{name}", service._receive)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield service
        finally:
            await runner.cleanup()

    def browser(self) -> Browser:
        """A new browser that has subscribed here."""
        name = b64(os.urandom(12))
        self.browsers[name] = Browser(f"{self.url}/push/{name}")
        return self.browsers[name]

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        status, headers = self.answers.pop(0) if self.answers else (201, {})
        if status == 201:
            named = {name.lower(): value for name, value in request.headers.items()}
            self.browsers[request.match_info["name"]].take(named, body)
        return web.Response(status=status, headers=headers)
