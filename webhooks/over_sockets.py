"""The transport of our own: HTTP/1.1 straight on asyncio, with connections that are kept and used again.

Why not a library: docs/decisions/0026. Every socket is made by the guard, also for literals; a name is looked up
anew for each connection, and a connection is only ever used for the origin it was made for.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, IPPROTO_TCP, SOCK_STREAM, AddressFamily
from typing import Final
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from webhooks.answer import AGENT, Closed, Heard
from webhooks.connection import Connection, Outbox
from webhooks.guard import AddressBlocked, AddressInfo, Guard, Lookup
from webhooks.limits import WebhooksLimits

_TARGETS_MOST: Final = 4_096
_WATCH: Final = 0.02
"""Seconds by which a deadline may be noticed late."""
_NEXT_ADDRESS: Final = 0.25
"""Seconds until the next address of a name is tried beside the first: RFC 8305, section 5."""


@dataclass(frozen=True, slots=True)
class _Target:
    """An address taken apart. ``head``: the first lines of every request to it."""

    origin: str
    host: str
    port: int
    tls: bool
    head: str


class SocketTransport:
    """Sends over connections of its own. ``answer_head``, ``idle_for`` and the like are settings."""

    def __init__(self, limits: WebhooksLimits, guard: Guard, lookup: Lookup, tls: ssl.SSLContext) -> None:
        self._limits = limits
        self._guard = guard
        self._lookup = lookup
        self._tls = tls
        self._targets: dict[str, _Target] = {}
        self._idle: dict[str, list[Connection]] = {}
        self._oldest: dict[Connection, None] = {}  # the idle ones, longest idle first
        self._sweep: asyncio.TimerHandle | None = None
        self._busy: dict[Connection, float] = {}
        """Those that wait for an answer, each with its deadline."""
        self._watch: asyncio.TimerHandle | None = None
        self._outbox = Outbox()

    async def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, heard: Heard, within: float
    ) -> None:
        """One request and its answer. A connection that was found stale is replaced once, at once."""
        target, ends = self._target(url), heard.began + within
        request = _request(target, headers, body)
        connection = self._kept(target.origin)
        heard.reused = connection is not None
        if connection is None:
            connection = await self._connected(target, heard, ends)
        try:
            await self._asked(connection, request, heard, ends)
        except Closed:
            # The receiver ended an idle connection as we wrote: it did not see the request, or did not begin.
            stale = heard.reused and heard.first_byte is None and heard.sent is not None
            if not stale or time.monotonic() - (heard.sent or 0) > self._limits.stale_within.total_seconds():
                raise
            heard.reused, heard.resent = False, True
            connection = await self._connected(target, heard, ends)
            await self._asked(connection, request, heard, ends)
        self._keep(connection)

    async def close(self) -> None:
        """End every idle connection. Nothing may be on the wire any more."""
        for timer in (self._sweep, self._watch):
            if timer is not None:
                timer.cancel()
        for connection in list(self._oldest):
            connection.end()
        self._idle.clear()
        self._oldest.clear()
        await asyncio.sleep(0)  # the transports tell their protocols in the next turn

    async def _asked(self, connection: Connection, request: bytes, heard: Heard, ends: float) -> None:
        self._busy[connection] = ends
        if self._watch is None:
            self._watched()
        try:
            await connection.ask(request, heard)
        except BaseException:  # also the deadline: what is half done on it is never read
            connection.end()
            raise
        finally:
            del self._busy[connection]

    def _watched(self) -> None:
        """Look after deadlines, for all requests together: a timer for each cost a tenth of a delivery."""
        self._watch, now = None, time.monotonic()
        for connection, ends in self._busy.items():
            if ends <= now:
                connection.late()
        if self._busy:
            self._watch = asyncio.get_running_loop().call_later(_WATCH, self._watched)

    def _target(self, url: str) -> _Target:
        """Checked once per address, since the rules are pure. Raises ``UrlRefused``."""
        known = self._targets.get(url)
        if known is None:
            if len(self._targets) >= _TARGETS_MOST:
                self._targets.clear()
            known = self._targets[url] = _taken_apart(self._guard.check(url))
        return known

    async def _connected(self, target: _Target, heard: Heard, ends: float) -> Connection:
        """A new connection. Raises ``OSError``, ``TimeoutError``, ``AddressBlocked``, ``ssl.SSLError``."""
        began = time.monotonic()
        async with asyncio.timeout(min(self._limits.connect_timeout.total_seconds(), ends - began)):
            found = await self._addresses(target)
            heard.dns = time.monotonic() - began
            loop = asyncio.get_running_loop()
            sock = await start_connection(
                found, socket_factory=self._guard.make_socket, happy_eyeballs_delay=_NEXT_ADDRESS, loop=loop
            )
            try:
                _, connection = await loop.create_connection(
                    lambda: Connection(target.origin, self._limits, self._outbox, self._gone),
                    sock=sock,
                    ssl=self._tls if target.tls else None,
                    server_hostname=target.host if target.tls else None,
                )
            except BaseException:
                sock.close()
                raise
            heard.connect = time.monotonic() - began - heard.dns
        return connection

    async def _addresses(self, target: _Target) -> Sequence[AddressInfo]:
        """The open addresses of the host; a literal is its own. Raises ``AddressBlocked``, ``OSError``."""
        found: Sequence[tuple[AddressFamily, str]]
        if ":" in target.host:
            found = [(AF_INET6, target.host)]
        elif target.host.replace(".", "").isdigit():
            found = [(AF_INET, target.host)]
        else:
            found = await self._lookup(target.host, target.port)
        infos: list[AddressInfo] = []
        for family, text in found:
            if self._guard.is_open(text):
                where = (text, target.port, 0, 0) if family == AF_INET6 else (text, target.port)
                infos.append((family, SOCK_STREAM, IPPROTO_TCP, "", where))
        if not infos:
            raise AddressBlocked("no address on the open internet")
        return infos

    # -- connections that wait for their next request --------------------------------------------

    def _kept(self, origin: str) -> Connection | None:
        """The connection that was used last: it is the least likely to be stale."""
        waiting = self._idle.get(origin)
        while waiting:
            connection = waiting.pop()
            self._oldest.pop(connection, None)
            if connection.usable:
                return connection
        return None

    def _keep(self, connection: Connection) -> None:
        if not connection.usable:
            connection.end()
            return
        connection.idle_since = time.monotonic()
        self._idle.setdefault(connection.origin, []).append(connection)
        self._oldest[connection] = None
        if len(self._oldest) > self._limits.idle_connections:
            oldest = next(iter(self._oldest))
            oldest.end()
            self._gone(oldest)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(
                self._limits.idle_for.total_seconds(), self._swept
            )

    def _swept(self) -> None:
        """End what has been idle for long enough, and look again when the next one will have been."""
        self._sweep = None
        most, now = self._limits.idle_for.total_seconds(), time.monotonic()
        for connection in list(self._oldest):
            left = connection.idle_since + most - now
            if left > 0:
                self._sweep = asyncio.get_running_loop().call_later(left, self._swept)
                return
            connection.end()
            self._gone(connection)

    def _gone(self, connection: Connection) -> None:
        """A connection has ended: it waits for nothing any more."""
        if connection in self._oldest:
            del self._oldest[connection]
            waiting = self._idle.get(connection.origin, [])
            with contextlib.suppress(ValueError):
                waiting.remove(connection)
            if not waiting:
                self._idle.pop(connection.origin, None)


def _taken_apart(url: str) -> _Target:
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {parts.netloc}\r\nuser-agent: {AGENT}\r\n"
        "accept: */*\r\naccept-encoding: identity\r\n"
    )
    host = parts.hostname or ""
    return _Target(f"{parts.scheme}://{host}:{port}", host, port, tls, head)


def _request(target: _Target, headers: Mapping[str, str], body: bytes) -> bytes:
    """The whole request. Raises ``ValueError`` where a header would end its line or is not ASCII."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header holds a line end")
    return f"{target.head}{lines}content-length: {len(body)}\r\n\r\n".encode("ascii") + body
