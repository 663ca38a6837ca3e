"""A simulated ELM327 on a real TCP socket: what it prints is exactly what a test says, in pieces of any size."""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

Line = str
Answers = Mapping[str, str | bytes | Sequence[str | bytes]]


def frames(ecu: str, message: bytes, *, pad: int | None = 0x55) -> list[Line]:
    """A message as the lines of CAN frames an ELM327 with headers prints, padded to eight bytes."""

    def line(frame: bytes) -> str:
        filled = frame if pad is None else frame + bytes([pad]) * (8 - len(frame))
        return ecu + filled.hex().upper()

    if len(message) <= 7:
        return [line(bytes([len(message)]) + message)]
    made = [line(bytes([0x10 | len(message) >> 8, len(message) & 0xFF]) + message[:6])]
    for number, start in enumerate(range(6, len(message), 7), start=1):
        made.append(line(bytes([0x20 | number & 15]) + message[start : start + 7]))
    return made


def codes(mode: str, found: Sequence[bytes]) -> bytes:
    """A message of codes."""
    return bytes([int(mode, 16) | 0x40, len(found)]) + b"".join(found)


def reply(lines: Sequence[Line]) -> str:
    """Lines and the prompt."""
    return "\r".join(lines) + "\r\r>"


class ElmCar:
    """``answers``: what is printed to each request (several: one after another, the last again and again).

    An answer of ``b""`` is silence, of ``b"!"`` a closed connection. Requests not named get ``NO DATA``, AT commands ``OK``.
    """

    def __init__(self, answers: Answers, *, piece: int = 0, echo: bool = False) -> None:
        self._answers = {
            name: [said] if isinstance(said, str | bytes) else list(said) for name, said in answers.items()
        }
        self._piece = piece
        self._echo = echo
        self.asked: list[str] = []
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "ElmCar":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            with line, suppress(OSError):
                self._talk(line.recv, line.sendall)

    def _talk(self, receive: Callable[[int], bytes], send: Callable[[bytes], None]) -> None:
        waiting = b""
        while data := receive(4096):
            waiting += data
            while b"\r" in waiting:
                one, _, waiting = waiting.partition(b"\r")
                said = self._say(one.decode())
                if said == b"!":
                    return
                if self._echo and said:
                    said = one + b"\r" + said
                size = self._piece or max(len(said), 1)
                for start in range(0, len(said), size):
                    send(said[start : start + size])

    def _say(self, request: str) -> bytes:
        self.asked.append(request)
        queue = self._answers.get(request)
        if queue is None:
            return b"OK\r\r>" if request.startswith("AT") else b"NO DATA\r\r>"
        said = queue.pop(0) if len(queue) > 1 else queue[0]
        return said.encode() if isinstance(said, str) else said
