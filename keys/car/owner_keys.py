"""The owner keys paired at a car: what is told of a passkey at pairing, and the set that a car keeps."""

import re
from typing import Annotated, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pydantic import BeforeValidator, Field, model_validator

from keys.car.claims import Claims, OwnerState
from keys.car.jwk import BadKey, ed25519_from_bytes, sha256_b64, unb64
from keys.car.owner import OwnerKey, canonical

MAX_OWNER_KEYS: Final = 8
MAX_CID: Final = 256
"""Characters: a longer credential id would not leave room for a co-signature in a key of 2048 bytes."""

_HOST: Final = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.ASCII
)
_ORIGIN: Final = re.compile(r"(https?)://([a-z0-9.-]+)(?::[1-9][0-9]{0,4})?", re.ASCII)


class PairedKey(Claims):
    """One passkey as it is told to the car at pairing. Checked whole: an instance has a usable key.

    ``cid``: credential id, base64url. ``public``: DER SubjectPublicKeyInfo, base64url, as a browser's
    ``getPublicKey()`` gives it; P-256 or Ed25519. ``origin`` and ``rp_id``: whose passkey it is, from now on.
    """

    cid: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=MAX_CID)]
    public: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=200)]
    origin: Annotated[str, Field(max_length=300)]
    rp_id: Annotated[str, Field(max_length=253)]

    @model_validator(mode="after")
    def _usable(self) -> Self:
        unb64(self.cid)
        self.key()
        origin = _ORIGIN.fullmatch(self.origin)
        if origin is None or not _HOST.fullmatch(origin[2]) or not _HOST.fullmatch(self.rp_id):
            raise ValueError("origin is scheme, host and port; rp_id a host; both in lower case")
        if origin[1] == "http" and origin[2] != "localhost":
            raise ValueError("a passkey's origin is https, or http on localhost")
        top = self.rp_id.rpartition(".")[2]
        if (top == self.rp_id and top != "localhost") or top.isdigit():  # a bare name, or an address
            raise ValueError("rp_id is not a domain")
        if origin[2] != self.rp_id and not origin[2].endswith(f".{self.rp_id}"):
            raise ValueError("rp_id is not the origin's host or a domain above it")
        return self

    def key(self) -> OwnerKey:
        """What the verifier needs. Raises ``BadKey``."""
        return OwnerKey(self.cid, read_spki(unb64(self.public)), self.origin, self.rp_id)

    @property
    def fingerprint(self) -> str:
        """First 32 hex digits of SHA-256 of ``public``'s bytes in groups of four, to compare by eye."""
        digest = unb64(sha256_b64(unb64(self.public))).hex()[:32]
        return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


def read_spki(der: bytes) -> EllipticCurvePublicKey | Ed25519PublicKey:
    """A public key of exactly one DER form: a point of P-256, or Ed25519 of full order. Raises ``BadKey``."""
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise BadKey("not a public key") from cause
    if isinstance(key, Ed25519PublicKey):
        key = ed25519_from_bytes(key.public_bytes(Encoding.Raw, PublicFormat.Raw))
    elif not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise BadKey("neither P-256 nor Ed25519")
    if key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != der:
        raise BadKey("not the one DER form of this key")
    return key


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class PairedKeys(Claims):
    """All that a car holds of its owner: the paired passkeys, and whether every key needs one of them."""

    required: bool = False
    keys: Annotated[tuple[PairedKey, ...], BeforeValidator(_as_tuple), Field(max_length=MAX_OWNER_KEYS)] = ()

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        cids = [key.cid for key in self.keys]
        if cids != sorted(set(cids)):
            raise ValueError("keys stand once each, by credential id")
        return self

    def with_key(self, key: PairedKey) -> "PairedKeys":
        """The set with one more, or with what is now told of one that it has. Raises ``ValueError``: full."""
        others = [each for each in self.keys if each.cid != key.cid]
        return PairedKeys(
            required=self.required, keys=tuple(sorted((*others, key), key=lambda each: each.cid))
        )

    def without(self, cid: str) -> "PairedKeys":
        """The set without one."""
        return PairedKeys(required=self.required, keys=tuple(each for each in self.keys if each.cid != cid))

    @property
    def state(self) -> OwnerState:
        """What a receipt says of it: hashes, no key and no address."""
        return OwnerState(
            hash=sha256_b64(canonical(self.wire()).encode()),
            required=self.required,
            cids=tuple(cid_hash(key.cid) for key in self.keys),
        )


def cid_hash(cid: str) -> str:
    """How receipts name a credential: SHA-256 of its id's base64url."""
    return sha256_b64(cid.encode())
