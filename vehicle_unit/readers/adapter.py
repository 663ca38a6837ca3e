"""An ELM327 at the end of a line: set up, asked, connected again where it closes; every byte is kept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from vehicle_gateway.diag.elm import Reply, read_reply
from vehicle_gateway.diag.scan import MOST_RAW
from vehicle_unit.readers.limits import ReaderLimits
from vehicle_unit.readers.port import Port

_PROMPT: Final = b">"
Uptime = Callable[[], float]


class Gone(Exception):
    """The adapter could not be reached, or closed too often."""


class OutOfTime(Exception):
    """The scan has taken as long as it may."""


class Raw:
    """The newest bytes of an exchange, at most as many as travel in a scan."""

    def __init__(self, most: int = MOST_RAW) -> None:
        self._most = most
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        """Forget the oldest where there are too many."""
        self._bytes += data
        del self._bytes[: max(0, len(self._bytes) - self._most)]

    def __str__(self) -> str:
        return self._bytes.hex()


class Adapter:
    """``uptime`` in seconds that only go forward. Not for two threads at once."""

    def __init__(self, connect: Callable[[], Port], limits: ReaderLimits, uptime: Uptime) -> None:
        self._connect = connect
        self._limits = limits
        self._uptime = uptime
        self._ends = uptime() + limits.whole_scan.total_seconds()
        self._port: Port | None = None
        self._connections = 0
        self.raw = Raw()

    def ask(self, request: str) -> Reply:
        """A request (``03``) and what came of it, sent again while its answer is broken. Raises ``Gone``, ``OutOfTime``."""
        best = Reply()
        for attempt in range(self._limits.elm_attempts):
            raw = self._exchange(request)
            if raw is None:
                continue
            reply = read_reply(raw, request)
            if not reply.worth_repeating:
                return reply
            best = reply if attempt == 0 else _joined(best, reply)
        return replace(best, spoilt=True)

    def close(self) -> None:
        """Let go of the line."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def _exchange(self, request: str) -> bytes | None:
        """The reply up to its prompt; None where none came. Connects where there is no connection."""
        while True:
            try:
                port = self._port or self._open()
                return self._say(port, request)
            except OSError as cause:
                self.close()
                if self._connections >= self._limits.connections:
                    raise Gone(type(cause).__name__) from cause

    def _open(self) -> Port:
        self._connections += 1
        self._port = port = self._connect()
        for command in self._set_up():
            self._say(port, command)
        return port

    def _set_up(self) -> tuple[str, ...]:
        """Reset; no echo, line feeds or spaces; headers; any protocol; adaptive timing; formatting, flow control.

        What an adapter answers to these is not looked at: clones say ``?`` to some and go on; what they then
        do (echo, no headers) is read as well.
        """
        wait = f"ATST{self._limits.elm_wait:02X}"
        return ("ATZ", "ATE0", "ATL0", "ATS0", "ATH1", "ATSP0", "ATAT1", wait, "ATCAF1", "ATCFC1")

    def _say(self, port: Port, request: str) -> bytes | None:
        self._drain(port)
        self.raw.add(request.encode() + b"\r")
        port.write(request.encode() + b"\r")
        reply = bytearray()
        until = self._uptime() + self._limits.elm_answer.total_seconds()
        while _PROMPT not in reply:
            left = min(until, self._ends) - self._uptime()
            if self._uptime() >= self._ends:
                raise OutOfTime
            part = port.read(min(left, self._limits.elm_silence.total_seconds())) if left > 0 else b""
            if not part or len(reply) > self._limits.elm_reply_bytes:
                return None  # what came without a prompt may go on: it is not read
            self.raw.add(part)
            reply += part
        return bytes(reply)

    def _drain(self, port: Port) -> None:
        """What still comes of an earlier request belongs to no other."""
        until = self._uptime() + timedelta(milliseconds=100).total_seconds()
        while self._uptime() < until and (late := port.read(0)):
            self.raw.add(late)


def _joined(one: Reply, other: Reply) -> Reply:
    """Two broken replies to one request: of each ECU what is whole in either."""
    messages = dict(one.messages)
    for ecu, said in other.messages.items():
        if ecu not in messages or isinstance(messages[ecu], str):
            messages[ecu] = said
    return Reply(messages, one.notices | other.notices, spoilt=True)
