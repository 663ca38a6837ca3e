"""The owner's co-signature (``own``): one WebAuthn assertion over a key's other claims, checked with no library.

What it gives: no server can open the car without a fresh gesture of the owner; a server that lies on the page can
misuse that one gesture for one opening of that car in that window.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from keys.car.claims import KeyClaims, OwnerSignature
from keys.car.jwk import b64, unb64
from keys.car.jws import Fault, Unacceptable, read_json

_CONTEXT: Final = b"trunkline.own.v1\x00"
_UP: Final = 0x01
_UV: Final = 0x04
_SHORTEST: Final = 37
"""authenticatorData: rpIdHash 32, flags 1, signCount 4 (WebAuthn Level 3, 6.1)."""


@dataclass(frozen=True, slots=True)
class OwnerKey:
    """A passkey paired at this car. ``origin`` and ``rp_id`` are pinned at pairing."""

    cid: str
    public: EllipticCurvePublicKey | Ed25519PublicKey = field(repr=False)
    origin: str
    rp_id: str


def owner_challenge(claims: Mapping[str, Any]) -> bytes:
    """What the passkey signs for a key: SHA-256 of a context and the RFC 8785 form of all claims but ``own``."""
    rest = {name: value for name, value in claims.items() if name != "own"}
    return hashlib.sha256(_CONTEXT + canonical(rest).encode()).digest()


def check_owner(claims: KeyClaims, owners: Mapping[str, OwnerKey]) -> OwnerKey:
    """Step 12 of keys.md 3.3: which paired owner signed this very key.

    Raises ``Unacceptable``: ``signer`` no paired passkey, ``claims`` not what must be signed, ``signature``.
    """
    own = claims.own
    owner = owners.get(own.cid) if own is not None else None
    if own is None or owner is None:
        raise Unacceptable(Fault.SIGNER)
    auth, client, signature = _members(own)
    if _check_client(client, owner_challenge(claims.wire())) != owner.origin:
        raise Unacceptable(Fault.CLAIMS)
    if _check_authenticator(auth) != hashlib.sha256(owner.rp_id.encode()).digest():
        raise Unacceptable(Fault.CLAIMS)
    signed = auth + hashlib.sha256(client).digest()
    try:
        if isinstance(owner.public, Ed25519PublicKey):
            owner.public.verify(signature, signed)
        else:
            owner.public.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature as cause:
        raise Unacceptable(Fault.SIGNATURE) from cause
    return owner


def check_gesture(claims: KeyClaims) -> None:
    """All of that which needs no paired key: for the service, which must not hand on what no car would take.

    Raises ``Unacceptable``.
    """
    if claims.own is None:
        raise Unacceptable(Fault.SIGNER)
    auth, client, _ = _members(claims.own)
    _check_client(client, owner_challenge(claims.wire()))
    _check_authenticator(auth)


def _members(own: OwnerSignature) -> tuple[bytes, bytes, bytes]:
    try:
        return unb64(own.authData), unb64(own.clientData), unb64(own.sig)
    except ValueError as cause:
        raise Unacceptable(Fault.FORM) from cause


def _check_client(client: bytes, challenge: bytes) -> object:
    """The origin that the browser names, once all else is as it must be."""
    said = read_json(client)
    wanted = {"type": "webauthn.get", "challenge": b64(challenge)}
    # nothing of it is secret: compared as values, whatever type or text stands there
    if any(said.get(name) != value for name, value in wanted.items()):
        raise Unacceptable(Fault.CLAIMS)
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise Unacceptable(Fault.CLAIMS)
    return said.get("origin")


def _check_authenticator(auth: bytes) -> bytes:
    """The hash of the domain whose passkey it is, once somebody was there and verified."""
    if len(auth) < _SHORTEST or not auth[32] & _UP or not auth[32] & _UV:
        raise Unacceptable(Fault.CLAIMS)
    return auth[:32]


def canonical(value: object) -> str:
    """JSON in the form of RFC 8785. Raises ``ValueError`` for what has none (NaN, integers beyond 2**53)."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: str(item[0]).encode("utf-16-be"))
        return "{" + ",".join(f"{_text(str(name))}:{canonical(each)}" for name, each in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and abs(value) <= 2**53:
        return str(value)
    if isinstance(value, float):
        return _number(value)
    raise ValueError("this has no canonical form")


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    """As ECMAScript writes a number (RFC 8785, 3.2.2.3)."""
    if not math.isfinite(value):
        raise ValueError("not a number")
    if value == 0:
        return "0"
    sign, text = ("-" if value < 0 else ""), repr(abs(value))
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0)
    if whole == "0":
        point -= 1 + len(fraction) - len(fraction.lstrip("0"))
        digits = fraction.lstrip("0")
    stripped = digits.rstrip("0") or "0"
    count = len(stripped)
    if count <= point <= 21:
        return sign + stripped + "0" * (point - count)
    if 0 < point <= 21:
        return sign + stripped[:point] + "." + stripped[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + stripped
    scientific = stripped[0] + ("." + stripped[1:] if count > 1 else "")
    return f"{sign}{scientific}e{'+' if point > 0 else '-'}{abs(point - 1)}"
