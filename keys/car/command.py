"""Commands of the gateway to one unit (``tl-cmd+jwt``): sign and read."""

from datetime import datetime

from keys.car.claims import CommandClaims
from keys.car.jws import COMMAND, Fault, SigningKey, Unacceptable, sign
from keys.car.trust import TrustedKeys


class TooLate(Exception):
    """A command past its ``exp``: it must not be executed, whatever it was."""


def write_command(claims: CommandClaims, *, key: SigningKey) -> str:
    """Sign a command with the gateway's key of purpose ``cmd``."""
    return sign(claims.wire(), form=COMMAND, key=key)


def read_command(token: object, *, trust: TrustedKeys, unit: str, now: datetime) -> CommandClaims:
    """The command, if the gateway signed it for ``unit`` and ``now`` is before ``exp``.

    Raises ``Unacceptable`` (nobody we know asked) or ``TooLate``.
    """
    claims = CommandClaims.of(trust.verified(token, COMMAND, "cmd"))
    if claims.aud != unit:
        raise Unacceptable(Fault.AUDIENCE)
    if now.timestamp() >= claims.exp:
        raise TooLate
    return claims
