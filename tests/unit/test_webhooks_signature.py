"""Signatures against published values, the PyPI library both ways, and a table of hostile requests."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import standardwebhooks
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from webhooks.signature import (
    PrivateKey,
    PublicKey,
    Secret,
    SecretMalformed,
    SignatureRefused,
    Why,
    headers,
    read_checker,
    sign,
    verify,
)
from webhooks.signers import checker_of, read_signer

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "webhooks" / "sign.json"

# The example of the Standard Webhooks libraries (standard-webhooks/standard-webhooks, libraries/python/tests).
SECRET = Secret.read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
PUBLISHED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

NOW = datetime.fromtimestamp(AT, UTC)
OTHER = Secret(b"\x07" * 32)
MAC = PUBLISHED.removeprefix("v1,")


def received(**changed: bytes | None) -> list[tuple[bytes, bytes]]:
    """A good request's headers, some changed (None: left out)."""
    good = {"id": MESSAGE.encode(), "timestamp": str(AT).encode(), "signature": PUBLISHED.encode()}
    return [
        (f"webhook-{name}".encode(), value) for name, value in (good | changed).items() if value is not None
    ]


def test_the_published_example() -> None:
    assert sign([SECRET], MESSAGE, AT, BODY) == PUBLISHED
    signed = verify([SECRET], received(), BODY, now=NOW)
    assert (signed.message_id, signed.timestamp, signed.mac) == (MESSAGE, AT, MAC)


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")
def test_the_shared_vectors() -> None:
    groups = json.loads(VECTORS.read_text())
    checked = refused = 0
    for case in groups["v1"] + groups["derived_v1"]:
        body = case["payload"].encode() if "payload" in case else base64.b64decode(case["payload_b64"])
        try:
            secret = Secret.read(case["secret"])
        except SecretMalformed:
            assert "strict decoders reject" in case["note"]
            refused += 1
            continue
        assert sign([secret], case["id"], case["timestamp"], body) == case["signature"], case["name"]
        made = headers([secret], case["id"], case["timestamp"], body)
        raw = [(name.encode(), value.encode()) for name, value in made.items()]
        now = datetime.fromtimestamp(case["timestamp"], UTC)
        assert verify([secret], raw, body, now=now).message_id == case["id"]
        checked += 1
    assert (checked, refused) == (7, 2)


@pytest.mark.skipif(not VECTORS.exists(), reason="the shared vectors are not here")
def test_the_published_vector_of_v1a() -> None:
    (case,) = json.loads(VECTORS.read_text())["v1a"]
    pair, public = PrivateKey.read(case["secret"]), PublicKey.read(case["public"])
    assert (pair.public, pair.reveal(), public.reveal()) == (public, case["secret"], case["public"])
    body = case["payload"].encode()
    assert sign([pair], case["id"], case["timestamp"], body) == case["signature"]
    raw = received(signature=case["signature"].encode())
    signed = verify([public], raw, body, now=NOW)
    assert (signed.version, signed.mac) == ("v1a", case["signature"].removeprefix("v1a,"))
    for other in (body + b" ", b""):
        with pytest.raises(SignatureRefused):
            verify([public], raw, other, now=NOW)


def test_a_public_key_is_no_shared_secret() -> None:
    """Who knows only what everybody may know cannot sign: each version meets keys of its own kind alone."""
    pair = PrivateKey.new()
    raw_key = base64.b64decode(pair.public.reveal().removeprefix("whpk_"))
    for version in (b"v1", b"v1a"):
        forged = version + b"," + base64.b64encode(Secret(raw_key).mac(b".".join((b"m", b"1", BODY))))
        with pytest.raises(SignatureRefused):
            verify([pair.public], received(signature=forged), BODY, now=NOW)
    value = sign([pair], MESSAGE, AT, BODY).removeprefix("v1a,").encode()
    for version in (b"v1,", b"v1b,", b"V1A,", b"v1a;", b""):
        with pytest.raises(SignatureRefused):
            verify([pair.public, SECRET], received(signature=version + value), BODY, now=NOW)


def test_points_that_are_nobodys_key() -> None:
    """OpenSSL takes a signature that nobody made under the neutral point: we take no such key."""
    nobody = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(nobody).verify(nobody + bytes(32), b"anything")
    modulus = 2**255 - 19
    small = [0, 1, modulus - 1, modulus, modulus + 1]
    eighth = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    small.append(int.from_bytes(bytes.fromhex(eighth), "little"))
    small.append(modulus - small[-1])
    for y in small:
        for sign_bit in (0, 1 << 255):
            text = "whpk_" + base64.b64encode((y | sign_bit).to_bytes(32, "little")).decode()
            with pytest.raises(SecretMalformed):
                PublicKey.read(text)


def test_keys_that_are_malformed() -> None:
    pair, other = PrivateKey.new(), PrivateKey.new()
    seed = base64.b64decode(pair.reveal().removeprefix("whsk_"))[:32]
    foreign = base64.b64decode(other.reveal().removeprefix("whsk_"))[32:]
    for text in (
        "whsk_" + base64.b64encode(seed).decode(),
        "whsk_" + base64.b64encode(seed + foreign).decode(),
        pair.reveal()[:-1],
        pair.reveal().replace("whsk_", "whsec_"),
        pair.public.reveal().replace("whpk_", "whsk_"),
        "whpk_" + base64.b64encode(bytes(31) + b"ab").decode(),
        "whpk_é",
        "whpk_",
        "",
    ):
        with pytest.raises(SecretMalformed) as malformed:
            read_checker(text) if text.startswith(("whpk_", "whsk_")) else PrivateKey.read(text)
        assert text == "" or text not in str(malformed.value)


def test_a_pair_does_not_print_itself() -> None:
    pair = PrivateKey.new()
    assert pair.reveal() not in f"{pair!r} {pair}"
    assert PrivateKey.read(pair.reveal()) == pair
    assert len({hash(PrivateKey.read(pair.reveal())), hash(pair)}) == 1
    assert read_signer(pair.reveal()) == pair
    assert checker_of(pair) == pair.public == PublicKey.read(pair.public.reveal())


def test_a_key_is_named_by_its_thumbprint() -> None:
    # RFC 8037, appendix A.3: the thumbprint of that key is published there.
    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert PublicKey(raw).jwk["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_pypi_library_accepts_ours() -> None:
    now = datetime.now(UTC)
    secret = Secret.new()
    made = headers([OTHER, secret], "msg_1", int(now.timestamp()), BODY)
    assert standardwebhooks.Webhook(secret.reveal()).verify(BODY, made) == {"test": 2432232314}


def test_we_accept_the_pypi_library() -> None:
    secret = Secret.new()
    value = standardwebhooks.Webhook(secret.reveal()).sign("msg_1", NOW, BODY.decode())
    raw = received(id=b"msg_1", signature=value.encode())
    assert verify([OTHER, secret], raw, BODY, now=NOW).message_id == "msg_1"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            received(signature=b"v1," + b"A" * 43 + b"= " + PUBLISHED.encode()), id="an older secret first"
        ),
        pytest.param(received(signature=b"v1a,AAAA " + PUBLISHED.encode()), id="another version before"),
        pytest.param(received(signature=PUBLISHED.encode() + b" v1a,!!"), id="malformed after"),
        pytest.param(received(signature=b"garbage " + PUBLISHED.encode()), id="malformed before"),
        pytest.param(received(signature=b"  " + PUBLISHED.encode()), id="more spaces"),
        pytest.param([(n.upper(), v) for n, v in received()], id="upper-case names"),
        pytest.param([*received(), (b"accept", b"\xff")], id="another header in another encoding"),
    ],
)
def test_what_must_be_accepted(raw: list[tuple[bytes, bytes]]) -> None:
    assert verify([OTHER, SECRET], raw, BODY, now=NOW).message_id == MESSAGE


HOSTILE: dict[str, tuple[Why, list[tuple[bytes, bytes]]]] = {
    "no headers": (Why.HEADERS, []),
    "no id": (Why.HEADERS, received(id=None)),
    "no timestamp": (Why.HEADERS, received(timestamp=None)),
    "no signature": (Why.HEADERS, received(signature=None)),
    "two ids": (Why.HEADERS, [*received(), (b"webhook-id", MESSAGE.encode())]),
    "two ids, cased": (Why.HEADERS, [*received(), (b"Webhook-Id", b"other")]),
    "two timestamps": (Why.HEADERS, [*received(), (b"webhook-timestamp", str(AT).encode())]),
    "two signatures": (Why.HEADERS, [*received(), (b"webhook-signature", PUBLISHED.encode())]),
    "other maker's names": (Why.HEADERS, [(n.replace(b"webhook", b"svix"), v) for n, v in received()]),
    "id not ASCII": (Why.HEADERS, received(id="msg_é".encode())),
    "timestamp full-width": (
        Why.HEADERS,
        received(timestamp="".join(chr(0xFF10 + int(d)) for d in str(AT)).encode()),
    ),
    "signature not ASCII": (Why.HEADERS, received(signature=b"v1,\xff\xfe")),
    "signature list too long": (Why.HEADERS, received(signature=b"v1,AAAA " * 600)),
    "id empty": (Why.MESSAGE_ID, received(id=b"")),
    "id with a dot": (Why.MESSAGE_ID, received(id=b"msg_a.1614265330")),
    "id too long": (Why.MESSAGE_ID, received(id=b"m" * 65)),
    "id with a space": (Why.MESSAGE_ID, received(id=b" " + MESSAGE.encode())),
    "id with a newline": (Why.MESSAGE_ID, received(id=MESSAGE.encode() + b"\n")),
    "id with a NUL": (Why.MESSAGE_ID, received(id=b"msg_\x00")),
    "id with a slash": (Why.MESSAGE_ID, received(id=b"../etc")),
    "timestamp empty": (Why.TIMESTAMP, received(timestamp=b"")),
    "timestamp a fraction": (Why.TIMESTAMP, received(timestamp=b"1614265330.9")),
    "timestamp a float": (Why.TIMESTAMP, received(timestamp=b"1.61426533e9")),
    "timestamp signed": (Why.TIMESTAMP, received(timestamp=b"+1614265330")),
    "timestamp negative": (Why.TIMESTAMP, received(timestamp=b"-614265330")),
    "timestamp with a space": (Why.TIMESTAMP, received(timestamp=b" 1614265330")),
    "timestamp with underscores": (Why.TIMESTAMP, received(timestamp=b"1_614_2653")),
    "timestamp with a tail": (Why.TIMESTAMP, received(timestamp=b"1614265330abc")),
    "timestamp with a newline": (Why.TIMESTAMP, received(timestamp=b"1614265330\n")),
    "timestamp of nine digits": (Why.TIMESTAMP, received(timestamp=b"614265330")),
    "timestamp of eleven digits": (Why.TIMESTAMP, received(timestamp=b"01614265330")),
    "timestamp in milliseconds": (Why.TIMESTAMP, received(timestamp=b"1614265330000")),
    "timestamp hexadecimal": (Why.TIMESTAMP, received(timestamp=b"0x6037BF72")),
    "timestamp not a number": (Why.TIMESTAMP, received(timestamp=b"nannannann")),
    "timestamp too old": (Why.TOO_OLD, received(timestamp=str(AT - 301).encode())),
    "timestamp too new": (Why.TOO_NEW, received(timestamp=str(AT + 301).encode())),
    "timestamp moved within reach": (Why.SIGNATURE, received(timestamp=str(AT + 1).encode())),
    "id exchanged": (Why.SIGNATURE, received(id=b"msg_other")),
    "signature empty": (Why.SIGNATURE, received(signature=b"")),
    "signature only spaces": (Why.SIGNATURE, received(signature=b"   ")),
    "no comma": (Why.SIGNATURE, received(signature=b"v1" + MAC.encode())),
    "two commas": (Why.SIGNATURE, received(signature=b"v1,," + MAC.encode())),
    "a tail after a comma": (Why.SIGNATURE, received(signature=PUBLISHED.encode() + b",x")),
    "version missing": (Why.SIGNATURE, received(signature=MAC.encode())),
    "version v2": (Why.SIGNATURE, received(signature=b"v2," + MAC.encode())),
    "version v1a": (Why.SIGNATURE, received(signature=b"v1a," + MAC.encode())),
    "version V1": (Why.SIGNATURE, received(signature=b"V1," + MAC.encode())),
    "joined by tabs": (Why.SIGNATURE, received(signature=b"x\t" + PUBLISHED.encode())),
    "unpadded": (Why.SIGNATURE, received(signature=PUBLISHED.rstrip("=").encode())),
    "padded twice": (Why.SIGNATURE, received(signature=PUBLISHED.encode() + b"=")),
    "url-safe alphabet": (
        Why.SIGNATURE,
        received(signature=PUBLISHED.translate({43: "-", 47: "_"}).encode()),
    ),
    "rubbish inside": (Why.SIGNATURE, received(signature=b"v1,!!" + MAC.encode())),
    "newline inside": (
        Why.SIGNATURE,
        received(signature=b"v1," + MAC[:20].encode() + b"\n" + MAC[20:].encode()),
    ),
    "trailing bits": (Why.SIGNATURE, received(signature=PUBLISHED.replace("OE=", "OF=").encode())),
    "hexadecimal": (Why.SIGNATURE, received(signature=b"v1," + base64.b64decode(MAC).hex().encode())),
    "cut short": (Why.SIGNATURE, received(signature=b"v1," + base64.b64encode(base64.b64decode(MAC)[:16]))),
    "longer": (Why.SIGNATURE, received(signature=b"v1," + base64.b64encode(base64.b64decode(MAC) + b"\0"))),
    "one bit flipped": (Why.SIGNATURE, received(signature=PUBLISHED.replace("g0h", "g1h").encode())),
    "all zero": (Why.SIGNATURE, received(signature=b"v1," + base64.b64encode(bytes(32)))),
    "signed by another": (
        Why.SIGNATURE,
        received(signature=sign([Secret.new()], MESSAGE, AT, BODY).encode()),
    ),
    "signed for another body": (
        Why.SIGNATURE,
        received(signature=sign([SECRET], MESSAGE, AT, b"{}").encode()),
    ),
    "body alone signed": (
        Why.SIGNATURE,
        received(signature=b"v1," + base64.b64encode(SECRET.mac(BODY))),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_are_refused_by_one_exception(name: str) -> None:
    why, raw = HOSTILE[name]
    with pytest.raises(SignatureRefused) as refused:
        verify([OTHER, SECRET], raw, BODY, now=NOW)
    assert refused.value.why is why
    assert str(refused.value) == why.value


def test_the_hostile_table_is_long_enough() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("body", [b"", BODY + b" ", BODY[:-1], b"\xff\xfe", BODY.replace(b"2", b"3", 1)])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verify([SECRET], received(), body, now=NOW)


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(SignatureRefused):
        verify([], received(), BODY, now=NOW)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_five_minutes_either_way(seconds: int) -> None:
    assert verify([SECRET], received(), BODY, now=NOW + timedelta(seconds=seconds))


raw_headers = st.lists(
    st.tuples(
        st.sampled_from([b"webhook-id", b"webhook-timestamp", b"webhook-signature", b"x"]),
        st.binary(max_size=80) | st.sampled_from([MESSAGE.encode(), str(AT).encode(), b"v1," + b"A" * 44]),
    ),
    max_size=6,
)


@given(raw=raw_headers, body=st.binary(max_size=50))
def test_any_bytes_are_refused_by_one_exception(raw: list[tuple[bytes, bytes]], body: bytes) -> None:
    with pytest.raises(SignatureRefused):
        verify([SECRET], raw, body, now=NOW)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        "whsec_AAAA",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_é",
        "whsec_" + "A" * 33,
        "whsec_" + "A" * 92,
    ],
)
def test_malformed_secrets(text: str) -> None:
    with pytest.raises(SecretMalformed) as malformed:
        Secret.read(text)
    assert text == "" or text not in str(malformed.value)


def test_a_secret_does_not_print_itself() -> None:
    secret = Secret.new()
    assert secret.reveal() not in repr(secret)
    assert Secret.read(secret.reveal()) == secret
    assert hash(Secret.read(secret.reveal())) == hash(secret)
