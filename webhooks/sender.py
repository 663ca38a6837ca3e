"""The one door to HTTP out: posts once, bounded in time and in what it reads, and never raises."""

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Final, Protocol, Self

import aiohttp

from webhooks.guard import AddressBlocked, Guard, GuardedResolver, Lookup, SystemLookup, UrlRefused
from webhooks.limits import WebhooksLimits

log = logging.getLogger("trunkline.webhooks")

_AGENT: Final = "Trunkline-Webhooks/1"


class NoAnswer(StrEnum):
    """Why there is no HTTP status."""

    BLOCKED = "blocked"
    NAME = "name_not_found"
    CONNECT = "connection_failed"
    TLS = "tls_failed"
    TIMEOUT = "timeout"
    BROKEN = "broken_answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one post. ``text``: the first bytes of the answer; ``ms``: the whole exchange.

    ``control``: what the receiver said in ``webhook-delivery``. The other times are None where nothing was measured.
    """

    ms: int
    status: int | None = None
    retry_after: str | None = None
    text: bytes = field(default=b"", repr=False)
    none: NoAnswer | None = None
    control: str | None = None
    dns_ms: int | None = None
    connect_ms: int | None = None
    first_byte_ms: int | None = None
    reused: bool | None = None

    @property
    def accepted(self) -> bool:
        """2xx only: a redirect is a failure and is never followed."""
        return self.status is not None and 200 <= self.status < 300


class Sender(Protocol):
    """How a signed webhook leaves the house."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, within: float) -> Answer: ...


class HttpSender:
    """One shared session over aiohttp: no redirects, no proxy of the environment, no cookies."""

    def __init__(
        self,
        limits: WebhooksLimits,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self._limits = limits
        self._guard = guard
        self._tls = tls
        self._own_lookup = SystemLookup(limits.in_flight)
        self._lookup = lookup or self._own_lookup
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=self._limits.in_flight,  # the engine caps each address; one host may serve several
            resolver=GuardedResolver(self._guard, self._lookup),
            socket_factory=self._guard.make_socket,
            ssl=self._tls if self._tls is not None else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # a small answer must not grow in our memory
            headers={"user-agent": _AGENT, "accept-encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
        self._own_lookup.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, within: float) -> Answer:
        """Post once, all in ``within`` seconds. Whatever the far end does comes back as an ``Answer``."""
        assert self._session is not None, "the sender is entered before it posts"
        began = time.monotonic()
        heard = _Heard()
        try:
            self._guard.check(url)
            async with asyncio.timeout(within):
                await self._exchange(self._session, url, headers, body, heard)
        except (
            UrlRefused,
            AddressBlocked,
            aiohttp.ClientError,
            TimeoutError,
            OSError,
            ValueError,
        ) as failure:
            if heard.status is None:
                why = _why(failure)
                log.info("webhook.no_answer", extra={"why": why.value, "error": type(failure).__name__})
                return Answer(_since(began), none=why)
        # The status is the answer: a body that never ends or is cut turns no 2xx into a failure.
        return Answer(
            _since(began), heard.status, heard.retry_after, bytes(heard.text), control=heard.control
        )

    async def _exchange(
        self,
        session: aiohttp.ClientSession,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        heard: "_Heard",
    ) -> None:
        timeout = aiohttp.ClientTimeout(total=None, connect=self._limits.connect_timeout.total_seconds())
        async with session.post(
            url, data=body, headers=headers, allow_redirects=False, timeout=timeout
        ) as response:
            heard.status, heard.retry_after = response.status, response.headers.get("retry-after")
            heard.control = response.headers.get("webhook-delivery")
            most = self._limits.answer_read
            while len(heard.text) < most and (piece := await response.content.read(most - len(heard.text))):
                heard.text += piece
            if not response.content.at_eof():
                response.close()  # a longer answer stays unread, and its connection is not used again


@dataclass(slots=True)
class _Heard:
    """What has arrived so far, kept when the rest does not come."""

    status: int | None = None
    retry_after: str | None = None
    control: str | None = None
    text: bytearray = field(default_factory=bytearray)


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _why(failure: Exception) -> NoAnswer:
    """By type, the innermost cause first: what the connector wraps says more than the wrapper."""
    if isinstance(failure, UrlRefused) or _blocked(failure):
        return NoAnswer.BLOCKED
    if isinstance(failure, TimeoutError):
        return NoAnswer.TIMEOUT
    if isinstance(failure, aiohttp.ClientSSLError):
        return NoAnswer.TLS
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return NoAnswer.NAME
    if isinstance(failure, aiohttp.ClientConnectionError | OSError):
        return NoAnswer.CONNECT
    return NoAnswer.BROKEN


def _blocked(failure: BaseException | None) -> bool:
    while failure is not None:
        if isinstance(failure, AddressBlocked):
            return True
        failure = failure.__cause__ or failure.__context__
    return False
