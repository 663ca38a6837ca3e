"""The 72 bytes: layout, two slots, and every way a write can be torn."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.car.window import SIZE as MAP
from keys.car.window import Standing, Window
from tests.unit.unit_rig import FadingDisk
from vehicle_unit.record import SIZE, SLOTS, NotWritten, Record, RecordStore


def provisioned(disk: FadingDisk | None = None) -> tuple[FadingDisk, RecordStore]:
    disk = disk or FadingDisk()
    RecordStore(disk).provision()
    return disk, RecordStore(disk)


def test_layout_is_the_documented_one() -> None:
    data = Record(7, Window(5, 0b101), clock_floor=9, bundle_version=3, revocation_version=4).packed()
    assert len(data) == SIZE
    assert data[:4] == b"TLR1"
    assert struct.unpack(">QQ", data[4:20]) == (7, 5)
    assert int.from_bytes(data[20:52], "big") == 0b101
    assert struct.unpack(">QII", data[52:68]) == (9, 3, 4)
    assert int.from_bytes(data[68:], "big") == zlib.crc32(data[:68])


@given(
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**MAP - 1),
    st.integers(0, 2**32 - 1),
)
def test_packs_and_unpacks(generation: int, floor: int, bitmap: int, version: int) -> None:
    record = Record(generation, Window(floor, bitmap), clock_floor=floor, revocation_version=version)
    assert Record.unpacked(record.packed()) == record


@given(st.integers(0, SIZE * 8 - 1))
def test_any_flipped_bit_is_seen(bit: int) -> None:
    data = bytearray(Record(3, Window(1, 5)).packed())
    data[bit // 8] ^= 1 << bit % 8
    assert Record.unpacked(bytes(data)) is None


def test_generations_alternate_slots_and_the_newer_counts() -> None:
    disk, store = provisioned()
    for seq in (1, 2, 3):
        store.advance(window=store.current.window.mark(seq))
    assert Record.unpacked(disk.read(SLOTS[0])).generation == 4
    assert Record.unpacked(disk.read(SLOTS[1])).generation == 3
    assert RecordStore(disk).current == store.current


@pytest.mark.parametrize("cut", range(SIZE))
def test_a_write_torn_anywhere_leaves_the_former_record(cut: int) -> None:
    disk, store = provisioned()
    store.advance(window=Window().mark(1))
    former = store.current
    torn = Record(former.generation + 1, former.window.mark(2)).packed()[:cut]
    slot = SLOTS[(former.generation + 1) & 1]
    disk.files[slot] = torn + disk.files[slot][cut:]
    assert RecordStore(disk).current == former


def test_power_cut_at_every_step_never_loses_a_used_number() -> None:
    for writes in range(12):
        disk, store = provisioned()
        disk.writes = disk.done + writes
        marked = []
        try:
            for seq in range(1, 6):
                store.advance(window=store.current.window.mark(seq))
                marked.append(seq)
        except BaseException:
            pass
        for rest in disk.remains():
            window = RecordStore(rest).current.window
            assert all(window.standing(seq) is Standing.USED for seq in marked)


def test_both_slots_bad_is_amnesia_and_is_not_provisioned_over() -> None:
    disk, store = provisioned()
    store.advance(window=Window().mark(1))
    for slot in SLOTS:
        disk.files[slot] = b"x" * SIZE
    found = RecordStore(disk)
    found.provision()
    assert found.current is None
    with pytest.raises(NotWritten):
        found.advance(window=Window().mark(2))


def test_nothing_ever_goes_down() -> None:
    _, store = provisioned()
    store.advance(window=Window().mark(5), clock_floor=100, revocation_version=7)
    store.advance(clock_floor=50, revocation_version=3)
    assert (store.current.clock_floor, store.current.revocation_version) == (100, 7)
    with pytest.raises(ValueError, match="unused"):
        store.advance(window=Window())


def test_a_disk_that_reads_back_something_else_is_not_believed() -> None:
    disk, store = provisioned()
    former = store.current
    disk.sync = lambda name: disk.unsynced.clear()
    with pytest.raises(NotWritten):
        store.advance(window=Window().mark(1))
    assert store.current == former
