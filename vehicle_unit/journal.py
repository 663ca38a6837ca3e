"""An append-only file of lines, each with its CRC, so that a torn end is seen and cut off."""

import zlib
from collections.abc import Sequence
from typing import Final

from vehicle_unit.disk import Disk

_CRC: Final = 8
"""Hexadecimal digits of the CRC-32 that begins each line, followed by a space."""


class Damaged(Exception):
    """A line in the middle does not hold: not a torn end but a broken disk, or somebody's hand."""


class Journal:
    """Per line: CRC-32 of the text in 8 hex digits, a space, the text, a line feed."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._disk = disk
        self._name = name
        self._ragged = False
        self.lines = 0

    def load(self, *, every_line_was_synced: bool) -> list[str]:
        """All lines that hold, with a torn end cut off durably.

        Where every line was synced before the next was written, only the last can be torn: anything else
        raises ``Damaged``. Where not, lines that do not hold are left out.
        """
        data = self._disk.read(self._name) or b""
        raw = data.split(b"\n")
        tail = raw.pop()  # empty when the file ends well
        texts = [_text(line) for line in raw]
        if raw and texts[0] is None and raw[0][_CRC + 1 :].startswith(b"head "):
            raise Damaged(self._name)  # it was put there by a replacement, never appended: not a torn end
        if every_line_was_synced and None in texts[:-1]:
            raise Damaged(self._name)
        held = [text for text in texts if text is not None]
        if tail or len(held) != len(texts):
            self.rewrite(held)
        self.lines = len(held)
        return held

    def append(self, text: str, *, sync: bool) -> None:
        """Add a line; ``sync``: durable on return, with all before it."""
        self._add([text])
        if sync:
            self._disk.sync(self._name)

    def append_all(self, texts: Sequence[str]) -> None:
        """Add lines, durable on return: one write and one sync. A power cut may leave any of them."""
        self._add(texts)
        self._disk.sync(self._name)

    def rewrite(self, texts: list[str]) -> None:
        """Replace all lines at once, durably."""
        self._disk.replace(self._name, b"".join(map(_line, texts)))
        self.lines, self._ragged = len(texts), False

    def _add(self, texts: Sequence[str]) -> None:
        """After a write that failed there may be half a line: it must not take the next one with it."""
        data = b"".join(map(_line, texts))
        former, self._ragged = self._ragged, True
        self._disk.append(self._name, b"\n" + data if former else data)
        self._ragged = False
        self.lines += len(texts)


def _line(text: str) -> bytes:
    body = text.encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def _text(line: bytes) -> str | None:
    crc, space, body = line[:_CRC], line[_CRC : _CRC + 1], line[_CRC + 1 :]
    if space != b" " or crc != b"%08x" % zlib.crc32(body):
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
