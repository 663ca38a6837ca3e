"""Signed objects as compact JWS: one strict reader in front of `cryptography`, and one writer."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keys.car.jwk import b64, decoded, ed25519_to_jwk, p256_to_jwk, thumbprint

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey
PrivateKey = Ed25519PrivateKey | EllipticCurvePrivateKey

_COMPACT: Final = re.compile(rb"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})")
_SIGNATURE: Final = 86
"""Characters of base64url that the 64 bytes of either algorithm have."""
_ES256: Final = ECDSA(SHA256())
_DEPTH: Final = 6
_DIGITS: Final = 24


class Alg(StrEnum):
    """The two algorithms there are. ``Ed25519`` is RFC 9864's name; ``EdDSA`` is accepted nowhere."""

    ED25519 = "Ed25519"
    ES256 = "ES256"


@dataclass(frozen=True, slots=True, eq=False)
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


class Parts(NamedTuple):
    """A compact JWS in canonical form with the exact header of its kind; **not** yet verified.

    A tuple, as are the other small things between a key and the latch: a frozen dataclass takes three times as long.
    """

    form: Form
    signer: Any
    """``kid`` (str) or ``jwk`` (dict), as ``form.names_key_by`` says."""
    payload: bytes
    signed: bytes
    signature: bytes
    told: Mapping[str, Any] | None
    """The claims; None where ``model`` says the same."""
    model: Any = None
    """The claims as their model, where the payload is spelled as our own programs do (``keys.car.spelling``)."""

    @property
    def claims(self) -> Mapping[str, Any]:
        """What it claims, as strict JSON has it."""
        return read_json(self.payload) if self.told is None else self.told


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the public JWK and thumbprint that name it; it does not print."""

    private: PrivateKey = field(repr=False)
    jwk: Mapping[str, str]
    kid: str

    @classmethod
    def of(cls, private: PrivateKey) -> Self:
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


_PLAIN: Final = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False)


def payload_bytes(claims: Mapping[str, Any]) -> bytes:
    """The bytes that are signed for these claims: JSON with sorted names and no white space."""
    return _PLAIN.encode(claims).encode()


def _never(_: bytes) -> None:
    """Knows nothing at sight."""


def sign(claims: Mapping[str, Any], *, form: Form, key: SigningKey) -> str:
    """Sign claims as an object of ``form``. With Ed25519 the same claims and key give the same bytes."""
    return seal(to_sign(payload_bytes(claims), form=form, key=key), form=form, key=key)


def to_sign(payload: bytes, *, form: Form, key: SigningKey) -> str:
    """The text that ``seal`` signs: header and payload. Raises ``Unacceptable`` where it would be too long."""
    # PyJWT's own encode gives these bytes too, and takes twice as long to come to the signature.
    head = _head(form, key.kid) if form.names_key_by == "kid" else _encoded(form, dict(key.jwk))
    text = f"{head}.{b64(payload)}"
    if len(text) + 1 + _SIGNATURE > form.max_bytes:
        raise Unacceptable(Fault.SIZE)
    return text


def seal(text: str, *, form: Form, key: SigningKey) -> str:
    """``text`` of ``to_sign`` with its signature behind it. With Ed25519 it is the same each time it is made."""
    return f"{text}.{b64(_signature(form.alg, key.private, text.encode()))}"


def _signature(alg: Alg, key: PrivateKey, text: bytes) -> bytes:
    if alg is Alg.ED25519 and isinstance(key, Ed25519PrivateKey):
        return key.sign(text)
    if alg is Alg.ES256 and isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        r, s = decode_dss_signature(key.sign(text, _ES256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    raise TypeError(f"this key does not sign {alg.value}")


def read_unsealed(text: str, form: Form) -> Parts:
    """What ``to_sign`` made, read as strictly as a whole object. Raises ``Unacceptable``."""
    return read(f"{text}.{'A' * _SIGNATURE}", form)


def _encoded(form: Form, signer: object) -> str:
    return b64(payload_bytes({"alg": form.alg.value, "typ": form.typ, form.names_key_by: signer}))


_head: Final = lru_cache(maxsize=64)(_encoded)
"""A signer's objects of one kind all begin alike."""


def read(
    token: object,
    form: Form,
    *,
    spelled: Callable[[bytes], object] = _never,
    signer: Callable[[bytes], Any] = _never,
) -> Parts:
    """Steps 1 and 2 of keys.md 3.3: canonical form, then the exact closed header. Nothing is verified yet.

    ``spelled`` and ``signer`` may know payload and header at sight (``keys.car.spelling``) and say None where they
    do not. Raises ``Unacceptable``.
    """
    if not isinstance(token, str) or len(token) > form.max_bytes:
        raise Unacceptable(Fault.SIZE if isinstance(token, str) else Fault.FORM)
    try:
        text = token.encode("ascii")
    except UnicodeEncodeError as cause:
        raise Unacceptable(Fault.FORM) from cause
    compact = _COMPACT.fullmatch(text)
    if compact is None:
        raise Unacceptable(Fault.FORM)
    header, payload, signature = compact.groups()
    try:
        raw, said = decoded(signature), decoded(payload)
        head = b"" if form.names_key_by == "kid" else decoded(header)
        named = _named(header, form) if not head else signer(head) or _signer(head, form)
    except ValueError as cause:
        raise Unacceptable(Fault.FORM) from cause
    model = spelled(said)
    told = read_json(said) if model is None else None
    return Parts(form, named, said, text[: -_SIGNATURE - 1], raw, told, model)


def _signer(text: bytes, form: Form) -> Any:  # noqa: ANN401 - as ``Parts`` has it
    """Who is named by a header that is exactly the one of its kind. Raises ``Unacceptable``."""
    header = read_json(text)
    if header.keys() != {"alg", "typ", form.names_key_by}:
        raise Unacceptable(Fault.HEADER)
    # Compared as text, never used to choose: the kind of object fixes the algorithm.
    if header["alg"] != form.alg.value or header["typ"] != form.typ:
        raise Unacceptable(Fault.HEADER)
    signer = header[form.names_key_by]
    if not isinstance(signer, str if form.names_key_by == "kid" else dict):
        raise Unacceptable(Fault.HEADER)
    return signer


@lru_cache(maxsize=64)
def _named(header: bytes, form: Form) -> Any:  # noqa: ANN401 - as ``Parts`` has it
    """The same of a header still encoded: objects of one kind that a service's key signs all begin alike."""
    return _signer(decoded(header), form)


def verify(parts: Parts, key: PublicKey) -> Mapping[str, Any]:
    """The claims, once ``key`` has signed them. Raises ``Unacceptable`` with ``signature``."""
    check_signature(parts, key)
    return parts.claims


def check_signature(parts: Parts, key: PublicKey) -> None:
    """That ``key`` signed it. Raises ``Unacceptable`` with ``signature``."""
    if not holds(parts.form.alg, key, parts.signed, parts.signature):
        raise Unacceptable(Fault.SIGNATURE)


def holds(alg: Alg, key: PublicKey, signed: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (64 bytes: Ed25519, or r and s of ES256) is ``key``'s over ``signed``."""
    if len(signature) != 64:
        return False
    try:
        if alg is Alg.ED25519 and isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        elif (
            alg is Alg.ES256 and isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
        ):
            key.verify(der_signature(signature), signed, _ES256)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def der_signature(raw: bytes) -> bytes:
    """The 64 bytes r and s of ES256 as DER: what ``encode_dss_signature`` makes of the two numbers."""
    r, s = _der_integer(raw[:32]), _der_integer(raw[32:])
    return bytes((0x30, len(r) + len(s))) + r + s


def _der_integer(number: bytes) -> bytes:
    plain = number.lstrip(b"\0")
    if not plain or plain[0] & 0x80:
        plain = b"\0" + plain
    return bytes((0x02, len(plain))) + plain


def read_json(data: bytes, *, depth: int = _DEPTH) -> dict[str, Any]:
    """An object of strict JSON: no name twice, no NaN, no endless number, no half of a pair, at most ``depth``.

    Half of a surrogate pair is no text that UTF-8 could say (RFC 7493). Raises ``Unacceptable`` with ``json``.
    """
    try:
        value = _STRICT.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as cause:
        raise Unacceptable(Fault.JSON) from cause
    if not isinstance(value, dict) or (_may_be_unfit(data, depth) and _unfit(value, depth)):
        raise Unacceptable(Fault.JSON)
    return value


def _may_be_unfit(data: bytes, levels: int) -> bool:
    r"""Whether it is worth a look: half a pair comes in as ``\u`` alone, and depth needs as many brackets."""
    return b"\\u" in data or data.count(b"{") + data.count(b"[") > levels


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
