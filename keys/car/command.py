"""Commands of the gateway to one unit (``tl-cmd+jwt``): sign and read."""

from datetime import datetime

from keys.car.claims import CommandClaims
from keys.car.jws import COMMAND, Fault, SigningKey, Unacceptable, read, sign, verify
from keys.car.trust import TrustedKeys


class TooLate(Exception):
    """A command past its ``exp``: it must not be executed, whatever it was."""


def write_command(claims: CommandClaims, *, key: SigningKey) -> str:
    """Sign a command with the gateway's key of purpose ``cmd``."""
    return sign(claims.wire(), form=COMMAND, key=key)


def read_command(token: object, *, trust: TrustedKeys, unit: str, now: datetime) -> CommandClaims:
    """The command, if the gateway signed it for ``unit`` and ``now`` is before ``exp``.

    Raises ``Unacceptable`` (nobody we know asked, or its key's days are over) or ``TooLate``.
    """
    parts = read(token, COMMAND)
    signer = trust.signer(parts, "cmd")
    claims = CommandClaims.of(verify(parts, signer.public))
    if signer.not_after is not None and now.timestamp() >= signer.not_after:
        raise Unacceptable(Fault.SIGNER)
    if claims.aud != unit:
        raise Unacceptable(Fault.AUDIENCE)
    if now.timestamp() >= claims.exp:
        raise TooLate
    return claims
