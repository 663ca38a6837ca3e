"""A service, a courier's phone and a car with keys of their own, for tests of keys."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from keys.car.challenge import Challenges
from keys.car.claims import Confirmation, FreshClaims, KeyClaims, Revocations
from keys.car.jwk import b64
from keys.car.jws import KEY, SigningKey, Unacceptable, sign
from keys.car.owner import OwnerKey
from keys.car.place import Position
from keys.car.policy import Policy
from keys.car.proof import make_proof
from keys.car.trust import TrustedKeys
from keys.car.verify import Car, Granted, Presented, Proven, Reading, allow, foresee, prove
from keys.car.window import Window

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
UNIT = "vu_7aaaaaaaaaaaaaaa"
OTHER_UNIT = "vu_7bbbbbbbbbbbbbbb"
DELIVERY = "dlv_7k3maaaaaaaaaaaa"
LINK = "mqtt:" + DELIVERY
OFFICE = Position(48.137, 11.575)


def published(purpose: str, key: SigningKey, **more: int) -> dict[str, Any]:
    return {**key.jwk, "kid": key.kid, "alg": "Ed25519", "use": "sig", "purpose": purpose, **more}


def device() -> SigningKey:
    return SigningKey.of(ec.generate_private_key(ec.SECP256R1()))


ISSUER, FRESH_KEY, COMMAND_KEY, LOG_KEY = (SigningKey.draw() for _ in range(4))
PHONE, OTHER_PHONE = device(), device()
JWKS = {
    "keys": [
        published("key", ISSUER),
        published("fresh", FRESH_KEY),
        published("cmd", COMMAND_KEY),
        published("log", LOG_KEY),
    ]
}
TRUST = TrustedKeys.from_jwks(JWKS)
CLAIMS = KeyClaims(
    aud=UNIT,
    jti="AAAAAAAAAAAAAAAAAAAAAA",
    seq=7,
    iat=SECONDS,
    nbf=SECONDS,
    exp=SECONDS + 3600,
    cnf=Confirmation(jkt=PHONE.kid),
    act="open:trunk",
    dlv=DELIVERY,
)
LIST = FreshClaims(
    aud=UNIT, iat=SECONDS, exp=SECONDS + 86_400, rev=Revocations(version=1, min_seq=0, dead=())
)
EXACT = Reading("synced", SECONDS * 1000, 50)
UNUSED = Window()
PARKED = Car(parked=True, ignition_on=False, speed_kmh=0, doors_shut=True, position=OFFICE)


def forge(header: dict[str, Any] | str, claims: dict[str, Any] | str, key: SigningKey) -> str:
    """A well signed compact JWS of any header and payload; text is taken as it stands."""
    parts = [text if isinstance(text, str) else json.dumps(text) for text in (header, claims)]
    signed = ".".join(b64(part.encode()) for part in parts)
    algorithm = "EdDSA" if key.jwk["kty"] == "OKP" else "ES256"
    signature = jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), key.private)
    return f"{signed}.{b64(signature)}"


def key_header(**more: Any) -> dict[str, Any]:
    return {"alg": "Ed25519", "typ": "tl-key+jwt", "kid": ISSUER.kid, **more}


@dataclass
class Opening:
    """One attempt to open, right in everything until a test changes something."""

    claims: KeyClaims = CLAIMS
    token: str = ""
    proof: Callable[[str, str], str] | str = ""
    phone: SigningKey = PHONE
    trust: TrustedKeys = TRUST
    policy: Policy = field(default_factory=Policy)
    clock: Reading = EXACT
    revocations: FreshClaims | None = LIST
    window: Window = UNUSED
    car: Car = PARKED
    fresh: FreshClaims | None = None
    owners: Mapping[str, OwnerKey] = field(default_factory=dict)
    unit: str = UNIT
    answered_after: float = 1.0
    challenges: Challenges = field(default_factory=lambda: Challenges(Policy(), lambda n: b"\x01" * n))
    foreseen: str | None = None
    """A key that the unit read before, while it trusted ``TRUST``; "" stands for the one that is presented."""

    def with_claims(self, **changes: Any) -> "Opening":
        return replace(self, claims=self.claims.model_copy(update=changes))

    def presented(self) -> Presented:
        token = self.token or sign(self.claims.wire(), form=KEY, key=ISSUER)
        challenge = self.challenges.draw(LINK, uptime=100.0)
        if callable(self.proof):
            return Presented(token, self.proof(token, challenge))
        made = self.proof or make_proof(
            self.phone, key_token=token, challenge=challenge, unit=UNIT, act=self.claims.act, now=NOW
        )
        return Presented(token, made)

    def prove(self, presented: Presented | None = None) -> Proven:
        presented = presented or self.presented()
        seen = None
        if self.foreseen is not None:
            with suppress(Unacceptable):
                seen = foresee(self.foreseen or presented.key, trust=TRUST)
        return prove(
            presented,
            link=LINK,
            unit=self.unit,
            trust=self.trust,
            challenges=self.challenges,
            uptime=100.0 + self.answered_after,
            foreseen=seen,
        )

    def run(self, presented: Presented | None = None) -> Granted:
        return allow(
            self.prove(presented),
            policy=self.policy,
            clock=self.clock,
            trust=self.trust,
            revocations=self.revocations,
            fresh=self.fresh,
            window=self.window,
            car=self.car,
            owners=self.owners,
        )
