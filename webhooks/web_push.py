"""Web push on the wire: a message sealed for one browser (RFC 8291), and who sends it (RFC 8292). Pure."""

import base64
import os
import re
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Final
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from spine.problems import Kind, Problem

PAYLOAD_MOST: Final = 3_993
"""Bytes of a payload: with its tag, its delimiter and the header it fills the 4,096 that every push service takes."""
ENDPOINT_MOST: Final = 2_048
"""Characters of a push service's URL for one browser."""
VAPID_LIFE_MOST: Final = timedelta(hours=24)
"""RFC 8292, section 2: a push service refuses a token that is good for longer."""

_RECORD: Final = 4_096
_CURVE: Final = ec.SECP256R1()
_POINT: Final = re.compile(r"[A-Za-z0-9_-]{87}", re.ASCII)
_AUTH: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_TOPIC: Final = 32
_PORTS: Final = {"https": 443, "http": 80}


class SubscriptionRefused(Problem):
    """This is not what a browser's ``PushSubscription.toJSON()`` gives; the detail says which part."""

    code: ClassVar[str] = "push.subscription_refused"
    kind: ClassVar[Kind] = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where and for whom to seal: who knows the endpoint can send, who knows the keys too can be read."""

    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    """The browser's public key: a point on P-256, uncompressed, 65 bytes."""
    auth: bytes = field(repr=False)
    """16 bytes that only the browser and we share."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the endpoint, hex: by it a browser finds itself in a list, and nobody finds the endpoint."""
        return sha256(self.endpoint.encode()).hexdigest()


def read_subscription(endpoint: str, p256dh: str, auth: str) -> Subscription:
    """A browser's subscription, strictly: base64url without padding, one spelling, a point that is on the curve.

    Where the endpoint leads is asked of the guard. Raises ``SubscriptionRefused``.
    """
    if not 0 < len(endpoint) <= ENDPOINT_MOST:
        raise SubscriptionRefused(f"an endpoint has at most {ENDPOINT_MOST} characters")
    point = _unb64(p256dh, _POINT, "p256dh is a point on P-256 of 65 bytes in base64url")
    shared = _unb64(auth, _AUTH, "auth is 16 bytes in base64url")
    if point[0] != 4:
        raise SubscriptionRefused("p256dh is an uncompressed point")
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, point)
    except ValueError:
        raise SubscriptionRefused("p256dh is no point on P-256") from None
    return Subscription(endpoint, point, shared)


def seal(
    payload: bytes,
    to: Subscription,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of the request: ``aes128gcm`` (RFC 8188), one record, for this browser alone.

    ``key``, ``salt``: drawn anew for each message; given only where a published vector is computed again.
    Raises ``ValueError`` above ``PAYLOAD_MOST`` bytes.
    """
    if len(payload) > PAYLOAD_MOST:
        raise ValueError("a push message has at most 3993 bytes")
    key = key or ec.generate_private_key(_CURVE)
    salt = salt or os.urandom(16)
    ours = point_of(key.public_key())
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, to.p256dh)
    agreed = key.exchange(ec.ECDH(), theirs)
    secret = _hkdf(to.auth, agreed, b"WebPush: info\0" + to.p256dh + ours, 32)
    content_key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\0", 12)
    # 2 is the delimiter of a last record; no padding follows it, as each message has about the same length.
    sealed = AESGCM(content_key).encrypt(nonce, payload + b"\x02", None)
    return salt + struct.pack("!IB", _RECORD, len(ours)) + ours + sealed


def vouched(
    endpoint: str, key: ec.EllipticCurvePrivateKey, contact: str, *, now: datetime, life: timedelta
) -> str:
    """The ``Authorization`` of RFC 8292: signed with our one key, good for this push service alone.

    ``contact``: whom the push service may write to, ``mailto:`` or ``https:``.
    """
    claims = {
        "aud": origin_of(endpoint),
        "exp": int((now + min(life, VAPID_LIFE_MOST)).timestamp()),
        "sub": contact,
    }
    token = jwt.encode(claims, key, algorithm="ES256")
    return f"vapid t={token}, k={b64(point_of(key.public_key()))}"


def topic_of(device: str, about: str) -> str:
    """The ``Topic`` (RFC 8030, 5.4): of what is undelivered a newer message replaces the older one with the same.

    Of another device it is another one, so that no push service can tell that two of its users hear of one thing.
    """
    return b64(sha256(f"{device} {about}".encode()).digest())[:_TOPIC]


def origin_of(endpoint: str) -> str:
    """Scheme, host and port as RFC 6454 writes them: lower case, the scheme's own port left out."""
    parts = urlsplit(endpoint)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """65 bytes: how browsers want our key and give theirs."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str, shape: re.Pattern[str], says: str) -> bytes:
    if not shape.fullmatch(text):
        raise SubscriptionRefused(says)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(raw) != text:  # bits that stand for nothing: the same key in another spelling
        raise SubscriptionRefused(says)
    return raw


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)
