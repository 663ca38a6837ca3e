"""docs/vectors/keys.json: the bytes of docs/keys.md, read and written by our own code."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys.car.challenge import Challenges
from keys.car.claims import FreshClaims, KeyClaims
from keys.car.fresh import read_answer
from keys.car.jwk import b64, sha256_b64, unb64
from keys.car.jws import (
    COMMAND,
    FRESH,
    KEY,
    PROOF,
    RECEIPT,
    Alg,
    Form,
    SigningKey,
    Unacceptable,
    read,
    sign,
    verify,
)
from keys.car.place import Position
from keys.car.policy import Policy
from keys.car.receipt import GENESIS, Head, chain_hash, verify_chain
from keys.car.trust import TrustedKeys
from keys.car.verify import Car, KeyRefused, Presented, Reading, Refusal, allow, prove
from keys.car.window import Standing, Window
from tests.second import first
from tests.second.vectors import VECTORS, case_of
from vehicle_unit.record import Record

FORMS = {"key": KEY, "proof": PROOF, "fresh": FRESH, "answer": FRESH, "cmd": COMMAND}
BUNDLE = Form("tl-bundle+jwt", Alg.ED25519, "kid", 16_384)
PARKED = Car(
    parked=True, ignition_on=False, speed_kmh=0, doors_shut=True, position=Position(*VECTORS["position"])
)


def private(name: str) -> SigningKey:
    d = unb64(VECTORS["keys"][name]["d"])
    if VECTORS["keys"][name]["jwk"]["kty"] == "EC":
        return SigningKey.of(ec.derive_private_key(int.from_bytes(d, "big"), ec.SECP256R1()))
    return SigningKey.of(Ed25519PrivateKey.from_private_bytes(d))


def trust() -> TrustedKeys:
    pinned = [
        {
            **VECTORS["keys"][name]["jwk"],
            "kid": VECTORS["keys"][name]["kid"],
            "alg": "Ed25519",
            "use": "sig",
            "purpose": name,
        }
        for name in ("key", "fresh", "cmd", "log")
    ]
    return TrustedKeys.from_jwks({"keys": pinned})


def challenges() -> Challenges:
    open_ones = Challenges(Policy(), lambda size: bytes(range(size)))
    assert open_ones.draw("link", uptime=0.0) == VECTORS["challenge"]
    return open_ones


def present(key: str) -> Any:
    proof = VECTORS["objects"]["proof"]["token"]
    return prove(
        Presented(key, proof),
        link="link",
        unit=VECTORS["unit"],
        trust=trust(),
        challenges=challenges(),
        uptime=1.0,
    )


@pytest.mark.parametrize("name", sorted(VECTORS["keys"]))
def test_keys_are_named_by_their_thumbprint(name: str) -> None:
    key = private(name)
    assert (dict(key.jwk), key.kid) == (VECTORS["keys"][name]["jwk"], VECTORS["keys"][name]["kid"])


def written() -> list[tuple[dict[str, Any], Form]]:
    objects = [(VECTORS["objects"][name], form) for name, form in FORMS.items()]
    return [*objects, *((receipt, RECEIPT) for receipt in VECTORS["receipts"])]


@pytest.mark.parametrize(("said", "form"), written())
def test_objects_are_read_and_written_to_the_byte(said: dict[str, Any], form: Form) -> None:
    key = private(said["signer"])
    parts = read(said["token"], form)
    assert verify(parts, key.private.public_key()) == said["claims"]
    assert json.loads(unb64(said["token"].split(".")[0])) == said["header"]
    if form is not PROOF:  # ES256 draws a number each time
        assert sign(said["claims"], form=form, key=key) == said["token"]


def test_the_opening_is_granted() -> None:
    proven = present(VECTORS["objects"]["key"]["token"])
    assert proven.claims == KeyClaims.of(VECTORS["objects"]["key"]["claims"])
    granted = allow(
        proven,
        policy=Policy(),
        clock=Reading("synced", VECTORS["now"] * 1000, 100),
        trust=trust(),
        revocations=FreshClaims.of(VECTORS["objects"]["fresh"]["claims"]),
        window=Window(),
        car=PARKED,
    )
    assert granted.window == Window().mark(7)
    assert granted.key_hash == VECTORS["objects"]["proof"]["claims"]["ath"]


@pytest.mark.parametrize("said", VECTORS["openings"], ids=lambda said: said["why"])
def test_every_opening_ends_as_it_says(said: dict[str, Any]) -> None:
    assert sign(said["claims"], form=KEY, key=private("key")) == said["key"]
    ended = first.present(case_of(said))
    assert ended["outcome"] == said["outcome"]
    if said["outcome"] == "granted":
        floor, bitmap = int(ended["window"]["floor"]), int(ended["window"]["bitmap"], 16)
        assert Window(floor, bitmap).standing(said["claims"]["seq"]) is Standing.USED
    else:
        assert ended["proven"] is (said["outcome"] != "refused")


def test_the_openings_show_every_code_of_the_verifier() -> None:
    shown = {said["outcome"] for said in VECTORS["openings"]}
    assert shown == {"granted", *(set(Refusal) - {Refusal.BUSY, Refusal.INTERNAL})}


def test_news_for_the_challenge() -> None:
    said = VECTORS["objects"]["answer"]
    taken = read_answer(said["token"], trust=trust(), unit=VECTORS["unit"], nonce=VECTORS["challenge"])
    assert taken.wire() == said["claims"]
    with pytest.raises(Unacceptable):
        read_answer(said["token"], trust=trust(), unit=VECTORS["unit"], nonce="A" * 43)


@pytest.mark.parametrize("said", VECTORS["bundles"]["taken"], ids=lambda said: said["why"])
def test_bundles_are_written_to_the_byte(said: dict[str, Any]) -> None:
    keys = [private(name) for name in said["signers"]]
    assert [sign(said["claims"], form=BUNDLE, key=key) for key in keys] == said["bundle"]
    for token, key in zip(said["bundle"], keys, strict=True):
        parts = read(token, BUNDLE)
        assert parts.signer == key.kid
        assert verify(parts, key.private.public_key()) == said["claims"]
    assert len({token.split(".")[1] for token in said["bundle"]}) == 1


@pytest.mark.parametrize("case", VECTORS["refused_keys"], ids=lambda case: case["why"])
def test_what_must_be_refused_is_refused_with_one_word(case: dict[str, Any]) -> None:
    with pytest.raises(KeyRefused) as refused:
        present(case["token"])
    assert (refused.value.refusal, refused.value.proven) == (Refusal.REFUSED, False)
    if case["fault"] is not None:
        assert refused.value.why == case["fault"]


def test_receipts_follow_one_another() -> None:
    receipts = VECTORS["receipts"]
    unit = private("unit").private.public_key()
    told = verify_chain([one["token"] for one in receipts], key=unit, unit=VECTORS["unit"], head=Head())
    assert [one.out for one in told] == ["consumed", "opened", "closed", "locked"]
    assert [chain_hash(one["token"]) for one in receipts] == [one["hash"] for one in receipts]
    assert told[0].prev == GENESIS == b64(bytes(32))
    assert told[1].prev == sha256_b64(receipts[0]["token"].encode())


def test_the_window_and_the_record() -> None:
    window = Window()
    for step in VECTORS["window"]["steps"]:
        assert window.standing(step["seq"]).value == step["standing"]
        if step["standing"] == "unused":
            window = window.mark(step["seq"])
        assert (window.floor, f"{window.bitmap:064x}") == (step["floor"], step["bitmap"])
    assert window.standing(VECTORS["window"]["too_far"]) is Standing.TOO_FAR
    said = VECTORS["window"]["record"]
    record = Record(
        said["generation"], window, said["clock_floor"], said["bundle_version"], said["revocation_version"]
    )
    assert record.packed().hex() == said["bytes"]
    assert Record.unpacked(bytes.fromhex(said["bytes"])) == record


def test_what_a_command_carries_is_what_is_presented() -> None:
    args = VECTORS["objects"]["cmd"]["claims"]["args"]
    assert (args["key"], args["proof"]) == tuple(
        VECTORS["objects"][name]["token"] for name in ("key", "proof")
    )
