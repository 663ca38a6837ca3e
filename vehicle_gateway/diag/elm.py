"""What an ELM327 prints, read line by line: messages per ECU, or why there are none (ELM327 data sheet). Pure."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vehicle_gateway.diag.isotp import Fault, Reassembly

UNNAMED: Final = "unnamed"
"""The ECU of an adapter that shows no headers, whatever it was told: one only can be heard through it."""

_HEX: Final = re.compile(r"[0-9A-F]+")
_ELEVEN: Final = re.compile(r"(7E[8-F])((?:[0-9A-F]{2})+)")
_TWENTY_NINE: Final = re.compile(r"(18DAF1[0-9A-F]{2})((?:[0-9A-F]{2})+)")
_LENGTH: Final = re.compile(r"[0-9A-F]{3}")
_NUMBERED: Final = re.compile(r"([0-9A-F]):((?:[0-9A-F]{2})+)")
_SEARCHING: Final = re.compile(r"^(SEARCHING|BUSINIT:?)\.*(OK)?")


class Notice(StrEnum):
    """What the adapter says instead of, or beside, an answer."""

    NO_DATA = "NODATA"
    UNABLE = "UNABLETOCONNECT"
    UNKNOWN = "?"
    STOPPED = "STOPPED"
    BUFFER_FULL = "BUFFERFULL"
    CAN_ERROR = "CANERROR"
    BUS_ERROR = "BUSERROR"
    BUS_BUSY = "BUSBUSY"
    FB_ERROR = "FBERROR"
    DATA_ERROR = "DATAERROR"
    RX_ERROR = "RXERROR"
    LOW_VOLTAGE = "LVRESET"
    ALERT = "ACTALERT"


_MARKS: Final = (Notice.DATA_ERROR, Notice.RX_ERROR)
"""Printed behind a line that came damaged (``<DATA ERROR``)."""
_AGAIN: Final = frozenset({Notice.STOPPED, Notice.BUFFER_FULL, Notice.BUS_BUSY, Notice.LOW_VOLTAGE})
"""May go better the next time."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply up to its prompt. ``spoilt``: something in it could not be read, so something may be missing."""

    messages: dict[str, list[bytes] | Fault] = field(default_factory=dict)
    notices: frozenset[Notice] = frozenset()
    spoilt: bool = False

    @property
    def silent(self) -> bool:
        """Nobody answered, and the adapter says so."""
        quiet = {Notice.NO_DATA, Notice.UNABLE}
        return not self.messages and not self.spoilt and bool(self.notices & quiet)

    @property
    def worth_repeating(self) -> bool:
        """Whether asking once more may give a whole answer."""
        broken = any(isinstance(answer, Fault) for answer in self.messages.values())
        return broken or self.spoilt or bool(self.notices & _AGAIN)


def read_reply(raw: bytes, sent: str) -> Reply:
    """Never raises, whatever the bytes. ``sent`` is the request, as hex digits (``0100``, ``03``)."""
    said = _Reading(sent.replace(" ", "").upper())
    text = raw.replace(b"\0", b"").decode("ascii", "replace").upper()
    for line in re.split(r"[\r\n>]+", text):
        said.line("".join(line.split()))
    return said.done()


class _Reading:
    def __init__(self, sent: str) -> None:
        self._echo = sent
        self._answers = _answer_to(sent)
        self._named = Reassembly()
        self._plain: list[bytes] = []
        self._numbered: _Numbered | None = None
        self._notices: set[Notice] = set()
        self._spoilt = False

    def line(self, line: str) -> None:
        line = _SEARCHING.sub("", line)
        if not line:
            return
        if line == self._echo:
            self._echo = ""  # once: it is what we sent
            return
        notice = next((known for known in Notice if line.lstrip("<") == known), None)
        if notice is not None:
            self._notices.add(notice)
            self._spoilt |= notice in _MARKS
            return
        self._data(line)

    def _data(self, line: str) -> None:
        for form in (_ELEVEN, _TWENTY_NINE):
            if (found := form.fullmatch(line)) is not None:
                self._named.feed(found[1], bytes.fromhex(found[2]))
                return
        if (found := _NUMBERED.fullmatch(line)) is not None and self._numbered is not None:
            self._spoilt |= not self._numbered.feed(int(found[1], 16), bytes.fromhex(found[2]))
        elif _LENGTH.fullmatch(line) and self._numbered is None:
            self._numbered = _Numbered(int(line, 16))
        elif _HEX.fullmatch(line) and len(line) % 2 == 0 and line.startswith(self._answers):
            self._plain.append(bytes.fromhex(line))
        else:
            if (cut := re.match(r"7E[8-F]|18DAF1[0-9A-F]{2}", line)) is not None:
                self._named.spoil(cut[0], Fault.SHAPE)
            self._spoilt = True

    def done(self) -> Reply:
        messages = self._named.messages()
        plain = list(self._plain)
        if self._numbered is not None:
            whole = self._numbered.whole()
            self._spoilt |= whole is None
            plain += [] if whole is None else [whole]
        final = [message for message in plain if not _is_wait(message)]
        if plain:
            self._spoilt |= bool(messages) or len(final) > 1  # whose is which cannot be told
            messages[UNNAMED] = plain
        broken = self._notices - {Notice.NO_DATA, Notice.UNABLE}
        contradicts = bool(messages) and bool(self._notices)
        return Reply(messages, frozenset(self._notices), self._spoilt or bool(broken) or contradicts)


class _Numbered:
    """``014``, ``0: 49 02 01 ...``, ``1: ...``: how a message of several frames looks without headers."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._next = 0
        self._buffer = b""

    def feed(self, number: int, part: bytes) -> bool:
        if number != self._next or len(self._buffer) >= self._wanted or len(part) > 7:
            self._next = -1
            return False
        self._next = (number + 1) & 15
        self._buffer += part
        return True

    def whole(self) -> bytes | None:
        whole = self._next >= 0 and len(self._buffer) >= self._wanted > 7
        return self._buffer[: self._wanted] if whole else None


def _answer_to(sent: str) -> tuple[str, ...]:
    """How a message that answers ``sent`` begins, as hex."""
    if not re.fullmatch(r"[0-9A-F]{2}.*", sent):
        return ()
    mode = int(sent[:2], 16)
    return (f"{mode | 0x40:02X}", f"7F{mode:02X}")


def _is_wait(message: bytes) -> bool:
    return len(message) == 3 and message[0] == 0x7F and message[2] == 0x78
