"""What a carrier's program and a courier's device sign with their own ES256 keys: kept in files here."""

import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from keys.car.claims import KeyClaims
from keys.car.jws import KEY, SigningKey, read
from keys.car.proof import make_proof
from people.device_proof import ENROL, SIGN_IN, code_hash
from trunkline.installation import write_secret

_LIFE: Final = 50


def make_key(path: Path) -> dict[str, str]:
    """Make an ES256 key in a file of mode 0600 (one that is there stays) and give its public JWK."""
    if not path.exists():
        write_secret(path, SigningKey.of(ec.generate_private_key(ec.SECP256R1())).pem().decode())
    return dict(load_key(path).jwk)


def load_key(path: Path) -> SigningKey:
    """The key of a file that ``make_key`` wrote."""
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} is not an ES256 key")  # noqa: TRY004 - the file is wrong, not a type
    return SigningKey.of(key)


def _signed(key: SigningKey, claims: dict[str, Any], typ: str) -> str:
    return jwt.encode(claims, key.private, "ES256", headers={"typ": typ})


def client_assertion(key: SigningKey, *, client: str, url: str, now: datetime) -> str:
    """``private_key_jwt`` for the token endpoint (RFC 7523); good once and for less than a minute."""
    iat = int(now.timestamp())
    claims = {
        "iss": client, "sub": client, "aud": f"{url}/v1/oauth/token", "iat": iat, "exp": iat + _LIFE,
        "jti": secrets.token_urlsafe(16),
    }  # fmt: skip
    return _signed(key, claims, "JWT")


def enrolment(key: SigningKey, *, code: str, url: str, now: datetime) -> dict[str, Any]:
    """Body of ``POST /v1/courier/enrolment``: the code, the device's public key, and proof that it is held."""
    claims = {"aud": f"{url}/v1/courier/enrolment", "code": code_hash(code), "iat": int(now.timestamp())}
    return {"code": code, "jwk": dict(key.jwk), "proof": _signed(key, claims, ENROL)}


def courier_assertion(key: SigningKey, *, courier: str, url: str, now: datetime) -> str:
    """Assertion of ``POST /v1/courier/session``; good once and for less than a minute."""
    iat = int(now.timestamp())
    claims = {
        "iss": courier, "sub": courier, "aud": f"{url}/v1/courier/session", "iat": iat, "exp": iat + _LIFE,
        "jti": secrets.token_urlsafe(16),
    }  # fmt: skip
    return _signed(key, claims, SIGN_IN)


def proof(key: SigningKey, *, token: str, challenge: str, now: datetime) -> str:
    """The courier's ``tl-pop+jwt`` over the car's challenge, for the car and action that the key names."""
    named = KeyClaims.of(read(token, KEY).claims)
    return make_proof(key, key_token=token, challenge=challenge, unit=named.aud, act=named.act, now=now)


def as_json(document: object) -> str:
    """One line of JSON."""
    return json.dumps(document, separators=(",", ":"))
