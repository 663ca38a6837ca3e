"""The 72 bytes that say which keys have been used: two slots, the newer valid one counts (keys.md 3.5).

A key is consumed by one write: the record, and behind it in the same slot the receipt that says so.
"""

import struct
import zlib
from typing import Final, NamedTuple, Self

from keys.car.window import Window
from vehicle_unit.disk import Disk

MAGIC: Final = b"TLR1"
CARRYING: Final = b"TLR2"
"""Instead of ``MAGIC``: a receipt stands behind the record. If that is torn the number is used all the same."""
BESIDE: Final = struct.Struct(">H")
"""Behind such a record: length of the receipt 2, the receipt, CRC-32 of all before it in the slot 4."""
LAYOUT: Final = struct.Struct(">4sQQ32sQIII")
"""Big endian, without padding: magic 4, generation 8, floor 8, map 32 (bit i of the integer: floor + i),
clock floor 8 (Unix seconds), bundle version 4, revocation version 4, CRC-32 of the 68 bytes before it 4."""
SIZE: Final = 72
SLOTS: Final = ("record.0", "record.1")
"""Generation g is written to slot ``g & 1``, so the former one stays whole while it is written."""
MAX_VERSION: Final = 2**32 - 1


class NotWritten(Exception):
    """The record on disk is not what was written: nothing may be done on its strength."""


class Record(NamedTuple):
    """``generation`` counts writes. The keys pinned at enrolment are bundle version 0."""

    generation: int
    window: Window
    clock_floor: int = 0
    bundle_version: int = 0
    revocation_version: int = 0

    def packed(self, beside: str | None = None) -> bytes:
        """The 72 bytes, and what stands behind them where a receipt is carried."""
        body = LAYOUT.pack(
            MAGIC if beside is None else CARRYING,
            self.generation,
            self.window.floor,
            self.window.bitmap.to_bytes(32, "big"),
            self.clock_floor,
            self.bundle_version,
            self.revocation_version,
            0,
        )[:-4]
        record = _with_crc(body)
        if beside is None:
            return record
        receipt = beside.encode("ascii")
        return _with_crc(record + BESIDE.pack(len(receipt)) + receipt)

    @classmethod
    def unpacked(cls, data: bytes) -> Self | None:
        """The record of a slot, whatever stands behind it; None where it is torn, empty or not ours."""
        data = data[:SIZE]
        if data[:4] not in {MAGIC, CARRYING} or not _crc_holds(data):
            return None
        _, generation, floor, bitmap, clock_floor, bundle, revocation, _ = LAYOUT.unpack(data)
        window = Window(floor, int.from_bytes(bitmap, "big"))
        return cls(generation, window, clock_floor, bundle, revocation)


class RecordStore:
    """The record as it is on disk. ``current`` is None in amnesia: both slots bad, every key is refused.

    ``beside``: a receipt that its journal does not have yet. It goes along from record to record until who
    keeps the journal sets it to None.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.current: Record | None = None
        self.beside: str | None = None
        slots = [
            (record, data) for data in map(disk.read, SLOTS) if data and (record := Record.unpacked(data))
        ]
        for record, data in sorted(slots, key=lambda slot: slot[0].generation):
            self.current = record
            # torn behind the newer record, it may stand whole behind the former: one receipt goes along
            self.beside = (carried(data) or self.beside) if data.startswith(CARRYING) else None

    def provision(self) -> None:
        """Write generation 1 in a unit that has no record file yet; elsewhere change nothing."""
        if all(self._disk.read(slot) is None for slot in SLOTS):
            self._write(Record(1, Window()))

    def begin_again(
        self, *, generation: int, floor: int, clock_floor: int, revocation_version: int, bundle_version: int
    ) -> Record:
        """Write a first record where both slots are bad: every number below ``floor`` counts as used.

        ``generation`` has to be above every one that the server may have seen, else it sees a rollback.
        Raises ``NotWritten``, also where there is a record: what has been used is never forgotten.
        """
        if self.current is not None:
            raise NotWritten("there is a record")
        return self._write(
            Record(
                generation,
                Window(floor),
                clock_floor=clock_floor,
                bundle_version=bundle_version,
                revocation_version=revocation_version,
            )
        )

    def advance(
        self,
        *,
        window: Window | None = None,
        clock_floor: int = 0,
        revocation_version: int = 0,
        bundle_version: int = 0,
        lowered_clock_floor: int | None = None,
        beside: str | None = None,
    ) -> Record:
        """Write the next generation durably and read it back; no member ever goes down.

        But for ``lowered_clock_floor``: a newer bundle of the roots orders it by naming this unit. ``beside``: a
        receipt that becomes durable with it. Raises ``NotWritten``; then the former record still counts until a
        restart, and which of the two counts then nobody knows.
        """
        now = self.current
        if now is None:
            raise NotWritten("no record")
        if beside is not None and self.beside is not None:
            raise NotWritten("another receipt is carried")
        return self._write(
            Record(
                now.generation + 1,
                now.window if window is None else _upwards(now.window, window),
                max(now.clock_floor, clock_floor) if lowered_clock_floor is None else lowered_clock_floor,
                max(now.bundle_version, bundle_version),
                max(now.revocation_version, revocation_version),
            ),
            beside or self.beside,
        )

    def _write(self, record: Record, beside: str | None = None) -> Record:
        slot, data = SLOTS[record.generation & 1], record.packed(beside)
        try:
            read_back = self._disk.settle(slot, data)
        except OSError as cause:
            raise NotWritten(str(cause)) from cause
        if read_back is None or not read_back.startswith(data):
            raise NotWritten("read back differently")
        self.current, self.beside = record, beside
        return record


def carried(data: bytes) -> str | None:
    """The receipt that stands behind the record of a slot; None where there is none, or it is torn.

    Torn means that the write never ended, so nothing has opened on its strength.
    """
    if data[:4] != CARRYING or len(data) < SIZE + BESIDE.size or not _crc_holds(data[:SIZE]):
        return None
    (length,) = BESIDE.unpack_from(data, SIZE)
    whole = data[: SIZE + BESIDE.size + length + 4]
    if len(whole) != SIZE + BESIDE.size + length + 4 or not _crc_holds(whole):
        return None
    return whole[SIZE + BESIDE.size : -4].decode("ascii")


def _crc_holds(data: bytes) -> bool:
    return len(data) >= SIZE and data[-4:] == zlib.crc32(data[:-4]).to_bytes(4, "big")


def _with_crc(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "big")


def _upwards(former: Window, window: Window) -> Window:
    """``window``, if every number that was used stays used."""
    kept = former.raise_floor(window.floor)
    if window.floor < former.floor or kept.bitmap & ~window.bitmap:
        raise ValueError("a used number would become unused")
    return window
