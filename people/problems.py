"""What people and programs hear when the answer is no: public codes, never renamed."""

from typing import ClassVar

from spine.problems import Kind, Problem


class Unauthenticated(Problem):
    """No token, or one that is unknown, expired or revoked: all alike."""

    code: ClassVar[str] = "auth.unauthenticated"
    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED

    def __init__(self, detail: str = "Sign in first.", *, presented: bool = False) -> None:
        super().__init__(detail)
        error = ', error="invalid_token"' if presented else ""
        self.headers = {"WWW-Authenticate": f'Bearer realm="trunkline"{error}'}


class ScopeMissing(Problem):
    """The token is good and does not allow this."""

    code: ClassVar[str] = "auth.scope"
    kind: ClassVar[Kind] = Kind.FORBIDDEN

    def __init__(self, scope: str) -> None:
        super().__init__(f"This needs the scope {scope}.")
        challenge = f'Bearer realm="trunkline", error="insufficient_scope", scope="{scope}"'
        self.headers = {"WWW-Authenticate": challenge}


class CrossSite(Problem):
    """A request with the session's cookie that did not come from our own pages."""

    code: ClassVar[str] = "auth.cross_site"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class OrdersStopped(Problem):
    """Too many addresses of this carrier were not usable: an operator has to look."""

    code: ClassVar[str] = "carrier.orders_stopped"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class TooMany(Problem):
    """Slow down; ``retry_after`` says how long."""

    code: ClassVar[str] = "rate.limited"
    kind: ClassVar[Kind] = Kind.TOO_MANY
    try_again: ClassVar[bool] = True


class NotFound(Problem):
    """There is no such thing, or it is not yours to see: both alike."""

    code: ClassVar[str] = "people.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class NotYours(Problem):
    """Your role on this car does not allow it."""

    code: ClassVar[str] = "car.role"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class CodeRefused(Problem):
    """The code is unknown, used, replaced or too old: all alike."""

    code: ClassVar[str] = "code.refused"
    kind: ClassVar[Kind] = Kind.CONFLICT


class LinkRefused(Problem):
    """The link is unknown, used or too old: all alike."""

    code: ClassVar[str] = "link.refused"
    kind: ClassVar[Kind] = Kind.GONE


class HasOwner(Problem):
    """The car has an owner: be invited, or have it released first."""

    code: ClassVar[str] = "car.has_owner"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TooFull(Problem):
    """No room for one more (people on a car, addresses of a car)."""

    code: ClassVar[str] = "people.full"
    kind: ClassVar[Kind] = Kind.CONFLICT


class LastOwner(Problem):
    """The last owner gives the car up as a whole, not only the role."""

    code: ClassVar[str] = "car.last_owner"
    kind: ClassVar[Kind] = Kind.CONFLICT


class ProofRefused(Problem):
    """The key or the proof of holding it does not hold: no reason is told."""

    code: ClassVar[str] = "device.proof"
    kind: ClassVar[Kind] = Kind.INVALID


class DeviceTaken(Problem):
    """This device key belongs to another courier."""

    code: ClassVar[str] = "device.taken"
    kind: ClassVar[Kind] = Kind.CONFLICT


class EmailTaken(Problem):
    """This e-mail cannot be used."""

    code: ClassVar[str] = "person.email"
    kind: ClassVar[Kind] = Kind.CONFLICT


class InProgress(Problem):
    """The first request with this Idempotency-Key has not ended."""

    code: ClassVar[str] = "idempotency.in_progress"
    kind: ClassVar[Kind] = Kind.CONFLICT
    may_have_happened: ClassVar[bool] = True
    try_again: ClassVar[bool] = True


class PasskeyNeeded(Problem):
    """This asks for a gesture with the person's passkey, made a moment ago (RFC 9470)."""

    code: ClassVar[str] = "auth.passkey_needed"
    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    try_again: ClassVar[bool] = True

    def __init__(self, max_age: int, detail: str = "Show your passkey first.") -> None:
        super().__init__(detail)
        self.headers = {
            "WWW-Authenticate": 'Bearer realm="trunkline", error="insufficient_user_authentication", '
            f'acr_values="passkey", max_age={max_age}'
        }


class PasskeyRefused(Problem):
    """The passkey's answer does not hold; all reasons are alike to the caller. ``reason``: for our own log."""

    code: ClassVar[str] = "passkey.refused"
    kind: ClassVar[Kind] = Kind.FORBIDDEN

    def __init__(self, detail: str = "This passkey cannot be used here.", *, reason: str = "") -> None:
        super().__init__(detail)
        self.reason = reason


class NoPasskeysHere(Problem):
    """This installation is reached by an address for which browsers keep no passkeys."""

    code: ClassVar[str] = "passkey.no_name"
    kind: ClassVar[Kind] = Kind.CONFLICT


class PasskeyKnown(Problem):
    """This passkey is registered already."""

    code: ClassVar[str] = "passkey.known"
    kind: ClassVar[Kind] = Kind.CONFLICT


class LastPasskey(Problem):
    """The last passkey stays: add another first, or recover where it is lost."""

    code: ClassVar[str] = "passkey.last"
    kind: ClassVar[Kind] = Kind.CONFLICT


class LinkIsOver(Problem):
    """Who has (or had) a passkey does not approve by mail link any more."""

    code: ClassVar[str] = "approvals.passkey_exists"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NothingToRecover(Problem):
    """There is no passkey that could be lost."""

    code: ClassVar[str] = "recovery.nothing"
    kind: ClassVar[Kind] = Kind.CONFLICT
