"""What signs and what verifies: shared secrets (``v1``) and Ed25519 pairs (``v1a``), read strictly, never printed. Pure."""

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets as randomness
from typing import ClassVar, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 a public prefix, not a secret
PRIVATE_PREFIX: Final = "whsk_"
PUBLIC_PREFIX: Final = "whpk_"

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/]*={0,2}")
_SHORTEST_SECRET, _LONGEST_SECRET = 24, 64
_IPAD: Final = bytes(each ^ 0x36 for each in range(256))
_OPAD: Final = bytes(each ^ 0x5C for each in range(256))
_SEED: Final = 32

_P: Final = 2**255 - 19
# The y of every point whose order is at most eight, also where it is written above the modulus. Under such a
# "key" a signature that nobody made fits many messages, and OpenSSL takes it (a test shows both).
_SMALL_ORDER: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        _P,
        _P + 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


class SecretMalformed(ValueError):
    """The text is no secret or key of ours: its prefix and strict base64. The text is not quoted."""


class Secret:
    """An HMAC key of 24 to 64 bytes. It does not print itself."""

    __slots__ = ("_inner", "_key", "_outer")

    version: ClassVar[bytes] = b"v1"
    proof_size: ClassVar[int] = hashlib.sha256().digest_size

    def __init__(self, key: bytes) -> None:
        if not _SHORTEST_SECRET <= len(key) <= _LONGEST_SECRET:
            raise SecretMalformed("a secret has 24 to 64 bytes")
        self._key = key
        # The first block of both hashes of HMAC (RFC 2104) is the key alone: it is hashed once, not at each signature.
        block = key.ljust(hashlib.sha256().block_size, b"\0")
        self._inner = hashlib.sha256(block.translate(_IPAD))
        self._outer = hashlib.sha256(block.translate(_OPAD))

    @classmethod
    def new(cls) -> "Secret":
        """Draw a secret of 32 bytes."""
        return cls(randomness.token_bytes(32))

    @classmethod
    def read(cls, text: str) -> "Secret":
        """Read ``whsec_<base64>``. Raises ``SecretMalformed``, which does not quote the text."""
        return cls(_after(SECRET_PREFIX, text))

    def reveal(self) -> str:
        """The text to give to the subscriber, once."""
        return SECRET_PREFIX + base64.b64encode(self._key).decode()

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of ``message``: 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    prove = mac

    def holds(self, message: bytes, proof: bytes) -> bool:
        """Whether ``proof`` is of this key, compared in constant time."""
        return hmac.compare_digest(self.mac(message), proof)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._key, other._key)

    def __hash__(self) -> int:
        return hash(hashlib.sha256(self._key).digest())

    def __repr__(self) -> str:
        return "Secret(***)"


class PublicKey:
    """The open half of an Ed25519 pair: it verifies ``v1a`` and can sign nothing."""

    __slots__ = ("_key", "_raw")

    version: ClassVar[bytes] = b"v1a"
    proof_size: ClassVar[int] = 64

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _SEED:
            raise SecretMalformed("a public key has 32 bytes")
        if int.from_bytes(raw, "little") & (1 << 255) - 1 in _SMALL_ORDER:
            raise SecretMalformed("this point is nobody's key")
        self._raw = raw
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    @classmethod
    def read(cls, text: str) -> "PublicKey":
        """Read ``whpk_<base64 of 32 bytes>``. Raises ``SecretMalformed``."""
        return cls(_after(PUBLIC_PREFIX, text))

    def reveal(self) -> str:
        """The text to give to whoever verifies; there is nothing secret in it."""
        return PUBLIC_PREFIX + base64.b64encode(self._raw).decode()

    @property
    def jwk(self) -> dict[str, str]:
        """The key as a JWK (RFC 8037); ``kid`` is its thumbprint (RFC 7638)."""
        named = {"crv": "Ed25519", "kty": "OKP", "x": _url_safe(self._raw)}
        kid = hashlib.sha256(json.dumps(named, separators=(",", ":"), sort_keys=True).encode()).digest()
        return {**named, "alg": "Ed25519", "use": "sig", "kid": _url_safe(kid)}

    def holds(self, message: bytes, proof: bytes) -> bool:
        """Whether ``proof`` was made by the private half."""
        try:
            self._key.verify(proof, message)
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self._raw == other._raw

    def __hash__(self) -> int:
        return hash(self._raw)

    def __repr__(self) -> str:
        return f"PublicKey({self.reveal()})"


class PrivateKey:
    """An Ed25519 pair that signs ``v1a``. It does not print itself."""

    __slots__ = ("_key", "_seed", "public")

    version: ClassVar[bytes] = b"v1a"

    def __init__(self, seed: bytes) -> None:
        if len(seed) != _SEED:
            raise SecretMalformed("a private key is drawn from 32 bytes")
        self._seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = PublicKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def new(cls) -> "PrivateKey":
        """Draw a pair."""
        return cls(randomness.token_bytes(_SEED))

    @classmethod
    def read(cls, text: str) -> "PrivateKey":
        """Read ``whsk_<base64 of seed and public key>``; the two must belong together. Raises ``SecretMalformed``."""
        both = _after(PRIVATE_PREFIX, text)
        if len(both) != 2 * _SEED:
            raise SecretMalformed("a private key has 64 bytes: seed and public key")
        made = cls(both[:_SEED])
        if not hmac.compare_digest(made.public._raw, both[_SEED:]):  # noqa: SLF001 - of the same family
            raise SecretMalformed("the two halves of the private key do not belong together")
        return made

    def reveal(self) -> str:
        """The whole pair as text: for our own sealed store, never for a subscriber."""
        raw = self.public._raw  # noqa: SLF001 - of the same family
        return PRIVATE_PREFIX + base64.b64encode(self._seed + raw).decode()

    def prove(self, message: bytes) -> bytes:
        """The signature of ``message``: 64 bytes."""
        return self._key.sign(message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PrivateKey) and hmac.compare_digest(self._seed, other._seed)

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return "PrivateKey(***)"


Signer = Secret | PrivateKey
"""What makes a member of ``webhook-signature``."""

Checker = Secret | PublicKey
"""What a member is held against. A key only ever meets members of its own version: a public key is no HMAC key."""


def read_signer(text: str) -> Signer:
    """A ``whsec_`` secret or a ``whsk_`` pair. Raises ``SecretMalformed``."""
    return PrivateKey.read(text) if text.startswith(PRIVATE_PREFIX) else Secret.read(text)


def read_checker(text: str) -> Checker:
    """A ``whsec_`` secret, a ``whpk_`` key, or the open half of a ``whsk_`` pair. Raises ``SecretMalformed``."""
    if text.startswith(PUBLIC_PREFIX):
        return PublicKey.read(text)
    return checker_of(read_signer(text))


def checker_of(key: Signer | PublicKey) -> Checker:
    """What verifies that which ``key`` signs; a key that only verifies is its own."""
    return key.public if isinstance(key, PrivateKey) else key


def strict_base64(text: bytes) -> bytes | None:
    """Decode standard, padded, canonical base64; None for anything else (also non-zero trailing bits)."""
    if not _BASE64.fullmatch(text):
        return None
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return decoded if base64.b64encode(decoded) == text else None


def _after(prefix: str, text: str) -> bytes:
    if not text.startswith(prefix) or not text.isascii():
        raise SecretMalformed(f"it starts with {prefix}")
    key = strict_base64(text.removeprefix(prefix).encode())
    if key is None:
        raise SecretMalformed(f"it is {prefix} and base64")
    return key


def _url_safe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
