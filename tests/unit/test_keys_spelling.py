"""What is known at sight is what the strict reader and the models make of the same bytes; all else is left to them."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from keys.car.claims import MAX_COUNT, MAX_FRA, MAX_SECONDS, Claims, KeyClaims, ProofClaims
from keys.car.jwk import b64, unb64
from keys.car.jws import (
    KEY,
    PROOF,
    Fault,
    Form,
    Unacceptable,
    der_signature,
    payload_bytes,
    read,
    read_json,
)
from keys.car.spelling import device_at_sight, key_at_sight, proof_at_sight
from tests.keys_world import CLAIMS, PHONE, key_header

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HASH = st.text(_ALPHABET, min_size=43, max_size=43)
_UNIT = st.from_regex(r"vu_[0-9a-hjkmnp-tv-z]{16}", fullmatch=True)
_ACT = st.sampled_from(("open:trunk", "open:trunk+cabin"))


def around(*bounds: int) -> st.SearchStrategy[int]:
    """Whole numbers, the ones beside a bound above all."""
    near = [bound + beside for bound in bounds for beside in (-1, 0, 1) if bound + beside >= 0]
    return st.sampled_from(near) | st.integers(0, max(bounds) * 2)


_SECONDS = around(0, 10**9, MAX_SECONDS)
_DEGREES = st.floats(-200, 200) | st.sampled_from((-90.0, 90.0, -180.0, 180.0, 90.5, -0.0, 1e-05, 48.137))
_METRES = st.sampled_from((9.0, 10.0, 100.5, 100_000.0, 100_001.0, 1e16)) | st.floats(0, 200_000)
_B64URL = st.text(_ALPHABET, min_size=1, max_size=40) | st.sampled_from(("A" * 700, "A" * 701))

KEYS = st.fixed_dictionaries(
    {
        "iss": st.just("trunkline") | st.just("other"),
        "aud": _UNIT,
        "jti": st.text(_ALPHABET, min_size=22, max_size=22),
        "seq": around(0, 1, MAX_COUNT),
        "iat": _SECONDS,
        "nbf": _SECONDS,
        "exp": _SECONDS,
        "cnf": st.fixed_dictionaries({"jkt": _HASH}),
        "act": _ACT,
        "dlv": st.from_regex(r"dlv_[0-9a-hjkmnp-tv-z][0-9a-z._-]{2,82}", fullmatch=True),
    },
    optional={
        "geo": st.tuples(_DEGREES, _DEGREES, _METRES).map(list),
        "tbv": around(0, MAX_COUNT),
        "cnonce": _HASH,
        "fra": around(0, MAX_FRA),
        "own": st.fixed_dictionaries(dict.fromkeys(("cid", "authData", "clientData", "sig"), _B64URL)),
    },
)
PROOFS = st.fixed_dictionaries({"aud": _UNIT, "ath": _HASH, "act": _ACT, "nonce": _HASH, "iat": _SECONDS})
DEVICES = st.fixed_dictionaries({"x": _HASH, "y": _HASH})


def by_page(claims: dict[str, Any]) -> bytes:
    """A proof as ``courier_device.js`` writes it: JSON.stringify in the order of its object."""
    return plain({name: claims[name] for name in ("aud", "ath", "act", "nonce", "iat")})


def plain(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def modelled(kind: type[Claims], payload: bytes) -> Claims | None:
    """What the strict reader and the model make of it; None where they refuse."""
    try:
        return kind.of(read_json(payload))
    except Unacceptable:
        return None


def alike(seen: Claims | None, made: Claims | None) -> bool:
    return (
        seen is not None
        and made is not None
        and seen == made
        and type(seen) is type(made)
        and seen.model_fields_set == made.model_fields_set
        and repr(seen) == repr(made)
        and seen.wire() == made.wire()
    )


@given(KEYS)
def test_a_key_is_known_where_the_model_takes_it(claims: dict[str, Any]) -> None:
    payload = payload_bytes(claims)
    seen, made = key_at_sight(payload), modelled(KeyClaims, payload)
    if made is None:
        assert seen is None
    elif "geo" not in claims or all(1e-4 < abs(number) < 1e6 for number in claims["geo"]):
        assert alike(seen, made)
    else:  # a number with an exponent, or with more digits than the expression looks for
        assert seen is None or alike(seen, made)


@given(PROOFS)
def test_a_proof_is_known_in_both_spellings(claims: dict[str, Any]) -> None:
    for payload in (payload_bytes(claims), by_page(claims)):
        seen, made = proof_at_sight(payload), modelled(ProofClaims, payload)
        assert alike(seen, made) if made is not None else seen is None


@given(DEVICES)
def test_a_device_is_known_in_both_spellings(points: dict[str, str]) -> None:
    jwk = {"kty": "EC", "crv": "P-256", "x": points["x"], "y": points["y"]}
    header = {"alg": "ES256", "typ": "tl-pop+jwt", "jwk": jwk}
    assert device_at_sight(plain(header)) == device_at_sight(payload_bytes(header)) == jwk


def test_the_page_writes_the_spelling_that_is_known() -> None:
    page = (Path(__file__).parents[2] / "delivery" / "static" / "courier_device.js").read_text()
    assert (
        "const said = { aud: named.aud, ath: base64url(await sha256(token)), act: named.act, nonce: " in page
    )
    assert '{ typ: "tl-pop+jwt", jwk: kept.jwk }' in page
    assert 'json({ alg: "ES256", ...header })' in page
    assert "jwk: { kty, crv, x, y }" in page


def edited(text: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Bytes with up to three changes: letters changed, left out, put in, pieces twice or in another place."""
    return text.flatmap(
        lambda whole: st.lists(_EDIT, min_size=1, max_size=3).map(lambda edits: _apply(whole, edits))
    )


_PIECES = st.sampled_from(
    (b" ", b"\n", b",", b"0", b"-", b".5", b"e1", b"\\u0061", b'"', b"}", b"{", b"\xff", b"\xc3\xa9", b"null", b"true",
     b'"seq":1,', b'"x":1,', b',"tbv":0', b"00", b"9" * 25, b"+cabin", b"=", b"\x00")
)  # fmt: skip
_EDIT = st.tuples(
    st.integers(0, 900), st.integers(0, 12), _PIECES | st.binary(max_size=2), st.integers(0, 900)
)


def _apply(whole: bytes, edits: list[tuple[int, int, bytes, int]]) -> bytes:
    for at, gone, put, beside in edits:
        spot = at % (len(whole) + 1)
        moved = whole[beside % (len(whole) + 1) :][:8] if put == b"=" else put
        whole = whole[:spot] + moved + whole[spot + gone :]
    return whole


@given(edited(KEYS.map(payload_bytes)))
def test_nothing_is_known_of_a_key_that_the_model_would_not_say(payload: bytes) -> None:
    seen = key_at_sight(payload)
    assert seen is None or alike(seen, modelled(KeyClaims, payload))


@given(edited(PROOFS.map(by_page) | PROOFS.map(payload_bytes)))
def test_nothing_is_known_of_a_proof_that_the_model_would_not_say(payload: bytes) -> None:
    seen = proof_at_sight(payload)
    assert seen is None or alike(seen, modelled(ProofClaims, payload))


def outcome(token: str, form: Form, **known: Callable[[bytes], Any]) -> object:
    """What comes of reading it: all that is read, or the fault."""
    try:
        parts = read(token, form, **known)
    except Unacceptable as refused:
        return refused.fault
    return parts.signer, dict(parts.claims), parts.signed, parts.signature, parts.payload


def compact(header: bytes, payload: bytes) -> str:
    return f"{b64(header)}.{b64(payload)}.{'A' * 86}"


_HEADER = plain(
    {
        "alg": "ES256",
        "typ": "tl-pop+jwt",
        "jwk": {"kty": "EC", "crv": "P-256", "x": PHONE.jwk["x"], "y": PHONE.jwk["y"]},
    }
)
_TOKENS = st.builds(
    compact, st.just(_HEADER) | edited(st.just(_HEADER)), PROOFS.map(by_page) | edited(PROOFS.map(by_page))
)


@given(_TOKENS | edited(_TOKENS.map(str.encode)).map(lambda data: data.decode("latin-1")))
def test_a_token_is_read_alike_at_sight_and_with_care(token: str) -> None:
    at_sight = outcome(token, PROOF, spelled=proof_at_sight, signer=device_at_sight)
    assert at_sight == outcome(token, PROOF)


@given(edited(KEYS.map(payload_bytes)))
def test_a_key_is_read_alike_at_sight_and_with_care(payload: bytes) -> None:
    token = compact(plain(key_header()), payload)
    assert outcome(token, KEY, spelled=key_at_sight) == outcome(token, KEY)


def test_what_real_keys_carry_is_known() -> None:
    """A delivery's key has a fence, an age of news and a bundle's version; a co-signed one its owner's gesture."""
    for more in ({}, {"geo": [48.137, 11.575, 150.0], "fra": 600, "tbv": 3}, {"cnonce": "A" * 43}):
        assert key_at_sight(payload_bytes({**CLAIMS.wire(), **more})) is not None
    own = {"cid": "AA", "authData": "A" * 50, "clientData": "A" * 200, "sig": "A" * 96}
    seen = key_at_sight(payload_bytes({**CLAIMS.wire(), "own": own}))
    assert seen is not None
    assert seen.own is not None
    with pytest.raises(ValueError, match="frozen"):
        seen.own.cid = "BB"


@given(
    st.binary(min_size=64, max_size=64)
    | st.sampled_from((bytes(64), b"\xff" * 64, bytes(31) + b"\x80" + bytes(32)))
)
def test_a_signature_in_der_is_what_cryptography_writes(raw: bytes) -> None:
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    assert der_signature(raw) == encode_dss_signature(r, s)


@given(st.binary(max_size=40).map(b64) | st.text(_ALPHABET + "=+/ \n", max_size=9) | st.text(max_size=6))
@example("")
@example("A")
@example("AB")
def test_base64url_is_canonical_where_writing_it_again_gives_the_same(text: str) -> None:

    try:
        data = unb64(text)
    except ValueError:
        data = None
    try:
        loosely = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        loosely = None
    assert data == (loosely if loosely is not None and b64(loosely) == text else None)


def test_each_last_character_is_judged() -> None:
    for whole in (b"", b"abc"):
        for first in range(256):
            for second in (None, 0, 5):
                data = whole + bytes([first] if second is None else [first, second])
                text = b64(data)
                taken = [text[:-1] + last for last in _ALPHABET if _taken(text[:-1] + last)]
                assert taken.count(text) == 1
                assert len(taken) == (4 if second is None else 16)


def _taken(text: str) -> bool:
    try:
        unb64(text)
    except ValueError:
        return False
    return True


def test_a_fault_is_named_as_before() -> None:
    good = compact(
        _HEADER,
        by_page({"aud": "vu_" + "0" * 16, "ath": "A" * 43, "act": "open:trunk", "nonce": "A" * 43, "iat": 1}),
    )
    header, payload, signature = good.split(".")
    known = {"spelled": proof_at_sight, "signer": device_at_sight}
    assert outcome(f"{header}.{payload}.{signature[:-1]}B", PROOF, **known) is Fault.FORM
    assert outcome(f"{header}.{payload}=.{signature}", PROOF, **known) is Fault.FORM
    assert outcome(good + "é", PROOF, **known) is Fault.FORM
    assert outcome("A" * 2049, PROOF, **known) is Fault.SIZE
    assert outcome(f"{b64(b'{}')}.{payload}.{signature}", PROOF, **known) is Fault.HEADER
    assert outcome(f"{header}.{b64(b'[]')}.{signature}", PROOF, **known) is Fault.JSON
