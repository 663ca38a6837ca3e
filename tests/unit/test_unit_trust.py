"""The unit's trust: bundles taken while it runs, kept over a restart, never back; what opens after each."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keys.car.bundle import Roots, first_bundle
from keys.car.claims import CommandClaims, FreshClaims, KeyClaims
from keys.car.command import write_command
from keys.car.fresh import write_fresh
from keys.car.jws import FRESH, KEY, SigningKey, Unacceptable, read, sign
from keys.car.verify import Presented
from tests.keys_trust import HELD, NEW_ROOTS, ROOTS, claims, entry, signed
from tests.unit.test_unit_opening import QUICK
from tests.unit.unit_rig import (
    CMD_SIGNER,
    DELIVERY,
    FRESH_SIGNER,
    KEY_SIGNER,
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
from vehicle_unit.record import RecordStore
from vehicle_unit.trust import FILE
from vehicle_unit.unit import Unit, UnitOptions

NEXT = SigningKey.draw()
OLD_KEYS = (entry("key", KEY_SIGNER), entry("fresh", FRESH_SIGNER), entry("cmd", CMD_SIGNER))
V1 = claims(1, *OLD_KEYS, at=T0)
PLANNED = claims(2, *OLD_KEYS, entry("key", NEXT, nbf=T0), at=T0)
REMOVED = claims(3, entry("key", NEXT), *OLD_KEYS[1:], at=T0)
EXPIRED = claims(2, *OLD_KEYS, at=T0 - 40_000_000)


class Car:
    """A unit that was enrolled with the first bundle, or before there were any."""

    def __init__(
        self, folder: Path, *, enrolled_with: dict[str, Any] | None, disk: FadingDisk | None = None
    ) -> None:
        self.disk, self.time = disk or FadingDisk(), FakeTime()
        RecordStore(self.disk).provision()
        bundle = first_bundle(enrolled_with) if enrolled_with else None
        self._identity = replace(identity(folder), bundle=bundle)
        self.number = 0
        self.start()

    def start(self) -> None:
        options = UnitOptions(lifts_after=None, shuts_after=None, limits=QUICK)
        self.unit = Unit(self._identity, options, disk=self.disk, time=self.time)
        self.unit.clock.prove(int(self.time.now), drawn=self.time.up)

    async def opens(self, issuer: SigningKey, **more: Any) -> str:
        """What becomes of a fresh key by this issuer; a refusal's code, or "opened"."""
        unit, self.number = self.unit, self.number + 1
        unit.start()
        try:
            plain = key_token(self.number)
            made = KeyClaims.of(read(plain, KEY).claims).model_copy(update=more)
            token = sign(made.wire(), form=KEY, key=issuer)
            challenge = unit.openings.challenge(DELIVERY).data["challenge"]
            given = Presented(token, proof_of(token, challenge))
            answer = await unit.openings.present(
                given,
                link=DELIVERY,
                command=f"cmd_0123456789abcdef.{self.number}.open",
                arrived=unit.clock.uptime(),
            )
            return answer.code
        finally:
            unit.latch.stop()
            unit.motor.stop()
            self.start()  # the lid is shut again in the next life


@pytest.fixture
def car(tmp_path: Path) -> Car:
    made = Car(tmp_path, enrolled_with=signed(V1))
    made.unit.revocations.take(revocations())
    return made


async def test_a_rotation_takes_both_keys_and_needs_no_restart(car: Car) -> None:
    assert await car.opens(NEXT) == "refused"
    assert car.unit.take_bundle(signed(PLANNED))
    assert await car.opens(KEY_SIGNER) == "opened"
    assert await car.opens(NEXT, tbv=2) == "opened"
    assert car.unit.record.current is not None
    assert car.unit.record.current.bundle_version == 2


async def test_a_removed_key_opens_nothing_more_also_after_a_restart(car: Car) -> None:
    assert await car.opens(KEY_SIGNER) == "opened"
    assert car.unit.take_bundle(signed(REMOVED))
    assert await car.opens(KEY_SIGNER) == "refused"
    car.start()
    assert car.unit.trust.version == 3
    assert await car.opens(KEY_SIGNER) == "refused"
    assert await car.opens(NEXT, tbv=3) == "opened"


async def test_the_whole_trust_in_one_run_of_the_unit(car: Car) -> None:
    """Everything that verifies holds the same trust, so what a removal takes away is gone everywhere."""
    unit = car.unit
    fresh = SigningKey.draw()
    bundle = claims(2, OLD_KEYS[0], entry("fresh", fresh), entry("cmd", NEXT), at=T0)
    assert unit.revocations.current is not None
    assert unit.take_bundle(signed(bundle))
    assert unit.revocations.current is None  # its signer is gone
    with pytest.raises(Unacceptable):
        unit.revocations.take(revocations(2))
    assert unit.commands._trust is unit.trust
    command = CommandClaims(
        aud=UNIT, cmd="cmd_0123456789abcdef.9.x", op="flash", iat=T0, exp=T0 + 30, args={}
    )
    for key, taken in ((CMD_SIGNER, False), (NEXT, True)):
        token = f'{{"cmd":"{write_command(command, key=key)}"}}'.encode()
        if taken:
            assert unit.commands._read(token) == command
        else:
            with pytest.raises(Unacceptable):
                unit.commands._read(token)
    kept = read(revocations(2), FRESH)
    unit.revocations.take(write_fresh(FreshClaims.of(kept.claims), key=fresh))
    assert unit.revocations.current is not None


@pytest.mark.parametrize(
    "document",
    [
        signed(V1, ROOTS[0]),
        signed(REMOVED, *NEW_ROOTS),
        {"bundle": [*signed(REMOVED, ROOTS[0])["bundle"] * 2]},
        {"bundle": [signed(REMOVED)["bundle"][0], signed(PLANNED)["bundle"][1]]},
        {"bundle": []},
        "x",
    ],
)
async def test_what_the_roots_did_not_sign_changes_nothing(car: Car, document: object) -> None:
    before = dict(car.disk.files)
    with pytest.raises(Unacceptable):
        car.unit.take_bundle(document)
    assert car.disk.files == before
    assert car.unit.trust.version == 1


async def test_versions_never_go_down(car: Car) -> None:
    assert car.unit.take_bundle(signed(REMOVED))
    before = dict(car.disk.files)
    for old in (V1, PLANNED, REMOVED, claims(3, *OLD_KEYS, at=T0)):
        assert not car.unit.take_bundle(signed(old))
    assert car.disk.files == before
    assert car.unit.trust.find(KEY_SIGNER.kid, "key") is None


async def test_an_old_bundle_put_back_on_the_disk_trusts_nobody_until_a_newer_one_comes(car: Car) -> None:
    old = car.disk.files.get(FILE)
    assert old is None  # the first came with enrolment
    car.unit.take_bundle(signed(PLANNED))
    old = car.disk.files[FILE]
    car.unit.take_bundle(signed(REMOVED))
    car.disk.files[FILE] = old
    car.start()
    assert not car.unit.trust.in_force
    assert dict(car.unit.trust.keys) == {}
    assert await car.opens(KEY_SIGNER) == "refused"
    assert await car.opens(NEXT) == "refused"
    assert car.unit.trust.wants_news(3600)
    assert not car.unit.take_bundle(signed(PLANNED))
    assert car.unit.take_bundle(signed(REMOVED))
    car.unit.revocations.take(revocations(2))
    assert await car.opens(NEXT, tbv=3) == "opened"


@pytest.mark.parametrize("damage", [None, b"", b"{}", b'{"roots": 1, "bundle": []}', b"\xff" * 100])
async def test_a_lost_or_torn_bundle_does_not_revive_the_keys_of_enrolment(
    car: Car, damage: bytes | None
) -> None:
    car.unit.take_bundle(signed(REMOVED))
    if damage is None:
        del car.disk.files[FILE]
    else:
        car.disk.files[FILE] = damage
    car.start()
    assert not car.unit.trust.in_force
    assert await car.opens(KEY_SIGNER) == "refused"
    assert car.unit.take_bundle(signed(REMOVED))
    assert car.unit.trust.in_force


async def test_with_the_record_lost_only_a_bundle_that_was_kept_counts(car: Car) -> None:
    for slot in ("record.0", "record.1"):
        car.disk.files[slot] = b"x" * 72
    car.start()
    assert not car.unit.trust.in_force  # enrolment's bundle may be years old
    assert car.unit.take_bundle(signed(REMOVED))
    car.start()
    assert (car.unit.trust.in_force, car.unit.trust.version) == (True, 3)


async def test_a_bundle_that_is_over_opens_nothing(car: Car) -> None:
    assert car.unit.take_bundle(signed(EXPIRED))
    assert await car.opens(KEY_SIGNER) == "stale_trust"
    assert car.unit.take_bundle(signed(REMOVED))
    assert await car.opens(NEXT) == "opened"


async def test_roots_change_by_the_old_ones_word_and_stay_changed(car: Car) -> None:
    new = Roots.of_keys(NEW_ROOTS)
    changed = claims(2, *OLD_KEYS, at=T0, roots=new)
    with pytest.raises(Unacceptable):
        car.unit.take_bundle(signed(changed, *NEW_ROOTS))
    assert car.unit.take_bundle(signed(changed, *ROOTS[:2], *NEW_ROOTS[:2]))
    car.start()
    assert car.unit.trust.version == 2
    with pytest.raises(Unacceptable):
        car.unit.take_bundle(signed(claims(3, *OLD_KEYS, at=T0, roots=HELD), *ROOTS))
    third = claims(3, *OLD_KEYS, at=T0, roots=new)
    assert car.unit.take_bundle(signed(third, *NEW_ROOTS[1:]))
    car.start()
    assert car.unit.trust.version == 3


async def test_a_unit_enrolled_before_there_were_bundles_keeps_its_pinned_keys(tmp_path: Path) -> None:
    car = Car(tmp_path, enrolled_with=None)
    car.unit.revocations.take(revocations())
    assert (car.unit.trust.version, car.unit.trust.in_force) == (0, True)
    assert await car.opens(KEY_SIGNER) == "opened"
    with pytest.raises(Unacceptable):
        car.unit.take_bundle(signed(V1))
    assert not car.unit.trust.wants_news(0)
    assert await car.opens(KEY_SIGNER, tbv=2) == "stale_trust"


async def test_a_newer_bundle_of_a_second_enrolment_counts(tmp_path: Path) -> None:
    disk = FadingDisk()
    first = Car(tmp_path, enrolled_with=signed(V1), disk=disk)
    first.unit.take_bundle(signed(PLANNED))
    new = claims(4, *OLD_KEYS, at=T0, roots=Roots.of_keys(NEW_ROOTS))
    again = Car(tmp_path, enrolled_with=signed(new, *NEW_ROOTS), disk=disk)
    assert again.unit.trust.version == 4


async def test_a_floor_set_wrongly_is_lowered_once_by_naming_the_unit(car: Car) -> None:
    far = T0 + 10_000_000
    assert car.unit.record.current is not None
    car.unit.record.advance(clock_floor=far)
    car.start()
    assert car.unit.clock.read().state == "unset"
    other = claims(2, *OLD_KEYS, at=T0, floors={"vu_zzzzzzzzzzzzzzzz": T0})
    car.unit.take_bundle(signed(other))
    assert car.unit.record.current is not None
    assert car.unit.record.current.clock_floor == far
    mine = claims(3, *OLD_KEYS, at=T0 - 100, floors={UNIT: T0 - 5_000})
    assert car.unit.take_bundle(signed(mine))
    assert car.unit.record.current.clock_floor == T0 - 100  # the roots' own signature is older than now
    assert car.unit.clock.read().state == "unset"
    assert car.unit.clock.prove(T0, drawn=car.time.up)
    assert car.unit.clock.read().state == "synced"
    car.unit.record.advance(clock_floor=far)
    assert not car.unit.take_bundle(signed(mine))
    car.start()
    assert car.unit.record.current is not None
    assert car.unit.record.current.clock_floor == far


def test_a_power_cut_at_every_write_leaves_the_old_trust_or_the_new(tmp_path: Path) -> None:
    clean = Car(tmp_path, enrolled_with=signed(V1))
    clean.unit.take_bundle(signed(PLANNED))
    start = dict(clean.disk.files)
    cuts = 0
    for writes in range(100):
        car = Car(tmp_path, enrolled_with=signed(V1), disk=FadingDisk(files=dict(start)))
        car.disk.writes, car.disk.done = writes, 0
        try:
            car.unit.take_bundle(signed(REMOVED))
        except PowerCut:
            cuts += 1
        else:
            break
        for left in car.disk.remains():
            after = Car(tmp_path, enrolled_with=signed(V1), disk=left)
            assert after.unit.trust.in_force
            assert after.unit.trust.version in {2, 3}
            assert after.unit.record.current is not None
            assert after.unit.record.current.bundle_version == after.unit.trust.version
    assert cuts >= 3


async def test_only_a_phone_s_or_the_broker_s_bundle_of_ours_is_taken_and_nothing_stops_the_unit(
    car: Car,
) -> None:
    car.unit._read("trust", json.dumps(signed(PLANNED)).encode())
    assert car.unit.trust.version == 2
    for junk in (
        b"",
        b"{",
        b"[]",
        b'{"bundle":[1]}',
        b'{"bundle":[],"bundle":[]}',
        b"\xff\xfe",
        b"9" * 60_000,
    ):
        car.unit._read("trust", junk)
    assert car.unit.trust.version == 2
