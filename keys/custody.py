"""Where private keys are kept, and the one way to read them. Works on the base install: roots sign offline."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.car.jws import SigningKey


class SigningKeysUnfit(Exception):
    """The key files are missing, readable by others, or not what they must be. Says which and what to do."""


def read_private_key(path: Path) -> SigningKey:
    """An Ed25519 key of a file that only its owner can read. Raises ``SigningKeysUnfit``, ``OSError``."""
    if path.stat().st_mode & 0o077:
        raise SigningKeysUnfit(f"{path} can be read by others; set its mode to 0600")
    return key_of_pem(path.read_bytes(), str(path))


def key_of_pem(pem: bytes, named: str) -> SigningKey:
    """An Ed25519 key of unencrypted PEM. Raises ``SigningKeysUnfit``, which says ``named`` and nothing of the key."""
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SigningKeysUnfit(f"{named} is not a private key") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeysUnfit(f"{named} is not an Ed25519 key")
    return SigningKey.of(private)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist yet, durably. Raises ``FileExistsError``."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
