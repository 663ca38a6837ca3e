"""Three roots, keys that come and go, and the bundles that say so, for tests of trust."""

from typing import Any

from keys.car.bundle import BundleClaims, Roots, sign_bundle
from keys.car.jws import SigningKey
from keys.car.trust import PublishedKey

ROOTS = tuple(SigningKey.draw() for _ in range(3))
NEW_ROOTS = tuple(SigningKey.draw() for _ in range(3))
HELD = Roots.of_keys(ROOTS)


def entry(purpose: str, key: SigningKey, **dates: int) -> PublishedKey:
    """A service key in a bundle; ``nbf`` and ``exp``."""
    published = {**key.jwk, "kid": key.kid, "alg": "Ed25519", "use": "sig", "purpose": purpose, **dates}
    return PublishedKey.model_validate(published)


def claims(version: int, *keys: PublishedKey, at: int, roots: Roots = HELD, **more: Any) -> BundleClaims:
    """A bundle of a year."""
    body = {"version": version, "iat": at, "exp": at + 31_536_000, "keys": keys, "roots": roots, **more}
    return BundleClaims.model_validate(body)


def signed(claims: BundleClaims, *roots: SigningKey) -> dict[str, Any]:
    """The document, signed by these (by two of the three)."""
    return {"bundle": [sign_bundle(claims, root) for root in roots or ROOTS[:2]]}
