"""Names that only we can compute: e-mail and car addresses become ids that tell a reader nothing."""

import hashlib
import hmac

from spine.ids import ALPHABET


class Pseudonyms:
    """HMAC-SHA-256 under the installation's secret, kept outside the store (made by ``trunkline init``).

    Without that secret an id cannot be tried against a list of known addresses, also not from a backup or an
    old append-only file: erasing the body is erasing the person.
    """

    def __init__(self, secret: bytes, partitions: int) -> None:
        if len(secret) < 32:
            raise ValueError("the secret behind pseudonyms is at least 32 bytes")
        self._secret = secret
        self._partitions = partitions

    def __repr__(self) -> str:
        return f"Pseudonyms(partitions={self._partitions}, secret=***)"

    def digest(self, *parts: str) -> bytes:
        """32 bytes for these texts, whose borders count."""
        message = b"".join(len(raw).to_bytes(4, "big") + raw for raw in (part.encode() for part in parts))
        return hmac.digest(self._secret, message, hashlib.sha256)

    def key(self, *parts: str) -> bytes:
        """A 256-bit key for what only the bearer of these texts may read; other than any ``digest``."""
        return self.digest("key", *parts)

    def text(self, space: str, value: str) -> str:
        """32 hexadecimal characters for a value: rate counters and once-markers of personal data."""
        return self.digest("text", space, value).hex()[:32]

    def id(self, prefix: str, value: str, *, partition: int | None = None) -> str:
        """The one id of ``value``; its partition follows from the value unless it is given."""
        raw = self.digest("id", prefix, value)
        drawn = raw[31] % self._partitions if partition is None else partition
        return f"{prefix}_{ALPHABET[drawn]}{raw.hex()[:32]}"

    def named(self, prefix: str, seed: str, *, partition: int) -> str:
        """An id of the common form (75 bits) that follows from a seed: a second try makes the same one."""
        raw = self.digest("named", prefix, seed)
        return f"{prefix}_{ALPHABET[partition]}{''.join(ALPHABET[byte & 31] for byte in raw[:15])}"
