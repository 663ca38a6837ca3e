"""What one verified receipt means: the facts it stands for, and what becomes of the key it names."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from keys.car.claims import OwnerState, ReceiptClaims
from keys.ledger import Ledger
from keys.states import LIVE, NotAllowed, State
from spine.facts.keys import (
    BootClosed,
    BootIndeterminate,
    BootLeftOpen,
    BootLocked,
    BootNotLifted,
    BootOpened,
    KeyConsumed,
    KeyDestroyed,
    KeyFact,
    KeyRefused,
    KeyRevoked,
    MemoryLost,
    OwnerKeysChanged,
    RevocationConfirmed,
)
from spine.ids import KeyId, UnitId, VehicleId

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_BOOT: Final[Mapping[str, Callable[..., KeyFact]]] = {
    "consumed": KeyConsumed,
    "opened": BootOpened,
    "not_lifted": BootNotLifted,
    "closed": BootClosed,
    "locked": BootLocked,
    "left_open": BootLeftOpen,
    "indeterminate": BootIndeterminate,
}


class Contradiction(Exception):
    """A well signed receipt says what cannot be: the unit, its copy, or our own memory is wrong."""


def apply(
    ledger: Ledger, claims: ReceiptClaims, receipt_hash: str, key: KeyId | None, *, vehicle: VehicleId
) -> None:
    """Let a receipt of ``vehicle``'s unit happen to ``key``, the one it names, if we made it.

    Raises ``Contradiction``; then nothing was told.
    """
    if claims.out == "revoked":
        _confirm(ledger, claims)
        _forget(ledger, claims)
        return
    if claims.owner is not None:
        _owner_changed(ledger, claims, claims.owner, vehicle)
        return
    if claims.jti is None:
        return  # the lid or the lock moved without a key: the chain knows, no key is concerned
    if key is None:
        raise Contradiction("unknown_key")
    was_live = ledger.state(key) in LIVE
    told = {
        **ledger.about(key),
        "n": claims.n,
        "receipt_hash": receipt_hash,
        "unit_at": None if claims.clk.state == "unset" else _EPOCH + timedelta(milliseconds=claims.at),
        "via": claims.via or "mqtt",
    }
    try:
        if claims.out == "refused":
            ledger.tell(key, KeyRefused.model_validate({**told, "code": claims.code}))
        else:
            ledger.tell(key, _BOOT[claims.out](**told))
    except NotAllowed as cause:
        raise Contradiction("out_of_order") from cause
    if was_live and claims.out in {"consumed", "indeterminate"}:
        how = {"how": claims.out}
        ledger.tell(key, KeyDestroyed.model_validate({**ledger.about(key), **how}))


def _owner_changed(ledger: Ledger, claims: ReceiptClaims, owner: OwnerState, vehicle: VehicleId) -> None:
    """The car knows other passkeys of its owner than before, or asks for them or not."""
    ledger.numbers.owner = owner
    ledger.facts.append(
        OwnerKeysChanged(
            at=ledger.now,
            vehicle=vehicle,
            unit=UnitId(claims.iss),
            required=owner.required,
            cids=owner.cids,
            set_hash=owner.hash,
            n=claims.n,
        )
    )


def _confirm(ledger: Ledger, claims: ReceiptClaims) -> None:
    """The car has taken a version of the list: keys named in it are dead there."""
    version, listed = claims.rev or 0, ledger.list
    if listed.vehicle is None or version > listed.signed_version:
        raise Contradiction("list_never_signed")
    if version <= listed.confirmed:
        return
    listed.confirmed = version
    ledger.facts.append(
        RevocationConfirmed(
            at=ledger.now, vehicle=listed.vehicle, unit=UnitId(claims.iss), version=version, n=claims.n
        )
    )
    for key in [key for key, named_in in listed.pending.items() if named_in <= version]:
        ledger.tell(key, KeyDestroyed(**ledger.about(key), how="confirmed_by_car"))


def _forget(ledger: Ledger, claims: ReceiptClaims) -> None:
    """The car lost its record and began anew: every live key below its new floor is dead there."""
    floor, vehicle = claims.floor, ledger.list.vehicle
    if floor is None or vehicle is None:
        return
    ledger.facts.append(
        MemoryLost(at=ledger.now, vehicle=vehicle, unit=UnitId(claims.iss), floor=floor, n=claims.n)
    )
    for key in [key for key, live in ledger.numbers.live.items() if live.seq < floor]:
        if ledger.state(key) is State.HANDED_OUT:
            revoked = KeyRevoked(**ledger.about(key), reason="memory_lost", dies_at=ledger.dies_at(key))
            ledger.tell(key, revoked)
        known = ledger.state(key) is State.REVOKING
        how = {"how": "confirmed_by_car" if known else "never_handed_out"}
        ledger.tell(key, KeyDestroyed.model_validate({**ledger.about(key), **how}))
