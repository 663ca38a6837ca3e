"""A simulated ELM327 adapter with a simulated car behind it, on a TCP port of this machine: its codes can be set.

For demos and trials, as ``vehicle_unit.simulated`` is for the boot. It answers what our reader asks and little more:
one control unit (7E8), ISO-TP frames of eight bytes, headers on, monitors complete.
"""

import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from vehicle_gateway.diag.codes import to_bytes

_ECU: Final = "7E8"
_SUPPORTED: Final = bytes.fromhex("4100BE3EB810")
_MONITORS: Final = bytes.fromhex("07E500")
"""Every monitor of a petrol engine supported and none incomplete."""
_NO_DATA: Final = b"NO DATA\r\r>"
_LINE_MOST: Final = 64


class SimulatedElm:
    """Serves any number of connections, one after another, in a thread that ends with ``close``."""

    def __init__(self, *, port: int = 0) -> None:
        """``port`` 0: a free one."""
        self._codes: tuple[str, ...] = ()
        self._server = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._serve, name="simulated-elm", daemon=True)
        self._thread.start()
        self.scans = 0
        """How often the confirmed codes were asked for."""

    @property
    def address(self) -> str:
        """As ``trunkline unit --elm`` takes it."""
        return f"tcp://127.0.0.1:{self._server.getsockname()[1]}"

    def has(self, codes: Iterable[str]) -> None:
        """These codes are confirmed from now on (SAE J2012, such as P0301), and the lamp is lit; none: mended.

        Raises ``ValueError`` for what is no such code.
        """
        wanted = tuple(codes)
        if any(len(to_bytes(code)) != 2 for code in wanted):
            raise ValueError("an OBD code has no failure type")
        self._codes = wanted

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        waiting = b""
        while data := connection.recv(4096):
            waiting += data
            while b"\r" in waiting:
                line, _, waiting = waiting.partition(b"\r")
                connection.sendall(self.says(line.decode("ascii", "replace")))
            if len(waiting) > _LINE_MOST:
                return

    def says(self, request: str) -> bytes:
        """What the adapter prints to one request."""
        asked = request.strip().upper().replace(" ", "")
        if asked.startswith("AT"):
            return b"OK\r\r>"
        codes = self._codes
        match asked:
            case "0100":
                return _printed(_SUPPORTED)
            case "0101":
                return _printed(bytes([0x41, 0x01, (0x80 if codes else 0) | len(codes)]) + _MONITORS)
            case "03":
                self.scans += 1
                found = b"".join(map(to_bytes, codes))
                return _printed(bytes([0x43, len(codes)]) + found)
            case "07" | "0A":
                return _printed(bytes([0x40 | int(asked, 16), 0]))
            case _:
                return _NO_DATA


def _printed(message: bytes) -> bytes:
    """A message as the lines of its frames, filled to eight bytes, and the prompt."""
    if len(message) <= 7:
        frames = [bytes([len(message)]) + message]
    else:
        frames = [bytes([0x10 | len(message) >> 8, len(message) & 0xFF]) + message[:6]]
        frames += [
            bytes([0x20 | number & 15]) + message[start : start + 7]
            for number, start in enumerate(range(6, len(message), 7), start=1)
        ]
    lines = [_ECU + (frame + b"\x55" * (8 - len(frame))).hex().upper() for frame in frames]
    return ("\r".join(lines) + "\r\r>").encode()
