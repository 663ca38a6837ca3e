"""Hostile keys and tokens: nothing but an honest ES256 proof passes, and nothing but ``ProofRefused`` comes out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from people import device_proof, signed
from people.device_proof import Window
from people.problems import ProofRefused
from tests.people_signing import ORIGIN, Device, as_json, b64, raw_jws

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
WINDOW = Window(timedelta(seconds=60), timedelta(seconds=30))
ENROL = f"{ORIGIN}/v1/courier/enrolment"
SESSION = f"{ORIGIN}/v1/courier/session"
COURIER = "cou_3aaaaaaaaaaaaaaa"
DEVICE = Device()

# RFC 7638 prints the thumbprint of an RSA key only; this EC pair is RFC 7515 A.3's key.
RFC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
RFC_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9."
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


def enrol(proof: str, jwk: Any = None, code: str = "AAAAA-BBBBB", now: datetime = NOW) -> signed.PublicKey:
    return device_proof.enrolment(
        proof, DEVICE.jwk if jwk is None else jwk, code=code, audience=ENROL, window=WINDOW, now=now
    )


def sign_in(assertion: str, now: datetime = NOW, courier: str = COURIER) -> device_proof.Assertion:
    return device_proof.sign_in(
        assertion, DEVICE.jwk, courier=courier, audience=SESSION, window=WINDOW, now=now
    )


def test_the_published_example_of_rfc_7515_verifies() -> None:
    claims = signed.verify(RFC_TOKEN, signed.read_jwk(RFC_KEY), typ=None)
    assert claims["iss"] == "joe"
    assert signed.read_jwk(RFC_KEY).thumbprint == jwt_thumbprint(RFC_KEY)


def jwt_thumbprint(jwk: dict[str, str]) -> str:
    from joserfc.jwk import ECKey

    return str(ECKey.import_key(jwk).thumbprint())


def test_an_honest_proof_passes_with_the_code_typed_freely() -> None:
    key = enrol(DEVICE.enrolment("AAAAA-BBBBB", NOW), code=" aaaaa bbbbb ")
    assert key.jwk == DEVICE.jwk
    assert key.thumbprint == jwt_thumbprint(DEVICE.jwk)


def test_a_browsers_exported_key_is_taken_without_its_extras() -> None:
    exported = {**DEVICE.jwk, "ext": True, "key_ops": ["verify"]}
    assert enrol(DEVICE.enrolment("AAAAA-BBBBB", NOW), exported).jwk == DEVICE.jwk


P384 = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
HOSTILE_KEYS: dict[str, Any] = {
    "empty": {},
    "private": {**DEVICE.jwk, "d": b64(b"\1" * 32)},
    "symmetric": {"kty": "oct", "k": b64(b"\1" * 32)},
    "rsa": {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    "okp": {"kty": "OKP", "crv": "Ed25519", "x": b64(b"\1" * 32)},
    "another curve": {"kty": "EC", "crv": "P-384", "x": b64(b"\1" * 48), "y": b64(b"\1" * 48)},
    "P-384 called P-256": {**DEVICE.jwk, "x": b64(P384.x.to_bytes(48, "big"))},
    "secp256k1": {**DEVICE.jwk, "crv": "secp256k1"},
    "off the curve": {**DEVICE.jwk, "y": b64(b"\1" * 32)},
    "the point at infinity": {**DEVICE.jwk, "x": b64(bytes(32)), "y": b64(bytes(32))},
    "beyond the field": {**DEVICE.jwk, "x": b64(b"\xff" * 32)},
    "padded": {**DEVICE.jwk, "x": DEVICE.jwk["x"] + "="},
    "short": {**DEVICE.jwk, "x": b64(b"\1" * 31)},
    "not canonical": {**DEVICE.jwk, "x": DEVICE.jwk["x"][:-1] + "B"},
    "a number": {**DEVICE.jwk, "x": 5},
    "a list": {**DEVICE.jwk, "x": ["a"]},
    "for encryption": {**DEVICE.jwk, "use": "enc"},
    "for signing": {**DEVICE.jwk, "key_ops": ["sign"]},
    "another alg": {**DEVICE.jwk, "alg": "none"},
    "a certificate": {**DEVICE.jwk, "x5c": ["MII"]},
    "a link": {**DEVICE.jwk, "x5u": "http://evil.example"},
    "unhashable alg": {**DEVICE.jwk, "alg": {"a": []}},
}


@pytest.mark.parametrize("jwk", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS)
def test_hostile_keys_are_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(ProofRefused):
        enrol(DEVICE.enrolment("AAAAA-BBBBB", NOW), jwk)


def proofs() -> dict[str, str]:
    good = DEVICE.enrolment("AAAAA-BBBBB", NOW)
    head, claims, signature = good.split(".")
    body = {"aud": ENROL, "code": device_proof.code_hash("AAAAABBBBB"), "iat": int(NOW.timestamp())}
    ed = ed25519.Ed25519PrivateKey.generate()
    header = {"alg": "ES256", "typ": "tl-enrol+jwt"}
    return {
        "empty": "",
        "dots": "..",
        "padded signature": good + "==",
        "padded claims": f"{head}.{claims}=.{signature}",
        "whitespace": good + "\n",
        "flipped claims": f"{head}.{'A' if claims[0] != 'A' else 'B'}{claims[1:]}.{signature}",
        "a signature with loose last bits": good[:-1] + chr(ord(good[-1]) + 1),
        "zero signature": f"{head}.{claims}.{'A' * 86}",
        "alg none": f"{b64(as_json({'alg': 'none', 'typ': 'tl-enrol+jwt'}).encode())}.{claims}.{signature}",
        "hmac with the public key": jwt.encode(
            body, "x" * 64, algorithm="HS256", headers={"typ": "tl-enrol+jwt"}
        ),
        "eddsa": jwt.encode(body, ed, algorithm="EdDSA", headers={"typ": "tl-enrol+jwt"}),
        "another device": Device().enrolment("AAAAA-BBBBB", NOW),
        "another typ": DEVICE.sign(body, "tl-courier+jwt"),
        "no typ": raw_jws(DEVICE, as_json({"alg": "ES256"}), as_json(body)),
        "crit": DEVICE.sign(body, "tl-enrol+jwt", crit=["b64"], b64=True),
        "embedded jwk": DEVICE.sign(body, "tl-enrol+jwt", jwk=DEVICE.jwk),
        "kid": DEVICE.sign(body, "tl-enrol+jwt", kid="1"),
        "list as header": raw_jws(DEVICE, "[]", as_json(body)),
        "typ as a list": raw_jws(DEVICE, as_json({"alg": "ES256", "typ": ["tl-enrol+jwt"]}), as_json(body)),
        "doubled member": raw_jws(DEVICE, as_json(header), as_json(body)[:-1] + ', "aud": "x"}'),
        "doubled header": raw_jws(DEVICE, '{"alg":"none","alg":"ES256","typ":"tl-enrol+jwt"}', as_json(body)),
        "not a number": raw_jws(DEVICE, as_json(header), as_json(body).replace(str(body["iat"]), "NaN")),
        "4,400 digits": raw_jws(DEVICE, as_json(header), '{"iat": ' + "9" * 600 + "}"),
        "deep": raw_jws(DEVICE, as_json(header), "[" * 700),
        "claims as a list": raw_jws(DEVICE, as_json(header), "[1]"),
        "not utf-8": f"{b64(bytes([123, 255]))}.{claims}.{signature}",
        "one claim more": DEVICE.enrolment("AAAAA-BBBBB", NOW, admin=True),
        "iat as text": DEVICE.enrolment("AAAAA-BBBBB", NOW, iat=str(int(NOW.timestamp()))),
        "iat as a fraction": DEVICE.enrolment("AAAAA-BBBBB", NOW, iat=NOW.timestamp() + 0.5),
        "iat true": DEVICE.enrolment("AAAAA-BBBBB", NOW, iat=True),
        "another audience": DEVICE.enrolment("AAAAA-BBBBB", NOW, aud=SESSION),
        "audience as a list": DEVICE.enrolment("AAAAA-BBBBB", NOW, aud=[ENROL]),
        "another code": DEVICE.enrolment("AAAAA-BBBBC", NOW),
        "too old": DEVICE.enrolment("AAAAA-BBBBB", NOW - timedelta(seconds=61)),
        "of the future": DEVICE.enrolment("AAAAA-BBBBB", NOW + timedelta(seconds=31)),
        "too long": DEVICE.enrolment("AAAAA-BBBBB", NOW, more="x" * 2048),
    }


@pytest.mark.parametrize("proof", proofs().values(), ids=proofs())
def test_hostile_proofs_are_refused(proof: str) -> None:
    with pytest.raises(ProofRefused):
        enrol(proof)


@given(st.text(alphabet=st.sampled_from("AZaz09-_.={}\x00ü"), max_size=300))
def test_whatever_the_bytes_nothing_else_escapes(text: str) -> None:
    for read in (enrol, sign_in, device_proof.client_named, device_proof.courier_named):
        with pytest.raises(ProofRefused):
            read(text)


def test_an_assertion_lives_a_minute_at_most() -> None:
    at = int(NOW.timestamp())
    good = sign_in(DEVICE.sign_in(COURIER, NOW))
    assert good.remember == timedelta(seconds=90)
    for changed in (
        {"exp": at + 61},
        {"exp": at},
        {"iat": at + 60, "exp": at + 100},
        {"iat": at - 60, "exp": at - 1},
    ):
        with pytest.raises(ProofRefused):
            sign_in(DEVICE.sign_in(COURIER, NOW, **changed))
    with pytest.raises(ProofRefused):
        sign_in(DEVICE.sign_in(COURIER, NOW), NOW + timedelta(seconds=60))
    with pytest.raises(ProofRefused):
        sign_in(DEVICE.sign_in(COURIER, NOW), courier="cou_3bbbbbbbbbbbbbbb")
    with pytest.raises(ProofRefused):
        sign_in(DEVICE.sign_in(COURIER, NOW, jti="short"))


def test_a_foreign_client_library_is_understood() -> None:
    audience = f"{ORIGIN}/v1/oauth/token"
    carrier = "car_3aaaaaaaaaaaaaaa"
    for assertion in (
        DEVICE.client(carrier, NOW),
        DEVICE.client(carrier, NOW, aud=[audience]),
        DEVICE.sign(
            {
                "iss": carrier,
                "sub": carrier,
                "aud": audience,
                "exp": int(NOW.timestamp()) + 30,
                "jti": "j" * 20,
            },
            "JWT",
            kid="2030-05",
        ),
    ):
        assert device_proof.client_named(assertion) == carrier
        device_proof.client(assertion, DEVICE.jwk, carrier=carrier, audience=audience, window=WINDOW, now=NOW)
    for changed in (
        {"aud": [audience, "x"]},
        {"sub": "car_x"},
        {"nbf": int(NOW.timestamp()) + 60},
        {"exp": None},
    ):
        with pytest.raises(ProofRefused):
            device_proof.client(
                DEVICE.client(carrier, NOW, **changed), DEVICE.jwk, carrier=carrier, audience=audience,
                window=WINDOW, now=NOW,
            )  # fmt: skip
