"""What a hostile reading of the unit found: full disks, rotten bits, second taps and old words at bad moments."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from keys.car.bundle import first_bundle
from keys.car.jwk import b64
from keys.car.jws import SigningKey, Unacceptable
from keys.car.verify import Presented
from tests.keys_trust import claims, entry, signed
from tests.unit.test_unit_opening import QUICK, Rig
from tests.unit.unit_rig import (
    CMD_SIGNER,
    DELIVERY,
    FRESH_SIGNER,
    KEY_SIGNER,
    T0,
    FadingDisk,
    identity,
    key_token,
    news,
    proof_of,
    revocations,
)
from vehicle_unit.executed import Answer
from vehicle_unit.journal import Damaged
from vehicle_unit.lock import Lock
from vehicle_unit.record import SLOTS
from vehicle_unit.unit import Unit, UnitOptions

SOON = timedelta(seconds=5)
JTI = b64((1).to_bytes(16, "big"))


async def bring(rig: Rig, unit: Unit, token: str, fresh: str | None = None, link: str = DELIVERY) -> Answer:
    challenge = unit.openings.challenge(link).data["challenge"]
    made = None if fresh is None else news(challenge, 2, dead=(JTI,), last=1)
    return await unit.openings.present(
        Presented(token, proof_of(token, challenge), made),
        link=link, command="cmd_0123456789abcdef.9.open", arrived=rig.time.up,
    )  # fmt: skip


def outs(unit: Unit) -> list[str]:
    return [receipt.claims.out for receipt in unit.receipts._kept.values()]


async def test_a_second_tap_hides_no_opening_that_the_power_broke_off(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limits=QUICK.model_copy(update={"latch_feedback": timedelta(seconds=5)}))
    async with rig.unit() as unit:
        unit.motor.jammed = True
        first = asyncio.create_task(bring(rig, unit, key_token()))
        assert await unit.latch.wait_for(Lock.UNLATCHING, SOON)
        assert (await bring(rig, unit, key_token(), link="dlv_other00000")).code == "already_used"
        first.cancel()
    rig.disk = FadingDisk(files=rig.disk.files)
    async with rig.unit(with_list=False) as unit:
        assert outs(unit)[-1] in {"indeterminate", "locked"}
        assert "indeterminate" in outs(unit)


async def test_a_list_that_cannot_be_kept_leaves_no_older_one_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    async with rig.unit() as unit:

        def full(_name: str, _data: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(rig.disk, "replace", full)
        with pytest.raises(OSError, match="No space"):
            unit.revocations.take(revocations(2, dead=(JTI,)))
        assert unit.revocations.current is None
        assert (await bring(rig, unit, key_token(), fresh="news")).code == "internal"
        assert (await bring(rig, unit, key_token())).code == "stale_trust"
        assert rig.releases == 0


def test_no_bundle_older_than_enrolment_s_is_taken_after_all_memory_is_lost(tmp_path: Path) -> None:
    service = (entry("fresh", FRESH_SIGNER), entry("cmd", CMD_SIGNER))
    removed = signed(claims(1, entry("key", KEY_SIGNER), *service, at=T0))
    enrolled = signed(claims(5, entry("key", SigningKey.draw()), *service, at=T0))
    made = replace(identity(tmp_path), bundle=first_bundle(enrolled))
    unit = Unit(made, UnitOptions(limits=QUICK), disk=FadingDisk(), time=Rig(tmp_path).time)
    assert unit.record.current is None
    assert not unit.take_bundle(removed)
    assert KEY_SIGNER.kid not in unit.trust.keys


async def test_news_with_an_old_date_are_not_the_key_service_s_word(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    async with rig.unit() as unit:
        rig.time.pass_by(86_400)
        unit.clock.prove(T0 + 86_400, drawn=rig.time.up)
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
        before = unit.record.current
        with pytest.raises(Unacceptable):
            unit.freshness.take(news(challenge, 2, last=1), nonce=challenge, drawn=rig.time.up)
        assert unit.record.current == before


async def test_a_used_number_stands_in_both_slots_before_its_receipt_goes(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limits=QUICK.model_copy(update={"compact_after": 2}))
    async with rig.unit() as unit:
        assert (await bring(rig, unit, key_token())).outcome == "done"
        unit.motor.lift()
        unit.motor.shut()
        assert await unit.latch.wait_for(Lock.LATCHED, SOON)
        for receipt in list(unit.receipts.pending()):
            unit.receipts.acknowledged(receipt.n)
        assert "consumed" not in outs(unit), "compacted"
        current = unit.record.current
        assert current is not None
    slot = SLOTS[current.generation & 1]
    rotten = bytearray(rig.disk.files[slot])
    rotten[20] ^= 1
    rig.disk = FadingDisk(files={**rig.disk.files, slot: bytes(rotten)})
    async with rig.unit() as unit:
        assert (await bring(rig, unit, key_token())).code == "already_used"


async def test_a_rotten_head_of_the_chain_is_no_torn_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limits=QUICK.model_copy(update={"compact_after": 2}))
    async with rig.unit() as unit:
        for _ in range(3):
            await bring(rig, unit, key_token(99_999_999))
        for receipt in list(unit.receipts.pending()):
            unit.receipts.acknowledged(receipt.n)
    data = bytearray(rig.disk.read("receipts.log") or b"")
    assert data[9:14] == b"head "
    data[20] ^= 1
    rig.disk = FadingDisk(files={**rig.disk.files, "receipts.log": bytes(data)})
    with pytest.raises(Damaged):
        Unit(identity(tmp_path), UnitOptions(limits=QUICK), disk=rig.disk, time=rig.time)


async def test_a_full_disk_neither_ends_the_unit_nor_leaves_the_boot_unlocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    async with rig.unit() as unit:
        unit.uplink.event("door", {})
        assert (await bring(rig, unit, key_token())).outcome == "done"

        def full(_name: str, _data: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(rig.disk, "append", full)
        rig.time.pass_by(8 * 86_400)
        unit.outbox.due(rig.time.up, unit.clock.now())  # what has waited too long is dropped
        assert len(unit.outbox) < 4
        unit.motor.lift()
        unit.motor.shut()
        assert await unit.latch.wait_for(Lock.LATCHED, SOON)
        assert rig.vehicle.locked


def test_a_phone_s_link_is_no_name_that_a_command_may_use() -> None:
    from vehicle_unit.commands import _link

    assert _link({"link": "local:1"}) is None
    assert _link({"delivery": DELIVERY}) == DELIVERY
