"""Secrets at rest: sealed with a key from the settings, so that a copy of the store opens nothing."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spine.problems import Kind, Problem

_NONCE: Final = 12


class NotSealedByUs(Problem):
    """A sealed secret opens with no key we were given: these are not the settings it was sealed under."""

    code: ClassVar[str] = "secret.unreadable"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class Seal:
    """AES-256-GCM. ``key`` seals and opens; ``former`` keys only open, so that a key can be changed."""

    def __init__(self, key: bytes, former: Sequence[bytes] = ()) -> None:
        if any(len(each) != 32 for each in (key, *former)):
            raise ValueError("a sealing key has 32 bytes")
        self._current = _name(key)
        self._keys = {_name(each): AESGCM(each) for each in (*former, key)}

    def seal(self, plain: bytes, about: str) -> str:
        """``<key name>.<base64>``; it opens only for the same ``about``: the id of the subject it is in."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._keys[self._current].encrypt(nonce, plain, about.encode())
        return f"{self._current}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, about: str) -> bytes:
        """Raises ``NotSealedByUs``; the exception carries nothing of the secret."""
        name, _, text = sealed.partition(".")
        key = self._keys.get(name)
        if key is None:
            raise NotSealedByUs("sealed under a key that is not in the settings")
        try:
            raw = base64.b64decode(text, validate=True)
            return key.decrypt(raw[:_NONCE], raw[_NONCE:], about.encode())
        except (binascii.Error, InvalidTag, ValueError) as broken:
            raise NotSealedByUs("the sealed secret is damaged or stands in the wrong place") from broken

    def __repr__(self) -> str:
        return f"Seal(key={self._current}, ***)"


def _name(key: bytes) -> str:
    """A public name of a key: it must not help to guess it, so it is a hash of its own."""
    return sha256(b"trunkline.seal.name" + key).hexdigest()[:8]
