"""Photos as evidence: JPEG or PNG without their metadata, named by SHA-256, kept as files for a while."""

import asyncio
import os
import re
import secrets
import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Final, Literal

from spine.ids import DeliveryId
from spine.problems import Kind, Problem

Media = Literal["image/jpeg", "image/png"]

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"IDAT", b"IEND"})
_NAME: Final = re.compile(r"^[0-9a-f]{64}\Z")
_DELIVERY: Final = re.compile(r"^dlv_[0-9a-hjkmnp-tv-z]{16}\Z")
_JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_JPEG_TABLES: Final = frozenset({0xC4, 0xDB, 0xDD})
_LONGEST_SIDE: Final = 16_384
_MOST_PIXELS: Final = 50_000_000
"""What a browser that shows it has to unpack: a megabyte of PNG can hold a side's worth squared, a gigabyte."""


class PhotoUnfit(Problem):
    """It is not a JPEG or PNG that we can read to its end."""

    code: ClassVar[str] = "photo.unfit"
    kind: ClassVar[Kind] = Kind.INVALID


class PhotoTooLarge(Problem):
    """It has more bytes than a photo may have."""

    code: ClassVar[str] = "photo.too_large"
    kind: ClassVar[Kind] = Kind.TOO_LARGE


class NoSuchPhoto(Problem):
    """There is no such photo, or it is deleted by now."""

    code: ClassVar[str] = "photo.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


def stripped(data: bytes) -> tuple[Media, bytes]:
    """The picture alone: no Exif, no position, no comment, no thumbnail, nothing after its end.

    Only what a decoder needs is copied. Orientation is metadata and goes too: the page that takes the photo
    turns it. Raises ``PhotoUnfit``.
    """
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return "image/jpeg", b"".join(_jpeg(data))
        if data.startswith(_PNG):
            return "image/png", b"".join(_png(data))
    except (IndexError, struct.error) as cause:
        raise PhotoUnfit("the file ends too early") from cause
    raise PhotoUnfit("only JPEG and PNG")


def named(data: bytes) -> str:
    """The name under which it would be kept. Raises ``PhotoUnfit``."""
    return sha256(stripped(data)[1]).hexdigest()


def _jpeg(data: bytes) -> Iterator[bytes]:
    """Segments of a JPEG that carry the picture (ITU-T T.81, Annex B)."""
    yield data[:2]
    at, framed, scanned = 2, False, False
    while True:
        if data[at] != 0xFF:
            raise PhotoUnfit("a segment was expected")
        while data[at + 1] == 0xFF:  # fill bytes before a marker
            at += 1
        marker = data[at + 1]
        if marker == 0xD9:
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at : at + 2 + length]
        if length < 2 or len(segment) != 2 + length:
            raise PhotoUnfit("a segment is cut")
        at += len(segment)
        if marker in _JPEG_FRAMES:
            _sides(*struct.unpack_from(">HH", segment, 5))
            framed = True
        if marker == 0xDA:
            end = _scan_end(data, at)
            yield segment + data[at:end]
            at, scanned = end, True
        else:
            yield _jpeg_kept(marker, segment)
    if not (framed and scanned):
        raise PhotoUnfit("there is no picture in it")
    yield b"\xff\xd9"


def _jpeg_kept(marker: int, segment: bytes) -> bytes:
    if marker in _JPEG_FRAMES or marker in _JPEG_TABLES:
        return segment
    if marker == 0xEE and segment[4:9] == b"Adobe" and len(segment) == 16:
        return segment  # says how colours are coded, nothing else
    if 0xE0 <= marker <= 0xEF or marker == 0xFE:
        return b""
    raise PhotoUnfit("a kind of JPEG that browsers do not show")


def _scan_end(data: bytes, at: int) -> int:
    """Where the entropy-coded bytes end: the next marker that is neither stuffed nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise PhotoUnfit("the picture is cut")
        if data[at + 1] != 0x00 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _png(data: bytes) -> Iterator[bytes]:
    """Chunks of a PNG that carry the picture (W3C PNG, third edition); checksums are checked."""
    yield _PNG
    at, seen = len(_PNG), set[bytes]()
    while b"IEND" not in seen:
        (length,) = struct.unpack_from(">I", data, at)
        if length > len(data):
            raise PhotoUnfit("a chunk is cut")
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(kind + content) != checksum:
            raise PhotoUnfit("a chunk is damaged")
        if not seen and kind != b"IHDR":
            raise PhotoUnfit("it does not begin as a PNG does")
        if kind == b"IHDR":
            _sides(*struct.unpack_from(">II", content, 0))
        if kind in _PNG_KEPT:
            yield data[at : at + 12 + length]
        elif not kind[:1].islower():
            raise PhotoUnfit("an unknown critical chunk")
        seen.add(kind)
        at += 12 + length
    if b"IDAT" not in seen:
        raise PhotoUnfit("there is no picture in it")


def _sides(one: int, other: int) -> None:
    if not (0 < one <= _LONGEST_SIDE and 0 < other <= _LONGEST_SIDE):
        raise PhotoUnfit("too many pixels on a side")
    if one * other > _MOST_PIXELS:
        raise PhotoUnfit("too many pixels")


class Photos:
    """Files in a directory, named by delivery and content.

    The same picture sent for two is kept for each as long as it is due there. Before, it was one file whoever it was
    sent for: such files are still read (``shared``). All lie in one directory, so that whoever may write into it may
    delete what another process's account wrote.
    """

    def __init__(self, directory: Path, *, largest: int) -> None:
        """``largest``: bytes of a photo as sent."""
        self._directory = directory
        self._largest = largest

    async def keep(self, delivery: DeliveryId, data: bytes) -> tuple[str, Media]:
        """Strip and save; the file is on disk when this returns. Gives its SHA-256 and media type.

        The same picture of the same delivery again is the same file. Raises ``PhotoUnfit``, ``PhotoTooLarge``.
        """
        if len(data) > self._largest:
            raise PhotoTooLarge(f"at most {self._largest} bytes")
        media, picture = await asyncio.to_thread(stripped, data)  # a hostile one takes a while
        name = sha256(picture).hexdigest()
        await asyncio.to_thread(self._save, self._path(delivery, name), picture)
        return name, media

    async def read(self, delivery: DeliveryId, name: str, *, shared: bool = False) -> bytes:
        """Raises ``NoSuchPhoto``."""
        path = self._path(delivery, name, shared=shared)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise NoSuchPhoto("it is not here any more") from None

    async def delete(self, delivery: DeliveryId, name: str, *, shared: bool = False) -> None:
        """Nothing happens where it is gone already."""
        await asyncio.to_thread(self._path(delivery, name, shared=shared).unlink, missing_ok=True)

    def _path(self, delivery: DeliveryId, name: str, *, shared: bool = False) -> Path:
        if not (_NAME.match(name) and _DELIVERY.match(delivery)):
            raise NoSuchPhoto("not the name of a photo")
        return self._directory / (name if shared else f"{delivery}.{name}")

    def _save(self, path: Path, picture: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.exists():
            return
        # written aside and renamed: a crash leaves no half photo under a name that promises its content
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with aside.open("wb") as file:
            file.write(picture)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
