"""What stays of an owner's co-signature: who reads the evidence sees whose gesture opened, and what had none."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from keys.car.claims import KeyClaims
from keys.car.evidence import Report, Roots, verify_file
from keys.car.jwk import sha256_b64
from keys.car.jws import KEY, RECORD, payload_bytes, read, sign
from keys.car.owner_keys import cid_hash
from keys.car.records import ApprovalRecord, KeyRecord
from keys.evidence import build
from keys.model import Kept
from spine.ids import DeliveryId, UnitId, VehicleId
from tests.keys_world import LOG_KEY, published
from tests.unit.test_keys_evidence import CA, pem
from tests.unit.test_unit_opening import Rig
from tests.unit.test_unit_owners import OTHER, PASSKEY, co_signed, sit_in
from tests.unit.unit_rig import COURIER, DELIVERY, KEY_SIGNER, RECEIPT_KEY, T0, UNIT, jwks, key_token
from vehicle_unit.unit import Unit

JWKS = {"keys": [*jwks()["keys"], published("log", LOG_KEY)]}
ROOTS = Roots.of(pem(CA.certificate), JWKS)
NOW = datetime.fromtimestamp(T0, UTC)
WHAT = "the owner's co-signature is told alike by car and service"


def recorded(token: str, **changes: Any) -> str:
    """What the service kept of a key that it signed."""
    claims = KeyClaims.of(read(token, KEY).claims)
    record = KeyRecord(
        dlv=claims.dlv, aud=claims.aud, jti=claims.jti, seq=claims.seq, kid=KEY_SIGNER.kid, jkt=COURIER.kid,
        act=claims.act, hash=sha256_b64(payload_bytes(claims.wire())), ath=sha256_b64(token.encode()),
        iat=claims.iat, nbf=claims.nbf, exp=claims.exp, cid=claims.own.cid if claims.own else None,
    )  # fmt: skip
    return sign(record.model_copy(update=changes).wire(), form=RECORD, key=LOG_KEY)


def judged(unit: Unit, *keys: str) -> Report:
    approval = ApprovalRecord(
        dlv=DELIVERY, question="qst_0123456789abcdef.1", level="passkey", by="per_0aaaaaaaaaaaaaaa",
        shown="a" * 43, at=(T0 - 60) * 1000,
    )  # fmt: skip
    document = build(
        delivery=DeliveryId(DELIVERY),
        vehicle=VehicleId("veh_0123456789abcdef"),
        unit=UnitId(UNIT),
        kept=Kept((sign(approval.wire(), form=RECORD, key=LOG_KEY),), keys),
        receipts=[(one.token, NOW + timedelta(seconds=1)) for one in unit.receipts.pending()],
        certificates=[CA.leaf(UNIT, RECEIPT_KEY.private.public_key(), NOW)],
        authorities=[pem(CA.certificate)],
        jwks=JWKS,
        facts=[],
        now=NOW,
    )
    return verify_file(json.dumps(document).encode(), ROOTS)


def said(report: Report) -> dict[str, tuple[bool, str]]:
    return {check.what: (check.ok, check.why) for check in report.checks}


async def opened_by_the_owner(rig: Rig, unit: Unit, token: str) -> None:
    sit_in(rig, unit)
    assert (await rig.present(unit, token)).outcome == "done"
    unit.motor.lift()
    unit.motor.shut()


async def test_the_file_of_an_honest_delivery_verifies_and_names_the_credential(tmp_path: Path) -> None:
    rig, token = Rig(tmp_path), co_signed(1)
    async with rig.unit() as unit:
        await opened_by_the_owner(rig, unit, token)
        consumed = next(one.claims for one in unit.receipts.pending() if one.claims.out == "consumed")
        assert consumed.own == cid_hash(PASSKEY.cid)
        report = judged(unit, recorded(token))
        assert report.verified
        assert said(report)[WHAT] == (True, f"key 1 by credential {PASSKEY.cid}")


async def test_a_service_that_names_another_credential_is_found_out(tmp_path: Path) -> None:
    rig, token = Rig(tmp_path), co_signed(1)
    async with rig.unit() as unit:
        await opened_by_the_owner(rig, unit, token)
        for told in (OTHER.cid, None):
            report = judged(unit, recorded(token, cid=told))
            assert report.verdict == "broken"
            assert not said(report)[WHAT][0]


async def test_a_key_of_a_stolen_issuer_key_is_in_the_chain_and_breaks_the_file(tmp_path: Path) -> None:
    """The thief signs for the same delivery, car and phone; the car refuses, and its chain says so."""
    rig, honest = Rig(tmp_path), co_signed(2)
    async with rig.unit() as unit:
        sit_in(rig, unit)
        stolen = key_token(1)
        assert (await rig.present(unit, stolen)).code == "owner_signature"
        assert (await rig.present(unit, honest)).outcome == "done"
        assert rig.releases == 1
        unit.motor.lift()
        unit.motor.shut()
        refused = [one.claims for one in unit.receipts.pending() if one.claims.out == "refused"]
        assert [(one.code, one.seq, one.dlv) for one in refused] == [("owner_signature", 1, DELIVERY)]
        report = judged(unit, recorded(honest))
        assert report.verdict == "broken"
        used = said(report)["each key was used once at most, and only a key of this delivery"]
        assert used == (False, "a receipt names a key that is not recorded")


async def test_a_service_that_mints_without_the_owner_is_shown_refused(tmp_path: Path) -> None:
    rig, alone = Rig(tmp_path), key_token(1)
    async with rig.unit() as unit:
        sit_in(rig, unit)
        assert (await rig.present(unit, alone)).code == "owner_signature"
        report = judged(unit, recorded(alone))
        assert report.verified
        assert said(report)[WHAT] == (True, "key 1 was refused for it")
