"""The life of delivery keys and what verified receipts say the boot did."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from spine.facts.base import Base
from spine.ids import DeliveryId, KeyId, UnitId, VehicleId


class _Key(Base):
    about: ClassVar[str] = "key"
    vehicle: VehicleId
    unit: UnitId
    delivery: DeliveryId
    key: KeyId


class KeyDrafted(_Key):
    """Claims and number are committed and the owner is asked to sign them: no token exists yet."""

    kind: Literal["key.drafted"] = "key.drafted"
    jti: str
    seq: int
    jkt: str
    nbf: AwareDatetime
    exp: AwareDatetime


class KeyIssued(_Key):
    kind: Literal["key.issued"] = "key.issued"
    jti: str
    seq: int
    jkt: str
    kid: str
    nbf: AwareDatetime
    exp: AwareDatetime
    claims_hash: str


class KeySigned(_Key):
    """The signer checked the decision itself and signed: the token can be fetched."""

    kind: Literal["key.signed"] = "key.signed"


class KeyLapsed(_Key):
    """It was not signed because its window had ended when its turn came."""

    kind: Literal["key.lapsed"] = "key.lapsed"


class KeyHandedOut(_Key):
    """The courier's device fetched the token: from here on it may be used offline."""

    kind: Literal["key.handed_out"] = "key.handed_out"


class KeyRevoked(_Key):
    """Asked for; true at the car only once ``revocation.confirmed`` says so, or at ``dies_at``."""

    kind: Literal["key.revoked"] = "key.revoked"
    reason: str
    dies_at: AwareDatetime


class KeyDestroyed(_Key):
    """No opening with this key is possible any more, and its token is erased here.

    ``how``: consumed, indeterminate, confirmed_by_car, never_handed_out, expired.
    """

    kind: Literal["key.destroyed"] = "key.destroyed"
    how: Literal["consumed", "indeterminate", "confirmed_by_car", "never_handed_out", "expired"]


class _Receipt(_Key):
    """From a receipt that verified. ``n`` is its chain number, ``unit_at`` the unit's clock."""

    n: int
    receipt_hash: str
    unit_at: AwareDatetime | None = None
    via: Literal["mqtt", "local"] = "mqtt"


class KeyConsumed(_Receipt):
    kind: Literal["key.consumed"] = "key.consumed"


class KeyRefused(_Receipt):
    """After proven possession, with the exact reason."""

    kind: Literal["key.refused"] = "key.refused"
    code: str


class BootOpened(_Receipt):
    kind: Literal["boot.opened"] = "boot.opened"


class BootNotLifted(_Receipt):
    kind: Literal["boot.not_lifted"] = "boot.not_lifted"


class BootClosed(_Receipt):
    kind: Literal["boot.closed"] = "boot.closed"


class BootLocked(_Receipt):
    kind: Literal["boot.locked"] = "boot.locked"


class BootLeftOpen(_Receipt):
    kind: Literal["boot.left_open"] = "boot.left_open"


class BootIndeterminate(_Receipt):
    """Consumed, then power was lost: it may have opened."""

    kind: Literal["boot.indeterminate"] = "boot.indeterminate"


class _Unit(Base):
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId
    unit: UnitId


class RevocationRaised(_Unit):
    """The signed list (``tl-fresh+jwt`` with an empty nonce) the gateway keeps retained on ``dn/rev``."""

    kind: Literal["revocation.raised"] = "revocation.raised"
    version: int
    signed: str


class RevocationConfirmed(_Unit):
    """The car's signed receipt says it has taken this list version."""

    kind: Literal["revocation.confirmed"] = "revocation.confirmed"
    version: int
    n: int


class FreshAsked(_Unit):
    """A courier in front of the car needs news signed for its challenge."""

    kind: Literal["fresh.asked"] = "fresh.asked"
    nonce: str


class FreshSigned(_Unit):
    """A nonce-bound ``tl-fresh+jwt``. ``request``: the unit's own message; empty where a courier asked."""

    kind: Literal["fresh.signed"] = "fresh.signed"
    request: str
    nonce: str
    signed: str


class MemoryLost(_Unit):
    """The unit's signed receipt says that it lost its record and burnt every number below ``floor``."""

    kind: Literal["memory.lost"] = "memory.lost"
    floor: int
    n: int


class NumbersJumped(_Unit):
    """The store came back from a backup: numbers up to ``last`` are not given again (``keys restored``)."""

    kind: Literal["numbers.jumped"] = "numbers.jumped"
    former: int
    last: int


class OwnerKeysChanged(_Unit):
    """Somebody in the car changed which passkeys of the owner it knows; its signed receipt says so.

    ``cids``: SHA-256 of each credential id; ``required``: the car opens for no key without one of them.
    """

    kind: Literal["owner_keys.changed"] = "owner_keys.changed"
    required: bool
    cids: tuple[str, ...]
    set_hash: str
    n: int


class ReceiptRejected(_Unit):
    """A receipt that does not verify: the unit is quarantined, no delivery changes."""

    kind: Literal["receipt.rejected"] = "receipt.rejected"
    reason: str
    receipt_hash: str


KeyFact = (
    KeyDrafted
    | KeyIssued
    | KeySigned
    | KeyLapsed
    | KeyHandedOut
    | KeyRevoked
    | KeyDestroyed
    | KeyConsumed
    | KeyRefused
    | BootOpened
    | BootNotLifted
    | BootClosed
    | BootLocked
    | BootLeftOpen
    | BootIndeterminate
    | RevocationRaised
    | RevocationConfirmed
    | FreshAsked
    | FreshSigned
    | MemoryLost
    | NumbersJumped
    | OwnerKeysChanged
    | ReceiptRejected
)
