"""Signed objects as compact JWS: one strict reader in front of PyJWT's algorithms, and one writer."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NoReturn, Self, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import OKPAlgorithm
from jwt.exceptions import InvalidKeyError

from keys.car.jwk import b64, ed25519_to_jwk, p256_to_jwk, thumbprint, unb64

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}", re.ASCII)
_SIGNATURE: Final = 86
"""Characters of base64url that the 64 bytes of either algorithm have."""
_DEPTH: Final = 6
_DIGITS: Final = 24


class Alg(StrEnum):
    """The two algorithms there are. ``Ed25519`` is RFC 9864's name; ``EdDSA`` is accepted nowhere."""

    ED25519 = "Ed25519"
    ES256 = "ES256"


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of signed object: its ``typ``, its algorithm, how it names its key, its greatest size."""

    typ: str
    alg: Alg
    names_key_by: str
    max_bytes: int


KEY: Final = Form("tl-key+jwt", Alg.ED25519, "kid", 2048)
PROOF: Final = Form("tl-pop+jwt", Alg.ES256, "jwk", 2048)
FRESH: Final = Form("tl-fresh+jwt", Alg.ED25519, "kid", 4096)
COMMAND: Final = Form("tl-cmd+jwt", Alg.ED25519, "kid", 16_384)
RECEIPT: Final = Form("tl-receipt+jwt", Alg.ED25519, "kid", 4096)
RECORD: Final = Form("tl-record+jwt", Alg.ED25519, "kid", 2048)
BUNDLE: Final = Form("tl-bundle+jwt", Alg.ED25519, "kid", 16_384)
FORMS: Final = (KEY, PROOF, FRESH, COMMAND, RECEIPT, RECORD, BUNDLE)


class Fault(StrEnum):
    """Why a signed object was not taken. For our own counters: a stranger is told none of it."""

    SIZE = "size"
    FORM = "form"
    JSON = "json"
    HEADER = "header"
    SIGNER = "signer"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    AUDIENCE = "audience"


class Unacceptable(Exception):
    """A signed object that is not what it must be; the only exception reading one raises."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Parts:
    """A compact JWS in canonical form with the exact header of its kind; **not** yet verified."""

    form: Form
    signer: Any
    """``kid`` (str) or ``jwk`` (dict), as ``form.names_key_by`` says."""
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the public JWK and thumbprint that name it; it does not print."""

    private: Ed25519PrivateKey | EllipticCurvePrivateKey = field(repr=False)
    jwk: Mapping[str, str]
    kid: str

    @classmethod
    def of(cls, private: Ed25519PrivateKey | EllipticCurvePrivateKey) -> Self:
        """Wrap a private key."""
        if isinstance(private, Ed25519PrivateKey):
            jwk = ed25519_to_jwk(private.public_key())
        else:
            jwk = p256_to_jwk(private.public_key())
        return cls(private, jwk, thumbprint(jwk))

    @classmethod
    def draw(cls) -> Self:
        """A new Ed25519 key from the system's random source."""
        return cls.of(Ed25519PrivateKey.generate())

    def pem(self) -> bytes:
        """The private key as unencrypted PKCS #8 PEM, for a file of mode 0600."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class _Ed25519(OKPAlgorithm):
    """PyJWT's EdDSA narrowed to Ed25519 key objects: bare, it takes Ed448 keys and PEM text as well."""

    def prepare_key(self, key: object) -> Ed25519PrivateKey | Ed25519PublicKey:
        if not isinstance(key, Ed25519PrivateKey | Ed25519PublicKey):
            raise InvalidKeyError("an Ed25519 key object is required")
        return key


def _pyjws() -> jwt.PyJWS:
    jws = jwt.PyJWS(algorithms=[Alg.ES256.value])
    jws.register_algorithm(Alg.ED25519.value, _Ed25519())
    return jws


_JWS: Final = _pyjws()
_PLAIN: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False)


def payload_bytes(claims: Mapping[str, Any]) -> bytes:
    """The bytes that are signed for these claims: JSON with sorted names and no white space."""
    return _PLAIN.encode(claims).encode()


def sign(claims: Mapping[str, Any], *, form: Form, key: SigningKey) -> str:
    """Sign claims as an object of ``form``. With Ed25519 the same claims and key give the same bytes."""
    return seal(to_sign(claims, form=form, key=key), form=form, key=key)


def to_sign(claims: Mapping[str, Any], *, form: Form, key: SigningKey) -> str:
    """The text that ``seal`` signs: header and payload. Raises ``Unacceptable`` where it would be too long."""
    # PyJWT's own encode gives these bytes too, and takes twice as long to come to the signature.
    head = _head(form, key.kid) if form.names_key_by == "kid" else _encoded(form, dict(key.jwk))
    text = f"{head}.{b64(payload_bytes(claims))}"
    if len(text) + 1 + _SIGNATURE > form.max_bytes:
        raise Unacceptable(Fault.SIZE)
    return text


def seal(text: str, *, form: Form, key: SigningKey) -> str:
    """``text`` of ``to_sign`` with its signature behind it. With Ed25519 it is the same each time it is made."""
    algorithm = _JWS.get_algorithm_by_name(form.alg.value)
    signature = algorithm.sign(text.encode(), cast("Any", algorithm.prepare_key(cast("Any", key.private))))
    return f"{text}.{b64(signature)}"


def read_unsealed(text: str, form: Form) -> Parts:
    """What ``to_sign`` made, read as strictly as a whole object. Raises ``Unacceptable``."""
    return read(f"{text}.{'A' * _SIGNATURE}", form)


def _encoded(form: Form, signer: object) -> str:
    return b64(payload_bytes({"alg": form.alg.value, "typ": form.typ, form.names_key_by: signer}))


_head: Final = lru_cache(maxsize=64)(_encoded)
"""A signer's objects of one kind all begin alike."""


def read(token: object, form: Form) -> Parts:
    """Steps 1 and 2 of keys.md 3.3: canonical form, then the exact closed header. Nothing is verified yet.

    Raises ``Unacceptable``.
    """
    if not isinstance(token, str) or len(token) > form.max_bytes:
        raise Unacceptable(Fault.SIZE if isinstance(token, str) else Fault.FORM)
    if not _COMPACT.fullmatch(token):
        raise Unacceptable(Fault.FORM)
    signed, _, signature = token.rpartition(".")
    header_text, payload_text = signed.split(".")
    try:
        header_bytes, payload_bytes, raw = unb64(header_text), unb64(payload_text), unb64(signature)
    except ValueError as cause:
        raise Unacceptable(Fault.FORM) from cause
    header, claims = read_json(header_bytes), read_json(payload_bytes)
    if set(header) != {"alg", "typ", form.names_key_by}:
        raise Unacceptable(Fault.HEADER)
    # Compared as text, never used to choose: the kind of object fixes the algorithm.
    if header["alg"] != form.alg.value or header["typ"] != form.typ:
        raise Unacceptable(Fault.HEADER)
    signer = header[form.names_key_by]
    if not isinstance(signer, str if form.names_key_by == "kid" else dict):
        raise Unacceptable(Fault.HEADER)
    return Parts(form, signer, claims, signed.encode("ascii"), raw)


def verify(parts: Parts, key: PublicKey) -> Mapping[str, Any]:
    """The claims, once ``key`` has signed them. Raises ``Unacceptable`` with ``signature``."""
    if not holds(parts.form.alg, key, parts.signed, parts.signature):
        raise Unacceptable(Fault.SIGNATURE)
    return parts.claims


def holds(alg: Alg, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes: Ed25519, or r and s of ES256) is ``key``'s over ``signed``."""
    if len(signature) != 64:
        return False
    algorithm = _JWS.get_algorithm_by_name(alg.value)
    try:
        return algorithm.verify(signed, cast("Any", algorithm.prepare_key(cast("Any", key))), signature)
    except (InvalidKeyError, TypeError):
        return False


def read_json(data: bytes, *, depth: int = _DEPTH) -> dict[str, Any]:
    """An object of strict JSON: no name twice, no NaN, no endless number, no half of a pair, at most ``depth``.

    Half of a surrogate pair is no text that UTF-8 could say (RFC 7493). Raises ``Unacceptable`` with ``json``.
    """
    try:
        value = _STRICT.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise Unacceptable(Fault.JSON) from cause
    if not isinstance(value, dict) or _unfit(value, depth):
        raise Unacceptable(Fault.JSON)
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if len(text) > _DIGITS or not math.isfinite(value):
        raise ValueError("number out of range")
    return value


def _short(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("number out of range")
    return int(text)


def _unfit(value: object, levels: int) -> bool:
    """Whether it goes deeper than so many levels, or holds a text that no UTF-8 can say."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    inner = (*value, *value.values()) if isinstance(value, dict) else value
    return any(_unfit(item, levels - 1) for item in inner)


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_no_twins, parse_constant=_no_constant, parse_float=_finite, parse_int=_short
)
"""One for all: it keeps nothing between two calls."""
