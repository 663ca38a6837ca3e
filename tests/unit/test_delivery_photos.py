"""Photos lose everything but the picture, and what is no picture is refused whatever its bytes."""

import struct
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.photos import NoSuchPhoto, Photos, PhotoTooLarge, PhotoUnfit, stripped
from spine.ids import DeliveryId

DELIVERY = DeliveryId("dlv_7k3m9qxd4hwe2a5t")


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


SIZE = struct.pack(">BHHB", 8, 4, 4, 1) + bytes([1, 0x11, 0])
SCAN = bytes([1, 1, 0, 0, 63, 0])
EXIF = b"Exif\0\0GPS 52.3731 4.8926 Jane's phone"
BARE = (
    b"\xff\xd8"
    + segment(0xDB, bytes(65))
    + segment(0xC0, SIZE)
    + segment(0xC4, bytes(20))
    + segment(0xDA, SCAN)
    + b"\x12\xff\x00\x34\xff\xd0\x56"
    + b"\xff\xd9"
)
FULL = (
    b"\xff\xd8"
    + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\1\1thumbnail")
    + segment(0xE1, EXIF)
    + segment(0xED, b"Photoshop by Jane")
    + segment(0xFE, b"a comment by Jane")
    + BARE[2:]
    + b"after the end: Jane"
)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


HEAD = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0))
DATA = chunk(b"IDAT", zlib.compress(bytes(6)))
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG = SIGNATURE + HEAD + DATA + chunk(b"IEND", b"")
FULL_PNG = (
    SIGNATURE
    + HEAD
    + chunk(b"eXIf", EXIF)
    + chunk(b"tEXt", b"Author\0Jane")
    + chunk(b"gAMA", bytes(4))
    + DATA
    + chunk(b"iTXt", b"Jane")
    + chunk(b"IEND", b"")
    + b"Jane"
)


def test_a_jpeg_keeps_its_picture_only() -> None:
    assert stripped(FULL) == ("image/jpeg", BARE)
    assert stripped(BARE) == ("image/jpeg", BARE)
    assert b"Jane" not in stripped(FULL)[1]


def test_several_scans_stay() -> None:
    progressive = BARE[:-2] + segment(0xC4, bytes(20)) + segment(0xDA, SCAN) + b"\x99\xff\x00" + b"\xff\xd9"
    assert stripped(progressive)[1] == progressive


@pytest.mark.parametrize(
    ("wide", "high", "fits"),
    [
        (4000, 3000, True),
        (10_000, 5_000, True),
        (10_000, 5_001, False),
        (16_384, 16_384, False),
        (60_000, 60_000, False),
    ],
)
def test_a_small_file_that_unpacks_to_gigabytes_is_refused(wide: int, high: int, fits: bool) -> None:
    png = PNG.replace(HEAD, chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 1, 0, 0, 0, 0)))
    jpeg = BARE.replace(SIZE, struct.pack(">BHHB", 8, high, wide, 1) + bytes([1, 0x11, 0]))
    for bomb in (png, jpeg):
        if fits:
            stripped(bomb)
        else:
            with pytest.raises(PhotoUnfit):
                stripped(bomb)


def test_a_png_keeps_its_picture_only() -> None:
    media, picture = stripped(FULL_PNG)
    assert media == "image/png"
    assert b"Jane" not in picture
    assert picture == SIGNATURE + HEAD + chunk(b"gAMA", bytes(4)) + DATA + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"GIF89a", b"\xff\xd8\xff", b"\xff\xd8\xff\xd9", FULL[:-40], BARE[:-2], BARE[:30],
        b"\xff\xd8" + segment(0xF7, b"lossless") + BARE[2:], b"\xff\xd8\xff\xc0\x00\x01" + BARE[2:],
        b"\xff\xd8" + segment(0xC0, struct.pack(">BHHB", 8, 0, 4, 1)) + segment(0xDA, SCAN) + b"\x00\xff\xd9",
        b"\xff\xd8" + segment(0xC0, struct.pack(">BHHB", 8, 60_000, 4, 1)) + segment(0xDA, SCAN) + b"\x00\xff\xd9",
        SIGNATURE, PNG[:-4], SIGNATURE + DATA + chunk(b"IEND", b""), SIGNATURE + HEAD + chunk(b"IEND", b""),
        PNG.replace(b"IHDR", b"IHDX"), PNG[:40] + b"\x00" + PNG[41:], SIGNATURE + HEAD + chunk(b"EVIL", b"") + DATA,
        SIGNATURE + struct.pack(">I", 0xFFFFFFFF) + b"IHDR",
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PhotoUnfit):
        stripped(data)


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff", SIGNATURE, FULL[:60], FULL_PNG[:60]]))
def test_any_bytes_give_a_picture_or_a_refusal(tail: bytes, head: bytes) -> None:
    try:
        media, picture = stripped(head + tail)
    except PhotoUnfit:
        return
    assert stripped(picture) == (media, picture)


@given(st.integers(0, len(FULL) - 1), st.integers(0, 255))
def test_a_changed_byte_never_breaks_it(at: int, byte: int) -> None:
    try:
        stripped(FULL[:at] + bytes([byte]) + FULL[at + 1 :])
    except PhotoUnfit:
        return


async def test_files_are_named_by_content_and_go(tmp_path: Path) -> None:
    photos = Photos(tmp_path / "photos", largest=1_000)
    name, media = await photos.keep(DELIVERY, FULL)
    assert (name, media) == await photos.keep(DELIVERY, BARE)
    assert await photos.read(DELIVERY, name) == BARE
    assert [path.name for path in (tmp_path / "photos").iterdir()] == [f"{DELIVERY}.{name}"]
    await photos.delete(DELIVERY, name)
    await photos.delete(DELIVERY, name)
    assert list((tmp_path / "photos").iterdir()) == []
    with pytest.raises(NoSuchPhoto):
        await photos.read(DELIVERY, name)
    for delivery, wrong in (
        (DELIVERY, "../secret"),
        ("../secret", name),
        (DELIVERY + "/..", name),
        ("", name),
    ):
        for shared in (True, False):
            with pytest.raises(NoSuchPhoto):
                await photos.read(DeliveryId(delivery), wrong, shared=shared)
            with pytest.raises(NoSuchPhoto):
                await photos.delete(DeliveryId(delivery), wrong, shared=shared)
    with pytest.raises(PhotoTooLarge):
        await photos.keep(DELIVERY, bytes(1_001))


async def test_one_picture_of_two_deliveries_is_kept_for_each(tmp_path: Path) -> None:
    photos, other = Photos(tmp_path, largest=1_000), DeliveryId("dlv_3aaaaaaaaaaaaaaa")
    name, _ = await photos.keep(DELIVERY, FULL)
    assert (await photos.keep(other, FULL))[0] == name
    await photos.delete(DELIVERY, name)
    assert await photos.read(other, name) == BARE
    with pytest.raises(NoSuchPhoto):
        await photos.read(DELIVERY, name)


async def test_a_picture_from_before_is_read_and_goes(tmp_path: Path) -> None:
    photos, name = Photos(tmp_path, largest=1_000), sha256(BARE).hexdigest()
    (tmp_path / name).write_bytes(BARE)
    assert await photos.read(DELIVERY, name, shared=True) == BARE
    await photos.delete(DELIVERY, name)
    assert (tmp_path / name).exists(), "somebody else's, perhaps"
    await photos.delete(DELIVERY, name, shared=True)
    await photos.delete(DELIVERY, name, shared=True)
    assert not (tmp_path / name).exists()
