"""What a courier's phone and a carrier's program sign in the tests: made by other code than what reads it."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "http://localhost:8080"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass
class Device:
    """A P-256 key and what it signs."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    drawn: int = 0

    @property
    def jwk(self) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        x, y = (b64(n.to_bytes(32, "big")) for n in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}

    def sign(self, claims: dict[str, Any], typ: str | None, **header: Any) -> str:
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"typ": typ, **header})

    def enrolment(self, code: str, now: datetime, **changed: Any) -> str:
        typed = code.upper().replace("-", "").replace(" ", "")
        claims = {
            "aud": f"{ORIGIN}/v1/courier/enrolment",
            "code": hashlib.sha256(typed.encode()).hexdigest(),
            "iat": int(now.timestamp()),
        }
        return self.sign({**claims, **changed}, "tl-enrol+jwt")

    def sign_in(self, courier: str, now: datetime, **changed: Any) -> str:
        return self.sign(self._assertion(courier, "/v1/courier/session", now) | changed, "tl-courier+jwt")

    def client(self, carrier: str, now: datetime, **changed: Any) -> str:
        return self.sign(self._assertion(carrier, "/v1/oauth/token", now) | changed, "JWT")

    def _assertion(self, who: str, path: str, now: datetime) -> dict[str, Any]:
        self.drawn += 1
        at = int(now.timestamp())
        jti = f"{id(self)}-{self.drawn:016d}"
        return {"iss": who, "sub": who, "aud": ORIGIN + path, "iat": at, "exp": at + 60, "jti": jti}


def raw_jws(device: Device, header: str, claims: str) -> str:
    """A JWS over exactly these texts, validly signed."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    signed = f"{b64(header.encode())}.{b64(claims.encode())}"
    r, s = decode_dss_signature(device.key.sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def as_json(value: Any) -> str:
    return json.dumps(value)
