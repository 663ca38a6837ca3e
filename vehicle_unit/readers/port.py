"""A line of bytes to an adapter: TCP, or a serial port (``pyserial``, extra ``diag``)."""

import socket
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from vehicle_unit.readers.limits import ReaderLimits

_MOST_AT_ONCE = 4_096


class BadAddress(ValueError):
    """Neither ``tcp://HOST:PORT`` nor a path below ``/dev/``."""


class Port(Protocol):
    """Raises ``OSError`` where the adapter is gone; never blocks longer than told."""

    def write(self, data: bytes) -> None:
        """All of it."""

    def read(self, seconds: float) -> bytes:
        """What comes first within that time, empty where nothing does."""

    def close(self) -> None:
        """Never raises."""


def check_address(address: str) -> str:
    """The address itself. Raises ``BadAddress``."""
    if address.startswith("tcp://"):
        _host_port(address)
    elif not address.startswith("/dev/"):
        raise BadAddress("an adapter is tcp://HOST:PORT or a path below /dev/")
    return address


def open_port(address: str, limits: ReaderLimits) -> Port:
    """Connect. Raises ``BadAddress``, ``OSError``, and ``ModuleNotFoundError`` without the extra ``diag``."""
    check_address(address)
    if address.startswith("tcp://"):
        return TcpPort(*_host_port(address), limits)
    return SerialPort(address, limits)


def _host_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
    except ValueError as wrong:
        raise BadAddress("the port is no number of a port") from wrong
    if not host or not port or parts.path or parts.query or parts.username:
        raise BadAddress("an adapter on TCP is tcp://HOST:PORT")
    return host, port


class TcpPort:
    """An adapter on the network (WiFi adapters, emulators)."""

    def __init__(self, host: str, port: int, limits: ReaderLimits) -> None:
        self._limits = limits
        self._socket = socket.create_connection((host, port), limits.connect_within.total_seconds())
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes) -> None:
        self._socket.settimeout(self._limits.elm_silence.total_seconds())
        self._socket.sendall(data)

    def read(self, seconds: float) -> bytes:
        self._socket.settimeout(max(seconds, 0.001))
        try:
            data = self._socket.recv(_MOST_AT_ONCE)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionResetError("the adapter closed the connection")
        return data

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()


class SerialPort:
    """An adapter on a serial line (USB, Bluetooth)."""

    def __init__(self, path: str, limits: ReaderLimits) -> None:
        import serial

        self._line: Any = serial.Serial(
            path,
            limits.elm_baud,
            timeout=0,
            write_timeout=limits.elm_silence.total_seconds(),
            exclusive=True,
        )

    def write(self, data: bytes) -> None:
        self._line.write(data)

    def read(self, seconds: float) -> bytes:
        self._line.timeout = max(seconds, 0.001)
        first: bytes = self._line.read(1)
        return first + self._line.read(min(self._line.in_waiting, _MOST_AT_ONCE)) if first else b""

    def close(self) -> None:
        with suppress(OSError):
            self._line.close()
