"""Receipts, outbox and executed commands: what a power cut leaves of them, and what is never lost."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car.receipt import verify_chain
from keys.car.verify import Reading
from tests.unit.unit_rig import DELIVERY, RECEIPT_KEY, T0, UNIT, FadingDisk, PowerCut
from vehicle_gateway.wire import Envelope, Err
from vehicle_unit.envelope import envelope, message_id
from vehicle_unit.executed import INTERRUPTED, Answer, Executed, Keep, TooMany
from vehicle_unit.journal import Damaged, Journal
from vehicle_unit.limits import UnitLimits
from vehicle_unit.outbox import Full, Item, Outbox, Urgency
from vehicle_unit.receipts import Opening, Receipts

LIMITS = UnitLimits(compact_after=8, receipts_kept=16, outbox_items=16, in_flight=4)
READING = Reading("synced", T0 * 1000, 100)
NOW = datetime.fromtimestamp(T0, UTC)
OPENING = Opening("A" * 22, 1, DELIVERY, "cmd_0123456789abcdef.1.present")


def receipts(disk: FadingDisk, boot: int = 1) -> Receipts:
    return Receipts(disk, unit=UNIT, key=RECEIPT_KEY, boot=boot, limits=LIMITS)


def verified(held: Receipts) -> list[int]:
    tokens = [receipt.token for receipt in held.pending()]
    return [claims.n for claims in verify_chain(tokens, key=RECEIPT_KEY.private.public_key(), unit=UNIT)]


# ---- journal


def test_a_torn_end_is_cut_off_durably() -> None:
    disk = FadingDisk()
    journal = Journal(disk, "j")
    journal.append("one", sync=True)
    disk.append("j", b"00000000 tw")
    disk.sync("j")
    assert Journal(disk, "j").load(every_line_was_synced=True) == ["one"]
    assert disk.files["j"].endswith(b" one\n")


def test_a_broken_line_in_the_middle_is_no_torn_end() -> None:
    disk = FadingDisk()
    for text in ("one", "two"):
        Journal(disk, "j").append(text, sync=True)
    disk.files["j"] = disk.files["j"].replace(b"one", b"onf")
    with pytest.raises(Damaged):
        Journal(disk, "j").load(every_line_was_synced=True)
    assert Journal(disk, "j").load(every_line_was_synced=False) == ["two"]


def test_half_a_line_of_a_write_that_failed_does_not_take_the_next_one_with_it() -> None:
    disk = FadingDisk()
    journal, good = Journal(disk, "j"), disk.append

    def half(name: str, data: bytes) -> None:
        good(name, data[: len(data) // 2])
        raise OSError("no space left")

    disk.append = half
    with pytest.raises(OSError, match="space"):
        journal.append("one", sync=True)
    disk.append = good
    journal.append("two", sync=True)
    assert Journal(disk, "j").load(every_line_was_synced=False) == ["two"]


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read_as_a_journal(data: bytes) -> None:
    disk = FadingDisk(files={"j": data})
    for text in Journal(disk, "j").load(every_line_was_synced=False):
        assert text.encode() in data


# ---- receipts


def test_the_chain_goes_on_after_a_restart_and_after_being_written_anew() -> None:
    disk = FadingDisk()
    held = receipts(disk)
    for _ in range(20):
        n = held.append("closed", READING, opening=OPENING).n
        held.acknowledged(n)
        held = receipts(disk)
    assert held.last == 20
    assert Journal(disk, "receipts.log").load(every_line_was_synced=True)[0].startswith("head")
    first = held.append("locked", READING, opening=OPENING)
    second = held.append("refused", READING, opening=OPENING, code="expired")
    assert [first.n, second.n] == [21, 22]
    assert verified(held) == [21, 22]


@pytest.mark.parametrize("writes", range(36))
def test_power_cut_at_every_step_loses_no_receipt_and_forks_nothing(writes: int) -> None:
    disk = FadingDisk(writes=writes)
    made: list[str] = []
    acked: set[str] = set()
    try:
        held = receipts(disk)
        for n in range(1, 12):
            made.append(held.append("closed", READING, opening=OPENING).token)
            if n % 3:
                acked.add(made[-1])
                held.acknowledged(n)
    except PowerCut:
        pass
    for rest in disk.remains():
        again = receipts(rest, boot=2)
        kept = [receipt.token for receipt in again._kept.values()]
        assert set(made) - acked <= set(kept)
        last = again.append("locked", READING, opening=OPENING)
        assert last.n in {len(made) + 1, len(made) + 2}  # the one under way may have reached the disk
        former = kept[-1] if last.n == len(made) + 2 else made[-1] if made else None
        if former is not None:
            verify_chain([former, last.token], key=RECEIPT_KEY.private.public_key(), unit=UNIT)


def test_a_missing_link_is_damage() -> None:
    disk = FadingDisk()
    held = receipts(disk)
    for _ in range(3):
        held.append("closed", READING, opening=OPENING)
    lines = disk.files["receipts.log"].splitlines(keepends=True)
    disk.files["receipts.log"] = lines[0] + lines[2]
    with pytest.raises(Damaged):
        receipts(disk)


def test_no_room_when_too_many_wait() -> None:
    held = receipts(FadingDisk())
    for _ in range(15):
        held.append("closed", READING, opening=OPENING)
    assert held.room_for(1)
    assert not held.room_for(2)
    held.acknowledged(3)
    assert held.room_for(2)


def test_a_receipt_keeps_its_message_id_over_a_restart() -> None:
    disk = FadingDisk()
    before = receipts(disk).append("closed", READING, opening=OPENING).message_id
    (again,) = receipts(disk).pending()
    assert again.message_id == before
    Envelope.model_validate_json(
        envelope(message=before, boot=1, seq=1, at=NOW, mono=1, d={"n": 1, "receipt": again.token})
    )


def test_after_a_failed_write_nothing_more_is_signed() -> None:
    disk = FadingDisk()
    held = receipts(disk)
    good = disk.sync

    def fails(name: str) -> None:
        raise OSError("disk full")

    disk.sync = fails
    with pytest.raises(OSError, match="full"):
        held.append("closed", READING, opening=OPENING)
    disk.sync = good
    with pytest.raises(OSError, match="before"):
        held.append("closed", READING, opening=OPENING)


# ---- outbox


def item(name: str = "evt/door", urgency: Urgency = Urgency.EVENT, *, durable: bool = False) -> Item:
    return Item(message_id(T0 * 1000), name, {"x": 1}, urgency, NOW, mono=1, durable=durable)


def outbox(disk: FadingDisk | None = None, boot: int = 1) -> Outbox:
    return Outbox(disk or FadingDisk(), boot=boot, limits=LIMITS)


def test_most_urgent_first_and_no_more_than_allowed_in_flight() -> None:
    box = outbox()
    for urgency in (
        Urgency.SIGNALS,
        Urgency.EVENT,
        Urgency.RECEIPT,
        Urgency.CRASH,
        Urgency.RESULT,
        Urgency.EVENT,
    ):
        box.put(item(urgency=urgency))
    first = box.due(0, NOW)
    assert [i.urgency for i in first] == [Urgency.CRASH, Urgency.RECEIPT, Urgency.RESULT, Urgency.EVENT]
    assert [i.seq for i in first] == [1, 2, 3, 4]
    assert not box.due(1, NOW)
    box.acknowledged(1, [1, 2])
    assert [i.seq for i in box.due(1, NOW)] == [5, 6]


def test_what_is_not_acknowledged_goes_out_again_under_the_same_number() -> None:
    box = outbox()
    box.put(item())
    (first,) = box.due(0, NOW)
    (again,) = box.due(LIMITS.resend_after.total_seconds(), NOW)
    assert (first.seq, first.id) == (again.seq, again.id)
    box.retry_all()
    assert [i.seq for i in box.due(0, NOW)] == [1]
    assert box.acknowledged(1, [1])
    assert not len(box)
    assert not box.acknowledged(1, [1])


def test_another_boots_acknowledgement_is_not_ours() -> None:
    box = outbox(boot=2)
    box.put(item())
    box.due(0, NOW)
    assert not box.acknowledged(1, [1])
    assert len(box) == 1


def test_stale_goes_out_under_a_new_number_and_what_is_wrong_for_good_is_dropped() -> None:
    box = outbox()
    box.put(item())
    box.due(0, NOW)
    assert box.refused(Err(seq=1, code="stale"), 0) is None
    assert [i.seq for i in box.due(0, NOW)] == [2]
    assert box.refused(Err(seq=2, code="rate"), 0) is None
    assert not box.due(20, NOW)
    assert [i.seq for i in box.due(30, NOW)] == [2]
    assert box.refused(Err(seq=2, code="schema"), 0) is not None
    assert not len(box)
    assert box.refused(Err(seq=99, code="schema"), 0) is None


def test_bounded_and_receipts_give_way_to_nobody() -> None:
    box = outbox()
    for _ in range(16):
        box.put(item(urgency=Urgency.SIGNALS))
    for _ in range(16):
        box.put(item(urgency=Urgency.RECEIPT))
    assert len(box) == 16
    with pytest.raises(Full):
        box.put(item(urgency=Urgency.SIGNALS))
    with pytest.raises(Full):
        box.put(item(urgency=Urgency.RECEIPT))


def test_signals_grow_old_and_crashes_do_not() -> None:
    box = outbox()
    box.put(item(urgency=Urgency.SIGNALS))
    box.put(item("evt/crash", urgency=Urgency.CRASH))
    assert [i.urgency for i in box.due(0, NOW + timedelta(days=400))] == [Urgency.CRASH]


def test_events_outlive_a_power_cut_at_every_step() -> None:
    for writes in range(40):
        disk = FadingDisk(writes=writes)
        put: list[str] = []
        acked: set[str] = set()
        try:
            box = outbox(disk)
            for _ in range(8):
                one = item(durable=True)
                box.put(one)
                put.append(one.id)
                for sent in box.due(0, NOW):
                    if len(acked) < 6:
                        acked.add(sent.id)
                        box.acknowledged(1, [sent.seq])
        except PowerCut:
            pass
        for rest in disk.remains():
            again = outbox(rest, boot=2)
            assert all(message in again for message in put if message not in acked)
            assert [i.seq for i in again.due(0, NOW)] == list(range(1, min(len(again), 4) + 1))


# ---- executed


def executed(disk: FadingDisk, now: float = T0) -> Executed:
    return Executed(disk, now=now, limits=LIMITS)


def test_a_repeat_finds_the_stored_answer_also_after_a_restart() -> None:
    disk = FadingDisk()
    first = executed(disk)
    first.begin("cmd_a", T0 + 30, now=T0, keep=Keep.BEGINNING)
    first.finish("cmd_a", Answer("done", "locked", data={"x": 1}))
    again = executed(FadingDisk(files=disk._after(disk.unsynced)))
    assert again.answer("cmd_a") == Answer("done", "locked", data={"x": 1})


def test_begun_and_cut_off_is_not_done_again() -> None:
    for writes in range(1, 12):
        disk = FadingDisk(writes=writes)
        begun = []
        try:
            held = executed(disk)
            for n in range(4):
                held.begin(f"cmd_{n}", T0 + 30, now=T0, keep=Keep.BEGINNING)
                begun.append(n)
                held.finish(f"cmd_{n}", Answer("done"))
        except PowerCut:
            pass
        for rest in disk.remains():
            again = executed(rest)
            for n in begun:
                assert again.answer(f"cmd_{n}") in (INTERRUPTED, Answer("done"))
                assert f"cmd_{n}" in again


def test_forgets_what_is_past_its_time_and_refuses_when_full() -> None:
    held = executed(FadingDisk())
    for n in range(LIMITS.executed_most):
        held.begin(f"cmd_{n}", T0 + 30, now=T0, keep=Keep.BOOT)
    with pytest.raises(TooMany):
        held.begin("cmd_more", T0 + 30, now=T0, keep=Keep.BOOT)
    held.begin("cmd_more", T0 + 60, now=T0 + 31, keep=Keep.BOOT)
    assert "cmd_1" not in held


def test_an_answer_that_comes_after_its_command_was_forgotten_ends_nothing() -> None:
    held = executed(FadingDisk())
    held.begin("cmd_slow", T0 + 30, now=T0, keep=Keep.BOOT)
    for n in range(LIMITS.executed_most):
        held.begin(f"cmd_{n}", T0 + 90, now=T0 + 31, keep=Keep.BOOT)
    held.finish("cmd_slow", Answer("done"))
    assert "cmd_slow" not in held


# ---- envelopes


@given(st.integers(0, 2**48 - 1))
@settings(max_examples=50)
def test_message_ids_are_uuid_version_7(ms: int) -> None:
    made = message_id(ms)
    assert (
        Envelope.model_validate_json(envelope(message=made, boot=1, seq=0, at=NOW, mono=0, d={})).id == made
    )
    assert int(made.replace("-", "")[:12], 16) == ms
    assert json.loads(envelope(message=made, boot=1, seq=0, at=NOW, mono=0, d={}))["ts"].endswith("Z")
