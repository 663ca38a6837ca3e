"""Agree with other people's numbers: Wycheproof, RFC 8037, RFC 9449, and joserfc as a second implementation."""

import json
from pathlib import Path
from typing import Any

import joserfc.jws
import jwt
import pytest
from joserfc.jwk import ECKey, OKPKey
from jwt.algorithms import OKPAlgorithm

from keys.car.jwk import (
    BadKey,
    b64,
    ed25519_from_jwk,
    ed25519_to_jwk,
    p256_from_jwk,
    p256_to_jwk,
    sha256_b64,
    thumbprint,
    unb64,
)
from keys.car.jws import (
    FORMS,
    KEY,
    PROOF,
    Alg,
    SigningKey,
    Unacceptable,
    holds,
    payload_bytes,
    read,
    sign,
    verify,
)
from tests.keys_world import CLAIMS, ISSUER, PHONE, forge, key_header

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "keys"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no test vectors in {VECTORS}")


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((VECTORS / name).read_text())
    return document


def jwk_of(group: dict[str, Any]) -> dict[str, str]:
    """Not every group comes with its key as a JWK."""
    if "publicKeyJwk" in group:
        return {member: value for member, value in group["publicKeyJwk"].items() if member != "kid"}
    point = bytes.fromhex(group["publicKey"]["uncompressed"])
    return {"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}


@needs_vectors
@pytest.mark.parametrize(
    ("name", "alg", "of_jwk", "count"),
    [("ed25519_test.json", Alg.ED25519, ed25519_from_jwk, 151),
     ("ecdsa_secp256r1_sha256_p1363_test.json", Alg.ES256, p256_from_jwk, 262)],
)  # fmt: skip
def test_wycheproof(name: str, alg: Alg, of_jwk: Any, count: int) -> None:
    seen, wrong = 0, []
    for group in load(f"wycheproof/{name}")["testGroups"]:
        jwk = jwk_of(group)
        for case in group["tests"]:
            seen += 1
            try:
                key = of_jwk(jwk)
            except BadKey:
                verdict = False
            else:
                verdict = holds(alg, key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            if verdict != (case["result"] == "valid"):
                wrong.append((case["tcId"], case["comment"]))
    assert (seen, wrong) == (count, [])


@needs_vectors
def test_rfc_8037_key_thumbprint_and_signature() -> None:
    rfc = load("rfc8037_appendix_a.json")
    key = ed25519_from_jwk(rfc["A.2_public_jwk"])
    assert ed25519_to_jwk(key) == rfc["A.2_public_jwk"]
    assert thumbprint(rfc["A.2_public_jwk"]) == rfc["A.3_thumbprint"]["sha256_b64u"]
    signed, _, signature = rfc["A.4_signing"]["compact"].rpartition(".")
    assert holds(Alg.ED25519, key, signed.encode(), unb64(signature))
    assert not holds(Alg.ED25519, key, signed.encode() + b"x", unb64(signature))
    with pytest.raises(BadKey):
        ed25519_from_jwk(rfc["A.1_private_jwk"])


@needs_vectors
def test_rfc_9449_proofs() -> None:
    rfc = load("rfc9449_examples.json")
    proofs = [
        one for one in rfc["jwts"] if one["header"]["typ" if "typ" in one["header"] else "alg"] == "dpop+jwt"
    ]
    assert len(proofs) == 3
    for one in proofs:
        signed, _, signature = one["compact"].rpartition(".")
        key = p256_from_jwk(one["header"]["jwk"])
        assert holds(Alg.ES256, key, signed.encode(), unb64(signature))
        assert p256_to_jwk(key) == one["header"]["jwk"]
        with pytest.raises(Unacceptable):  # another kind of proof than ours
            read(one["compact"], PROOF)
    bound = next(one["payload"] for one in rfc["jwts"] if "cnf" in one["payload"])
    assert thumbprint(proofs[0]["header"]["jwk"]) == bound["cnf"]["jkt"]
    token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"  # RFC 9449, the access token of its examples
    assert proofs[-1]["payload"]["ath"] == sha256_b64(token.encode())


REGISTRY = joserfc.jws.JWSRegistry(algorithms=["Ed25519", "ES256"], strict_check_header=False)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.typ)
def test_joserfc_reads_what_we_sign(form: Any) -> None:
    key = PHONE if form is PROOF else ISSUER
    oracle = (ECKey if form is PROOF else OKPKey).import_key(dict(key.jwk))
    told = joserfc.jws.deserialize_compact(sign(CLAIMS.wire(), form=form, key=key), oracle, registry=REGISTRY)
    assert json.loads(told.payload) == CLAIMS.wire()
    assert told.headers()["typ"] == form.typ


def test_we_read_what_joserfc_signs() -> None:
    pem = ISSUER.pem()
    token = joserfc.jws.serialize_compact(
        key_header(), json.dumps(CLAIMS.wire()).encode(), OKPKey.import_key(pem), registry=REGISTRY
    )
    assert verify(read(token, KEY), ISSUER.private.public_key()) == CLAIMS.wire()
    header = {"alg": "ES256", "typ": "tl-pop+jwt", "jwk": dict(PHONE.jwk)}
    proof = joserfc.jws.serialize_compact(
        header, b'{"nonce":"x"}', ECKey.import_key(PHONE.pem()), registry=REGISTRY
    )
    assert verify(read(proof, PROOF), p256_from_jwk(PHONE.jwk)) == {"nonce": "x"}


def test_signing_twice_gives_the_same_bytes() -> None:
    again = SigningKey.of(ISSUER.private)
    assert sign(CLAIMS.wire(), form=KEY, key=ISSUER) == sign(CLAIMS.wire(), form=KEY, key=again)
    shuffled = dict(reversed(CLAIMS.wire().items()))
    assert sign(shuffled, form=KEY, key=ISSUER) == sign(CLAIMS.wire(), form=KEY, key=ISSUER)


@pytest.mark.parametrize("form", [form for form in FORMS if form is not PROOF], ids=lambda form: form.typ)
def test_pyjwts_encode_gives_the_same_bytes(form: Any) -> None:
    pyjwt = jwt.PyJWS()
    pyjwt.register_algorithm("Ed25519", OKPAlgorithm())
    for claims in (CLAIMS.wire(), {"z": "\u00e4\u2028", "a": [1, None, {"c": 0.5, "b": True}]}):
        header = {"typ": form.typ, "kid": ISSUER.kid}
        theirs = pyjwt.encode(payload_bytes(claims), ISSUER.private, algorithm="Ed25519", headers=header)
        assert sign(claims, form=form, key=ISSUER) == theirs


def test_a_proofs_head_and_claims_are_pyjwts_too() -> None:
    header = {"typ": PROOF.typ, "jwk": dict(PHONE.jwk)}
    theirs = jwt.PyJWS().encode(payload_bytes({"b": 1, "a": "x"}), PHONE.private, "ES256", headers=header)
    ours = sign({"b": 1, "a": "x"}, form=PROOF, key=PHONE)
    assert ours.rpartition(".")[0] == theirs.rpartition(".")[0]


def test_a_forged_header_order_is_still_one_signed_thing() -> None:
    shuffled = dict(reversed(key_header().items()))
    token = forge(shuffled, CLAIMS.wire(), ISSUER)
    assert verify(read(token, KEY), ISSUER.private.public_key()) == CLAIMS.wire()
