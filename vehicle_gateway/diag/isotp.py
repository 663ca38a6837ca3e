"""ISO-TP (ISO 15765-2) reassembled per ECU: a whole message or the reason why not, never a part. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_BYTES: Final = 0xFFF
"""What a first frame's twelve bits can announce. The escape for longer messages is not used by OBD."""


class Fault(StrEnum):
    """Why an ECU's answer cannot be read."""

    SHORT = "short"
    """A frame holds fewer bytes than it says."""
    LOST = "lost"
    """A frame is missing, doubled or out of order."""
    UNFINISHED = "unfinished"
    ORPHAN = "orphan"
    """A consecutive frame that follows no first one."""
    SHAPE = "shape"
    """Not a frame an ECU sends as an answer, or a length no frame may have."""


@dataclass(slots=True)
class _Sender:
    whole: list[bytes] = field(default_factory=list)
    wanted: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    next: int = 0
    fault: Fault | None = None


class Reassembly:
    """Frames of one request, from any number of ECUs interleaved. An ECU with one bad frame is bad."""

    def __init__(self) -> None:
        self._senders: dict[str, _Sender] = {}

    def feed(self, sender: str, frame: bytes) -> None:
        """One CAN frame's bytes, its padding included."""
        one = self._senders.setdefault(sender, _Sender())
        if one.fault is None:
            one.fault = _take(one, frame)

    def spoil(self, sender: str, fault: Fault) -> None:
        """What came from this ECU could not even be read as a frame."""
        one = self._senders.setdefault(sender, _Sender())
        one.fault = one.fault or fault

    def messages(self) -> dict[str, list[bytes] | Fault]:
        """Each ECU that spoke: its whole messages in order, or what is wrong with them."""
        found: dict[str, list[bytes] | Fault] = {}
        for sender, one in self._senders.items():
            if one.fault is not None:
                found[sender] = one.fault
            else:
                found[sender] = Fault.UNFINISHED if one.wanted else one.whole
        return found


def _take(one: _Sender, frame: bytes) -> Fault | None:
    if not 1 <= len(frame) <= 8:
        return Fault.SHAPE
    match frame[0] >> 4:
        case 0:
            return _single(one, frame)
        case 1:
            return _first(one, frame)
        case 2:
            return _consecutive(one, frame)
        case _:  # flow control is the tester's to send; the rest is not defined
            return Fault.SHAPE


def _single(one: _Sender, frame: bytes) -> Fault | None:
    if one.wanted:
        return Fault.LOST
    length = frame[0]
    if not 1 <= length <= 7:
        return Fault.SHAPE
    if len(frame) < 1 + length:
        return Fault.SHORT
    one.whole.append(frame[1 : 1 + length])
    return None


def _first(one: _Sender, frame: bytes) -> Fault | None:
    if one.wanted:
        return Fault.LOST
    if len(frame) != 8:
        return Fault.SHORT
    length = (frame[0] & 15) << 8 | frame[1]
    if length < 8:  # it would have fitted into one frame
        return Fault.SHAPE
    one.wanted, one.next = length, 1
    one.buffer = bytearray(frame[2:])
    return None


def _consecutive(one: _Sender, frame: bytes) -> Fault | None:
    if not one.wanted:
        return Fault.ORPHAN
    if frame[0] & 15 != one.next:
        return Fault.LOST
    missing = one.wanted - len(one.buffer)
    if len(frame) - 1 < min(7, missing):
        return Fault.SHORT
    one.buffer += frame[1 : 1 + missing]
    one.next = (one.next + 1) & 15
    if len(one.buffer) == one.wanted:
        one.whole.append(bytes(one.buffer))
        one.wanted = 0
    return None
