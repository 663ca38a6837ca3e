"""Open a TCP or TLS socket to a broker without blocking the loop: paho's own connect would."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from vehicle_gateway.session import Broker, Tls


async def dial(broker: Broker) -> socket.socket:
    """A connected, non-blocking socket with its TLS handshake done. Raises ``OSError`` (TLS: too)."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(broker.host, broker.port, type=socket.SOCK_STREAM)
    failed = OSError("no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(0)
            # without it a QoS 1 round trip costs 44 to 88 ms instead of 0.42 (rule 8)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
            return await _shake_hands(sock, broker.tls, broker.host) if broker.tls else sock
        except OSError as refused:
            sock.close()
            failed = refused
        except BaseException:
            sock.close()
            raise
    raise failed


def secured(tls: Tls) -> ssl.SSLContext:
    """By which a broker is known, and we to it. From TLS 1.2 on: what a system's Python allows is the system's."""
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert is not None:
        context.load_cert_chain(tls.cert, tls.key)
    return context


async def _shake_hands(sock: socket.socket, tls: Tls, host: str) -> ssl.SSLSocket:
    wrapped = secured(tls).wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    loop = asyncio.get_running_loop()
    try:
        while True:
            try:
                wrapped.do_handshake()
                return wrapped
            except ssl.SSLWantReadError:
                await _ready(wrapped, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _ready(wrapped, loop.add_writer, loop.remove_writer)
    except BaseException:
        wrapped.close()
        raise


async def _ready(sock: socket.socket, add: Callable[..., None], remove: Callable[[int], object]) -> None:
    fd = sock.fileno()
    happened = asyncio.Event()
    add(fd, happened.set)
    try:
        await happened.wait()
    finally:
        with contextlib.suppress(ValueError):
            remove(fd)
