"""Read what a device or a carrier signed: compact JWS, ES256 only, strict header, JSON and keys."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from people.problems import ProofRefused

MAX_BYTES: Final = 2048
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})", re.ASCII)
_COORDINATE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_FOREIGN: Final = ("JWT", "jwt", "client-authentication+jwt")
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PASSED_BY: Final = frozenset({"alg", "use", "key_ops", "ext", "kid"})
"""Members that browsers and libraries add; they name the same use as ours, or the key is refused."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A P-256 public key: as we keep it, and its RFC 7638 thumbprint."""

    jwk: dict[str, str]
    thumbprint: str
    key: EllipticCurvePublicKey


def read_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """A public ES256 key. Raises ``ProofRefused`` for any other: private, off the curve, padded."""
    if set(jwk) & _PRIVATE or not set(jwk) <= {"kty", "crv", "x", "y"} | _PASSED_BY:
        raise ProofRefused("This is not a plain public key.")
    fits = (
        jwk.get("kty") == "EC"
        and jwk.get("crv") == "P-256"
        and jwk.get("alg", "ES256") == "ES256"
        and jwk.get("use", "sig") == "sig"
        and jwk.get("key_ops", ["verify"]) == ["verify"]
    )
    if not fits:
        raise ProofRefused("The key must be one of ES256 (P-256).")
    x, y = _coordinate(jwk.get("x")), _coordinate(jwk.get("y"))
    try:
        key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    except ValueError as cause:
        raise ProofRefused("The key is not on its curve.") from cause
    kept = {"crv": "P-256", "kty": "EC", "x": str(jwk["x"]), "y": str(jwk["y"])}
    canonical = json.dumps(kept, separators=(",", ":"), sort_keys=True)
    thumbprint = _encoded(hashlib.sha256(canonical.encode()).digest())
    return PublicKey(kept, thumbprint, key)


def _coordinate(text: object) -> int:
    if not isinstance(text, str) or _COORDINATE.fullmatch(text) is None:
        raise ProofRefused("The key's coordinates are not 32 bytes each.")
    return int.from_bytes(_decoded(text), "big")


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    """Base64url without padding, in its one canonical form."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as cause:
        raise ProofRefused("This is not base64url.") from cause
    if _encoded(raw) != text:
        raise ProofRefused("This is not canonical base64url.")
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ProofRefused("A member stands twice.")
    return members


def _no_constant(name: str) -> Any:  # noqa: ANN401 - json's own hook
    raise ProofRefused(f"{name} is not JSON.")


def _json(text: str) -> dict[str, Any]:
    try:
        read = json.loads(_decoded(text).decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as cause:
        raise ProofRefused("This is not JSON.") from cause
    if not isinstance(read, dict):
        raise ProofRefused("This is not a JSON object.")
    return read


def claims_of(token: str, *, typ: str | None) -> dict[str, Any]:
    """The claims of a token **before** its signature is checked: to find out whose key to check it with."""
    return _parts(token, typ)[0]


def verify(token: str, key: PublicKey, *, typ: str | None) -> dict[str, Any]:
    """The claims of a token signed by this key. ``typ``: of the header; None: a foreign client's ``JWT``.

    Raises ``ProofRefused`` whatever the bytes.
    """
    claims, signed, signature = _parts(token, typ)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
    except InvalidSignature as cause:
        raise ProofRefused("The signature does not hold.") from cause
    return claims


def _parts(token: str, typ: str | None) -> tuple[dict[str, Any], bytes, bytes]:
    found = _COMPACT.fullmatch(token) if len(token) <= MAX_BYTES else None
    if found is None:
        raise ProofRefused("This is not a compact JWS.")
    if not _header_fits(_json(found[1]), typ):
        raise ProofRefused("The header is not the one agreed.")
    return _json(found[2]), f"{found[1]}.{found[2]}".encode(), _decoded(found[3])


def _header_fits(header: dict[str, Any], typ: str | None) -> bool:
    if typ is not None:
        return header == {"alg": "ES256", "typ": typ}
    foreign = set(header) <= {"alg", "typ", "kid"} and header.get("typ", "JWT") in _FOREIGN
    return foreign and header.get("alg") == "ES256"
