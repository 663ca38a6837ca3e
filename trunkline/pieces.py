"""A text of which most is the same each time: kept in pieces that are compressed once, with holes for what differs.

What is put into a hole goes into the gzip stream as it is (RFC 1951, stored blocks), and no piece is compressed with a
look at another. So the length of the whole tells of what was put in no more than its own length: nothing that a stranger
puts into one hole can be compared with what stands in another (BREACH), which compressing the whole would allow.
"""

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
"""RFC 1952: deflate, no name, no time, best compression, no system."""
_STORED_MOST: Final = 0xFFFF
"""Bytes of one stored block."""


class Pieces:
    """``text`` with every occurrence of a hole's name taken out; UTF-8. A hole may occur several times, or not at all."""

    def __init__(self, text: str, holes: Sequence[str]) -> None:
        named = "|".join(re.escape(hole) for hole in holes)
        parts = re.split(f"({named})", text) if holes else [text]
        kept = [part.encode() for part in parts[::2]]
        packed = [_packed(part, last=at == len(kept) - 1) for at, part in enumerate(kept)]
        self._parts: Final = list(zip(kept, packed, [*parts[1::2], ""], strict=True))
        """A piece, the same compressed, and the hole behind it: empty after the last one."""

    def plain(self, filled: Mapping[str, bytes]) -> bytes:
        """The whole with its holes filled. Raises ``KeyError`` for a hole that nothing is said of."""
        return b"".join(self._whole(filled))

    def gzip(self, filled: Mapping[str, bytes]) -> bytes:
        """The same as one gzip member."""
        out, whole = [_HEAD], self.plain(filled)
        for _, packed, hole in self._parts:
            out.append(packed)
            if hole:
                out.extend(_stored(filled[hole]))
        out.append(zlib.crc32(whole).to_bytes(4, "little"))
        out.append((len(whole) & 0xFFFFFFFF).to_bytes(4, "little"))
        return b"".join(out)

    def _whole(self, filled: Mapping[str, bytes]) -> Iterator[bytes]:
        for piece, _, hole in self._parts:
            yield piece
            if hole:
                yield filled[hole]


def _packed(piece: bytes, *, last: bool) -> bytes:
    """One piece as deflate blocks that end on a whole byte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(piece) + packer.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def _stored(data: bytes) -> Iterator[bytes]:
    for begin in range(0, len(data), _STORED_MOST):
        block = data[begin : begin + _STORED_MOST]
        yield b"\x00" + len(block).to_bytes(2, "little") + (len(block) ^ 0xFFFF).to_bytes(2, "little")
        yield block
