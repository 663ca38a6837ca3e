"""The 72 bytes that say which keys have been used: two slots, the newer valid one counts (keys.md 3.5)."""

import struct
import zlib
from dataclasses import dataclass, replace
from typing import Final, Self

from keys.car.window import Window
from vehicle_unit.disk import Disk

MAGIC: Final = b"TLR1"
LAYOUT: Final = struct.Struct(">4sQQ32sQIII")
"""Big endian, without padding: magic 4, generation 8, floor 8, map 32 (bit i of the integer: floor + i),
clock floor 8 (Unix seconds), bundle version 4, revocation version 4, CRC-32 of the 68 bytes before it 4."""
SIZE: Final = 72
SLOTS: Final = ("record.0", "record.1")
"""Generation g is written to slot ``g & 1``, so the former one stays whole while it is written."""
MAX_VERSION: Final = 2**32 - 1


class NotWritten(Exception):
    """The record on disk is not what was written: nothing may be done on its strength."""


@dataclass(frozen=True, slots=True)
class Record:
    """``generation`` counts writes. The keys pinned at enrolment are bundle version 0."""

    generation: int
    window: Window
    clock_floor: int = 0
    bundle_version: int = 0
    revocation_version: int = 0

    def packed(self) -> bytes:
        """The 72 bytes."""
        body = LAYOUT.pack(
            MAGIC,
            self.generation,
            self.window.floor,
            self.window.bitmap.to_bytes(32, "big"),
            self.clock_floor,
            self.bundle_version,
            self.revocation_version,
            0,
        )[:-4]
        return body + zlib.crc32(body).to_bytes(4, "big")

    @classmethod
    def unpacked(cls, data: bytes) -> Self | None:
        """The record in a slot; None where it is torn, empty or not ours."""
        if len(data) != SIZE:
            return None
        magic, generation, floor, bitmap, clock_floor, bundle, revocation, crc = LAYOUT.unpack(data)
        if magic != MAGIC or crc != zlib.crc32(data[:-4]):
            return None
        window = Window(floor, int.from_bytes(bitmap, "big"))
        return cls(generation, window, clock_floor, bundle, revocation)


class RecordStore:
    """The record as it is on disk. ``current`` is None in amnesia: both slots bad, every key is refused."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        found = (Record.unpacked(disk.read(slot) or b"") for slot in SLOTS)
        self.current = max(
            (record for record in found if record is not None),
            key=lambda record: record.generation,
            default=None,
        )

    def provision(self) -> None:
        """Write generation 1 in a unit that has no record file yet; elsewhere change nothing."""
        if all(self._disk.read(slot) is None for slot in SLOTS):
            self._write(Record(1, Window()))

    def advance(
        self,
        *,
        window: Window | None = None,
        clock_floor: int = 0,
        revocation_version: int = 0,
        bundle_version: int = 0,
        lowered_clock_floor: int | None = None,
    ) -> Record:
        """Write the next generation durably and read it back; no member ever goes down.

        But for ``lowered_clock_floor``: a newer bundle of the roots orders it by naming this unit. Raises
        ``NotWritten``; then the former record still counts.
        """
        now = self.current
        if now is None:
            raise NotWritten("no record")
        return self._write(
            replace(
                now,
                generation=now.generation + 1,
                window=now.window if window is None else _upwards(now.window, window),
                clock_floor=(
                    max(now.clock_floor, clock_floor) if lowered_clock_floor is None else lowered_clock_floor
                ),
                bundle_version=max(now.bundle_version, bundle_version),
                revocation_version=max(now.revocation_version, revocation_version),
            )
        )

    def _write(self, record: Record) -> Record:
        slot, data = SLOTS[record.generation & 1], record.packed()
        try:
            self._disk.write(slot, data)
            self._disk.sync(slot)
            read_back = self._disk.read(slot)
        except OSError as cause:
            raise NotWritten(str(cause)) from cause
        if read_back != data:
            raise NotWritten("read back differently")
        self.current = record
        return record


def _upwards(former: Window, window: Window) -> Window:
    """``window``, if every number that was used stays used."""
    kept = former.raise_floor(window.floor)
    if window.floor < former.floor or kept.bitmap & ~window.bitmap:
        raise ValueError("a used number would become unused")
    return window
