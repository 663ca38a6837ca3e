"""TCP ports on loopback for processes that are about to be started: free now, and free still when they listen."""

import itertools
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

_FIRST: Final = 12_000
_OUTGOING: Final = 32_768
"""Where Linux begins to take ports for outgoing connections, unless it is told otherwise."""
_TOLD: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_STRIDE: Final = 7_919
"""A prime: processes with numbers beside one another begin to look far from one another."""
_asked = itertools.count()


class NoPort(OSError):
    """Every port that could be taken is in use."""


def free_port() -> int:
    """A port that nobody listens on, and that no outgoing connection will be given before somebody does.

    One of those the system hands out itself may be some connection's by then: a broker that is started, or started
    again, found its port taken. Each process looks in a place of its own, and asks for each port once. Raises ``NoPort``.
    """
    most = _first_outgoing() - _FIRST
    begin = os.getpid() * _STRIDE
    for _ in range(most):
        port = _FIRST + (begin + next(_asked)) % most
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise NoPort(f"no port from {_FIRST} to {_FIRST + most} is free")


def _first_outgoing() -> int:
    with suppress(OSError, ValueError, IndexError):
        return max(int(_TOLD.read_text("ascii").split()[0]), _FIRST + 1_000)
    return _OUTGOING
