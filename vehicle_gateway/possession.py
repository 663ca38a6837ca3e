"""What proves that a unit holds its keys: each certificate request's own signature, and one over both."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spine.problems import Kind, Problem
from vehicle_gateway.limits import GatewayLimits

ENROL: Final = "tl-enrol+jwt"
RENEW: Final = "tl-renew+jwt"

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]{1,512}\.[A-Za-z0-9_-]{1,2048}\.[A-Za-z0-9_-]{86}", re.ASCII)

_P: Final = 2**255 - 19
_Y8: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
# y of the points whose order divides 8: a signature under such a key proves nothing (keys.md 3.6).
_LOW_ORDER_Y: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


class NoPossession(Problem):
    """The request does not prove that its sender holds the private keys; the detail says which part."""

    code: ClassVar[str] = "enrolment.no_possession"
    kind: ClassVar[Kind] = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Requested:
    """A certificate request whose own signature holds. ``digest``: lower-case hex SHA-256 of its DER."""

    csr: x509.CertificateSigningRequest
    digest: str


def mtls_request(pem: str) -> tuple[Requested, ec.EllipticCurvePublicKey]:
    """Read the request for the connection's certificate: P-256, self-signed. Raises ``NoPossession``."""
    requested = _request(pem, "mtls")
    key = requested.csr.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise NoPossession("the mtls request's key is not P-256")
    return requested, key


def receipt_request(pem: str) -> tuple[Requested, Ed25519PublicKey]:
    """Read the request for the receipts' certificate: Ed25519, self-signed, no low-order point."""
    requested = _request(pem, "receipt")
    key = requested.csr.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise NoPossession("the receipt request's key is not Ed25519")
    if is_low_order(_raw(key)):
        raise NoPossession("the receipt request's key is a low-order point")
    return requested, key


def is_low_order(encoded: bytes) -> bool:
    """Whether an Ed25519 public key (32 bytes, any of the 14 encodings) is one that proves nothing."""
    return int.from_bytes(encoded, "little") % 2**255 % _P in _LOW_ORDER_Y


def binding(
    token: str,
    typ: str,
    key: Ed25519PublicKey,
    *,
    says: Mapping[str, str],
    now: datetime,
    limits: GatewayLimits,
) -> int:
    """Check a JWS of exactly ``{alg, typ, kid}`` and ``{**says, iat}`` by the receipt key; gives its ``iat``.

    One canonical form is taken, as keys.md 3.3 steps 1 and 2 ask of all our signed objects.
    """
    if not _COMPACT.fullmatch(token):
        raise NoPossession("the proof is not a compact JWS")
    signed, _, signature = token.rpartition(".")
    header, claims = (_object(part) for part in signed.split("."))
    if header != {"alg": "Ed25519", "typ": typ, "kid": thumbprint(key)}:
        raise NoPossession("the proof's header is not the one asked for")
    try:
        key.verify(_unb64(signature), signed.encode())
    except InvalidSignature as cause:
        raise NoPossession("the proof is not signed by the receipt key") from cause
    iat = claims.pop("iat", None)
    if claims != dict(says) or type(iat) is not int or not 0 <= iat < 2**53:
        raise NoPossession("the proof binds something else")
    age = now.timestamp() - iat
    if not -limits.proof_ahead.total_seconds() <= age <= limits.proof_age.total_seconds():
        raise NoPossession("the proof is too old, or from the future")
    return iat


def jwk_of(key: Ed25519PublicKey) -> dict[str, str]:
    """The public key as a JWK (RFC 8037)."""
    return {"crv": "Ed25519", "kty": "OKP", "x": _b64(_raw(key))}


def key_of(jwk: Mapping[str, str]) -> Ed25519PublicKey:
    """The key behind what ``jwk_of`` wrote."""
    return Ed25519PublicKey.from_public_bytes(_unb64(jwk["x"]))


def thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: names the key in headers."""
    canonical = json.dumps(jwk_of(key), separators=(",", ":"), sort_keys=True)
    return _b64(hashlib.sha256(canonical.encode()).digest())


def _request(pem: str, which: str) -> Requested:
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        holds = csr.is_signature_valid
        der = csr.public_bytes(Encoding.DER)
    except Exception as cause:  # the parser's exceptions are many, and all mean the same
        raise NoPossession(f"the {which} request cannot be read") from cause
    if not holds:
        raise NoPossession(f"the {which} request is not signed by its own key")
    return Requested(csr, hashlib.sha256(der).hexdigest())


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_unb64(text), object_pairs_hook=_no_twins)
    except (ValueError, RecursionError) as cause:
        raise NoPossession("the proof is not JSON inside") from cause
    if not isinstance(value, dict):
        raise NoPossession("the proof is not a JSON object inside")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as cause:
        raise NoPossession("the proof is not base64url") from cause
    if _b64(data) != text:
        raise NoPossession("the proof has more than one form")
    return data
