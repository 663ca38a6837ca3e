"""The signed revocation list (``tl-fresh+jwt`` with an empty nonce): sign, read, and which of two counts."""

from keys.car.claims import FreshClaims
from keys.car.jws import FRESH, Fault, SigningKey, Unacceptable, sign
from keys.car.trust import TrustedKeys


def write_fresh(claims: FreshClaims, *, key: SigningKey) -> str:
    """Sign a list with the service's key of purpose ``fresh``."""
    return sign(claims.wire(), form=FRESH, key=key)


def read_fresh(token: object, *, trust: TrustedKeys, unit: str) -> FreshClaims:
    """The list, if the key service signed it for ``unit``; its age is for the opening to judge.

    Raises ``Unacceptable``.
    """
    claims = FreshClaims.of(trust.verified(token, FRESH, "fresh"))
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
