"""The one door to HTTP out: posts once, bounded in time and in what it reads, and never raises."""

import logging
import ssl
import time
from collections.abc import Mapping
from socket import gaierror
from types import TracebackType
from typing import Protocol, Self

import aiohttp

from webhooks.answer import Answer, BrokenAnswer, Closed, Heard, NoAnswer, Transport
from webhooks.guard import AddressBlocked, Guard, Lookup, SystemLookup, UrlRefused
from webhooks.limits import WebhooksLimits
from webhooks.over_aiohttp import AiohttpTransport
from webhooks.over_sockets import SocketTransport
from webhooks.tls import trusting

__all__ = ["Answer", "HttpSender", "NoAnswer", "Sender"]

log = logging.getLogger("trunkline.webhooks")


class Sender(Protocol):
    """How a signed webhook leaves the house."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, within: float) -> Answer: ...


class HttpSender:
    """Posts over the transport that the settings name; both keep the same rules (tests/far_ends.py).

    No redirects, no proxy of the environment, no cookies, nothing unpacked; every socket is made by the guard.
    """

    def __init__(
        self,
        limits: WebhooksLimits,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        """``tls``: whom to trust, else the system's authorities. ``lookup``: names, else the system's resolver."""
        self._limits = limits
        self._guard = guard
        self._tls = tls
        self._own_lookup = SystemLookup(limits.in_flight)
        self._lookup = lookup or self._own_lookup
        self._transport: Transport | None = None
        self.posts = 0
        """Requests so far; and those among them that went over a connection which stood already."""
        self.reused = 0

    async def __aenter__(self) -> Self:
        kind = SocketTransport if self._limits.transport == "sockets" else AiohttpTransport
        tls = self._tls or trusting()
        self._transport = kind(self._limits, self._guard, self._lookup, tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.close()
        self._own_lookup.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, within: float) -> Answer:
        """Post once, all in ``within`` seconds. Whatever the far end does comes back as an ``Answer``.

        A status that has arrived is the answer, whatever becomes of the body after it.
        """
        assert self._transport is not None, "the sender is entered before it posts"
        heard = Heard(time.monotonic())
        none: NoAnswer | None = None
        try:
            await self._transport.exchange(url, headers, body, heard, within)
        except (UrlRefused, BrokenAnswer, aiohttp.ClientError, TimeoutError, OSError, ValueError) as failure:
            if heard.status is None:
                none = _why(failure)
                log.debug("webhook.no_answer", extra={"why": none.value, "error": type(failure).__name__})
        self.posts += 1
        self.reused += heard.reused
        return heard.answer(time.monotonic(), none)


def _why(failure: Exception) -> NoAnswer:
    """By type, the innermost cause first: what the connector wraps says more than the wrapper."""
    if isinstance(failure, UrlRefused) or _blocked(failure):
        return NoAnswer.BLOCKED
    for kinds, why in _REASONS:
        if isinstance(failure, kinds):
            return why
    return NoAnswer.BROKEN


_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], NoAnswer], ...] = (
    (TimeoutError, NoAnswer.TIMEOUT),
    ((aiohttp.ClientSSLError, ssl.SSLError), NoAnswer.TLS),
    ((aiohttp.ClientConnectorDNSError, gaierror), NoAnswer.NAME),
    (aiohttp.ClientConnectorError, NoAnswer.CONNECT),
    ((Closed, aiohttp.ClientConnectionError), NoAnswer.CLOSED),
    (OSError, NoAnswer.CONNECT),
)


def _blocked(failure: BaseException | None) -> bool:
    while failure is not None:
        if isinstance(failure, AddressBlocked):
            return True
        failure = failure.__cause__ or failure.__context__
    return False
