"""A key at the car: opened once, refused alike, and settled after a power cut at any moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from keys.car.place import Position
from keys.car.policy import Policy
from keys.car.receipt import verify_chain
from keys.car.verify import Presented
from keys.car.window import Standing
from tests.unit.unit_rig import (
    DELIVERY,
    KEY_SIGNER,
    RECEIPT_KEY,
    T0,
    UNIT,
    FadingDisk,
    FakeTime,
    PowerCut,
    identity,
    key_token,
    proof_of,
    revocations,
)
from vehicle_unit.executed import Answer
from vehicle_unit.limits import UnitLimits
from vehicle_unit.local_limits import LocalLimits
from vehicle_unit.lock import Lock
from vehicle_unit.record import RecordStore
from vehicle_unit.unit import Unit, UnitOptions
from vehicle_unit.vehicle import Vehicle

MS = timedelta(milliseconds=1)
QUICK = UnitLimits(
    latch_feedback=20 * MS, lift_within=40 * MS, shut_within=40 * MS, lock_within=10 * MS, refusal_time=0 * MS,
    link_burst=1_000,
)  # fmt: skip
COMMAND = "cmd_0123456789abcdef.1.open"


@dataclass
class Rig:
    """A car with a person who never touches the lid by himself, and a disk that may fade."""

    folder: Path
    disk: FadingDisk = field(default_factory=FadingDisk)
    time: FakeTime = field(default_factory=FakeTime)
    vehicle: Vehicle = field(default_factory=Vehicle)
    limits: UnitLimits = QUICK
    local: LocalLimits = field(default_factory=LocalLimits)
    releases: int = 0

    def __post_init__(self) -> None:
        RecordStore(self.disk).provision()

    @asynccontextmanager
    async def unit(self, *, with_list: bool = True, with_time: bool = True) -> AsyncIterator[Unit]:
        options = UnitOptions(lifts_after=None, shuts_after=None, limits=self.limits, local=self.local)
        unit = Unit(identity(self.folder), options, disk=self.disk, vehicle=self.vehicle, time=self.time)
        drive = unit.motor.drive_open

        def counted() -> None:
            self.releases += 1
            drive()

        unit.motor.drive_open = counted  # type: ignore[method-assign]
        try:
            if with_time:
                unit.clock.prove(int(self.time.now), drawn=self.time.up)
            unit.start()
            if with_list:
                unit.revocations.take(revocations())
            yield unit
        finally:
            unit.latch.stop()

    async def present(self, unit: Unit, token: str, link: str = DELIVERY, command: str = COMMAND) -> Answer:
        challenge = unit.openings.challenge(link).data["challenge"]
        return await unit.openings.present(
            Presented(token, proof_of(token, challenge)), link=link, command=command, arrived=self.time.up
        )


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def outs(unit: Unit) -> list[str]:
    tokens = [receipt.token for receipt in unit.receipts.pending()]
    told = verify_chain(tokens, key=RECEIPT_KEY.private.public_key(), unit=UNIT)
    return [claims.out for claims in told if claims.out != "revoked"]


async def until(unit: Unit, state: Lock) -> None:
    async with asyncio.timeout(60):
        while unit.latch.state is not state:  # noqa: ASYNC110  # the state is what we wait for
            await asyncio.sleep(0.001)


async def test_opens_once_and_locks_when_the_lid_is_shut(rig: Rig) -> None:
    async with rig.unit() as unit:
        answer = await rig.present(unit, key_token())
        assert answer == Answer("done", "opened", data={"receipts": 3})
        assert unit.latch.state is Lock.RELEASED
        unit.motor.lift()
        unit.motor.shut()
        assert unit.latch.state is Lock.LATCHED
        assert outs(unit) == ["consumed", "opened", "closed", "locked"]
        assert (await rig.present(unit, key_token())).code == "already_used"
        assert outs(unit)[-1] == "refused"
        assert rig.releases == 1


async def test_relocks_when_nobody_lifts_the_lid(rig: Rig) -> None:
    async with rig.unit() as unit:
        await rig.present(unit, key_token())
        await until(unit, Lock.LATCHED)
        assert outs(unit) == ["consumed", "opened", "not_lifted"]
        assert (await rig.present(unit, key_token(2))).outcome == "done"


async def test_left_open_is_said_and_the_latch_locks_when_the_lid_comes_down(rig: Rig) -> None:
    async with rig.unit() as unit:
        await rig.present(unit, key_token())
        unit.motor.lift()
        await until(unit, Lock.LEFT_OPEN)
        assert (await rig.present(unit, key_token(2))).code == "busy"
        unit.motor.shut()
        assert unit.latch.state is Lock.LATCHED
        assert outs(unit) == ["consumed", "opened", "left_open", "refused", "closed", "locked"]
        names = [item.name for item in unit.outbox._items.values()]
        assert names.count("evt/left_open") == 1


async def test_no_feedback_means_it_may_have_opened(rig: Rig) -> None:
    async with rig.unit() as unit:
        unit.motor.jammed = True
        answer = await rig.present(unit, key_token())
        assert answer == Answer("refused", "may_have_opened", may_have_opened=True)
        await until(unit, Lock.STUCK)
        unit.motor.jammed = False
        await until(unit, Lock.LATCHED)
        assert outs(unit) == ["consumed", "indeterminate", "left_open", "locked"]


async def test_opened_by_hand_makes_no_receipt(rig: Rig) -> None:
    async with rig.unit() as unit:
        unit.motor.force()
        assert unit.latch.state is Lock.BY_HAND
        assert (await rig.present(unit, key_token())).code == "busy"
        unit.motor.shut()
        assert unit.latch.state is Lock.LATCHED
        assert outs(unit) == ["refused"]


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda rig, unit: setattr(rig.vehicle, "ignition_on", True), "vehicle_state"),
        (lambda rig, unit: setattr(rig.vehicle, "speed_kmh", 3.0), "vehicle_state"),
        (lambda rig, unit: setattr(rig.vehicle, "blocked", True), "blocked_by_owner"),
        (lambda rig, unit: unit.revocations.take(revocations(2, min_seq=5)), "revoked"),
        (
            lambda rig, unit: rig.time.pass_by(7_000) or unit.revocations.take(revocations(2, at=T0 + 7_000)),
            "expired",
        ),
        (lambda rig, unit: rig.time.pass_by(90_000), "stale_trust"),
        (lambda rig, unit: unit.clock.hear(T0 + 7_000), "clock_untrusted"),
        (lambda rig, unit: setattr(unit.revocations, "_held", None), "stale_trust"),
        (lambda rig, unit: setattr(unit.record, "current", None), "stale_trust"),
    ],
)
async def test_a_proven_holder_gets_the_reason_and_a_receipt(rig: Rig, prepare, code: str) -> None:
    async with rig.unit() as unit:
        prepare(rig, unit)
        answer = await rig.present(unit, key_token())
        assert (answer.outcome, answer.code, answer.may_have_opened) == ("refused", code, False)
        assert outs(unit) == ["refused"]
        assert rig.releases == 0


async def test_place_is_checked(rig: Rig) -> None:
    async with rig.unit() as unit:
        token = key_token(geo=(52.0, 13.0, 100.0))
        assert (await rig.present(unit, token)).code == "wrong_place"
        rig.vehicle.position = Position(52.0001, 13.0)
        assert (await rig.present(unit, token)).outcome == "done"


async def test_strangers_learn_nothing_and_write_nothing(rig: Rig) -> None:
    rig.limits = QUICK.model_copy(update={"refusal_time": 25 * MS})
    async with rig.unit() as unit:
        good = key_token()
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
        writes, record = rig.disk.done, unit.record.current
        other_link = "dlv_other0123456789"
        cases = [
            (Presented("nonsense", "nonsense"), DELIVERY),
            (Presented(good[:-1] + ("A" if good[-1] != "A" else "B"), proof_of(good, challenge)), DELIVERY),
            (Presented(good, proof_of(good, "A" * 43)), DELIVERY),
            (Presented(good, proof_of(good, challenge)), DELIVERY),  # its challenge is gone by now
            (Presented(good, proof_of(good, challenge)), other_link),
            (Presented(key_token(unit="vu_zzzzzzzzzzzzzzzz"), proof_of(good, challenge)), DELIVERY),
        ]
        answers = []
        for presented, link in cases:
            begun = asyncio.get_running_loop().time()
            answers.append(
                await unit.openings.present(presented, link=link, command=COMMAND, arrived=rig.time.up)
            )
            assert asyncio.get_running_loop().time() - begun >= 0.024
        assert set(map(repr, answers)) == {repr(Answer("refused", "refused"))}
        assert (rig.disk.done, unit.record.current) == (writes, record)
        assert outs(unit) == []


async def test_a_challenge_dies_with_time_and_with_the_boot(rig: Rig) -> None:
    token = key_token()
    async with rig.unit() as unit:
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
        rig.time.pass_by(31)
        late = Presented(token, proof_of(token, challenge))
        refused = await unit.openings.present(late, link=DELIVERY, command=COMMAND, arrived=rig.time.up)
        assert refused.code == "refused"
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
    async with rig.unit() as unit:
        former = Presented(token, proof_of(token, challenge))
        refused = await unit.openings.present(former, link=DELIVERY, command=COMMAND, arrived=rig.time.up)
        assert refused.code == "refused"
        assert rig.releases == 0


async def test_too_many_asks_of_one_link_are_busy(rig: Rig) -> None:
    rig.limits = QUICK.model_copy(update={"link_burst": 3})
    async with rig.unit() as unit:
        assert [unit.openings.challenge("a").outcome for _ in range(4)] == ["done", "done", "done", "refused"]
        assert unit.openings.challenge("b").outcome == "done"
        rig.time.pass_by(5)
        assert unit.openings.challenge("a").outcome == "done"


async def test_eight_links_and_a_ninth_is_busy(rig: Rig) -> None:
    async with rig.unit() as unit:
        assert {unit.openings.challenge(f"link{n}").outcome for n in range(8)} == {"done"}
        assert unit.openings.challenge("ninth").code == "busy"


async def test_without_room_for_two_receipts_nothing_opens(rig: Rig) -> None:
    rig.limits = QUICK.model_copy(update={"receipts_kept": 16})
    async with rig.unit() as unit:
        for seq in range(1, 5):
            await rig.present(unit, key_token(seq))
            unit.motor.lift()
            unit.motor.shut()
        assert not unit.receipts.room_for(2)  # one for the list and four each
        before = rig.releases
        assert (await rig.present(unit, key_token(9))).code == "busy"
        assert rig.releases == before


async def test_policy_of_the_car_is_above_the_key(rig: Rig) -> None:
    rig_identity = identity(rig.folder)
    enrolled = rig_identity.enrolled.model_copy(update={"policy": Policy(acts=frozenset())})
    unit = Unit(
        replace(rig_identity, enrolled=enrolled), UnitOptions(limits=QUICK), disk=rig.disk, time=rig.time
    )
    unit.clock.prove(T0, drawn=rig.time.up)
    unit.start()
    unit.revocations.take(revocations())
    assert (await rig.present(unit, key_token())).code == "not_allowed"
    unit.latch.stop()


async def test_key_of_a_signer_without_that_purpose_is_refused(rig: Rig) -> None:
    keys = identity(rig.folder)
    assert keys.trust.find(KEY_SIGNER.kid, "cmd") is None


# ---- power cuts


async def _life(rig: Rig, tokens: list[str]) -> None:
    """Open with each key; the person lifts and shuts at once."""
    async with rig.unit() as unit:
        for token in tokens:
            answer = await rig.present(unit, token)
            if answer.outcome == "done":
                unit.motor.lift()
                unit.motor.shut()


@pytest.mark.parametrize("writes", range(3, 34))
async def test_power_cut_before_every_write_opens_no_key_twice(tmp_path: Path, writes: int) -> None:
    tokens = [key_token(1), key_token(2)]
    rig = Rig(tmp_path)
    rig.disk.writes = rig.disk.done + writes
    with suppress(PowerCut):
        await _life(rig, tokens)
    opened_before = rig.releases
    for rest in rig.disk.remains():
        after = Rig(
            tmp_path, disk=rest, time=FakeTime(up=50.0, now=float(T0 + 10)), vehicle=replace(rig.vehicle)
        )
        async with after.unit() as unit:
            if unit.latch.state in {Lock.AJAR, Lock.LEFT_OPEN}:
                unit.motor.shut()
            assert unit.latch.state is Lock.LATCHED  # whatever was: the boot is driven shut
            seen = outs(unit)
            assert seen.count("consumed") >= opened_before  # durable before the latch
            window = unit.record.current.window
            used = [seq for seq in (1, 2) if window.standing(seq) is Standing.USED]
            # one more where the power went in the write and tore the receipt behind the record
            assert len(used) - seen.count("consumed") in {0, 1}
            for token in tokens:
                await rig_open(after, unit, token)
        assert after.releases + len(used) <= 2  # at most once for each number, over both lives


async def rig_open(rig: Rig, unit: Unit, token: str) -> None:
    answer = await rig.present(unit, token)
    if answer.outcome == "done":
        unit.motor.lift()
        unit.motor.shut()


async def test_consumed_without_outcome_is_indeterminate_after_the_restart(rig: Rig) -> None:
    async with rig.unit() as unit:
        rig.disk.writes = rig.disk.done + 2  # record with the receipt beside it and its sync, and no more
        with pytest.raises(PowerCut):
            await rig.present(unit, key_token())
    rig.disk.writes = 10**9
    async with rig.unit(with_list=False) as unit:
        assert outs(unit) == ["consumed", "indeterminate", "closed", "locked"]
        assert unit.executed.answer(COMMAND) == Answer("refused", "may_have_opened", may_have_opened=True)


async def test_cut_while_the_lid_was_up_locks_when_it_comes_down(rig: Rig) -> None:
    async with rig.unit() as unit:
        await rig.present(unit, key_token())
        unit.motor.lift()
    async with rig.unit() as unit:
        assert unit.latch.state is Lock.AJAR
        assert (await rig.present(unit, key_token(2))).code == "busy"
        unit.motor.shut()
        assert unit.latch.state is Lock.LATCHED
        assert outs(unit) == ["consumed", "opened", "refused", "closed", "locked"]
        assert unit.executed.answer(COMMAND) == Answer("done", "opened")


async def test_both_slots_lost_refuses_all_keys(rig: Rig) -> None:
    for slot in ("record.0", "record.1"):
        rig.disk.replace(slot, b"gone")
    async with rig.unit() as unit:
        assert (await rig.present(unit, key_token())).code == "stale_trust"
        assert rig.releases == 0


# ---- revocation list


async def test_list_versions_never_go_down_and_survive(rig: Rig) -> None:
    async with rig.unit() as unit:
        assert unit.revocations.take(revocations(3, min_seq=4)).claims.rev == 3
        assert unit.revocations.take(revocations(2)) is None
        assert unit.revocations.take(revocations(3, min_seq=4, at=T0 + 5)) is None
        assert unit.revocations.current.iat == T0 + 5
    async with rig.unit(with_list=False) as unit:
        assert unit.revocations.current.rev.version == 3
        assert unit.record.current.window.floor == 4
        assert (await rig.present(unit, key_token(3, at=T0))).code == "revoked"


async def test_a_list_the_record_does_not_know_counts_for_nothing(rig: Rig) -> None:
    async with rig.unit() as unit:
        unit.revocations.take(revocations(3))
    rig.disk.replace("revocations", revocations(2).encode())
    async with rig.unit(with_list=False) as unit:
        assert unit.revocations.current is None


@pytest.mark.parametrize("writes", range(10))
async def test_power_cut_while_a_list_is_taken(tmp_path: Path, writes: int) -> None:
    rig = Rig(tmp_path)
    try:
        async with rig.unit() as unit:
            rig.disk.writes = rig.disk.done + writes
            unit.revocations.take(revocations(2, min_seq=9))
    except PowerCut:
        pass
    for rest in rig.disk.remains():
        after = Rig(tmp_path, disk=rest)
        async with after.unit(with_list=False) as unit:
            held = unit.revocations.current
            assert held is None or held.rev.version == unit.record.current.revocation_version
            unit.revocations.take(revocations(2, min_seq=9))
            revoked = [r.claims.rev for r in unit.receipts.pending() if r.claims.out == "revoked"]
            assert revoked == [1, 2]  # each version confirmed once, whatever happened in between
