"""What a courier's device signs to be enrolled and to sign in, and what a carrier signs to get a token."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from people import signed
from people.problems import ProofRefused

ENROL: Final = "tl-enrol+jwt"
SIGN_IN: Final = "tl-courier+jwt"

Time = Annotated[int, Field(ge=0, le=253_402_300_799, strict=True)]
Unique = Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class _Claims(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Enrolment(_Claims):
    """``code``: SHA-256 in hexadecimal of the enrolment code: the proof is good for this code alone."""

    aud: str
    code: str
    iat: Time


class _SignIn(_Claims):
    iss: str
    sub: str
    aud: str
    iat: Time
    exp: Time
    jti: Unique


class _Client(BaseModel):
    """RFC 7523: a foreign library's claims; members we do not know are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    iss: str
    sub: str
    aud: str | Annotated[list[str], Field(min_length=1, max_length=1)]
    iat: Time | None = None
    exp: Time
    nbf: Time | None = None
    jti: Unique


C = TypeVar("C", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion: its one-time id, and how long that has to be remembered."""

    jti: str
    remember: timedelta


@dataclass(frozen=True, slots=True)
class Window:
    """How far a signer's clock may be off and how long an assertion may live."""

    life: timedelta
    skew: timedelta


def code_hash(code: str) -> str:
    """SHA-256 in hexadecimal of an enrolment code: upper case, without spaces and dashes."""
    typed = "".join(c for c in code.upper() if not c.isspace() and c != "-")
    return hashlib.sha256(typed.encode("utf-8", "replace")).hexdigest()


def enrolment(
    proof: str, jwk: Mapping[str, Any], *, code: str, audience: str, window: Window, now: datetime
) -> signed.PublicKey:
    """Check that whoever has the code also has the private half of this key. Raises ``ProofRefused``."""
    key = signed.read_jwk(jwk)
    claims = _model(_Enrolment, signed.verify(proof, key, typ=ENROL))
    fresh = -window.skew.total_seconds() <= now.timestamp() - claims.iat <= window.life.total_seconds()
    if claims.aud != audience or claims.code != code_hash(code) or not fresh:
        raise ProofRefused("The proof is not for this enrolment.")
    return key


def courier_named(assertion: str) -> str:
    """Whose key an assertion says it is signed with; nothing is checked yet."""
    return _model(_SignIn, signed.claims_of(assertion, typ=SIGN_IN)).sub


def sign_in(
    assertion: str, jwk: Mapping[str, Any], *, courier: str, audience: str, window: Window, now: datetime
) -> Assertion:
    """Check a courier's assertion: by the device key, for us, of this minute. Raises ``ProofRefused``."""
    claims = _model(_SignIn, signed.verify(assertion, signed.read_jwk(jwk), typ=SIGN_IN))
    if (claims.iss, claims.sub, claims.aud) != (courier, courier, audience):
        raise ProofRefused("The assertion is not for this sign-in.")
    return _timely(claims.iat, claims.exp, claims.jti, window, now)


def client_named(assertion: str) -> str:
    """Which client an assertion says it is of; nothing is checked yet."""
    return _model(_Client, signed.claims_of(assertion, typ=None)).sub


def client(
    assertion: str, jwk: Mapping[str, Any], *, carrier: str, audience: str, window: Window, now: datetime
) -> Assertion:
    """Check a carrier's client assertion (RFC 7523, private_key_jwt). Raises ``ProofRefused``."""
    claims = _model(_Client, signed.verify(assertion, signed.read_jwk(jwk), typ=None))
    wanted = claims.aud if isinstance(claims.aud, str) else claims.aud[0]
    if (claims.iss, claims.sub, wanted) != (carrier, carrier, audience):
        raise ProofRefused("The assertion is not for this token endpoint.")
    if claims.nbf is not None and claims.nbf > now.timestamp() + window.skew.total_seconds():
        raise ProofRefused("The assertion is not valid yet.")
    issued = claims.exp - int(window.life.total_seconds()) if claims.iat is None else claims.iat
    return _timely(issued, claims.exp, claims.jti, window, now)


def _timely(iat: int, exp: int, jti: str, window: Window, now: datetime) -> Assertion:
    at, skew = now.timestamp(), window.skew.total_seconds()
    if not (iat - skew <= at < exp and 0 < exp - iat <= window.life.total_seconds()):
        raise ProofRefused("The assertion is not of this minute.")
    return Assertion(jti, timedelta(seconds=exp - at) + window.skew)


def _model(model: type[C], claims: dict[str, Any]) -> C:
    try:
        return model.model_validate(claims)
    except ValidationError as cause:
        raise ProofRefused("The claims are not the ones agreed.") from cause
