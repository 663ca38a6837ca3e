"""An owner's passkey in a file, for trials without a browser: it signs whatever it is asked, so no real car's."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from keys.car.jwk import b64

PRESENT: Final = 0x01
VERIFIED: Final = 0x04


class NotAKeyFile(Exception):
    """The file does not hold a software key."""


@dataclass(frozen=True, slots=True)
class SoftwareKey:
    """One credential. ``origin``, ``rp_id``: whose page it answers."""

    cid: str
    private: EllipticCurvePrivateKey | Ed25519PrivateKey = field(repr=False)
    origin: str
    rp_id: str

    @classmethod
    def draw(cls, *, origin: str, rp_id: str, kind: Literal["ES256", "Ed25519"] = "ES256") -> Self:
        """A new one."""
        private = Ed25519PrivateKey.generate() if kind == "Ed25519" else generate_private_key(SECP256R1())
        return cls(b64(os.urandom(32)), private, origin, rp_id)

    @classmethod
    def load(cls, path: Path) -> Self:
        """What ``save`` wrote. Raises ``NotAKeyFile``."""
        try:
            told = json.loads(path.read_bytes())
            private = load_pem_private_key(told["private"].encode(), None)
            members = [told[name] for name in ("cid", "origin", "rp_id")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
            raise NotAKeyFile(f"{path} holds no software key") from cause
        if not isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey):
            raise NotAKeyFile(f"{path} holds a key of another kind")
        cid, origin, rp_id = members
        return cls(cid, private, origin, rp_id)

    def save(self, path: Path) -> None:
        """Write a new file of mode 0600. Raises ``FileExistsError``."""
        pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        told = {"cid": self.cid, "origin": self.origin, "rp_id": self.rp_id, "private": pem}
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(told, file)

    def pairing(self) -> dict[str, str]:
        """What the car is told of it (``trunkline unit pair-owner``)."""
        public = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"cid": self.cid, "public": b64(public), "origin": self.origin, "rp_id": self.rp_id}

    def assertion(self, challenge: bytes) -> dict[str, str]:
        """``own`` of a key: what a browser and its authenticator answer after the owner's gesture."""
        client = {
            "type": "webauthn.get",
            "challenge": b64(challenge),
            "origin": self.origin,
            "crossOrigin": False,
        }
        flags = bytes([PRESENT | VERIFIED])
        auth = hashlib.sha256(self.rp_id.encode()).digest() + flags + bytes(4)
        return self.signed(client, auth)

    def signed(self, client: Mapping[str, Any] | bytes, auth: bytes) -> dict[str, str]:
        """The signature over any client data and authenticator data, in the form of ``own``."""
        text = client if isinstance(client, bytes) else json.dumps(client, separators=(",", ":")).encode()
        data = auth + hashlib.sha256(text).digest()
        if isinstance(self.private, Ed25519PrivateKey):
            signature = self.private.sign(data)
        else:
            signature = self.private.sign(data, ECDSA(SHA256()))
        return {"cid": self.cid, "authData": b64(auth), "clientData": b64(text), "sig": b64(signature)}
