"""Standard Webhooks v1 signatures: make them, and check them strictly. Pure."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets as randomness
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

TOLERANCE: Final = timedelta(seconds=300)
"""How far a timestamp may lie from now (webhooks.md, In)."""

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

_NAMES: Final = (ID.encode(), TIMESTAMP.encode(), SIGNATURE.encode())
_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_TEN_DIGITS: Final = re.compile(rb"[0-9]{10}")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_LONGEST_LIST: Final = 4_096
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 a public prefix, not a secret
_SHORTEST_SECRET, _LONGEST_SECRET = 24, 64
_MAC_SIZE: Final = hashlib.sha256().digest_size


class Why(StrEnum):
    """Why a signature was refused: for our log and metrics, never for the sender."""

    HEADERS = "headers"
    MESSAGE_ID = "message_id"
    TIMESTAMP = "timestamp"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    SIGNATURE = "signature"


class SignatureRefused(Exception):
    """The only exception ``verify`` raises, whatever the bytes."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class SecretMalformed(ValueError):
    """The text is not a ``whsec_`` secret of 24 to 64 bytes in strict base64."""


class Secret:
    """An HMAC key of 24 to 64 bytes. It does not print itself."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
            raise SecretMalformed("a secret has 24 to 64 bytes")
        self._key = key

    @classmethod
    def new(cls) -> "Secret":
        """Draw a secret of 32 bytes."""
        return cls(randomness.token_bytes(32))

    @classmethod
    def read(cls, text: str) -> "Secret":
        """Read ``whsec_<base64>``. Raises ``SecretMalformed``, which does not quote the text."""
        if not text.startswith(_SECRET_PREFIX) or not text.isascii():
            raise SecretMalformed("a secret starts with whsec_")
        key = _strict_base64(text.removeprefix(_SECRET_PREFIX).encode())
        if key is None:
            raise SecretMalformed("a secret is whsec_ and base64")
        return cls(key)

    def reveal(self) -> str:
        """The text to give to the subscriber, once."""
        return _SECRET_PREFIX + base64.b64encode(self._key).decode()

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of ``message``: 32 bytes."""
        return hmac.digest(self._key, message, hashlib.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(hashlib.sha256(self._key).digest())

    def __repr__(self) -> str:
        return "Secret(***)"


@dataclass(frozen=True, slots=True)
class Signed:
    """What a good signature proves. ``mac``: base64 of the member that matched, for the evidence."""

    message_id: str
    timestamp: int
    mac: str


def sign(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` value: one ``v1`` member per active secret, the first one first."""
    signed = _signed_bytes(message_id.encode(), str(timestamp).encode(), body)
    return " ".join(f"v1,{base64.b64encode(secret.mac(signed)).decode()}" for secret in secrets)


def headers(secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message."""
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(secrets, message_id, timestamp, body),
    }


def verify(
    secrets: Sequence[Secret],
    received: Iterable[tuple[bytes, bytes]],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> Signed:
    """Check the raw headers and the raw body against every active secret; raises ``SignatureRefused`` only.

    In order (webhooks.md, In): exactly one of each header; id of 1 to 64 of ``A-Za-z0-9_-`` (a dot would move
    the boundary between the signed parts); ten-digit timestamp within ``tolerance``; any ``v1`` member in
    strict base64 that equals the MAC under any secret, compared in constant time. Other members are skipped.
    """
    message_id, timestamp, offered = _one_of_each(received)
    if not _ID.fullmatch(message_id):
        raise SignatureRefused(Why.MESSAGE_ID)
    if not _TEN_DIGITS.fullmatch(timestamp):
        raise SignatureRefused(Why.TIMESTAMP)
    late = now.timestamp() - int(timestamp)
    if abs(late) > tolerance.total_seconds():
        raise SignatureRefused(Why.TOO_OLD if late > 0 else Why.TOO_NEW)
    expected = [secret.mac(_signed_bytes(message_id, timestamp, body)) for secret in secrets]
    for candidate in _members(offered):
        # Every pair is compared, so the time taken tells nothing about which secret matched.
        if sum(hmac.compare_digest(mac, candidate) for mac in expected):
            return Signed(message_id.decode(), int(timestamp), base64.b64encode(candidate).decode())
    raise SignatureRefused(Why.SIGNATURE)


def _signed_bytes(message_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    return b".".join((message_id, timestamp, body))


def _one_of_each(received: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in received:
        lower = name.lower()
        if lower not in _NAMES:
            continue
        if lower in found or not value.isascii():
            raise SignatureRefused(Why.HEADERS)
        found[lower] = value
    if len(found) != len(_NAMES) or len(found[_NAMES[2]]) > _LONGEST_LIST:
        raise SignatureRefused(Why.HEADERS)
    return found[_NAMES[0]], found[_NAMES[1]], found[_NAMES[2]]


def _members(offered: bytes) -> Iterable[bytes]:
    """The MACs of the well-formed ``v1`` members; anything else is skipped."""
    for member in offered.split(b" "):
        version, comma, text = member.partition(b",")
        if version != b"v1" or not comma:
            continue
        mac = _strict_base64(text)
        if mac is not None and len(mac) == _MAC_SIZE:
            yield mac


def _strict_base64(text: bytes) -> bytes | None:
    """Decode standard, padded, canonical base64; None for anything else (also non-zero trailing bits)."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return decoded if base64.b64encode(decoded) == text else None
