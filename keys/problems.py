"""Why the key service says no, in words a caller may act on."""

from datetime import datetime
from typing import ClassVar

from spine.problems import Kind, Problem


class NoSuchKey(Problem):
    """There is no key of this name."""

    code: ClassVar[str] = "key.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class KeyAlive(Problem):
    """The delivery's former key could still open; ``until`` is when it cannot any more, whatever happens."""

    code: ClassVar[str] = "key.alive"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True

    def __init__(self, until: datetime, *, now: datetime) -> None:
        super().__init__(
            f"the former key may open until {until.isoformat()}",
            retry_after=max(1, int((until - now).total_seconds())),
        )
        self.until = until


class TooManyKeys(Problem):
    """The car has as many live or revoked keys as it can keep track of."""

    code: ClassVar[str] = "key.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class TooSoon(Problem):
    """The window starts later than a key is made ahead."""

    code: ClassVar[str] = "key.too_soon"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class NotSignedYet(Problem):
    """The key is being signed; ask again in a moment."""

    code: ClassVar[str] = "key.not_signed_yet"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class KeyOver(Problem):
    """The key has been used, revoked or has expired: its token is not given any more."""

    code: ClassVar[str] = "key.over"
    kind: ClassVar[Kind] = Kind.GONE


class NotYourKey(Problem):
    """The key is bound to another device."""

    code: ClassVar[str] = "key.other_device"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class BadNonce(Problem):
    """The challenge is not one that a unit draws."""

    code: ClassVar[str] = "key.bad_challenge"
    kind: ClassVar[Kind] = Kind.INVALID


class OwnerMustSign(Problem):
    """This car opens for no key without its owner's passkey: the owner has to sign."""

    code: ClassVar[str] = "key.owner_must_sign"
    kind: ClassVar[Kind] = Kind.CONFLICT


class OwnerSignatureWrong(Problem):
    """What the passkey gave is not its signature over this key, or no passkey of this car gave it."""

    code: ClassVar[str] = "key.owner_signature"
    kind: ClassVar[Kind] = Kind.INVALID


class ClockAstray(Problem):
    """Our clock disagrees with the store's or with what was signed before: nothing is signed by it."""

    code: ClassVar[str] = "key.clock_astray"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    try_again: ClassVar[bool] = True
