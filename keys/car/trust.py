"""Whose signatures count, and for what: the service's public keys, pinned at enrolment or of a trust bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from keys.car.jwk import BadKey, ed25519_from_jwk, thumbprint
from keys.car.jws import Fault, Form, Parts, Unacceptable, read, verify

Purpose = Literal["key", "fresh", "cmd", "log"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


class BadTrust(ValueError):
    """The document of keys is not one that we accept; nothing of it is used."""


class PublishedKey(BaseModel):
    """One member of our JWKS: a public Ed25519 key and the one purpose it signs for. Closed.

    ``nbf`` and ``exp``: Unix seconds between which it signs; absent means no bound.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    alg: Literal["Ed25519"]
    use: Literal["sig"]
    purpose: Purpose
    nbf: Annotated[int, Field(ge=0)] | None = None
    exp: Annotated[int, Field(ge=0)] | None = None

    @field_validator("nbf", "exp")
    @classmethod
    def _said(cls, bound: int | None) -> int:
        """A bound that is said has a value: null would be a second spelling of absent."""
        if bound is None:
            raise ValueError("null")
        return bound


class _Jwks(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    keys: Annotated[list[PublishedKey], Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key, its purpose and the Unix seconds between which it signs (None: no bound)."""

    kid: str
    public: Ed25519PublicKey
    purpose: Purpose
    not_before: int | None = None
    not_after: int | None = None


class TrustedKeys:
    """Keys by ``kid``. A ``kid`` is the key's own thumbprint, so it cannot be made to name another."""

    def __init__(
        self, keys: Mapping[str, TrustedKey], *, version: int = 0, expires: int | None = None
    ) -> None:
        """``version`` of the trust bundle they are from, 0 for keys pinned at enrolment; ``expires``: its end."""
        self._keys = dict(keys)
        self.version = version
        self.expires = expires

    @classmethod
    def from_jwks(cls, document: Mapping[str, Any], *, version: int = 0, expires: int | None = None) -> Self:
        """Read our JWKS.

        Raises ``BadTrust``: another member, a ``kid`` that is no thumbprint or stands twice, a low-order key.
        """
        try:
            published = _Jwks.model_validate(dict(document)).keys
        except ValidationError as cause:
            raise BadTrust("not a JWKS of ours") from cause
        keys: dict[str, TrustedKey] = {}
        for one in published:
            jwk = {"kty": one.kty, "crv": one.crv, "x": one.x}
            try:
                public = ed25519_from_jwk(jwk)
            except BadKey as cause:
                raise BadTrust(str(cause)) from cause
            if one.kid != thumbprint(jwk) or one.kid in keys:
                raise BadTrust("kid is not the thumbprint, or stands twice")
            keys[one.kid] = TrustedKey(one.kid, public, one.purpose, one.nbf, one.exp)
        return cls(keys, version=version, expires=expires)

    @property
    def keys(self) -> Mapping[str, TrustedKey]:
        """All of them by ``kid``."""
        return MappingProxyType(self._keys)

    def find(self, kid: str, purpose: Purpose) -> TrustedKey | None:
        """The key of this name, if it signs for ``purpose``."""
        key = self._keys.get(kid)
        return key if key is not None and key.purpose == purpose else None

    def verified(self, token: object, form: Form, purpose: Purpose) -> Mapping[str, Any]:
        """Read an object and verify it with the key it names. Raises ``Unacceptable``."""
        parts = read(token, form)
        return verify(parts, self.signer(parts, purpose).public)

    def signer(self, parts: Parts, purpose: Purpose) -> TrustedKey:
        """Step 3 of keys.md 3.3: who is named as signer. Raises ``Unacceptable`` with ``signer``."""
        key = self.find(parts.signer, purpose) if isinstance(parts.signer, str) else None
        if key is None:
            raise Unacceptable(Fault.SIGNER)
        return key
