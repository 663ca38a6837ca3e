"""What bare libraries let pass and our reader does not (keys.md 3.6). Each test shows both sides."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keys.car.claims import FreshClaims, KeyClaims
from keys.car.jwk import BadKey, b64, ed25519_from_bytes, ed25519_from_jwk, unb64
from keys.car.jws import COMMAND, FORMS, FRESH, KEY, Alg, Fault, SigningKey, Unacceptable, holds, read, sign
from keys.car.trust import BadTrust, TrustedKeys
from tests.keys_world import CLAIMS, ISSUER, SECONDS, TRUST, UNIT, forge, key_header, published

GOOD = CLAIMS.wire()
TOKEN = sign(GOOD, form=KEY, key=ISSUER)
BARE = jwt.PyJWS()


def ours(token: str) -> KeyClaims:
    return KeyClaims.of(TRUST.verified(token, KEY, "key"))


def bare(token: str, **options: Any) -> dict[str, Any]:
    """What a program without our reader would do."""
    return jwt.decode(
        token, ISSUER.private.public_key(), algorithms=["EdDSA"], audience=UNIT, options=options or None
    )


def refused(token: str) -> Fault:
    with pytest.raises(Unacceptable) as caught:
        ours(token)
    return caught.value.fault


def header(**more: Any) -> dict[str, Any]:
    """A header bare PyJWT can follow: it does not know RFC 9864's name."""
    return {"alg": "EdDSA", "typ": "tl-key+jwt", "kid": ISSUER.kid, **more}


def test_a_good_key_is_read() -> None:
    assert ours(TOKEN) == CLAIMS


def test_twin_members() -> None:
    text = json.dumps(GOOD)[:-1] + ', "seq": 8}'
    assert bare(forge(header(), text, ISSUER), verify_iat=False, verify_nbf=False)["seq"] == 8
    assert refused(forge(key_header(), text, ISSUER)) is Fault.JSON
    twins = json.dumps(key_header())[:-1] + ', "alg": "Ed25519"}'
    assert refused(forge(twins, GOOD, ISSUER)) is Fault.JSON


@pytest.mark.parametrize(
    "exp", [str(SECONDS + 60), SECONDS + 60.5, int("9" * 400), True, -1, None, [SECONDS], 1e30]
)
def test_exp_is_a_bounded_integer(exp: Any) -> None:
    assert refused(forge(key_header(), {**GOOD, "exp": exp}, ISSUER)) in {Fault.CLAIMS, Fault.JSON}


@pytest.mark.parametrize("exp", [str(SECONDS + 60), SECONDS + 60.5, int("9" * 400)])
def test_bare_pyjwt_takes_such_an_exp(exp: Any) -> None:
    assert bare(forge(header(), {**GOOD, "exp": exp}, ISSUER), verify_iat=False, verify_nbf=False)


def test_missing_exp_and_wrong_typ_and_aud_list() -> None:
    short = {name: value for name, value in GOOD.items() if name != "exp"}
    assert bare(forge(header(), short, ISSUER), verify_iat=False, verify_nbf=False)
    assert refused(forge(key_header(), short, ISSUER)) is Fault.CLAIMS

    assert bare(forge(header(typ="JWT"), GOOD, ISSUER), verify_iat=False, verify_nbf=False)
    assert refused(forge(key_header(typ="JWT"), GOOD, ISSUER)) is Fault.HEADER

    listed = {**GOOD, "aud": ["vu_7cccccccccccccccc", UNIT]}
    assert bare(forge(header(), listed, ISSUER), verify_iat=False, verify_nbf=False)
    assert refused(forge(key_header(), listed, ISSUER)) is Fault.CLAIMS


@pytest.mark.parametrize(
    "more",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"d": "x" * 43},
        {"use": None},
        {"nbf": None},
        {"exp": None},
        {"exp": -1},
        {"exp": 1.0},
    ],
)
def test_keys_come_only_with_their_purpose(more: dict[str, Any]) -> None:
    entry = {**published("key", ISSUER), **more}
    with pytest.raises(BadTrust):
        TrustedKeys.from_jwks({"keys": [entry]})


def test_bare_pyjwt_ignores_what_a_jwk_is_for() -> None:
    key = jwt.PyJWK({**ISSUER.jwk, "use": "enc", "key_ops": ["encrypt"]}, algorithm="EdDSA")
    assert jwt.PyJWS().decode(forge(header(), GOOD, ISSUER), key, algorithms=["EdDSA"])


def test_padding_makes_a_second_token() -> None:
    token = forge(header(), GOOD, ISSUER)
    assert bare(token + "==", verify_iat=False, verify_nbf=False)
    assert refused(TOKEN + "==") is Fault.FORM
    assert refused(TOKEN + "=") is Fault.FORM


def test_unused_bits_make_no_second_token() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(TOKEN[-1])
    for bits in range(1, 16):
        assert refused(TOKEN[:-1] + alphabet[last ^ bits]) is Fault.FORM


def test_critical_extensions_have_nowhere_to_live() -> None:
    extended = {"crit": ["b64"], "b64": True}
    assert bare(forge(header(**extended), GOOD, ISSUER), verify_iat=False, verify_nbf=False)
    for more in (extended, {"crit": ["x"], "x": 1}, {"b64": False}, {"jwk": dict(ISSUER.jwk)}, {"x5c": []},
                 {"jku": "https://a.example"}, {"cty": "JWT"}, {"zip": "DEF"}):  # fmt: skip
        assert refused(forge(key_header(**more), GOOD, ISSUER)) is Fault.HEADER


def test_eddsa_with_ed448() -> None:
    private = Ed448PrivateKey.generate()
    assert (
        BARE.decode(BARE.encode(b"{}", private, "EdDSA"), private.public_key(), algorithms=["EdDSA"]) == b"{}"
    )
    assert not holds(Alg.ED25519, private.public_key(), b"x", private.sign(b"x")[:64])  # type: ignore[arg-type]
    with pytest.raises(BadKey):
        ed25519_from_jwk({"kty": "OKP", "crv": "Ed448", "x": "A" * 76})


@pytest.mark.parametrize(
    "alg", ["EdDSA", "none", "HS256", "ES256", "ed25519", "Ed448", "", None, ["Ed25519"]]
)
def test_no_other_algorithm_and_no_other_spelling(alg: Any) -> None:
    assert refused(forge(key_header(alg=alg), GOOD, ISSUER)) is Fault.HEADER


def test_a_public_key_is_no_shared_secret() -> None:
    """The classic confusion: sign with HMAC and the public key's text as secret."""
    signed = ".".join(b64(json.dumps(part).encode()) for part in (key_header(alg="HS256"), GOOD))
    mac = jwt.get_algorithm_by_name("HS256").sign(signed.encode(), ISSUER.jwk["x"].encode().ljust(32))
    assert refused(f"{signed}.{b64(mac.ljust(64))}") is Fault.HEADER


def low_order_encodings() -> list[bytes]:
    """All 32-byte strings that decode to one of the eight points of small order."""
    p = 2**255 - 19
    y8 = int.from_bytes(unb64("JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"), "little")
    ys = [0, 1, p - 1, y8, p - y8, p, p + 1]
    return [(y | sign << 255).to_bytes(32, "little") for y in ys for sign in (0, 1)]


@pytest.mark.parametrize("raw", low_order_encodings(), ids=bytes.hex)
def test_low_order_keys_are_refused(raw: bytes) -> None:
    with pytest.raises(BadKey):
        ed25519_from_bytes(raw)
    with pytest.raises(BadKey):
        ed25519_from_jwk({"kty": "OKP", "crv": "Ed25519", "x": b64(raw)})


def test_bare_cryptography_lets_the_identity_sign_anything() -> None:
    identity = (1).to_bytes(32, "little")
    key = Ed25519PublicKey.from_public_bytes(identity)
    for message in (b"open", b"open again"):
        key.verify(identity + bytes(32), message)  # R = identity, S = 0
    assert len(low_order_encodings()) == 14
    imported = 0
    for raw in low_order_encodings():
        Ed25519PublicKey.from_public_bytes(raw)
        imported += 1
    assert imported == 14


def test_every_ordinary_key_is_taken() -> None:
    for _ in range(50):
        raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert ed25519_from_bytes(raw).public_bytes_raw() == raw


def test_kinds_are_not_interchangeable() -> None:
    for form in FORMS:
        if form is not KEY:
            with pytest.raises(Unacceptable):
                read(TOKEN, form)
    as_list = sign(GOOD, form=FRESH, key=ISSUER)
    assert refused(as_list) is Fault.HEADER
    wrong_purpose = sign(GOOD, form=KEY, key=SigningKey.draw())
    assert refused(wrong_purpose) is Fault.SIGNER


@pytest.mark.parametrize(
    "payload",
    ["[]", "1", '"x"', "null", "{", '{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}', '{"a": 1e999}',
     '{"a":' + "[" * 8 + "]" * 8 + "}", '{"a":' + "[" * 700 + "]" * 700 + "}", "\ufeff{}", '{"a": 01}', "{}x",
     '{"a": ' + "1" * 30 + "}", '{"a": ["\\ud800"]}', '{"\\udfff": 1}', '{"a": "\\ude00\\ud83d"}'],
)  # fmt: skip
def test_only_strict_shallow_json_objects(payload: str) -> None:
    assert refused(forge(key_header(), payload, ISSUER)) in {Fault.JSON, Fault.SIZE}


def test_bytes_that_are_no_text() -> None:
    signed = b64(json.dumps(key_header()).encode()) + "." + b64(b'{"a": "\xff"}')
    token = signed + "." + b64(ISSUER.private.sign(signed.encode()))  # type: ignore[call-arg, arg-type, union-attr]
    assert refused(token) is Fault.JSON


def test_sizes() -> None:
    assert refused(TOKEN + "A" * 2048) is Fault.SIZE
    with pytest.raises(Unacceptable):
        sign({"a": "x" * 3000}, form=KEY, key=ISSUER)
    sixty_four = {"aud": UNIT, "nonce": "", "iat": SECONDS, "exp": SECONDS,
                  "rev": {"version": 1, "min_seq": 2**53 - 1, "dead": ["A" * 22] * 64}}  # fmt: skip
    assert len(sign(sixty_four, form=FRESH, key=ISSUER)) <= FRESH.max_bytes
    both = {"key": "k" * KEY.max_bytes, "proof": "p" * KEY.max_bytes}
    assert len(sign({"args": both}, form=COMMAND, key=ISSUER)) <= COMMAND.max_bytes


@pytest.mark.parametrize(
    ("member", "value"),
    [("iss", "someone"), ("aud", "vu_7AAAAAAAAAAAAAAA"), ("aud", UNIT + "\n"), ("jti", "short"), ("seq", 0),
     ("seq", 2**53), ("seq", "7"), ("act", "drive"), ("act", "open:cabin"), ("dlv", "plate M-TL 1"),
     ("geo", [91, 0, 50]), ("geo", [0, 0]), ("geo", None), ("geo", ["0", "0", "50"]), ("geo", [0, 0, 50, 1]),
     ("cnf", {}), ("cnf", {"jkt": "x"}), ("cnf", {"jkt": "A" * 43, "jwk": {}}), ("cnf", None),
     ("fra", 86_401), ("fra", -1), ("own", {}), ("tbv", -1), ("cnonce", ""), ("name", "Ada")],
)  # fmt: skip
def test_the_claims_are_a_closed_set(member: str, value: Any) -> None:
    assert refused(forge(key_header(), {**GOOD, member: value}, ISSUER)) is Fault.CLAIMS
    assert bare(forge(header(), {**GOOD, "name": "Ada"}, ISSUER), verify_iat=False, verify_nbf=False)


def test_members_with_a_fixed_value_are_said_all_the_same() -> None:
    silent = {name: value for name, value in GOOD.items() if name != "iss"}
    assert refused(forge(key_header(), silent, ISSUER)) is Fault.CLAIMS
    for nonce in ({"nonce": ""}, {}):
        said = {"aud": UNIT, "iat": 1, "exp": 2, "rev": {"version": 1, "min_seq": 0, "dead": []}, **nonce}
        if nonce:
            assert FreshClaims.of(said).nonce == ""
        else:
            with pytest.raises(Unacceptable):
                FreshClaims.of(said)


@pytest.mark.parametrize("token", ["", ".", "..", "a.b", "a.b.c.d", None, 7, b"x", TOKEN.encode(), TOKEN + "\n",
                                   " " + TOKEN, TOKEN.replace(".", "..", 1)])  # fmt: skip
def test_what_is_not_a_compact_jws(token: Any) -> None:
    with pytest.raises(Unacceptable):
        ours(token)


def test_signing_keys_do_not_print() -> None:
    assert "private" not in repr(ISSUER)
    assert b64(ISSUER.private.private_bytes_raw()) not in repr(ISSUER)  # type: ignore[union-attr]
