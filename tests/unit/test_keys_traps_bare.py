"""Traps of keys.md 3.6 shown on both sides: bare PyJWT or cryptography falls in, our reader does not.

Each of these fails the day the library closes the trap: then the line can go from the table.
"""

import json
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.car.claims import KeyClaims
from keys.car.jwk import BadKey, b64, ed25519_from_jwk, p256_from_jwk
from keys.car.jws import KEY, PROOF, Alg, Fault, Unacceptable, holds, read, read_json, verify
from keys.car.trust import BadTrust, TrustedKeys
from tests.keys_world import CLAIMS, ISSUER, PHONE, SECONDS, TRUST, UNIT, forge, key_header, published
from tests.unit.test_keys_traps import low_order_encodings
from tests.unit.test_keys_vectors import load, needs_vectors

GOOD = CLAIMS.wire()
TEXT = json.dumps(GOOD)
LATER = {"verify_iat": False, "verify_nbf": False}
"""The test's time is in the future; expiry is checked all the same."""


def bare(claims: Mapping[str, Any] | str, **header: Any) -> dict[str, Any]:
    """What a program with PyJWT alone reads of well signed text; it knows only the name EdDSA."""
    token = forge({"alg": "EdDSA", "typ": "tl-key+jwt", "kid": ISSUER.kid, **header}, claims, ISSUER)  # type: ignore[arg-type]
    key = ISSUER.private.public_key()
    read: dict[str, Any] = jwt.decode(token, key, algorithms=["EdDSA"], audience=UNIT, options=LATER)  # type: ignore[arg-type]
    return read


def refused(claims: Mapping[str, Any] | str, **header: Any) -> Fault:
    token = forge(key_header(**header), claims, ISSUER)  # type: ignore[arg-type]
    with pytest.raises(Unacceptable) as caught:
        KeyClaims.of(TRUST.verified(token, KEY, "key"))
    return caught.value.fault


TRAPS: list[tuple[str, Mapping[str, Any] | str, Mapping[str, Any], Fault]] = [
    ("twin claim", TEXT[:-1] + ', "seq": 8}', {}, Fault.JSON),
    ("twin claim inside", TEXT.replace('{"jkt"', '{"jkt": "x", "jkt"'), {}, Fault.JSON),
    ("exp as text", {**GOOD, "exp": str(GOOD["exp"])}, {}, Fault.CLAIMS),
    ("exp as float", {**GOOD, "exp": GOOD["exp"] + 0.5}, {}, Fault.CLAIMS),
    ("exp of 400 digits", {**GOOD, "exp": int("9" * 400)}, {}, Fault.JSON),
    ("no exp", {name: value for name, value in GOOD.items() if name != "exp"}, {}, Fault.CLAIMS),
    ("no nbf", {name: value for name, value in GOOD.items() if name != "nbf"}, {}, Fault.CLAIMS),
    ("aud as list", {**GOOD, "aud": ["vu_7cccccccccccccccc", UNIT]}, {}, Fault.CLAIMS),
    ("unknown claim", {**GOOD, "admin": True}, {}, Fault.CLAIMS),
    ("NaN", TEXT[:-1] + ', "geo": [NaN, 0, 50]}', {}, Fault.JSON),
    ("no claims at all", {"aud": UNIT}, {}, Fault.CLAIMS),
    ("another typ", GOOD, {"typ": "tl-cmd+jwt"}, Fault.HEADER),
    ("no kid", GOOD, {"kid": ""}, Fault.SIGNER),
    ("kid of another", GOOD, {"kid": "A" * 43}, Fault.SIGNER),
    ("crit b64 true", GOOD, {"crit": ["b64"], "b64": True}, Fault.HEADER),
    ("embedded jwk", GOOD, {"jwk": dict(ISSUER.jwk)}, Fault.HEADER),
    ("jku", GOOD, {"jku": "https://keys.example"}, Fault.HEADER),
    ("x5u", GOOD, {"x5u": "https://keys.example"}, Fault.HEADER),
    ("x5c", GOOD, {"x5c": ["AAAA"]}, Fault.HEADER),
    ("cty", GOOD, {"cty": "JWT"}, Fault.HEADER),
    ("zip", GOOD, {"zip": "DEF"}, Fault.HEADER),
]


@pytest.mark.parametrize(
    ("claims", "header", "fault"), [trap[1:] for trap in TRAPS], ids=[t[0] for t in TRAPS]
)
def test_bare_pyjwt_takes_it_and_we_do_not(
    claims: Mapping[str, Any] | str, header: Mapping[str, Any], fault: Fault
) -> None:
    assert bare(claims, **header)["aud"] in (UNIT, ["vu_7cccccccccccccccc", UNIT])
    assert refused(claims, **header) is fault


@pytest.mark.parametrize("end", ["=", "==", "===="])
def test_padding_behind_the_signature(end: str) -> None:
    token = forge({"alg": "EdDSA"}, GOOD, ISSUER) + end
    key: Any = ISSUER.private.public_key()
    if end == "==":
        assert jwt.decode(token, key, algorithms=["EdDSA"], audience=UNIT, options=LATER)
    with pytest.raises(Unacceptable) as caught:
        read(forge(key_header(), GOOD, ISSUER) + end, KEY)
    assert caught.value.fault is Fault.FORM


@pytest.mark.parametrize("more", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": ["sign"]}, {"alg": "ES256"},
                                  {"ext": False}])  # fmt: skip
def test_a_jwk_that_forbids_verifying(more: dict[str, Any]) -> None:
    if "alg" not in more:
        key = jwt.PyJWK({**ISSUER.jwk, **more}, algorithm="EdDSA")
        assert jwt.PyJWS().decode(forge({"alg": "EdDSA"}, GOOD, ISSUER), key, algorithms=["EdDSA"])
    with pytest.raises(BadTrust):
        TrustedKeys.from_jwks({"keys": [{**published("key", ISSUER), **more}]})
    with pytest.raises(BadKey):
        ed25519_from_jwk({**ISSUER.jwk, **more})


def test_a_proofs_key_brings_nothing_but_itself() -> None:
    """A private member, a use, a name: PyJWT loads such a JWK, we take the four public members alone."""
    for more in ({"d": "A" * 43}, {"use": "enc"}, {"kid": "x"}, {"alg": "ES256"}, {"key_ops": ["sign"]}):
        if "d" not in more:
            assert jwt.PyJWK({**PHONE.jwk, **more}, algorithm="ES256")
        with pytest.raises(BadKey):
            p256_from_jwk({**PHONE.jwk, **more})


def test_eddsa_means_ed448_too() -> None:
    private = Ed448PrivateKey.generate()
    public: Any = private.public_key()
    token = jwt.encode(GOOD, private, "EdDSA")
    assert jwt.decode(token, public, algorithms=["EdDSA"], audience=UNIT, options=LATER)["seq"] == GOOD["seq"]
    signed, _, signature = token.rpartition(".")
    assert len(signature) == 152
    assert not holds(Alg.ED25519, public, signed.encode(), private.sign(signed.encode()))
    with pytest.raises(Unacceptable):
        read(token, KEY)


@pytest.mark.parametrize("raw", low_order_encodings(), ids=bytes.hex)
def test_a_low_order_key_is_loaded_by_pyjwt_and_not_by_us(raw: bytes) -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    assert jwt.PyJWK(jwk, algorithm="EdDSA").key.public_bytes_raw() == raw
    with pytest.raises(BadKey):
        ed25519_from_jwk(jwk)


def test_under_the_identity_one_signature_signs_every_key() -> None:
    identity = (1).to_bytes(32, "little")
    public, signature = Ed25519PublicKey.from_public_bytes(identity), identity + bytes(32)
    for seq in (1, 2):
        parts = [b64(json.dumps(part).encode()) for part in ({"alg": "EdDSA"}, {**GOOD, "seq": seq})]
        token = f"{'.'.join(parts)}.{b64(signature)}"
        told = jwt.decode(token, public, algorithms=["EdDSA"], audience=UNIT, options=LATER)
        assert told["seq"] == seq
    entry = {"kty": "OKP", "crv": "Ed25519", "x": b64(identity), "kid": "A" * 43, "alg": "Ed25519",
             "use": "sig", "purpose": "key"}  # fmt: skip
    with pytest.raises(BadTrust):
        TrustedKeys.from_jwks({"keys": [entry]})


def test_es256_of_either_sign_is_no_second_key() -> None:
    """ECDSA is malleable, in PyJWT and in ours: (r, n - s) holds as well.

    It opens nothing: what is used up is the key's number and the challenge, not the proof's bytes.
    """
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    token = forge({"alg": "ES256", "typ": PROOF.typ, "jwk": dict(PHONE.jwk)}, {"nonce": "x"}, PHONE)
    parts = read(token, PROOF)
    s = order - int.from_bytes(parts.signature[32:], "big")
    other = parts.signature[:32] + s.to_bytes(32, "big")
    key: Any = PHONE.private.public_key()
    assert verify(parts, key) == {"nonce": "x"}
    assert holds(Alg.ES256, key, parts.signed, other)


@pytest.mark.parametrize(
    "signature", [b"", bytes(64), b"\xff" * 64, bytes(63), bytes(65), bytes(32) + b"\1" * 32]
)
def test_degenerate_signatures_hold_nowhere(signature: bytes) -> None:
    phone: Any = PHONE.private.public_key()
    issuer: Any = ISSUER.private.public_key()
    assert not holds(Alg.ES256, phone, b"x", signature)
    assert not holds(Alg.ED25519, issuer, b"x", signature)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1.0e400}', '{"a": -1.0e999999}', '{"a": 1}x', '\ufeff{"a": 1}', "{'a': 1}", "", "[" * 100_000],
)
def test_odd_json_leaves_the_reader_as_one_exception(text: str) -> None:
    with pytest.raises(Unacceptable) as caught:
        read_json(text.encode())
    assert caught.value.fault is Fault.JSON


# ---- other people's vectors through our own loader


@needs_vectors
def test_wycheproof_keys_of_ed25519_are_all_loaded_by_our_loader() -> None:
    """So a refusal in ``test_wycheproof`` is of the signature, never of the key by mistake."""
    for group in load("wycheproof/ed25519_test.json")["testGroups"]:
        raw = bytes.fromhex(group["publicKey"]["pk"])
        assert ed25519_from_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}).public_bytes_raw() == raw


@needs_vectors
@pytest.mark.parametrize("name", ["ed25519_test.json", "ecdsa_secp256r1_sha256_p1363_test.json"])
def test_wycheproof_in_a_token_of_ours(name: str) -> None:
    """A signature that is not 64 bytes long cannot even be written down in one of our objects."""
    for group in load(f"wycheproof/{name}")["testGroups"]:
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            token = f"{b64(b'{}')}.{b64(b'{}')}.{b64(signature)}"
            with pytest.raises(Unacceptable) as caught:
                read(token, KEY)
            fits = len(signature) == 64
            assert caught.value.fault is (Fault.HEADER if fits else Fault.FORM)
            if not fits:
                assert case["result"] != "valid"


def test_a_forged_time_is_past_nothing() -> None:
    """The bound on time: a number that is no year of ours."""
    assert refused({**GOOD, "exp": 2**37 + 1}) is Fault.CLAIMS
    assert bare({**GOOD, "exp": SECONDS * 10**6})["exp"] == SECONDS * 10**6
