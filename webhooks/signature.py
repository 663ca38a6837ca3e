"""Standard Webhooks signatures, `v1` and `v1a`: make them, and check them strictly. Pure."""

import base64
import hmac
import re
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from webhooks.signers import (
    Checker,
    PrivateKey,
    PublicKey,
    Secret,
    SecretMalformed,
    Signer,
    read_checker,
    strict_base64,
)

__all__ = [
    "ID", "SIGNATURE", "TIMESTAMP", "TOLERANCE", "Checker", "PrivateKey", "PublicKey", "Secret", "SecretMalformed",
    "SignatureRefused", "Signed", "Signer", "Why", "headers", "read_checker", "sign", "verify",
]  # fmt: skip

TOLERANCE: Final = timedelta(seconds=300)
"""How far a timestamp may lie from now (webhooks.md, In)."""

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

_NAMES: Final = (ID.encode(), TIMESTAMP.encode(), SIGNATURE.encode())
_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_TEN_DIGITS: Final = re.compile(rb"[0-9]{10}")
_LONGEST_LIST: Final = 4_096
_SIZES: Final = {kind.version: kind.proof_size for kind in (Secret, PublicKey)}


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


@dataclass(frozen=True, slots=True)
class Signed:
    """What a good signature proves. ``mac``: base64 of the member that matched, for the evidence."""

    message_id: str
    timestamp: int
    mac: str
    version: str = "v1"


def sign(signers: Sequence[Signer], message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` value: one member per active secret or key, the first one first."""
    signed = _signed_bytes(message_id.encode(), str(timestamp).encode(), body)
    return b" ".join(
        [each.version + b"," + b2a_base64(each.prove(signed), newline=False) for each in signers]
    ).decode()


def headers(signers: Sequence[Signer], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of a message."""
    return {
        ID: message_id,
        TIMESTAMP: str(timestamp),
        SIGNATURE: sign(signers, message_id, timestamp, body),
    }


def verify(
    checkers: Sequence[Checker],
    received: Iterable[tuple[bytes, bytes]],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> Signed:
    """Check the raw headers and the raw body against every active secret and key; raises ``SignatureRefused`` only.

    In order (webhooks.md, In): exactly one of each header; id of 1 to 64 of ``A-Za-z0-9_-`` (a dot would move
    the boundary between the signed parts); ten-digit timestamp within ``tolerance``; any member in strict base64
    that is a ``v1`` MAC under a secret, compared in constant time, or a ``v1a`` signature under a public key.
    Other members are skipped.
    """
    message_id, timestamp, offered = _one_of_each(received)
    if not _ID.fullmatch(message_id):
        raise SignatureRefused(Why.MESSAGE_ID)
    if not _TEN_DIGITS.fullmatch(timestamp):
        raise SignatureRefused(Why.TIMESTAMP)
    late = now.timestamp() - int(timestamp)
    if abs(late) > tolerance.total_seconds():
        raise SignatureRefused(Why.TOO_OLD if late > 0 else Why.TOO_NEW)
    signed = _signed_bytes(message_id, timestamp, body)
    macs = [each.mac(signed) for each in checkers if isinstance(each, Secret)]
    keys = [each for each in checkers if isinstance(each, PublicKey)]
    for version, proof in _members(offered):
        # Every pair is compared, so the time taken tells nothing about which secret matched.
        if version == Secret.version:
            held = sum(hmac.compare_digest(mac, proof) for mac in macs)
        else:
            held = sum(key.holds(signed, proof) for key in keys)
        if held:
            return Signed(
                message_id.decode(), int(timestamp), base64.b64encode(proof).decode(), version.decode()
            )
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


def _members(offered: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Version and proof of each well-formed member; anything else is skipped."""
    for member in offered.split(b" "):
        version, comma, text = member.partition(b",")
        size = _SIZES.get(version)
        if size is None or not comma:
            continue
        proof = strict_base64(text)
        if proof is not None and len(proof) == size:
            yield version, proof
