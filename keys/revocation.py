"""Take keys back: the car's signed list of dead keys, raised in versions, confirmed by receipt."""

from collections.abc import Mapping
from datetime import datetime

from keys.car.claims import FreshClaims
from keys.car.claims import Revocations as ListClaims
from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.model import at, list_id, numbers_id, past_use, read_key
from keys.signing import Signer, SigningKeys
from keys.states import State
from spine.facts.keys import KeyDestroyed, KeyRevoked
from spine.ids import KeyId, UnitId, VehicleId
from spine.store import Ack, Change, Saved, Store


class Revoking:
    """Revokes keys and raises the list: one commit where this process signs, else ``work`` signs after."""

    def __init__(self, store: Store, limits: KeysLimits, signing: SigningKeys | None) -> None:
        self._store = store
        self._limits = limits
        self._signing = signing

    async def revoke(
        self, key: KeyId, *, reason: str, now: datetime, ack: Ack | None = None, sign: bool
    ) -> None:
        """Take a key back, once. Never handed out: destroyed now. Else the car is told and has to confirm.

        A key that is over stays as it is. Raises ``NoSuchKey``.
        """
        _, body = read_key(await self._store.load(key))

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            ledger = Ledger(saved, body.unit, now=now, limits=self._limits)
            state = ledger.state(key)
            if state in {State.DRAFT, State.ISSUED, State.SIGNED}:
                ledger.tell(key, KeyDestroyed(**ledger.about(key), how="never_handed_out"))
            elif state is State.HANDED_OUT:
                dies_at = past_use(body.exp, self._limits.clock_error)
                ledger.revoke(key, KeyRevoked(**ledger.about(key), reason=reason, dies_at=dies_at))
                if sign:
                    self._sign_if_due(ledger, body.unit, body.vehicle)
            return ledger.change()

        await self._store.change([key, numbers_id(body.unit), list_id(body.unit)], decide, ack=ack)

    async def raise_list(self, unit: UnitId, *, now: datetime, ack: Ack | None = None) -> None:
        """Sign the list as it stands where a version is unsigned or, while a key lives, the last is old."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            ledger = Ledger(saved, unit, now=now, limits=self._limits)
            if ledger.list.vehicle is not None:
                self._sign_if_due(ledger, unit, ledger.list.vehicle)
            return ledger.change()

        await self._store.change([numbers_id(unit), list_id(unit)], decide, ack=ack)

    def _sign_if_due(self, ledger: Ledger, unit: UnitId, vehicle: VehicleId) -> None:
        if self._signing is not None and list_is_due(ledger, self._limits):
            signer = self._signing.signer("fresh")
            sign_list(ledger, signer=signer, unit=unit, vehicle=vehicle, limits=self._limits)


def list_is_due(ledger: Ledger, limits: KeysLimits) -> bool:
    """Whether the list has to be signed: news stands in it, or a car with a live key has an old one."""
    listed = ledger.list
    if listed.signed_version == 0:
        return bool(ledger.numbers.live)
    if listed.signed_version < listed.version:
        return True
    return bool(ledger.numbers.live) and ledger.now >= at(listed.signed_iat) + limits.list_every


def sign_list(
    ledger: Ledger, *, signer: Signer, unit: UnitId, vehicle: VehicleId, limits: KeysLimits
) -> None:
    """Sign the list as the ledger has it. Its ``iat`` never goes back, whatever our clock does."""
    ledger.prune()
    iat = max(int(ledger.now.timestamp()), ledger.list.signed_iat)
    claims = FreshClaims(
        aud=unit,
        iat=iat,
        exp=iat + int(limits.list_life.total_seconds()),
        bundle=signer.tbv,
        rev=ListClaims(
            version=ledger.list.version,
            min_seq=ledger.list.min_seq,
            dead=tuple(one.jti for one in ledger.list.dead),
        ),
    )
    ledger.list_signed(signer.sign(claims.wire()), vehicle=vehicle, iat=iat)
