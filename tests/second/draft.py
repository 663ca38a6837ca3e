"""One presentation before it is signed: right in everything until something is changed."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from keys.car.claims import KeyClaims
from keys.car.jwk import b64, sha256_b64
from keys.car.jws import SigningKey, Unacceptable
from keys.car.owner import owner_challenge

NOW: Final = 1_904_288_400
UNIT: Final = "vu_7aaaaaaaaaaaaaaa"
OTHER_UNIT: Final = "vu_7bbbbbbbbbbbbbbb"
ORIGIN: Final = "https://open.trunkline.example"
RP_ID: Final = "trunkline.example"
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _seeded(name: str) -> bytes:
    return hashlib.sha256(f"second verifier: {name}".encode()).digest()


def _ed(name: str) -> SigningKey:
    return SigningKey.of(Ed25519PrivateKey.from_private_bytes(_seeded(name)))


def _ec(name: str) -> SigningKey:
    secret = int.from_bytes(_seeded(name), "big") % (_ORDER - 1) + 1
    return SigningKey.of(ec.derive_private_key(secret, ec.SECP256R1()))


ISSUER, DATED, FRESH, COMMAND, LOG, STRANGER = (
    _ed(name) for name in ("issuer", "dated", "fresh", "command", "log", "stranger")
)
PHONE, OTHER_PHONE = _ec("phone"), _ec("other phone")
OWNERS: Final = {"es256": _ec("owner"), "ed25519": _ed("owner"), "unpaired": _ec("stranger")}
CIDS: Final = {name: b64(_seeded(f"cid {name}")[:16]) for name in OWNERS}


@dataclass(frozen=True)
class Raw:
    """A piece of JSON text that stands as it is."""

    text: str


def dump(value: object) -> str:
    """JSON with sorted names and no white space, as ours is, and with raw pieces."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{dump(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


def published(purpose: str, key: SigningKey, **more: int) -> dict[str, Any]:
    return {**key.jwk, "kid": key.kid, "alg": "Ed25519", "use": "sig", "purpose": purpose, **more}


def _jwks() -> dict[str, Any]:
    return {
        "keys": [
            published("key", ISSUER),
            published("key", DATED, nbf=NOW - 3_000, exp=NOW + 3_000),
            published("fresh", FRESH),
            published("cmd", COMMAND),
            published("log", LOG),
        ]
    }


def signature(key: SigningKey, signed: bytes) -> bytes:
    """Ed25519, or r and s of ES256."""
    if isinstance(key.private, Ed25519PrivateKey):
        return key.private.sign(signed)
    r, s = decode_dss_signature(key.private.sign(signed, ec.ECDSA(SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


Text = Callable[[str], str | bytes]
"""A change to the JSON text of a payload or a header before it is signed."""


def _as_it_is(text: str) -> str | bytes:
    return text


def _same(token: str) -> str:
    return token


def _same_own(own: dict[str, str]) -> dict[str, Any]:
    return own


@dataclass(eq=False)
class Token:
    """A signed object to be: ``claims`` and ``header`` as values, then as text, then the compact form."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signer: SigningKey
    header_text: Text = _as_it_is
    claims_text: Text = _as_it_is
    compact: Callable[[str], str] = _same

    def made(self) -> str:
        signed = ".".join(
            b64(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
            for text in (self.header_text(dump(self.header)), self.claims_text(dump(self.claims)))
        )
        return self.compact(f"{signed}.{b64(_signed(self.signer.kid, signed))}")


_BY_KID: Final = {
    key.kid: key
    for key in (ISSUER, DATED, FRESH, COMMAND, LOG, STRANGER, PHONE, OTHER_PHONE, *OWNERS.values())
}


@lru_cache(maxsize=1_024)
def _signed(kid: str, signed: str) -> bytes:
    return signature(_BY_KID[kid], signed.encode())


@dataclass
class Owner:
    """What becomes ``own``; ``kind`` None: no co-signature."""

    kind: str | None = None
    client: dict[str, Any] = field(
        default_factory=lambda: {"type": "webauthn.get", "origin": ORIGIN, "crossOrigin": False}
    )
    client_text: Text = _as_it_is
    auth: bytes = hashlib.sha256(RP_ID.encode()).digest() + bytes([0x05, 0, 0, 0, 9])
    signed_by: str | None = None
    compact: Callable[[dict[str, str]], dict[str, Any]] = _same_own


class Draft:
    """A case of the second verifier, and the objects in it before they are signed."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.key = Token(
            {"alg": "Ed25519", "typ": "tl-key+jwt", "kid": ISSUER.kid},
            {
                "iss": "trunkline", "aud": UNIT, "jti": b64(rng.randbytes(16)), "seq": rng.randint(1, 400),
                "iat": NOW - rng.randint(0, 600), "nbf": NOW - rng.randint(0, 600), "exp": NOW + rng.randint(1, 7_200),
                "cnf": {"jkt": PHONE.kid}, "act": "open:trunk", "dlv": "dlv_7k3maaaaaaaaaaaa",
            },
            ISSUER,
        )  # fmt: skip
        self.nonce = b64(rng.randbytes(32))
        self.challenge: dict[str, Any] | None = {"nonce": self.nonce, "age": rng.randint(0, 29)}
        self.proof = Token(
            {"alg": "ES256", "typ": "tl-pop+jwt", "jwk": dict(PHONE.jwk)},
            {"aud": UNIT, "act": "open:trunk", "nonce": self.nonce, "iat": NOW},
            PHONE,
        )
        rev = {"version": 3, "min_seq": 0, "dead": []}
        self.kept: Token | None = Token(
            {"alg": "Ed25519", "typ": "tl-fresh+jwt", "kid": FRESH.kid},
            {"aud": UNIT, "nonce": "", "iat": NOW - 60, "exp": NOW + 86_340, "bundle": 0, "rev": rev},
            FRESH,
        )
        self.fresh: Token | None = None
        self.owner = Owner()
        self.context: dict[str, Any] = {
            "unit": UNIT,
            "trust": {"jwks": _jwks(), "version": 0, "expires": None},
            "policy": {
                "acts": ["open:trunk"], "longest_window": 21_600, "list_age": 86_400, "clock_error": 60,
                "require_owner": False, "challenge_life": 30,
            },
            "clock": {"state": "synced", "at": NOW * 1000, "u": 100},
            "window": {"floor": "0", "bitmap": "0"},
            "car": {
                "parked": True, "ignition_on": False, "speed_kmh": 0, "doors_shut": True, "blocked": False,
                "position": [48.1371, 11.5751],
            },
            "owners": [
                {"cid": CIDS[name], "jwk": dict(OWNERS[name].jwk), "origin": ORIGIN, "rp_id": RP_ID}
                for name in ("es256", "ed25519")
            ],
        }  # fmt: skip

    def add_fresh(self) -> Token:
        """News for the open challenge, as the courier would bring it."""
        if self.fresh is None:
            rev = {"version": 4, "min_seq": 0, "dead": []}
            claims = {"aud": UNIT, "nonce": self.nonce, "iat": NOW, "exp": NOW + 60, "bundle": 0, "rev": rev}
            self.fresh = Token({"alg": "Ed25519", "typ": "tl-fresh+jwt", "kid": FRESH.kid}, claims, FRESH)
        return self.fresh

    def case(self) -> dict[str, Any]:
        """Everything signed and in the form that both verifiers are given."""
        if self.owner.kind is not None:
            self.key.claims["own"] = self._own()
        key = self.key.made()
        self.proof.claims.setdefault("ath", sha256_b64(key.encode("utf-8", "surrogatepass")))
        return {
            "action": "present",
            "present": {
                "key": key,
                "proof": self.proof.made(),
                "fresh": None if self.fresh is None else self.fresh.made(),
            },
            "kept": None if self.kept is None else self.kept.made(),
            "challenge": self.challenge,
            **self.context,
        }

    def _own(self) -> dict[str, Any]:
        owner = self.owner
        assert owner.kind is not None
        try:
            claims = KeyClaims.of(json.loads(dump(self.key.claims))).wire()
        except (Unacceptable, ValueError):
            claims = {}
        owner.client.setdefault("challenge", b64(owner_challenge(claims)))
        text = owner.client_text(dump(owner.client))
        client = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        signed = owner.auth + hashlib.sha256(client).digest()
        key = OWNERS[owner.signed_by or owner.kind].private
        of_ec = () if isinstance(key, Ed25519PrivateKey) else (ec.ECDSA(SHA256()),)
        signed_with = key.sign(signed, *of_ec)
        own = {
            "cid": CIDS[owner.kind],
            "authData": b64(owner.auth),
            "clientData": b64(client),
            "sig": b64(signed_with),
        }
        return owner.compact(own)
