"""The service's private keys on disk, one directory per purpose, and the public list the world may see."""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.car.jws import COMMAND, FRESH, KEY, RECORD, Form, SigningKey, sign
from keys.car.trust import PURPOSES, Purpose, TrustedKeys

JWKS_NAME = "jwks.json"
_FORM: Mapping[Purpose, Form] = {"key": KEY, "fresh": FRESH, "cmd": COMMAND, "log": RECORD}


class SigningKeysUnfit(Exception):
    """The key files are missing, readable by others, or not what they must be. Says which and what to do."""


class Signer:
    """One key that signs one kind of object. It does not print."""

    def __init__(self, purpose: Purpose, key: SigningKey) -> None:
        self.purpose = purpose
        self.kid = key.kid
        self._key = key

    def __repr__(self) -> str:
        return f"Signer(purpose={self.purpose!r}, kid={self.kid!r}, private=***)"

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The compact JWS of these claims; the same claims give the same bytes."""
        return sign(claims, form=_FORM[self.purpose], key=self._key)


class SigningKeys:
    """The signers a process was given, by purpose; others it does not have and cannot name."""

    def __init__(self, signers: Collection[Signer]) -> None:
        self._signers = {one.purpose: one for one in signers}

    def __repr__(self) -> str:
        return f"SigningKeys(purposes={sorted(self._signers)!r})"

    @classmethod
    def load(cls, root: Path, purposes: Collection[Purpose]) -> Self:
        """Read ``root/<purpose>/<kid>.pem`` for each purpose. Raises ``SigningKeysUnfit``."""
        return cls([Signer(purpose, _read(root / purpose)) for purpose in purposes])

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What this process can sign."""
        return frozenset(self._signers)

    def signer(self, purpose: Purpose, kid: str | None = None) -> Signer:
        """The signer for a purpose; with ``kid``, that very one. Raises ``SigningKeysUnfit``."""
        one = self._signers.get(purpose)
        if one is None or (kid is not None and one.kid != kid):
            raise SigningKeysUnfit(f"this process has no signing key {kid or ''} for {purpose}")
        return one


def create_signing_keys(root: Path) -> dict[str, Any]:
    """Draw one key per purpose under ``root`` (files 0600, folders 0700); write and return the public JWKS.

    Raises ``SigningKeysUnfit`` where there are keys already: they are never overwritten.
    """
    published = []
    for purpose in PURPOSES:
        folder = root / purpose
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SigningKeysUnfit(f"{folder} is not empty; keys are not overwritten")
        key = SigningKey.draw()
        _write_new(folder / f"{key.kid}.pem", key.pem(), 0o600)
        published.append({**key.jwk, "kid": key.kid, "alg": "Ed25519", "use": "sig", "purpose": purpose})
    jwks = {"keys": published}
    _write_new(root / JWKS_NAME, json.dumps(jwks, indent=2).encode(), 0o644)
    return jwks


def read_jwks(path: Path) -> dict[str, Any]:
    """The public JWKS as it is served and pinned, one that a unit would accept. Raises ``BadTrust``."""
    document: dict[str, Any] = json.loads(path.read_bytes())
    TrustedKeys.from_jwks(document)
    return document


def _read(folder: Path) -> SigningKey:
    files = sorted(folder.glob("*.pem"))
    if len(files) != 1:
        raise SigningKeysUnfit(f"{folder} holds {len(files)} keys and must hold one")
    if files[0].stat().st_mode & 0o077:
        raise SigningKeysUnfit(f"{files[0]} can be read by others; set its mode to 0600")
    try:
        private = load_pem_private_key(files[0].read_bytes(), password=None)
    except ValueError as cause:
        raise SigningKeysUnfit(f"{files[0]} is not a private key") from cause
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeysUnfit(f"{files[0]} is not an Ed25519 key")
    key = SigningKey.of(private)
    if files[0].stem != key.kid:
        raise SigningKeysUnfit(f"{files[0]} is not named after its key")
    return key


def _write_new(path: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
