"""The trust bundle: the service's public keys, signed by offline roots, two of three (``tl-bundle+jwt``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BeforeValidator, Field, model_validator

from keys.car.claims import Claims, Seconds, Sha256, UnitText
from keys.car.jwk import ed25519_from_jwk, thumbprint
from keys.car.jws import BUNDLE, Alg, Fault, Parts, SigningKey, Unacceptable, holds, read, sign
from keys.car.trust import BadTrust, PublishedKey, TrustedKeys

MAX_VERSION: Final = 2**32 - 1
MAX_SIGNATURES: Final = 8
"""While roots change, two old ones and two new ones sign; more than this is no document of ours."""


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class RootKey(Claims):
    """A root's public key. ``kid`` is its own thumbprint."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: Sha256
    kid: Sha256

    @property
    def jwk(self) -> dict[str, str]:
        """The members that are the key."""
        return {"kty": self.kty, "crv": self.crv, "x": self.x}


class Roots(Claims):
    """Who may say what a car trusts: any ``threshold`` of these keys together, and never one alone."""

    threshold: Annotated[int, Field(ge=2, le=5)] = 2
    keys: Annotated[tuple[RootKey, ...], BeforeValidator(_as_tuple), Field(min_length=2, max_length=5)]

    @classmethod
    def of_keys(cls, keys: Sequence[SigningKey], *, threshold: int = 2) -> Self:
        """The public part of these roots."""
        public = tuple(RootKey(x=key.jwk["x"], kid=key.kid) for key in keys)
        return cls(threshold=threshold, keys=public)

    @model_validator(mode="after")
    def _are_keys(self) -> Self:
        if self.threshold > len(self.keys) or len({key.kid for key in self.keys}) != len(self.keys):
            raise ValueError("more signatures than roots, or a root stands twice")
        for key in self.keys:
            ed25519_from_jwk(key.jwk)  # BadKey is a ValueError: of small order, or no point of the curve
            if key.kid != thumbprint(key.jwk):
                raise ValueError("kid is not the thumbprint")
        return self

    def signers(self, parts: Sequence[Parts]) -> frozenset[str]:
        """Which of these roots signed; one that signed twice is one."""
        public: Mapping[str, Ed25519PublicKey] = {key.kid: ed25519_from_jwk(key.jwk) for key in self.keys}
        return frozenset(
            one.signer
            for one in parts
            if one.signer in public and holds(Alg.ED25519, public[one.signer], one.signed, one.signature)
        )


class BundleClaims(Claims):
    """One version of what a car trusts. ``floors``: units whose clock floor is lowered to this, once."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    iat: Seconds
    exp: Seconds
    keys: Annotated[tuple[PublishedKey, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=32)]
    roots: Roots
    floors: Annotated[dict[UnitText, Seconds], Field(min_length=1, max_length=32)] | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.exp <= self.iat:
            raise ValueError("it ends before it begins")
        if {key.kid for key in self.keys} & {key.kid for key in self.roots.keys}:
            raise ValueError("a root signs bundles and nothing else")
        return self


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that enough roots signed. ``trust`` has its version and its end."""

    claims: BundleClaims
    trust: TrustedKeys


def sign_bundle(claims: BundleClaims, root: SigningKey) -> str:
    """One root's signature, a compact JWS; every root's has the same payload, byte for byte."""
    return sign(claims.wire(), form=BUNDLE, key=root)


def read_bundle(document: object, *, roots: Roots) -> Bundle:
    """A bundle as it is carried, ``{"bundle": ["<jws>", ...]}``, if enough of ``roots`` signed it.

    A bundle that changes the roots must be signed by enough of the old ones and by enough of its own (the rule of
    TUF). Whether its version is new and whether it is over is for the caller. Raises ``Unacceptable``.
    """
    parts = [read(token, BUNDLE) for token in _signatures(document)]
    if len({one.signed.partition(b".")[2] for one in parts}) != 1:
        raise Unacceptable(Fault.FORM)
    if len(roots.signers(parts)) < roots.threshold:
        raise Unacceptable(Fault.SIGNATURE)
    claims = BundleClaims.of(parts[0].claims)
    if len(claims.roots.signers(parts)) < claims.roots.threshold:
        raise Unacceptable(Fault.SIGNATURE)
    try:
        trust = TrustedKeys.from_jwks(
            {"keys": claims.wire()["keys"]}, version=claims.version, expires=claims.exp
        )
    except BadTrust as cause:
        raise Unacceptable(Fault.CLAIMS) from cause
    return Bundle(claims, trust)


def first_bundle(document: object) -> Bundle:
    """A bundle whose own roots are believed because somebody has just given it to us at a safe place.

    Raises ``Unacceptable``, also where its own roots did not sign it.
    """
    parts = [read(token, BUNDLE) for token in _signatures(document)]
    return read_bundle(document, roots=BundleClaims.of(parts[0].claims).roots)


def _signatures(document: object) -> list[Any]:
    found = document.get("bundle") if isinstance(document, Mapping) and len(document) == 1 else None
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_SIGNATURES:
        raise Unacceptable(Fault.FORM)
    return found
