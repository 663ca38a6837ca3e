"""The transport over aiohttp: no redirects, no proxy of the environment, no cookies, nothing unpacked."""

import asyncio
import ssl
import time
from collections.abc import Mapping
from types import SimpleNamespace

import aiohttp

from webhooks.answer import AGENT, Heard
from webhooks.guard import Guard, GuardedResolver, Lookup
from webhooks.limits import WebhooksLimits


class AiohttpTransport:
    """One shared session. It is made inside of a running loop."""

    def __init__(self, limits: WebhooksLimits, guard: Guard, lookup: Lookup, tls: ssl.SSLContext) -> None:
        self._limits = limits
        self._guard = guard
        self._timeout = aiohttp.ClientTimeout(total=None, connect=limits.connect_timeout.total_seconds())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                # The engine bounds what is on the wire; more than that would only wait here, unseen.
                limit=max(limits.idle_connections, limits.in_flight),
                resolver=GuardedResolver(guard, lookup),
                socket_factory=guard.make_socket,
                keepalive_timeout=limits.idle_for.total_seconds(),
                use_dns_cache=False,
                ssl=tls,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # a small answer must not grow in our memory
            headers={"user-agent": AGENT, "accept-encoding": "identity"},
            max_line_size=limits.answer_head,
            max_field_size=limits.answer_head,
            trace_configs=[_watched()],
        )

    async def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, heard: Heard, within: float
    ) -> None:
        """One request and its answer. A connection that was found stale is replaced once, at once."""
        self._guard.check(url)
        async with asyncio.timeout(within):
            await self._twice_at_most(url, headers, body, heard)

    async def _twice_at_most(self, url: str, headers: Mapping[str, str], body: bytes, heard: Heard) -> None:
        try:
            await self._once(url, headers, body, heard)
        except aiohttp.ClientConnectionError:
            stale = heard.reused and heard.first_byte is None and heard.sent is not None
            if not stale or time.monotonic() - (heard.sent or 0) > self._limits.stale_within.total_seconds():
                raise
            heard.resent = True
            await self._once(url, headers, body, heard)

    async def close(self) -> None:
        """End every connection."""
        await self._session.close()

    async def _once(self, url: str, headers: Mapping[str, str], body: bytes, heard: Heard) -> None:
        heard.reused = False
        async with self._session.post(
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=self._timeout,
            trace_request_ctx=heard,
        ) as response:
            heard.status = response.status
            heard.retry_after = response.headers.get("retry-after")
            heard.control = response.headers.get("webhook-delivery")
            if heard.first_byte is None:
                heard.first_byte = time.monotonic()
            most = self._limits.answer_read
            try:
                # The status is there and counts; a body that hangs shall not hold a place on the wire for long.
                async with asyncio.timeout(self._limits.answer_wait.total_seconds()):
                    while len(heard.text) < most and (
                        piece := await response.content.read(most - len(heard.text))
                    ):
                        heard.text += piece
            finally:
                if not response.content.at_eof():
                    response.close()  # a longer answer stays unread, and its connection is not used again


def _watched() -> aiohttp.TraceConfig:
    """Tells when what happened to a request; its ``Heard`` comes along as the trace's context."""
    watch = aiohttp.TraceConfig()

    async def connecting(_: aiohttp.ClientSession, seen: SimpleNamespace, __: object) -> None:
        seen.began, seen.named = time.monotonic(), 0.0

    async def named(_: aiohttp.ClientSession, seen: SimpleNamespace, __: object) -> None:
        seen.named = time.monotonic() - getattr(seen, "began", time.monotonic())
        seen.trace_request_ctx.dns = seen.named

    async def connected(_: aiohttp.ClientSession, seen: SimpleNamespace, __: object) -> None:
        seen.trace_request_ctx.connect = time.monotonic() - seen.began - seen.named

    async def reused(_: aiohttp.ClientSession, seen: SimpleNamespace, __: object) -> None:
        seen.trace_request_ctx.reused = True

    async def sent(_: aiohttp.ClientSession, seen: SimpleNamespace, __: object) -> None:
        seen.trace_request_ctx.sent = time.monotonic()

    watch.on_connection_create_start.append(connecting)
    watch.on_dns_resolvehost_end.append(named)
    watch.on_connection_create_end.append(connected)
    watch.on_connection_reuseconn.append(reused)
    watch.on_request_headers_sent.append(sent)
    return watch
