"""Frames of the local link as bytes: cut out of a stream, and carried in the small writes of Bluetooth."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

MAX_FRAME: Final = 16_384
"""Greatest length of a frame's JSON, in bytes."""
LENGTH: Final = 4
"""Bytes before each frame that say its length, big endian."""

ATT_HEADER: Final = 3
"""Bytes that each ATT write or notification takes for itself."""
LEAST_MTU: Final = 23
"""The ATT MTU that every Bluetooth LE connection has before a greater one is agreed on."""


class BrokenStream(Exception):
    """The bytes cannot be followed any more: whoever hears them ends the connection."""


class TooLong(ValueError):
    """A document that does not fit into one frame."""


def pack(document: Mapping[str, Any]) -> bytes:
    """One JSON object as a frame with its length. Raises ``TooLong``."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_FRAME:
        raise TooLong(f"{len(text)} bytes")
    return len(text).to_bytes(LENGTH, "big") + text


class Frames:
    """Puts frames together from the pieces of a stream, and never holds more than one frame and one piece."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._broken = False

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._held)

    def feed(self, piece: bytes) -> list[bytes]:
        """The frames that are complete now, without their length.

        Raises ``BrokenStream`` at a length of 0 or over ``MAX_FRAME``, and from then on always.
        """
        if self._broken:
            raise BrokenStream
        self._held += piece
        frames: list[bytes] = []
        while len(self._held) >= LENGTH:
            length = int.from_bytes(self._held[:LENGTH], "big")
            if not 0 < length <= MAX_FRAME:
                self._broken = True
                self._held.clear()
                raise BrokenStream
            if len(self._held) < LENGTH + length:
                break
            frames.append(bytes(self._held[LENGTH : LENGTH + length]))
            del self._held[: LENGTH + length]
        return frames


class Chunks:
    """Cuts a stream into the values of ATT writes or notifications: a counter byte, then what fits.

    Counters run 0 to 255 and begin again, per connection and direction: a stack that drops a write unsaid
    is noticed.
    """

    def __init__(self, mtu: int) -> None:
        """``mtu``: ATT MTU in bytes, as agreed on. Raises ``ValueError`` under 23."""
        if mtu < LEAST_MTU:
            raise ValueError(f"no ATT MTU is less than {LEAST_MTU}")
        self._room = mtu - ATT_HEADER - 1
        self._count = 0

    def cut(self, data: bytes) -> Sequence[bytes]:
        """The values that carry ``data``, in order."""
        chunks: list[bytes] = []
        for start in range(0, len(data), self._room):
            chunks.append(bytes([self._count]) + data[start : start + self._room])
            self._count = (self._count + 1) % 256
        return chunks


class Joined:
    """The other end of ``Chunks``."""

    def __init__(self) -> None:
        self._count = 0

    def feed(self, chunk: bytes) -> bytes:
        """The piece of the stream in one value. Raises ``BrokenStream`` where one is missing or empty."""
        if len(chunk) < 2 or chunk[0] != self._count:
            raise BrokenStream
        self._count = (self._count + 1) % 256
        return chunk[1:]
