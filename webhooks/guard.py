"""Keeps what we send from reaching our own network: one range table, asked for every URL and every socket."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar, Final
from urllib.parse import SplitResult, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from spine.problems import Kind, Problem

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple]  # type: ignore[type-arg]
Lookup = Callable[[str, int], Awaitable[Sequence[tuple[socket.AddressFamily, str]]]]

# The IANA special-purpose registries, minus nothing: what is not for the open internet is refused.
# ``ipaddress.is_global`` is not used: it says yes to at least 16 addresses that must be refused.
_BLOCKED_V4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598; a cloud's metadata too
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # a cloud's host agent on a public address
        "169.254.0.0/16",  # link-local and metadata, RFC 3927
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.88.99.0/24",  # 6to4 relay, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112
    )
)
_OPEN_V6: Final = ipaddress.IPv6Network("2000::/3")  # the only block given out as global unicast
_MAPPED_V4: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_BLOCKED_V6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments, Teredo and ORCHID within, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4 carries any IPv4 address, RFC 7526
        "3fff::/20",  # documentation, RFC 9637
    )
)

_PORTS: Final = frozenset({443, 8443})
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")


class UrlRefused(Problem):
    """We do not send to this address; the detail says why."""

    code: ClassVar[str] = "endpoint.url_refused"
    kind: ClassVar[Kind] = Kind.INVALID


class AddressBlocked(OSError):
    """The name led to an address that is not for the open internet: no socket was made."""


def is_open(address: Address, *, dev: bool = False) -> bool:
    """Whether ``address`` lies on the open internet; in ``dev`` loopback counts as open. Fails closed."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _MAPPED_V4 and address.ipv4_mapped is not None:
            return is_open(address.ipv4_mapped, dev=dev)
        if address.is_loopback:
            return dev
        return address in _OPEN_V6 and not any(address in block for block in _BLOCKED_V6)
    if address.is_loopback:
        return dev
    return not any(address in block for block in _BLOCKED_V4)


class Guard:
    """The rules for where we send. ``dev`` allows http, any port and loopback, nothing else."""

    def __init__(self, *, dev: bool = False, longest: int = 2_048) -> None:
        self._dev = dev
        self._longest = longest

    def check(self, url: str) -> str:
        """The URL unchanged, if it may be sent to; names are looked up later. Raises ``UrlRefused``."""
        if len(url) > self._longest:
            raise UrlRefused("the address is too long")
        if not _PLAIN.fullmatch(url):
            raise UrlRefused("only the characters of a URL are taken; write a name in its xn-- form")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as malformed:
            raise UrlRefused("this is not a URL") from malformed
        if parts.scheme not in (("https", "http") if self._dev else ("https",)):
            raise UrlRefused("only https:// is taken")
        if "@" in parts.netloc:
            raise UrlRefused("a user name or password in the address is not taken")
        if "#" in url:
            raise UrlRefused("a fragment is never sent, so it is not taken")
        if not self._dev and (port if port is not None else 443) not in _PORTS:
            raise UrlRefused("only ports 443 and 8443 are taken")
        self._check_host(parts)
        return url

    def _check_host(self, parts: SplitResult) -> None:
        host = parts.hostname or ""
        literal = _literal(host)
        if literal is not None:
            if not is_open(literal, dev=self._dev):
                raise UrlRefused("this address is not on the open internet")
            return
        if "[" in parts.netloc:
            raise UrlRefused("this is not an IPv6 address")
        labels = host.split(".")
        # A last label that starts with a digit is never a name: it is an IPv4 address in an odd spelling.
        if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1][0].isdigit():
            raise UrlRefused("this is not a host name")
        local = len(labels) == 1 or any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES)
        if local and not self._dev:
            raise UrlRefused("this name is not on the open internet")

    def is_open(self, text: str) -> bool:
        """Whether ``text`` is the plain form of an address that may be reached."""
        address = _literal(text)
        return address is not None and is_open(address, dev=self._dev)

    def make_socket(self, info: AddressInfo) -> socket.socket:
        """The connector's socket factory: asked for every connection, also for literals.

        aiohttp never asks a resolver about IP literals, so the resolver alone does not guard (measured).
        """
        family, kind, protocol, _, target = info
        if not self.is_open(str(target[0])):
            raise AddressBlocked("not on the open internet")
        return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """Looks names up and leaves out what may not be reached, so that a name with one good address works."""

    def __init__(self, guard: Guard, lookup: Lookup) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The open addresses of ``host``. Raises ``AddressBlocked`` where there are only others."""
        found = [
            ResolveResult(
                hostname=host, host=text, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST
            )
            for kind, text in await self._lookup(host, port)
            if family in (socket.AF_UNSPEC, kind) and self._guard.is_open(text)
        ]
        if not found:
            raise AddressBlocked("no address on the open internet")
        return found

    async def close(self) -> None:
        """Nothing is held."""


class SystemLookup:
    """The system's resolver on threads of its own: a name server that hangs holds up no other work."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhooks.lookup")

    async def __call__(self, host: str, port: int) -> Sequence[tuple[socket.AddressFamily, str]]:
        """Every address of ``host``. Raises ``OSError``."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [(socket.AddressFamily(family), str(target[0])) for family, _, _, _, target in found]

    def close(self) -> None:
        """Give the threads back as they come to an end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _literal(host: str) -> Address | None:
    """The address a canonical literal names; a zone id or an odd spelling is none."""
    if "%" in host:
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
