"""Owner keys in the car: changed only by who sits in it, kept through power cuts, and above any key service."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keys.car.claims import Confirmation, KeyClaims
from keys.car.jwk import b64
from keys.car.jws import KEY, sign
from keys.car.owner import owner_challenge
from keys.car.owner_keys import MAX_OWNER_KEYS, PairedKey, PairedKeys, cid_hash
from keys.car.policy import Policy
from keys.car.receipt import verify_chain
from keys.car.verify import Presented
from tests.unit.test_unit_opening import COMMAND, QUICK, Rig, outs
from tests.unit.unit_rig import (
    COURIER,
    DELIVERY,
    KEY_SIGNER,
    RECEIPT_KEY,
    T0,
    UNIT,
    PowerCut,
    command,
    identity,
    key_token,
    proof_of,
    revocations,
)
from trunkline.software_key import SoftwareKey
from vehicle_unit.control import Control
from vehicle_unit.owners import FILE, NotChanged
from vehicle_unit.pairing import IgnitionOff
from vehicle_unit.unit import Unit, UnitOptions

PASSKEY, OTHER = (SoftwareKey.draw(origin="https://cars.example.org", rp_id="example.org") for _ in range(2))
PAIRED = PairedKey.of(PASSKEY.pairing())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def co_signed(seq: int = 1, /, *, by: SoftwareKey = PASSKEY, **changed_after: Any) -> str:
    """A key that the owner's gesture was asked for; ``changed_after``: what a lying service changes then."""
    claims = KeyClaims(
        aud=UNIT, jti=b64(seq.to_bytes(16, "big")), seq=seq, iat=T0, nbf=T0 - 60, exp=T0 + 3540,
        cnf=Confirmation(jkt=COURIER.kid), act="open:trunk", dlv=DELIVERY,
    )  # fmt: skip
    own = by.assertion(owner_challenge(claims.wire()))
    return sign({**claims.wire(), **changed_after, "own": own}, form=KEY, key=KEY_SIGNER)


def sit_in(rig: Rig, unit: Unit, *, required: bool = True) -> None:
    """The owner pairs a passkey in the car and gets out."""
    rig.vehicle.ignition_on = True
    unit.owners.pair(PAIRED)
    if required:
        unit.owners.require(on=True)
    rig.vehicle.ignition_on = False


def told(unit: Unit) -> list[tuple[bool, int]]:
    tokens = [receipt.token for receipt in unit.receipts.pending()]
    chain = verify_chain(tokens, key=RECEIPT_KEY.private.public_key(), unit=UNIT)
    return [(one.owner.required, len(one.owner.cids)) for one in chain if one.owner is not None]


# ---- what it is for


async def test_a_key_of_a_stolen_issuer_key_opens_nothing(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
        stolen = [
            key_token(1),
            co_signed(2, by=OTHER),
            co_signed(3, exp=T0 + 3541),
            co_signed(4, seq=5),
            co_signed(6, nbf=T0 - 3600),
        ]
        for token in stolen:
            answer = await rig.present(unit, token)
            assert (answer.outcome, answer.code, answer.may_have_opened) == (
                "refused",
                "owner_signature",
                False,
            )
        assert rig.releases == 0
        assert outs(unit) == ["owner_key_changed"] * 2 + ["refused"] * 5
        refused = [one.claims for one in unit.receipts.pending() if one.claims.out == "refused"]
        assert {(one.code, one.dlv) for one in refused} == {("owner_signature", DELIVERY)}
        assert [one.seq for one in refused] == [1, 2, 3, 5, 6]
        assert (await rig.present(unit, co_signed(1))).outcome == "done"  # none of them burnt a number


async def test_the_owner_s_gesture_opens_once(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
        token = co_signed()
        assert (await rig.present(unit, token)).code == "opened"
        unit.motor.lift()
        unit.motor.shut()
        assert (await rig.present(unit, token)).code == "already_used"
        assert rig.releases == 1


async def test_who_has_no_proof_learns_nothing_of_it(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
        unit.openings.challenge(DELIVERY)
        stranger = Presented(key_token(), proof_of(key_token(), "A" * 43))
        answer = await unit.openings.present(stranger, link=DELIVERY, command=COMMAND, arrived=rig.time.up)
        assert answer.code == "refused"


async def test_where_it_is_not_required_a_key_without_it_opens(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit, required=False)
        assert (await rig.present(unit, co_signed(1, by=OTHER))).code == "owner_signature"
        assert (await rig.present(unit, key_token(2))).outcome == "done"


# ---- who changes it


async def test_only_who_sits_in_the_car_changes_it(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
        before = (unit.owners.current, rig.disk.done)
        for moving in (False, True):
            rig.vehicle.ignition_on, rig.vehicle.speed_kmh = moving, 3.0 if moving else 0.0
            for change in (
                lambda: unit.owners.pair(PairedKey.of(OTHER.pairing())),
                lambda: unit.owners.unpair(PASSKEY.cid),
                lambda: unit.owners.require(on=False),
                unit.owners.erase,
            ):
                with pytest.raises(IgnitionOff):
                    change()
        assert (unit.owners.current, rig.disk.done) == before


async def test_no_command_changes_it(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
        rig.vehicle.ignition_on = True
        before = unit.owners.current
        asks: list[dict[str, Any]] = [
            {"require_owner": False}, {"owners": []}, {"erase_owners": True}, {"pair_owner": OTHER.pairing()},
            {"policy": {"require_owner": False}},
        ]  # fmt: skip
        for n, args in enumerate(asks, 1):
            await unit.commands.handle(json.dumps({"cmd": command("cfg", args, n=n)}).encode())
        codes = [json.loads(item.d)["code"] if isinstance(item.d, str) else item.d["code"]
                 for item in unit.outbox._items.values() if item.name == "res"]  # fmt: skip
        assert codes == ["not_supported"] * len(asks)
        assert unit.owners.current == before


async def test_what_cannot_be(rig: Rig) -> None:
    async with rig.unit() as unit:
        rig.vehicle.ignition_on = True
        with pytest.raises(NotChanged, match="no_owner_key"):
            unit.owners.require(on=True)
        with pytest.raises(NotChanged, match="no_such_owner_key"):
            unit.owners.unpair(PASSKEY.cid)
        sit_in(rig, unit)
        rig.vehicle.ignition_on = True
        with pytest.raises(NotChanged, match="owner_required"):
            unit.owners.unpair(PASSKEY.cid)
        for _ in range(MAX_OWNER_KEYS - 1):
            unit.owners.pair(PairedKey.of(SoftwareKey.draw(origin="https://a.org", rp_id="a.org").pairing()))
        with pytest.raises(NotChanged, match="too_many_owner_keys"):
            unit.owners.pair(PairedKey.of(OTHER.pairing()))
        unit.owners.unpair(PASSKEY.cid)
        unit.owners.pair(PairedKey.of(OTHER.pairing()))
        assert len(unit.owners.keys) == MAX_OWNER_KEYS


async def test_at_a_sale_nothing_is_left(rig: Rig) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
        rig.vehicle.ignition_on = True
        unit.owners.erase()
        rig.vehicle.ignition_on = False
        assert told(unit) == [(False, 1), (True, 1), (False, 0)]
        assert PASSKEY.cid.encode() not in (rig.disk.read(FILE) or b"")
        assert (await rig.present(unit, co_signed(1))).code == "owner_signature"
        assert (await rig.present(unit, key_token(2))).outcome == "done"


async def test_without_room_for_its_receipt_nothing_changes(rig: Rig) -> None:
    rig.limits = QUICK.model_copy(update={"receipts_kept": 16})
    async with rig.unit() as unit:
        rig.vehicle.ignition_on = True
        while unit.receipts.room_for(1):
            unit.owners.pair(PAIRED)
        before = rig.disk.read(FILE)
        with pytest.raises(NotChanged, match="busy"):
            unit.owners.erase()
        assert rig.disk.read(FILE) == before


# ---- what stays


async def test_it_outlives_the_boot_and_the_log_written_anew(rig: Rig) -> None:
    rig.limits = QUICK.model_copy(update={"compact_after": 4})
    async with rig.unit() as unit:
        sit_in(rig, unit)
        assert told(unit) == [(False, 1), (True, 1)]
        hashes = [one.claims.owner.cids for one in unit.receipts.pending() if one.claims.owner]
        assert hashes[0] == (cid_hash(PASSKEY.cid),)
        for n in range(1, unit.receipts.last + 1):
            unit.receipts.acknowledged(n)
        assert unit.receipts.pending() == []
    async with rig.unit(with_list=False) as unit:
        assert unit.receipts.pending() == []  # nothing changed: nothing is told
        assert unit.owners.current == PairedKeys(required=True, keys=(PAIRED,))
        assert (await rig.present(unit, key_token(1))).code == "owner_signature"
        assert (await rig.present(unit, co_signed(2))).outcome == "done"


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"required":false,"keys":null}', b'{"required":0}'])
async def test_a_lost_or_spoilt_file_opens_nothing_until_somebody_sits_in_the_car(
    rig: Rig, content: bytes | None
) -> None:
    async with rig.unit() as unit:
        sit_in(rig, unit)
    if content is None:
        rig.disk.files.pop(FILE)
    else:
        rig.disk.replace(FILE, content)
    for _ in range(2):
        async with rig.unit(with_list=False) as unit:
            assert told(unit) == [(False, 1), (True, 1), (True, 0)]
            for token in (key_token(1), co_signed(1)):
                assert (await rig.present(unit, token)).code == "owner_signature"
    async with rig.unit(with_list=False) as unit:
        sit_in(rig, unit)
        assert (await rig.present(unit, co_signed(1))).outcome == "done"


async def test_what_was_set_at_enrolment_holds_until_somebody_sets_it_at_the_car(rig: Rig) -> None:
    made = identity(rig.folder)
    enrolled = made.enrolled.model_copy(update={"policy": Policy(require_owner=True)})
    unit = Unit(replace(made, enrolled=enrolled), UnitOptions(limits=QUICK), disk=rig.disk,
                vehicle=rig.vehicle, time=rig.time)  # fmt: skip
    unit.clock.prove(int(rig.time.now), drawn=rig.time.up)
    unit.start()
    unit.revocations.take(revocations())
    assert (await rig.present(unit, key_token())).code == "owner_signature"
    sit_in(rig, unit)
    assert (await rig.present(unit, co_signed())).outcome == "done"
    unit.latch.stop()


@pytest.mark.parametrize("writes", range(12))
async def test_power_cut_before_every_write(tmp_path: Path, writes: int) -> None:
    rig = Rig(tmp_path)
    steps = [
        PairedKeys(),
        PairedKeys(keys=(PAIRED,)),
        PairedKeys(required=True, keys=(PAIRED,)),
        PairedKeys(),
    ]
    try:
        async with rig.unit() as unit:
            rig.disk.writes = rig.disk.done + writes
            sit_in(rig, unit)
            rig.vehicle.ignition_on = True
            unit.owners.erase()
    except PowerCut:
        pass
    rig.vehicle.ignition_on = False
    for rest in rig.disk.remains():
        async with Rig(tmp_path, disk=rest).unit(with_list=False) as unit:
            now = unit.owners.current
            assert now in steps
            hashes = [one.claims.owner.hash for one in unit.receipts.pending() if one.claims.owner]
            assert len(hashes) <= 3
            # what is in force was told, and each step once
            assert hashes[-1:] == ([now.state.hash] if FILE in rest.files else [])
            assert len(told(unit)) == len(hashes)


# ---- the hand on the car


async def test_by_the_control_socket(rig: Rig) -> None:
    async with rig.unit() as unit:
        control = Control(rig.folder, unit)

        def ask(**wish: Any) -> dict[str, Any]:
            return json.loads(json.dumps(control.answer(json.dumps(wish).encode())))

        assert ask(pair_owner=PASSKEY.pairing()) == {"error": "ignition_off"}
        assert ask(pair_owner={**PASSKEY.pairing(), "rp_id": "org"})["error"] == "bad_request"
        assert ask(erase_owners=True, require_owner=False)["error"] == "bad_request"
        paired = ask(ignition=True, pair_owner=PASSKEY.pairing())
        assert paired["owner_keys"] == [
            {"cid": PASSKEY.cid, "rp_id": "example.org", "fingerprint": PAIRED.fingerprint}
        ]
        assert ask(require_owner=True)["require_owner"] is True
        assert ask(unpair_owner=PASSKEY.cid) == {"error": "owner_required"}
        assert ask(require_owner=False)["require_owner"] is False
        assert ask(unpair_owner=PASSKEY.cid)["owner_keys"] == []
        assert ask(erase_owners=True, ignition=False) == {"error": "ignition_off"}
        assert told(unit) == [(False, 1), (True, 1), (False, 1), (False, 0)]


def test_a_software_key_s_file(tmp_path: Path) -> None:
    path = tmp_path / "owner.json"
    PASSKEY.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SoftwareKey.load(path).pairing() == PASSKEY.pairing()
    assert "PRIVATE" not in repr(SoftwareKey.load(path))
    with pytest.raises(FileExistsError):
        PASSKEY.save(path)
