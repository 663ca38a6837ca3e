"""One durable write consumes a key: the record with its receipt beside it, and how that reaches the journal."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car.jws import RECEIPT, SigningKey, payload_bytes, to_sign
from keys.car.receipt import verify_chain
from keys.car.verify import Reading
from keys.car.window import Standing, Window
from tests.unit.test_unit_opening import Rig, outs
from tests.unit.unit_rig import DELIVERY, RECEIPT_KEY, T0, UNIT, FadingDisk, PowerCut, key_token
from vehicle_unit import receipt as receipt_module
from vehicle_unit.journal import Damaged, Journal
from vehicle_unit.limits import UnitLimits
from vehicle_unit.receipts import Opening, Receipt, Receipts
from vehicle_unit.record import BESIDE, MAGIC, SIZE, SLOTS, NotWritten, Record, RecordStore, carried

READING = Reading("synced", T0 * 1000, 100)
OPENING = Opening("A" * 22, 1, DELIVERY, "cmd_0123456789abcdef.1.present")
LONGEST = 1_024
"""Bytes that a slot needs at most: a record and the longest receipt ``consumed``."""


def started(disk: FadingDisk, boot: int = 1) -> tuple[RecordStore, Receipts]:
    record = RecordStore(disk)
    record.provision()
    receipts = Receipts(
        disk, unit=UNIT, key=RECEIPT_KEY, boot=boot, limits=UnitLimits(compact_after=8), record=record
    )
    return record, receipts


def consume(record: RecordStore, receipts: Receipts, seq: int = 1) -> str:
    return consume_only(record, receipts, seq).token


def consume_only(record: RecordStore, receipts: Receipts, seq: int = 1) -> Receipt:
    """The receipt as it is before somebody asks for its signature."""
    opening = Opening("A" * 22, seq, DELIVERY, OPENING.cmd)
    window = record.current.window.mark(seq)
    return receipts.consume(opening, READING, window=window, clock_floor=T0)


def told(receipts: Receipts) -> list[str]:
    tokens = [receipt.token for receipt in receipts.pending()]
    key = RECEIPT_KEY.private.public_key()
    return [claims.out for claims in verify_chain(tokens, key=key, unit=UNIT)]


class Counting(FadingDisk):
    """Counts what a caller waits for."""

    syncs = 0

    def sync(self, name: str) -> None:
        self.syncs += 1
        super().sync(name)

    def replace(self, name: str, data: bytes) -> None:
        self.syncs += 1
        super().replace(name, data)


def test_consuming_waits_for_one_sync_and_the_next_receipt_for_one() -> None:
    disk = Counting()
    record, receipts = started(disk)
    before = disk.syncs
    consume(record, receipts)
    assert disk.syncs - before == 1
    receipts.append("opened", READING, opening=OPENING)
    assert disk.syncs - before == 2
    assert [line.count(".") for line in Journal(disk, "receipts.log").load(every_line_was_synced=True)] == [
        2,
        2,
    ]
    assert told(receipts) == ["consumed", "opened"]


async def test_a_tap_waits_for_two_syncs_until_it_opened(tmp_path: Path) -> None:
    rig = Rig(tmp_path, disk=Counting())
    async with rig.unit() as unit:
        before = rig.disk.syncs
        assert (await rig.present(unit, key_token())).outcome == "done"
        assert rig.disk.syncs - before == 2
        assert outs(unit) == ["consumed", "opened"]


def test_what_the_record_carries_is_in_the_journal_after_the_next_start() -> None:
    disk = FadingDisk()
    token = consume(*started(disk))
    assert disk.read("receipts.log") is None
    record, receipts = started(disk, boot=2)
    assert [one.token for one in receipts.pending()] == [token]
    assert token in disk.files["receipts.log"].decode()
    assert record.beside is None
    assert record.current.window.standing(1) is Standing.USED
    again = started(disk, boot=3)[1]
    assert [one.token for one in again.pending()] == [token]


def test_the_carried_receipt_goes_along_until_it_landed() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    token = consume(record, receipts)
    for version in (1, 2, 3):  # three lists come before the latch has answered
        record.advance(revocation_version=version)
        after, kept = started(FadingDisk(files=dict(disk.files)), boot=2)
        assert [one.token for one in kept.pending()] == [token]
        assert after.current.revocation_version == version
    receipts.append("opened", READING, opening=OPENING)
    record.advance(revocation_version=4)
    assert disk.files[SLOTS[record.current.generation & 1]].startswith(MAGIC)
    assert told(started(disk, boot=2)[1]) == ["consumed", "opened"]


def test_torn_behind_the_newer_record_it_still_stands_behind_the_former() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    token = consume(record, receipts)
    record.advance(revocation_version=1)
    slot = SLOTS[record.current.generation & 1]
    disk.files[slot] = disk.files[slot][: SIZE + 20]
    after, kept = started(disk, boot=2)
    assert after.current.revocation_version == 1
    assert [one.token for one in kept.pending()] == [token]


def test_a_second_key_waits_until_the_former_receipt_landed() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    tokens = [consume(record, receipts, seq) for seq in (1, 2)]
    _, kept = started(disk, boot=2)
    assert [one.token for one in kept.pending()] == tokens
    with pytest.raises(NotWritten):
        record.advance(beside=tokens[0])


@pytest.mark.parametrize("lost", ["consumed", "opened", "both"])
def test_any_line_of_one_append_may_be_missing_after_a_power_cut(lost: str) -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    receipts.append("revoked", READING, rev=1)
    former = disk.files["receipts.log"]
    consume(record, receipts)
    receipts.append("opened", READING, opening=OPENING)
    first, second = disk.files["receipts.log"][len(former) :].splitlines(keepends=True)
    blank = b"\0" * (len(first) - 1) + b"\n"  # without its line feed it would take the second with it
    left = {"consumed": blank + second, "opened": first + b"\0" * len(second), "both": b""}[lost]
    disk.files["receipts.log"] = former + left
    whole = ["revoked", "consumed", *(["opened"] if lost == "consumed" else [])]
    for boot in (2, 3):
        _, kept = started(disk, boot=boot)
        assert told(kept) == whole


def test_a_journal_that_lost_durable_links_is_damaged() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    receipts.append("revoked", READING, rev=1)
    consume(record, receipts)
    del disk.files["receipts.log"]
    with pytest.raises(Damaged):
        started(disk, boot=2)


def test_torn_in_the_record_nothing_counts_and_torn_behind_it_the_number_is_used() -> None:
    """A bit that goes bad in the receipt, weeks later, must not make the number unused again."""
    disk = FadingDisk()
    record, receipts = started(disk)
    former = record.current
    token = consume(record, receipts)
    slot = SLOTS[record.current.generation & 1]
    whole = disk.files[slot]
    assert len(whole) == SIZE + BESIDE.size + len(token) - len(".") - 86 + 4 <= LONGEST
    for cut in range(len(whole)):
        for rest in (b"", b"\0" * len(whole), Record(0, Window()).packed("x" * len(token))):
            after = RecordStore(FadingDisk(files={**disk.files, slot: whole[:cut] + rest[cut:]}))
            assert after.current == (former if cut < SIZE else record.current)
            assert after.beside is None


@given(st.data())
@settings(deadline=None)
def test_any_flipped_bit_of_a_carrying_slot_is_seen(data: st.DataObject) -> None:
    before = Record(3, Window(1, 5))
    whole = bytearray(before.packed("a.b.c" * 20))
    assert carried(bytes(whole)) == "a.b.c" * 20
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    assert Record.unpacked(bytes(whole)) == (None if bit < SIZE * 8 else before)
    assert carried(bytes(whole)) is None


def test_a_later_record_over_a_longer_slot_carries_nothing() -> None:
    long = Record(3, Window(1, 5)).packed("a.b.c" * 20)
    short = Record(5, Window(1, 7)).packed()
    assert len(short) == SIZE
    assert Record.unpacked(short + long[SIZE:]) == Record(5, Window(1, 7))
    assert carried(short + long[SIZE:]) is None


def test_a_failed_write_leaves_nothing_to_sign_and_is_settled_at_the_next_start() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    good = disk.sync

    def fails(name: str) -> None:
        good(name)  # it did reach the disk, and says it did not
        raise OSError("input/output error")

    disk.sync = fails
    with pytest.raises(NotWritten):
        consume(record, receipts)
    disk.sync = good
    for write in (lambda: consume(record, receipts), lambda: receipts.append("locked", READING)):
        with pytest.raises(OSError, match="before"):
            write()
    record, receipts = started(disk, boot=2)
    assert told(receipts) == ["consumed"]
    assert record.current.window.standing(1) is Standing.USED


def test_a_folder_of_the_former_layout_is_read_and_goes_on() -> None:
    """Journal and record used to be written one after the other: the receipt may be there without the record."""
    disk = FadingDisk()
    record, receipts = started(disk)
    former = {slot: disk.files[slot] for slot in SLOTS if slot in disk.files}
    consume(record, receipts)
    receipts.append("opened", READING, opening=OPENING)
    journal = disk.files["receipts.log"]
    assert all(data.startswith(MAGIC) and len(data) == SIZE for data in former.values())
    old = FadingDisk(files={**former, "receipts.log": journal})
    record, receipts = started(old, boot=2)
    assert told(receipts) == ["consumed", "opened"]
    assert [one.claims.seq for one in receipts.consumed()] == [1]  # which the start marks as used
    consume(record, receipts, 2)
    assert told(started(old, boot=3)[1]) == ["consumed", "opened", "consumed"]


# ---- signed after the latch


def unsigned(disk: FadingDisk, record: RecordStore) -> str:
    return carried(disk.files[SLOTS[record.current.generation & 1]])


def test_what_is_durable_before_the_latch_is_all_that_is_signed() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    consume_only(record, receipts)
    text = unsigned(disk, record)
    assert text.count(".") == 1
    (receipt,) = receipts.pending()
    assert receipt.token.rpartition(".")[0] == text
    assert told(receipts) == ["consumed"]


async def test_nothing_is_signed_before_the_latch_is_driven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, disk=Counting())
    done: list[str] = []
    seal = receipt_module.seal
    monkeypatch.setattr(
        receipt_module, "seal", lambda text, **named: done.append("signed") or seal(text, **named)
    )
    async with rig.unit() as unit:
        drive = unit.motor.drive_open

        def driven() -> None:
            done.append("driven")
            drive()

        unit.motor.drive_open = driven
        done.clear()
        assert (await rig.present(unit, key_token())).outcome == "done"
    assert done == ["driven", "signed", "signed"]


async def test_the_power_goes_between_latch_and_signature(tmp_path: Path) -> None:
    """The next start signs what the record carries, and every later one finds the same receipt."""
    disk = Counting()
    rig = Rig(tmp_path, disk=disk)
    async with rig.unit() as unit:

        def gone() -> None:
            disk.writes = disk.done  # nothing is written any more
            raise PowerCut

        unit.motor.drive_open = gone
        with pytest.raises(PowerCut):
            await rig.present(unit, key_token())
    for rest in disk.remains():
        tokens = []
        for boot in (2, 3):
            _, receipts = started(rest, boot=boot)
            tokens.append(receipts.pending()[-1].token)
            assert told(receipts)[-1:] == ["consumed"]
        assert len(set(tokens)) == 1


def test_signed_before_and_after_the_power_went_it_is_the_same_receipt() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    said = consume(record, receipts)  # it went out, and is not in the journal yet
    assert [one.token for one in started(disk, boot=2)[1].pending()] == [said]


def test_a_slot_that_carries_the_signature_too_is_read() -> None:
    """As units wrote it before."""
    disk = FadingDisk()
    record, receipts = started(disk)
    token = consume(record, receipts)
    record.beside = None
    slot = SLOTS[record.current.generation & 1]
    disk.files[slot] = record.current.packed(token)
    assert carried(disk.files[slot]) == token
    assert [one.token for one in started(disk, boot=2)[1].pending()] == [token]


def test_another_receipt_key_does_not_sign_what_was_meant_for_the_former() -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    consume(record, receipts)
    with pytest.raises(Damaged, match="not ours to sign"):
        Receipts(
            disk, unit=UNIT, key=SigningKey.draw(), boot=2, limits=UnitLimits(), record=RecordStore(disk)
        )
    assert told(started(disk, boot=2)[1]) == ["consumed"]  # the former key still does


@pytest.mark.parametrize(
    "change",
    [
        {"out": "opened"},
        {"iss": "vu_zzzzzzzzzzzzzzzz"},
        {"seq": 7},
        {"n": 2},
        {"prev": "B" * 43},
    ],
)
def test_nothing_is_signed_from_the_disk_but_what_consuming_wrote(change: dict[str, object]) -> None:
    disk = FadingDisk()
    record, receipts = started(disk)
    consume(record, receipts)
    (good,) = receipts.pending()
    claims = {**good.claims.wire(), **change}
    text = to_sign(payload_bytes(claims), form=RECEIPT, key=RECEIPT_KEY)
    disk.files[SLOTS[record.current.generation & 1]] = record.current.packed(text)
    with pytest.raises(Damaged):
        started(disk, boot=2)


def test_a_journal_that_has_it_needs_no_key() -> None:
    """The slot goes on carrying it until the next use."""
    disk = FadingDisk()
    record, receipts = started(disk)
    consume(record, receipts)
    receipts.append("opened", READING, opening=OPENING)
    assert unsigned(disk, record).count(".") == 1
    other = SigningKey.draw()
    held = Receipts(disk, unit=UNIT, key=other, boot=2, limits=UnitLimits(), record=RecordStore(disk))
    assert told(held) == ["consumed", "opened"]
