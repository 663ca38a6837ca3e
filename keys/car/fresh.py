"""News of the key service (``tl-fresh+jwt``): the retained list, and what is fresh for one challenge."""

import hmac

from keys.car.claims import FreshClaims
from keys.car.jws import FRESH, Fault, SigningKey, Unacceptable, read, sign, verify
from keys.car.trust import TrustedKeys


def write_fresh(claims: FreshClaims, *, key: SigningKey) -> str:
    """Sign it with the service's key of purpose ``fresh``."""
    return sign(claims.wire(), form=FRESH, key=key)


def read_fresh(token: object, *, trust: TrustedKeys, unit: str) -> FreshClaims:
    """The list, if the key service signed it for ``unit``; its age is for the opening to judge.

    Raises ``Unacceptable``.
    """
    claims = _read(token, trust, unit)
    if claims.nonce:
        raise Unacceptable(Fault.CLAIMS)
    return claims


def read_answer(token: object, *, trust: TrustedKeys, unit: str, nonce: str) -> FreshClaims:
    """What was signed for ``unit`` and for its challenge ``nonce``, so after that was drawn.

    Raises ``Unacceptable``; ``audience`` for another unit's or another challenge's.
    """
    claims = _read(token, trust, unit)
    if not hmac.compare_digest(claims.nonce, nonce):
        raise Unacceptable(Fault.AUDIENCE)
    return claims


def read_kept(token: object, *, trust: TrustedKeys, unit: str) -> FreshClaims:
    """What a unit took and kept itself, whichever of the two it was. Raises ``Unacceptable``."""
    return _read(token, trust, unit)


def _read(token: object, trust: TrustedKeys, unit: str) -> FreshClaims:
    parts = read(token, FRESH)
    signer = trust.signer(parts, "fresh")
    claims = FreshClaims.of(verify(parts, signer.public))
    if claims.iat < (signer.not_before or 0) or (
        signer.not_after is not None and claims.iat >= signer.not_after
    ):
        raise Unacceptable(Fault.SIGNER)
    if claims.aud != unit:
        raise Unacceptable(Fault.AUDIENCE)
    return claims


def newer(held: FreshClaims | None, offered: FreshClaims) -> bool:
    """Whether ``offered`` replaces ``held``: version, ``min_seq`` and ``iat`` never go down."""
    if held is None:
        return True
    return (
        offered.rev.version >= held.rev.version
        and offered.rev.min_seq >= held.rev.min_seq
        and offered.iat >= held.iat
        and offered != held
    )
