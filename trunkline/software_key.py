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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from keys.car.jwk import b64, unb64

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
_ATTESTED: Final = 0x40


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

    def registration(
        self, challenge: bytes, *, flags: int = PRESENT | VERIFIED, count: int = 0
    ) -> dict[str, Any]:
        """``RegistrationResponseJSON`` as a browser would write it for this key, with attestation ``none``."""
        client = self.client_data("webauthn.create", challenge)
        credential = unb64(self.cid)
        attested = bytes(16) + len(credential).to_bytes(2, "big") + credential + _cbor(self._cose())
        auth = self.authenticator_data(flags | _ATTESTED, count) + attested
        attestation = _cbor({"fmt": "none", "attStmt": {}, "authData": auth})
        response = {
            "clientDataJSON": b64(client),
            "attestationObject": b64(attestation),
            "transports": ["internal"],
        }
        return {"id": self.cid, "rawId": self.cid, "type": "public-key", "response": response}

    def answer(
        self, challenge: bytes, *, person: str = "", flags: int = PRESENT | VERIFIED, count: int = 0
    ) -> dict[str, Any]:
        """``AuthenticationResponseJSON`` as a browser would write it; ``person``: whose it was registered for."""
        client = self.client_data("webauthn.get", challenge)
        given = self.signed(client, self.authenticator_data(flags, count))
        response: dict[str, Any] = {
            "clientDataJSON": given["clientData"],
            "authenticatorData": given["authData"],
            "signature": given["sig"],
            "userHandle": b64(person.encode()) if person else None,
        }
        return {"id": self.cid, "rawId": self.cid, "type": "public-key", "response": response}

    def client_data(self, type_: str, challenge: bytes) -> bytes:
        """What a browser says of where it asked."""
        said = {"type": type_, "challenge": b64(challenge), "origin": self.origin, "crossOrigin": False}
        return json.dumps(said, separators=(",", ":")).encode()

    def authenticator_data(self, flags: int, count: int) -> bytes:
        """Whose domain, who was there, how often it signed."""
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _cose(self) -> dict[int, int | bytes]:
        """The public key as RFC 9053 writes it."""
        public = self.private.public_key()
        if isinstance(public, Ed25519PublicKey):
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def assertion(self, challenge: bytes) -> dict[str, str]:
        """``own`` of a key: what a browser and its authenticator answer after the owner's gesture."""
        client = self.client_data("webauthn.get", challenge)
        return self.signed(client, self.authenticator_data(PRESENT | VERIFIED, 0))

    def signed(self, client: Mapping[str, Any] | bytes, auth: bytes) -> dict[str, str]:
        """The signature over any client data and authenticator data, in the form of ``own``."""
        text = client if isinstance(client, bytes) else json.dumps(client, separators=(",", ":")).encode()
        data = auth + hashlib.sha256(text).digest()
        if isinstance(self.private, Ed25519PrivateKey):
            signature = self.private.sign(data)
        else:
            signature = self.private.sign(data, ECDSA(SHA256()))
        return {"cid": self.cid, "authData": b64(auth), "clientData": b64(text), "sig": b64(signature)}


def _cbor(value: object) -> bytes:
    """The few kinds of CBOR (RFC 8949) that an authenticator writes: integers, bytes, texts and maps."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(_cbor(name) + _cbor(each) for name, each in value.items())
    raise TypeError("no authenticator writes this")


def _head(major: int, argument: int) -> bytes:
    for size, short in ((1, 24), (2, 25), (4, 26)):
        if argument < 24:
            return bytes([major << 5 | argument])
        if argument < 1 << 8 * size:
            return bytes([major << 5 | short]) + argument.to_bytes(size, "big")
    raise ValueError("too long for an authenticator")
