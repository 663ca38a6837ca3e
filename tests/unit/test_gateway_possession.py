"""A request becomes certificates only if its sender holds both keys, and has bound them together."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from keys.car.jwk import ed25519_to_jwk
from keys.car.jwk import thumbprint as car_thumbprint
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.possession import (
    ENROL,
    NoPossession,
    binding,
    is_low_order,
    jwk_of,
    key_of,
    mtls_request,
    receipt_request,
    thumbprint,
)
from vehicle_unit.provisioning import init

NOW = datetime(2030, 5, 6, 9, tzinfo=UTC)
LIMITS = GatewayLimits()
RECEIPT = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
SAYS = {"mtls_csr_sha256": "a" * 64, "receipt_csr_sha256": "b" * 64}


def csr(key: Any, *, hash_: Any = None) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trunkline unit")])
    signed = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hash_)
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def proof(
    key: Ed25519PrivateKey = RECEIPT,
    *,
    header: dict[str, Any] | None = None,
    claims: dict[str, Any] | None = None,
    payload: bytes | None = None,
) -> str:
    header = {"alg": "Ed25519", "typ": ENROL, "kid": thumbprint(RECEIPT.public_key())} | (header or {})
    header = {name: value for name, value in header.items() if value is not None}
    claims = {**SAYS, "iat": int(NOW.timestamp())} | (claims or {})
    body = payload if payload is not None else json.dumps(claims).encode()
    signed = f"{b64(json.dumps(header).encode())}.{b64(body)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


def check(token: str) -> int:
    return binding(token, ENROL, RECEIPT.public_key(), says=SAYS, now=NOW, limits=LIMITS)


def test_the_unit_s_own_request_is_taken(tmp_path: Path) -> None:
    request = init(tmp_path)
    mtls, _ = mtls_request(request["mtls_csr"])
    receipt, key = receipt_request(request["receipt_csr"])
    says = {"mtls_csr_sha256": mtls.digest, "receipt_csr_sha256": receipt.digest}
    now = datetime.now(UTC)
    assert (
        abs(binding(request["proof"], ENROL, key, says=says, now=now, limits=LIMITS) - now.timestamp()) < 60
    )


def test_a_good_proof_gives_its_time() -> None:
    assert check(proof()) == int(NOW.timestamp())


def other_last_char(token: str) -> str:
    """The same signature bytes in another spelling: 86 characters leave four bits unused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


BAD = {
    "not a jws": "a.b",
    "empty": "",
    "padded": proof() + "==",
    "another key": proof(OTHER),
    "another spelling": other_last_char(proof()),
    "alg none": proof(header={"alg": "none"}),
    "alg EdDSA": proof(header={"alg": "EdDSA"}),
    "another typ": proof(header={"typ": "tl-renew+jwt"}),
    "another kid": proof(header={"kid": thumbprint(OTHER.public_key())}),
    "no kid": proof(header={"kid": None}),
    "crit": proof(header={"crit": []}),
    "its own key": proof(header={"jwk": jwk_of(OTHER.public_key())}),
    "another request": proof(claims={"mtls_csr_sha256": "c" * 64}),
    "one claim too many": proof(claims={"unit": "vu_0"}),
    "iat as text": proof(claims={"iat": str(int(NOW.timestamp()))}),
    "iat beyond any clock": proof(claims={"iat": 10**400}),
    "iat before any": proof(claims={"iat": -(10**400)}),
    "iat true": proof(claims={"iat": True}),
    "no iat": proof(payload=json.dumps(SAYS).encode()),
    "too old": proof(claims={"iat": int((NOW - LIMITS.proof_age).timestamp()) - 1}),
    "from the future": proof(claims={"iat": int((NOW + LIMITS.proof_ahead).timestamp()) + 1}),
    "a name twice": proof(payload=json.dumps({**SAYS, "iat": 1})[:-1].encode() + b', "iat": 2}'),
    "an array": proof(payload=b"[]"),
    "not json": proof(payload=b"\xff\xfe"),
    "deep": proof(payload=b"[" * 1400),
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_a_bad_proof_is_refused(token: str) -> None:
    with pytest.raises(NoPossession):
        check(token)


@pytest.mark.parametrize("position", range(0, len(proof()), 7))
def test_any_changed_character_is_refused(position: int) -> None:
    good = proof()
    changed = good[:position] + ("A" if good[position] != "A" else "B") + good[position + 1 :]
    with pytest.raises(NoPossession):
        check(changed)


def flipped(pem: str) -> str:
    """The request with one bit of its signature changed."""
    der = bytearray(x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    body = base64.encodebytes(bytes(der)).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"


P256 = ec.derive_private_key(7, ec.SECP256R1())


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        csr(ec.derive_private_key(7, ec.SECP384R1()), hash_=hashes.SHA256()),
        csr(RECEIPT),
        flipped(csr(P256, hash_=hashes.SHA256())),
        "\ud800",
    ],
    ids=["nothing", "no request", "P-384", "Ed25519", "signature broken", "lone surrogate"],
)
def test_a_connection_s_request_must_be_p256_and_signed_by_its_key(pem: str) -> None:
    with pytest.raises(NoPossession):
        mtls_request(pem)


@pytest.mark.parametrize(
    "pem",
    ["", csr(P256, hash_=hashes.SHA256()), flipped(csr(RECEIPT))],
    ids=["nothing", "P-256", "signature broken"],
)
def test_a_receipt_request_must_be_ed25519_and_signed_by_its_key(pem: str) -> None:
    with pytest.raises(NoPossession):
        receipt_request(pem)


def test_the_digest_is_of_the_der() -> None:
    pem = csr(RECEIPT)
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    assert receipt_request(pem)[0].digest == hashlib.sha256(der).hexdigest()


def test_the_key_s_name_is_the_one_the_car_uses() -> None:
    key = RECEIPT.public_key()
    assert jwk_of(key) == ed25519_to_jwk(key)
    assert thumbprint(key) == car_thumbprint(ed25519_to_jwk(key))
    assert key_of(jwk_of(key)) == key


LOW_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
"""The 14 encodings (CCTV's list, as keys.md 3.6 asks)."""


@pytest.mark.parametrize("encoded", LOW_ORDER)
def test_every_low_order_encoding_is_known(encoded: str) -> None:
    assert is_low_order(bytes.fromhex(encoded))


def test_an_ordinary_key_is_not_low_order() -> None:
    raw = RECEIPT.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert not is_low_order(raw)


def test_proofs_of_all_ages_inside_the_limit_are_taken() -> None:
    for age in (timedelta(0), LIMITS.proof_age, -LIMITS.proof_ahead):
        assert check(proof(claims={"iat": int((NOW - age).timestamp())}))
