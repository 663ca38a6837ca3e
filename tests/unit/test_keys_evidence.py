"""The evidence file: verified by roots from outside, broken by any changed byte of what is signed."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car.assertions import assertion_hash, hash_of_json
from keys.car.evidence import Report, Roots, verify_file
from keys.car.evidence_file import SERVICE_KEYS_FILE, VEHICLE_CA_FILE, BadRoots
from keys.car.jwk import b64, sha256_b64
from keys.car.jws import KEY, RECORD, SigningKey, payload_bytes, read, sign
from keys.car.proof import make_proof
from keys.car.receipt import Head, chain_hash
from keys.car.records import ApprovalRecord, CheckpointRecord, KeyRecord
from keys.evidence import build, segment
from keys.model import Kept
from spine.facts.delivery import DeliveryApproved
from spine.facts.keys import BootOpened
from spine.ids import CarrierId, DeliveryId, KeyId, QuestionId, UnitId, VehicleId
from tests.depth import deep, spots
from tests.keys_unit import Receipting
from tests.keys_world import (
    CLAIMS,
    DELIVERY,
    ISSUER,
    JWKS,
    LOG_KEY,
    NOW,
    OTHER_PHONE,
    OTHER_UNIT,
    PHONE,
    SECONDS,
    UNIT,
    published,
)

VEHICLE = VehicleId("veh_7aaaaaaaaaaaaaaa")
TOKEN = sign(CLAIMS.wire(), form=KEY, key=ISSUER)


class Authority:
    """A vehicle CA as an installation has one."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trunkline vehicle CA")])
        self.certificate = self._sign(self.name, self.key.public_key(), NOW, timedelta(days=3650), ca=True)

    def leaf(self, unit: str, key: Any, since: datetime = NOW, life: timedelta = timedelta(days=90)) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, unit)])
        return pem(self._sign(name, key, since, life, ca=False))

    def _sign(
        self, name: x509.Name, key: Any, since: datetime, life: timedelta, *, ca: bool
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(since - timedelta(hours=1))
            .not_valid_after(since + life)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


CA, OTHER_CA = Authority(), Authority()
ROOTS = Roots.of(pem(CA.certificate), JWKS)
UNIT_KEY = SigningKey.draw()


def approval(**changes: Any) -> str:
    record = ApprovalRecord(
        dlv=DELIVERY, question="qst_7k3maaaaaaaaaaaa.1", level="link", by="per_3aaaaaaaaaaaaaaa", shown="a" * 43,
        at=(SECONDS - 60) * 1000,
    )  # fmt: skip
    return sign(record.model_copy(update=changes).wire(), form=RECORD, key=LOG_KEY)


def key_record(**changes: Any) -> str:
    record = KeyRecord(
        dlv=DELIVERY, aud=UNIT, jti=CLAIMS.jti, seq=CLAIMS.seq, kid=ISSUER.kid, jkt=PHONE.kid, act=CLAIMS.act,
        hash=sha256_b64(payload_bytes(CLAIMS.wire())), ath=sha256_b64(TOKEN.encode()), iat=CLAIMS.iat,
        nbf=CLAIMS.nbf, exp=CLAIMS.exp,
    )  # fmt: skip
    return sign(record.model_copy(update=changes).wire(), form=RECORD, key=LOG_KEY)


def receipts(outs: Sequence[str] = ("consumed", "opened", "closed", "locked"), **more: Any) -> list[str]:
    unit = Receipting(UNIT_KEY, head=Head(4, "B" * 43))
    return [unit.write(out, jti=CLAIMS.jti, seq=CLAIMS.seq, **more) for out in outs]


def checkpoint() -> str:
    """Of the log, by the service's key for it."""
    record = CheckpointRecord(at=SECONDS * 1000, partition=7, position="1-0", hash="D" * 43)
    return sign(record.wire(), form=RECORD, key=LOG_KEY)


def file(told: Sequence[str] | None = None, **changes: Any) -> dict[str, Any]:
    told = receipts() if told is None else told
    parts: dict[str, Any] = {
        "delivery": DeliveryId(DELIVERY),
        "vehicle": VEHICLE,
        "unit": UnitId(UNIT),
        "kept": Kept((approval(),), (key_record(),), checkpoint()),
        "receipts": [(text, NOW + timedelta(seconds=1)) for text in told],
        "certificates": [CA.leaf(UNIT, UNIT_KEY.private.public_key())],
        "authorities": [pem(CA.certificate)],
        "jwks": JWKS,
        "facts": [
            DeliveryApproved(
                at=NOW, delivery=DeliveryId(DELIVERY), carrier=CarrierId("car_7aaaaaaaaaaaaaaa"), vehicle=VEHICLE,
                question=QuestionId("qst_7k3maaaaaaaaaaaa.1"), by=None, level="link", shown="a" * 43,
            ),
            *[
                BootOpened(
                    at=NOW, vehicle=VEHICLE, unit=UnitId(UNIT), delivery=DeliveryId(DELIVERY),
                    key=KeyId("key_7k3maaaaaaaaaaaa.1"), n=6, receipt_hash=chain_hash(text),
                )
                for text in told[1:2]
            ],
        ],
        "proofs": [make_proof(PHONE, key_token=TOKEN, challenge="C" * 43, unit=UNIT, act="open:trunk", now=NOW)],
        "now": NOW,
    }  # fmt: skip
    return build(**{**parts, **changes})


def judge(document: dict[str, Any], roots: Roots | None = ROOTS) -> Report:
    return verify_file(json.dumps(document).encode(), roots)


def wrong(document: dict[str, Any], roots: Roots | None = ROOTS) -> str:
    report = judge(document, roots)
    assert report.verdict == "broken"
    return next(check.what for check in report.checks if not check.ok)


def test_a_delivery_verifies_by_roots_from_outside() -> None:
    report = judge(file())
    assert [check for check in report.checks if not check.ok] == []
    assert (report.verdict, report.verified) == ("verified", True)
    assert report.as_json()["verdict"] == "verified"


def test_without_roots_a_file_can_only_agree_with_itself() -> None:
    report = judge(file(), None)
    assert (report.verdict, report.verified) == ("consistent, signer unknown", False)


def test_somebody_elses_roots() -> None:
    assert (
        wrong(file(), Roots.of(pem(OTHER_CA.certificate), JWKS))
        == "the unit's certificate leads to the vehicle CA"
    )
    other = {"keys": [published(purpose, SigningKey.draw()) for purpose in ("key", "fresh", "cmd", "log")]}
    assert wrong(file(), Roots.of(pem(CA.certificate), other)) == "the approvals are signed by the service"


def test_a_file_made_up_with_keys_of_ones_own_is_no_evidence() -> None:
    """Everything forged alike agrees with itself; only roots from outside tell."""
    forged = file(certificates=[OTHER_CA.leaf(UNIT, UNIT_KEY.private.public_key())],
                  authorities=[pem(OTHER_CA.certificate)])  # fmt: skip
    assert judge(forged, None).verdict == "consistent, signer unknown"
    assert judge(forged).verdict == "broken"


def test_what_a_file_says_of_its_own_roots_counts_for_nothing_beside_others() -> None:
    for own in ({"authorities": ["nonsense"]}, {"jwks": {}}):
        document = {**file(), **own}
        assert judge(document).verified
        assert judge(document, None).verdict == "broken"


SIGNED: dict[str, Callable[[dict[str, Any]], tuple[Any, Any]]] = {
    "approval": lambda one: (one["approvals"], 0),
    "key": lambda one: (one["keys"], 0),
    "proof": lambda one: (one["proofs"], 0),
    "first receipt": lambda one: (one["receipts"][0], "receipt"),
    "last receipt": lambda one: (one["receipts"][3], "receipt"),
    "certificate": lambda one: (one["certificates"], 0),
    "checkpoint": lambda one: (one, "checkpoint"),
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


@pytest.mark.parametrize("where", SIGNED)
def test_every_changed_byte_of_a_signed_part_breaks_it(where: str) -> None:
    good = file()
    holder, place = SIGNED[where](good)
    text = holder[place]
    for spot in spots(len(text), 6):
        other = ALPHABET[(ALPHABET.find(text[spot]) + 1) % len(ALPHABET)]
        holder[place] = text[:spot] + other + text[spot + 1 :]
        assert judge(good).verdict == "broken", (where, spot)
    holder[place] = text
    assert judge(good).verified


def test_bits_called_unused_make_another_certificate() -> None:
    """One in sixteen signatures ends in zero bits, which an encoding may then leave out: not in ours."""
    while (der := _der(CA.leaf(UNIT, UNIT_KEY.private.public_key())))[-1] & 0x0F:
        pass
    at = len(der) - len(x509.load_der_x509_certificate(der).signature) - 1
    assert der[at] == 0
    loose = x509.load_der_x509_certificate(der[:at] + b"\x04" + der[at + 1 :])
    assert loose.tbs_certificate_bytes == x509.load_der_x509_certificate(der).tbs_certificate_bytes
    assert judge(file(certificates=[pem(loose)])).verdict == "broken"


def _der(text: str) -> bytes:
    return x509.load_pem_x509_certificate(text.encode()).public_bytes(Encoding.DER)


GOOD_BYTES = json.dumps(file()).encode()


@settings(max_examples=deep(100), deadline=None)
@given(st.integers(0, len(GOOD_BYTES) - 1), st.integers(0, 255))
def test_no_byte_makes_it_raise(spot: int, to: int) -> None:
    changed = bytearray(GOOD_BYTES)
    changed[spot] = to
    assert verify_file(bytes(changed), ROOTS).verdict in {"verified", "broken"}


@settings(max_examples=deep(50), deadline=None)
@given(st.one_of(st.binary(), st.text().map(str.encode), st.just(b"{}"), st.just(b"[" * 5000)))
def test_what_is_no_file_is_broken(data: bytes) -> None:
    for roots in (ROOTS, None):
        assert verify_file(data, roots).verdict == "broken"


def stripped(**changes: Any) -> dict[str, Any]:
    return file(facts=[], **changes)


LATER = timedelta(days=200)
STORIES: dict[str, tuple[dict[str, Any], str]] = {
    "approved after the key": (stripped(kept=Kept((approval(at=(SECONDS + 5) * 1000),), (key_record(),))),
                               "an approval came before each key"),
    "no approval": (stripped(kept=Kept((), (key_record(),))), "an approval came before each key"),
    "another delivery's approval": (stripped(kept=Kept((approval(dlv="dlv_7bbbbbbbbbbbbbbb"),), (key_record(),))),
                                    "the approvals are signed by the service"),
    "a key record as approval": (stripped(kept=Kept((key_record(),), (key_record(),))),
                                 "the approvals are signed by the service"),
    "another unit's key": (stripped(kept=Kept((approval(),), (key_record(aud=OTHER_UNIT),))),
                           "the keys are recorded and signed by the service"),
    "key of an unknown signer": (stripped(kept=Kept((approval(),), (key_record(kid="E" * 43),))),
                                 "the keys are recorded and signed by the service"),
    "two keys of one number": (stripped(kept=Kept((approval(),), (key_record(), key_record()))),
                               "the keys are recorded and signed by the service"),
    "a receipt left out": (stripped(told=[receipts()[0], *receipts()[2:]]),
                           "the receipts are an unbroken chain signed by the unit"),
    "no certificate": (stripped(certificates=[]), "the receipts are an unbroken chain signed by the unit"),
    "another unit's certificate": (stripped(certificates=[CA.leaf(OTHER_UNIT, UNIT_KEY.private.public_key())]),
                                   "the receipts are an unbroken chain signed by the unit"),
    "a certificate of a connection key": (stripped(certificates=[CA.leaf(UNIT, PHONE.private.public_key())]),
                                          "the receipts are an unbroken chain signed by the unit"),
    "a certificate of another time": (stripped(certificates=[CA.leaf(UNIT, UNIT_KEY.private.public_key(), NOW + LATER)]),
                                      "the unit's certificate leads to the vehicle CA"),
    "no key for what was consumed": (stripped(kept=Kept((approval(),), ())),
                                     "each key was used once at most, and only a key of this delivery"),
    "consumed twice": (stripped(told=receipts(["consumed", "consumed"])),
                       "each key was used once at most, and only a key of this delivery"),
    "opened unconsumed": (stripped(told=receipts(["opened", "closed"])), "opened, closed and locked came in order"),
    "locked before opened": (stripped(told=receipts(["consumed", "locked", "opened"])),
                             "opened, closed and locked came in order"),
    "used after its window": (stripped(told=receipts(at=(SECONDS + 9000) * 1000)), "the times agree"),
    "arrived before it was written": (stripped(told=receipts(at=(SECONDS + 600) * 1000)), "the times agree"),
    "another phone's proof": (stripped(proofs=[make_proof(OTHER_PHONE, key_token=TOKEN, challenge="C" * 43, unit=UNIT,
                                                          act="open:trunk", now=NOW)]),
                              "the courier's device signed for the key"),
    "proof for another key": (stripped(proofs=[make_proof(PHONE, key_token="x", challenge="C" * 43, unit=UNIT,
                                                          act="open:trunk", now=NOW)]),
                              "the courier's device signed for the key"),
    "a key record as checkpoint": (stripped(kept=Kept((approval(),), (key_record(),), key_record())),
                                   "the checkpoint of the log is signed by the service"),
}  # fmt: skip


@pytest.mark.parametrize("name", STORIES)
def test_parts_that_are_well_signed_must_tell_one_story(name: str) -> None:
    document, what = STORIES[name]
    assert wrong(document) == what


def test_the_services_account_must_agree() -> None:
    for change in (
        {"level": "passkey"},
        {"question": "qst_7k3maaaaaaaaaaaa.2"},
        {"vehicle": "veh_7bbbbbbbbbbbbbbb"},
    ):
        document = file()
        document["facts"][0].update(change)
        assert wrong(document) == "the service's account agrees with what is signed"
    for change in ({"n": 7}, {"n": 6.0}, {"receipt_hash": "F" * 43}):
        document = file()
        document["facts"][1].update(change)
        assert wrong(document) == "the service's account agrees with what is signed"


def response(
    client: bytes = b'{"type":"webauthn.get"}', data: bytes = b"a" * 37, signature: bytes = b"s"
) -> bytes:
    """As a browser writes it."""
    parts = {"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature)}
    return json.dumps({"id": "c1", "rawId": "c1", "type": "public-key", "response": parts}).encode()


GESTURE, OTHER_GESTURE = response(), response(signature=b"t")
GESTURED = hash_of_json(GESTURE)
NO_GESTURES = (
    b"", b"{}", b"[]", b'{"response": 1}', b'{"response": {}}', GESTURE[:-1], GESTURE.replace(b'"signature"', b'"sig"'),
    GESTURE.replace(b'"c1"', b'"c1", "id": "c2"', 1), OTHER_GESTURE, response(data=b"a" * 36, client=b'{"type":"webauthn.get"}a'),
    GESTURE.replace(b'"cw"', b'"cx"'), GESTURE.replace(b'"cw"', b"7"), GESTURE.replace(b'"cw"', b'"c="'),
)  # fmt: skip


def test_an_approval_names_what_the_passkey_signed() -> None:
    assert hash_of_json(GESTURE) == assertion_hash(b'{"type":"webauthn.get"}', b"a" * 37, b"s")
    document = file(kept=Kept((approval(level="passkey", assertion=GESTURED),), (key_record(),)))
    document["facts"][0] |= {"level": "passkey", "assertion": GESTURED}
    data = json.dumps(document).encode()
    assert verify_file(data, ROOTS).verified
    assert verify_file(data, ROOTS, [GESTURE]).verified
    for kept in NO_GESTURES:
        report = verify_file(data, ROOTS, [GESTURE, kept])
        assert [one.what for one in report.checks if not one.ok] == [
            "the approvals name what the passkey signed"
        ], kept
    for told in (None, "D" * 43, 7):
        document["facts"][0]["assertion"] = told
        assert wrong(document) == "the service's account agrees with what is signed"


def test_what_was_recorded_before_means_what_it_meant() -> None:
    document = file()
    assert "assertion" not in read(document["approvals"][0], RECORD).claims
    del document["facts"][0]["assertion"]
    assert judge(document).verified
    named = verify_file(json.dumps(document).encode(), ROOTS, [GESTURE])
    assert [one.why for one in named.checks if not one.ok] == ["no approval names it"]


def test_nothing_happened_and_nothing_was_made() -> None:
    empty = file([], kept=Kept((), ()), facts=[], proofs=[], certificates=[])
    assert judge(empty).verified


def test_others_receipts_between_stay_in_the_segment() -> None:
    unit = Receipting(UNIT_KEY)
    other = [unit.write("revoked", rev=1)]
    mine = [unit.write("consumed", jti=CLAIMS.jti, seq=CLAIMS.seq)]
    between = [unit.write("revoked", rev=2)]
    last = [unit.write("locked", jti=CLAIMS.jti, seq=CLAIMS.seq)]
    after = [unit.write("revoked", rev=3)]
    every = [(text, NOW) for text in (*after, *last, *between, *mine, *other, *mine, "nonsense")]
    assert [text for text, _ in segment(every, DeliveryId(DELIVERY))] == [*mine, *between, *last]
    assert segment(every, DeliveryId("dlv_7zzzzzzzzzzzzzzz")) == []
    assert judge(stripped(told=[*mine, *between, *last])).verified


def test_a_renewed_certificate_of_the_same_key() -> None:
    public = UNIT_KEY.private.public_key()
    both = [CA.leaf(UNIT, public, NOW - timedelta(days=80)), CA.leaf(UNIT, public, NOW + LATER)]
    assert judge(stripped(certificates=both)).verified
    two_keys = [*both, CA.leaf(UNIT, SigningKey.draw().private.public_key())]
    assert judge(stripped(certificates=two_keys)).verdict == "broken"


def test_a_leaf_is_no_authority() -> None:
    """A unit's own certificate cannot vouch for another unit."""
    leaf = CA.leaf(UNIT, UNIT_KEY.private.public_key())
    document = deepcopy(file())
    assert wrong(document, Roots.of(leaf, JWKS)) == "the unit's certificate leads to the vehicle CA"


def test_roots_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadRoots):
        Roots.load(tmp_path)
    (tmp_path / VEHICLE_CA_FILE).write_text(pem(CA.certificate))
    (tmp_path / SERVICE_KEYS_FILE).write_text(json.dumps(JWKS))
    assert judge(file(), Roots.load(tmp_path)).verified
    for bad in ("[]", "{}", "nonsense", json.dumps({"keys": [{"kty": "OKP", "x": b64(b"x")}]})):
        (tmp_path / SERVICE_KEYS_FILE).write_text(bad)
        with pytest.raises(BadRoots):
            Roots.load(tmp_path)
