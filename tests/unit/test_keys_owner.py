"""The owner's co-signature: taken as browsers make it, refused when anything in it is another, canonical as RFC 8785."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from webauthn import verify_authentication_response
from webauthn.helpers import encode_cbor
from webauthn.helpers.structs import AuthenticationCredential, AuthenticatorAssertionResponse

from keys.car.claims import KeyClaims
from keys.car.jwk import BadKey, b64, unb64
from keys.car.jws import KEY, Fault, Unacceptable, sign
from keys.car.owner import OwnerKey, canonical, check_owner, owner_challenge
from keys.car.owner_keys import MAX_CID, MAX_OWNER_KEYS, PairedKey, PairedKeys, cid_hash, read_spki
from keys.car.policy import Policy
from keys.car.verify import KeyRefused, Refusal
from tests.depth import deep
from tests.keys_world import CLAIMS, ISSUER, OFFICE, Opening
from trunkline.software_key import SoftwareKey

VECTORS = json.loads((Path(__file__).parents[2] / "docs/vectors/owner.json").read_text())
ORIGIN, RP_ID = "https://cars.example.org", "example.org"
PASSKEYS = {kind: SoftwareKey.draw(origin=ORIGIN, rp_id=RP_ID, kind=kind) for kind in ("ES256", "Ed25519")}
REST = CLAIMS.model_copy(update={"geo": (48.137, 11.575, 50.0), "fra": 3600, "tbv": 4})
CHALLENGE = owner_challenge(REST.wire())
UP, UV, AT = 0x01, 0x04, 0x40

both = pytest.mark.parametrize("passkey", PASSKEYS.values(), ids=PASSKEYS.keys())


def owners(*passkeys: SoftwareKey) -> dict[str, OwnerKey]:
    return {each.cid: PairedKey.of(each.pairing()).key() for each in passkeys}


def with_own(own: Mapping[str, str], claims: KeyClaims = REST) -> KeyClaims:
    return KeyClaims.of({**claims.wire(), "own": dict(own)})


def client_data(**changes: Any) -> dict[str, Any]:
    data = {"type": "webauthn.get", "challenge": b64(CHALLENGE), "origin": ORIGIN, "crossOrigin": False}
    return {name: value for name, value in {**data, **changes}.items() if value is not ...}


def auth_data(*, rp_id: str = RP_ID, flags: int = UP | UV, more: bytes = b"") -> bytes:
    return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + bytes(4) + more


def fault(claims: KeyClaims, known: Mapping[str, OwnerKey]) -> Fault:
    with pytest.raises(Unacceptable) as refused:
        check_owner(claims, known)
    return refused.value.fault


# ---- what other people's code makes and takes


@pytest.mark.parametrize("vector", VECTORS["assertions"], ids=["ES256", "Ed25519"])
def test_assertions_that_chromium_made_are_taken(vector: dict[str, Any]) -> None:
    paired = PairedKey.of(vector["paired"])
    claims = with_own(vector["own"], KeyClaims.of(VECTORS["claims"]))
    assert check_owner(claims, {paired.cid: paired.key()}).cid == vector["own"]["cid"]
    other = claims.model_copy(update={"seq": claims.seq + 1})
    assert fault(other, {paired.cid: paired.key()}) is Fault.CLAIMS


def cose(passkey: SoftwareKey) -> bytes:
    public = passkey.private.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        return encode_cbor({1: 1, 3: -8, -1: 6, -2: public.public_bytes(Encoding.Raw, PublicFormat.Raw)})
    point = public.public_numbers()
    return encode_cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})


def webauthn_takes(own: Mapping[str, str], passkey: SoftwareKey) -> bool:
    response = AuthenticatorAssertionResponse(
        client_data_json=unb64(own["clientData"]),
        authenticator_data=unb64(own["authData"]),
        signature=unb64(own["sig"]),
    )
    try:
        verify_authentication_response(
            credential=AuthenticationCredential(id=own["cid"], raw_id=unb64(own["cid"]), response=response),
            expected_challenge=CHALLENGE,
            expected_rp_id=RP_ID,
            expected_origin=ORIGIN,
            credential_public_key=cose(passkey),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:  # whatever it says no with
        return False
    return True


@both
def test_the_software_key_signs_what_py_webauthn_takes(passkey: SoftwareKey) -> None:
    own = passkey.assertion(CHALLENGE)
    assert webauthn_takes(own, passkey)
    assert check_owner(with_own(own), owners(*PASSKEYS.values())).cid == passkey.cid


@both
@settings(max_examples=deep(100), deadline=None)
@given(data=st.data())
def test_we_take_nothing_that_py_webauthn_refuses(passkey: SoftwareKey, data: st.DataObject) -> None:
    client = client_data(
        type=data.draw(st.sampled_from(["webauthn.get", "webauthn.get", "webauthn.create", "payment.get"])),
        challenge=data.draw(st.sampled_from([b64(CHALLENGE), b64(CHALLENGE), b64(bytes(32)), ""])),
        origin=data.draw(st.sampled_from([ORIGIN, ORIGIN, "https://example.org", ORIGIN + "/"])),
        crossOrigin=data.draw(st.sampled_from([..., False, False, True])),
    )
    flags = data.draw(st.sampled_from([UP | UV, UP | UV, UP, UV, 0, UP | UV | 0x18]))
    rp_id = data.draw(st.sampled_from([RP_ID, RP_ID, "example.com", "cars.example.org"]))
    own = passkey.signed(client, auth_data(flags=flags, rp_id=rp_id))
    try:
        check_owner(with_own(own), owners(passkey))
    except Unacceptable:
        return
    assert webauthn_takes(own, passkey)


# ---- refusals


@both
def test_any_flipped_bit_in_any_member_refuses(passkey: SoftwareKey) -> None:
    own, known = passkey.assertion(CHALLENGE), owners(passkey)
    for name in ("cid", "authData", "clientData", "sig"):
        good = unb64(own[name])
        for bit in range(len(good) * 8):
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            fault(with_own({**own, name: b64(bytes(bad))}), known)


@both
@settings(max_examples=deep(80), deadline=None)
@given(data=st.data())
def test_any_other_claim_refuses(passkey: SoftwareKey, data: st.DataObject) -> None:
    changes = {
        "jti": b64(data.draw(st.binary(min_size=16, max_size=16))),
        "seq": data.draw(st.integers(1, 2**53 - 1)),
        "exp": data.draw(st.integers(0, 2**37)),
        "act": data.draw(st.sampled_from(["open:trunk", "open:trunk+cabin"])),
        "geo": data.draw(st.one_of(st.none(), st.tuples(st.floats(-90, 90), st.just(11.575), st.just(50.0)))),
        "fra": data.draw(st.one_of(st.none(), st.integers(0, 86_400))),
        "cnonce": data.draw(st.one_of(st.none(), st.just("A" * 43))),
    }
    name = data.draw(st.sampled_from(sorted(changes)))
    claims = with_own(passkey.assertion(CHALLENGE)).model_copy(update={name: changes[name]})
    if getattr(claims, name) == getattr(REST, name):
        check_owner(claims, owners(passkey))
    else:
        assert fault(claims, owners(passkey)) is Fault.CLAIMS


@both
@pytest.mark.parametrize(
    ("client", "auth"),
    [
        (client_data(type="webauthn.create"), auth_data()),
        (client_data(type=...), auth_data()),
        (client_data(challenge=b64(bytes(32))), auth_data()),
        (client_data(challenge=b64(CHALLENGE) + "="), auth_data()),
        (client_data(challenge=None), auth_data()),
        (client_data(challenge=...), auth_data()),
        (client_data(origin="https://evil.example.org"), auth_data()),
        (client_data(origin=ORIGIN + "/"), auth_data()),
        (client_data(origin=[ORIGIN]), auth_data()),
        (client_data(crossOrigin=True), auth_data()),
        (client_data(crossOrigin=0), auth_data()),
        (client_data(crossOrigin="false"), auth_data()),
        (client_data(crossOrigin=None), auth_data()),
        (client_data(topOrigin="https://evil.example"), auth_data()),
        (client_data(), auth_data(rp_id="example.com")),
        (client_data(), auth_data(flags=UP)),
        (client_data(), auth_data(flags=UV)),
        (client_data(), auth_data(flags=0xFF ^ UP)),
        (client_data(), auth_data()[:36]),
        (client_data(), b"\x05"),
    ],
)
def test_well_signed_but_not_what_must_be_signed(
    passkey: SoftwareKey, client: dict[str, Any], auth: bytes
) -> None:
    assert fault(with_own(passkey.signed(client, auth)), owners(passkey)) is Fault.CLAIMS


@both
def test_a_text_that_no_utf8_can_say_is_no_json(passkey: SoftwareKey) -> None:
    client = client_data(challenge="\ud800")
    assert fault(with_own(passkey.signed(client, auth_data())), owners(passkey)) is Fault.JSON


@both
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(client_data()).replace("{", '{"type":"webauthn.get",', 1).encode(),
        b"\xef\xbb\xbf" + json.dumps(client_data()).encode(),
        b"[]", b"null", b"{", b"\xff", b'{"type":NaN}', b"[" * 400,
    ],
)  # fmt: skip
def test_client_data_that_two_readers_could_read_differently(passkey: SoftwareKey, text: bytes) -> None:
    assert fault(with_own(passkey.signed(text, auth_data())), owners(passkey)) is Fault.JSON


@both
@settings(max_examples=deep(100), deadline=None)
@given(
    client=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["type", "challenge", "origin", "x"]), inner)
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
    auth=st.binary(max_size=200),
)
def test_whatever_was_signed_only_unacceptable_is_raised(
    passkey: SoftwareKey, client: bytes, auth: bytes
) -> None:
    own = passkey.signed(client, auth)
    if own["clientData"] and len(own["clientData"]) <= 700 and own["authData"]:
        fault(with_own(own), owners(passkey))


@both
def test_unknown_members_and_data_of_extensions_are_no_matter(passkey: SoftwareKey) -> None:
    hint = "do not compare clientDataJSON against a template. See https://goo.gl/yabPex"
    own = passkey.signed(
        client_data(other_keys_can_be_added_here=hint, crossOrigin=...),
        auth_data(flags=UP | UV | 0x80, more=encode_cbor({"uvm": []})),
    )
    check_owner(with_own(own), owners(passkey))


@both
def test_who_signed(passkey: SoftwareKey) -> None:
    own = passkey.assertion(CHALLENGE)
    stranger = SoftwareKey.draw(origin=ORIGIN, rp_id=RP_ID)
    assert fault(REST, owners(passkey)) is Fault.SIGNER
    assert fault(with_own(own), {}) is Fault.SIGNER
    assert fault(with_own(own), owners(stranger)) is Fault.SIGNER
    claimed = with_own({**stranger.assertion(CHALLENGE), "cid": passkey.cid})
    assert fault(claimed, owners(passkey)) is Fault.SIGNATURE
    elsewhere = replace(passkey, origin="https://cars.example.net", rp_id="example.net")
    assert fault(with_own(elsewhere.assertion(CHALLENGE)), owners(passkey)) is Fault.CLAIMS


@both
@pytest.mark.parametrize("member", ["authData", "clientData", "sig"])
def test_members_have_one_spelling(passkey: SoftwareKey, member: str) -> None:
    own = passkey.assertion(CHALLENGE)
    loose = next(
        text
        for text in (own[member][:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefgh_-")
        if text != own[member]
    )
    fault(with_own({**own, member: loose}), owners(passkey))
    for bad in (own[member] + "=", own[member] + "\n", "", own[member].replace("A", "+")[:-1] + "/"):
        with pytest.raises(Unacceptable):
            with_own({**own, member: bad})


# ---- at the car


def opening(own: Mapping[str, str] | None, *, required: bool, passkey: SoftwareKey) -> Opening:
    claims = REST.model_copy(update={"tbv": None}) if own is None else KeyClaims.of(
        {**REST.model_copy(update={"tbv": None}).wire(), "own": dict(own)}
    )  # fmt: skip
    made = Opening(policy=Policy(require_owner=required), owners=owners(passkey))
    return replace(made, claims=claims, car=replace(made.car, position=OFFICE))


@both
def test_a_car_that_requires_the_owner_opens_for_nothing_less(passkey: SoftwareKey) -> None:
    honest = passkey.assertion(owner_challenge(REST.model_copy(update={"tbv": None}).wire()))
    other = passkey.assertion(owner_challenge(REST.wire()))
    assert opening(honest, required=True, passkey=passkey).run().claims.own is not None
    assert opening(honest, required=False, passkey=passkey).run()
    assert opening(None, required=False, passkey=passkey).run()
    for own, required in ((None, True), (other, True), (other, False)):
        with pytest.raises(KeyRefused) as refused:
            opening(own, required=required, passkey=passkey).run()
        assert (refused.value.refusal, refused.value.proven) == (Refusal.OWNER_SIGNATURE, True)


def test_the_largest_co_signature_fits_into_a_key() -> None:
    passkey = replace(PASSKEYS["ES256"], cid="A" * MAX_CID)
    hint = "do not compare clientDataJSON against a template. See https://goo.gl/yabPex"
    own = passkey.signed(client_data(other_keys_can_be_added_here=hint), auth_data())
    token = sign(with_own(own, REST.model_copy(update={"cnonce": "A" * 43})).wire(), form=KEY, key=ISSUER)
    assert len(token) <= KEY.max_bytes


# ---- what a car takes at pairing


def spki(public: Any) -> str:
    return b64(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


GOOD = PASSKEYS["ES256"].pairing()


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "http://cars.example.org"}, {"origin": "https://cars.example.org/"},
        {"origin": "https://Cars.example.org"}, {"origin": "https://user@cars.example.org"},
        {"origin": "https://cars.example.org:0"}, {"origin": "android:apk-key-hash:abc"},
        {"origin": "https://badexample.org"}, {"origin": "https://example.org.evil.net"},
        {"origin": "https://-.example.org"}, {"origin": "https://.example.org"}, {"origin": ""},
        {"rp_id": "192.0.2.1", "origin": "https://192.0.2.1"}, {"rp_id": "2.1", "origin": "https://192.0.2.1"},
        {"rp_id": "org"}, {"rp_id": "other.org"}, {"rp_id": ""}, {"rp_id": ".example.org"},
        {"rp_id": "Example.org"}, {"cid": ""}, {"cid": "A" * (MAX_CID + 1)}, {"cid": "AB"}, {"cid": "A+=="},
        {"public": ""}, {"public": "AAAA"}, {"public": spki(ec.generate_private_key(ec.SECP384R1()).public_key())},
        {"public": spki(ed448.Ed448PrivateKey.generate().public_key())},
        {"public": b64(bytes.fromhex("302a300506032b6570032100") + b"\x01" + bytes(31))},
        {"public": GOOD["public"] + "AA"}, {"more": 1}, {"cid": None},
    ],
)  # fmt: skip
def test_what_no_car_pairs(change: dict[str, Any]) -> None:
    with pytest.raises((Unacceptable, ValidationError)):
        PairedKey.of({**GOOD, **change})


@pytest.mark.parametrize(
    ("origin", "rp_id"),
    [("https://example.org", "example.org"), ("https://a.b.example.org:8443", "example.org"),
     ("http://localhost:8080", "localhost"), ("https://localhost", "localhost")],
)  # fmt: skip
def test_origins_that_a_car_pairs(origin: str, rp_id: str) -> None:
    PairedKey.of({**GOOD, "origin": origin, "rp_id": rp_id})


def test_a_public_key_has_one_form() -> None:
    good = unb64(GOOD["public"])
    for bit in range(len(good) * 8):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        try:
            read = read_spki(bytes(bad))
        except BadKey:
            continue
        assert read.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == bytes(bad)
    compressed = (
        PASSKEYS["ES256"].private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    )
    with pytest.raises(BadKey):
        read_spki(good[:26].replace(b"\x59", b"\x39").replace(b"\x42", b"\x22") + compressed)


def test_the_set_is_bounded_ordered_and_told_by_hashes() -> None:
    keys = [SoftwareKey.draw(origin=ORIGIN, rp_id=RP_ID) for _ in range(MAX_OWNER_KEYS + 1)]
    one, other = PairedKeys(), PairedKeys()
    for each, mirrored in zip(keys[:-1], reversed(keys[:-1]), strict=True):
        one, other = (
            one.with_key(PairedKey.of(each.pairing())),
            other.with_key(PairedKey.of(mirrored.pairing())),
        )
    assert one == other == PairedKeys.of(json.loads(one.model_dump_json()))
    assert one.state == other.state
    assert set(one.state.cids) == {cid_hash(key.cid) for key in keys[:-1]}
    assert one.with_key(one.keys[0]) == one
    with pytest.raises(ValidationError):
        one.with_key(PairedKey.of(keys[-1].pairing()))
    states = {one.state.hash, one.without(keys[0].cid).state.hash, PairedKeys().state.hash,
              one.model_copy(update={"required": True}).state.hash}  # fmt: skip
    assert len(states) == 4


# ---- RFC 8785


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (48.137, "48.137"), (1e21, "1e+21"), (1e20, "100000000000000000000"),
        (1e-6, "0.000001"), (1e-7, "1e-7"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992, "9007199254740992"), (333333333.33333329, "333333333.3333333"), (4.50, "4.5"),
        (2e-3, "0.002"), (1e-27, "1e-27"), (True, "true"), (None, "null"), ("\x1f\x7f\u20ac\"\\/\n", '"\\u001f\x7f\u20ac\\"\\\\/\\n"'),
        ({"b": 1, "a": [1, {}], "\U0001f600": 1, "\ufb33": 2}, '{"a":[1,{}],"b":1,"\U0001f600":1,"\ufb33":2}'),
    ],
)  # fmt: skip
def test_canonical_form(value: object, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53 + 1, -(2**53) - 1, b"", {1}])
def test_what_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError, match=r"number|canonical"):
        canonical(value)


@given(st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.floats(10, 100_000)))
def test_a_place_reads_back_as_it_was_signed(geo: tuple[float, float, float]) -> None:
    assert tuple(json.loads(canonical(list(geo)))) == geo
    whole = [round(each) for each in geo]
    assert canonical(whole) == canonical([float(each) for each in whole])


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node: ECMAScript's own way to write numbers")
def test_numbers_as_ecmascript_writes_them(make_numbers: Callable[[], list[float]]) -> None:
    numbers = make_numbers()
    script = (
        "const n=JSON.parse(require('fs').readFileSync(0));process.stdout.write(n.map(String).join('\\n'))"
    )
    done = subprocess.run(
        ["node", "-e", script], input=json.dumps(numbers), capture_output=True, text=True, check=True
    )
    assert [canonical(number) for number in numbers] == done.stdout.split("\n")


@pytest.fixture
def make_numbers() -> Callable[[], list[float]]:
    import math
    import random
    import struct

    def numbers() -> list[float]:
        seeded = random.Random(8785)
        bits = (struct.unpack(">d", seeded.randbytes(8))[0] for _ in range(10_000))
        places = (round(seeded.uniform(-180, 180), seeded.randrange(12)) for _ in range(5_000))
        scales = (seeded.uniform(1, 10) * 10.0 ** seeded.randrange(-30, 30) for _ in range(5_000))
        return [number + 0.0 for number in (*bits, *places, *scales) if math.isfinite(number)]

    return numbers
