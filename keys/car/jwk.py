"""Public keys as bytes and JWKs: strict import, thumbprints, and the refusal of keys that verify anything."""

import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_P: Final = 2**255 - 19
_LOW_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
    }
)
"""The y coordinates of the eight points of small order; with both signs and y >= p they have 14 encodings."""


_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST: Final = (b"", b"", b"AQgw", b"AEIMQUYcgkosw048")
"""By how many characters are over a multiple of four: the last ones whose unused bits are zero. One over is never."""
_PADDING: Final = (b"", b"", b"==", b"=")
_P256: Final = SECP256R1()
_P256_MEMBERS: Final = frozenset({"kty", "crv", "x", "y"})
_quoted: Final = json.encoder.encode_basestring_ascii


class BadKey(ValueError):
    """These members are not a public key that we accept."""


def b64(data: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def unb64(text: str) -> bytes:
    """The bytes of canonical base64url: unpadded, unused bits zero. Raises ``ValueError``."""
    try:
        part = text.encode("ascii")
    except UnicodeEncodeError as cause:
        raise ValueError("not base64url") from cause
    if part.translate(None, _ALPHABET):
        raise ValueError("not base64url")
    return decoded(part)


def decoded(part: bytes) -> bytes:
    """The same of what has no other characters than base64url's: all that can be wrong then is the last one.

    Raises ``ValueError``.
    """
    over = len(part) & 3
    if over:
        if part[-1] not in _LAST[over]:
            raise ValueError("not canonical base64url")
        part += _PADDING[over]
    return binascii.a2b_base64(part.translate(_FROM_URL))


def sha256_b64(data: bytes) -> str:
    """SHA-256 as 43 characters of base64url: the form of ``ath``, ``jkt``, ``kid`` and chain hashes."""
    return b64(hashlib.sha256(data).digest())


def ed25519_from_bytes(raw: bytes) -> Ed25519PublicKey:
    """A public key of 32 bytes. Raises ``BadKey`` for a point of small order or a non-canonical encoding.

    ``cryptography`` imports both; under the identity one fixed signature verifies any message (keys.md 3.6).
    """
    if len(raw) != 32:
        raise BadKey("an Ed25519 key has 32 bytes")
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P or y in _LOW_ORDER_Y:
        raise BadKey("small order or not canonical")
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as cause:
        raise BadKey("not a point of the curve") from cause


def ed25519_from_jwk(jwk: Mapping[str, Any]) -> Ed25519PublicKey:
    """The key of exactly ``{kty: OKP, crv: Ed25519, x}``. Raises ``BadKey``."""
    if set(jwk) != {"kty", "crv", "x"} or jwk["kty"] != "OKP" or jwk["crv"] != "Ed25519":
        raise BadKey("not exactly kty OKP, crv Ed25519 and x")
    return ed25519_from_bytes(_coordinate(jwk["x"]))


def ed25519_to_jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """The public JWK (RFC 8037) of a key."""
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def p256_from_jwk(jwk: Mapping[str, Any]) -> EllipticCurvePublicKey:
    """The key of exactly ``{kty: EC, crv: P-256, x, y}``, a point of the curve. Raises ``BadKey``."""
    if jwk.keys() != _P256_MEMBERS or jwk["kty"] != "EC" or jwk["crv"] != "P-256":
        raise BadKey("not exactly kty EC, crv P-256, x and y")
    point = b"\x04" + _coordinate(jwk["x"]) + _coordinate(jwk["y"])
    try:  # which refuses coordinates of p and above, and what is not on the curve
        return EllipticCurvePublicKey.from_encoded_point(_P256, point)
    except ValueError as cause:
        raise BadKey("not a point of the curve") from cause


def p256_to_jwk(key: EllipticCurvePublicKey) -> dict[str, str]:
    """The public JWK (RFC 7518 section 6.2) of a P-256 key."""
    numbers = key.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": b64(numbers.x.to_bytes(32, "big")),
        "y": b64(numbers.y.to_bytes(32, "big")),
    }


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The RFC 7638 SHA-256 thumbprint of an OKP or EC JWK: our ``kid`` and ``cnf.jkt``."""
    try:
        # sorted already, without white space: what a JSON encoder would write, without building one
        told = f'"crv":{_quoted(jwk["crv"])},"kty":{_quoted(jwk["kty"])},"x":{_quoted(jwk["x"])}'
        if jwk["kty"] == "EC":
            told = f'{told},"y":{_quoted(jwk["y"])}'
    except KeyError as cause:
        raise BadKey(f"{cause} is missing") from cause
    except TypeError as cause:
        raise BadKey("a member is no text") from cause
    return sha256_b64(f"{{{told}}}".encode())


def _coordinate(value: object) -> bytes:
    if not isinstance(value, str) or len(value) != 43:
        raise BadKey("a coordinate has 43 characters")
    try:
        return unb64(value)
    except ValueError as cause:
        raise BadKey(str(cause)) from cause
