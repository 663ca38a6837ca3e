"""The one hand that signs keys: it checks the clock and the decision itself, not the fact (keys.md 3.9)."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from keys.car.claims import KeyClaims
from keys.car.jwk import sha256_b64
from keys.car.records import KeyRecord
from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.model import KeyBody, at, list_id, numbers_id, past_use, read_key
from keys.problems import ClockAstray
from keys.revocation import list_is_due, sign_list
from keys.signing import SigningKeys
from keys.states import LIVE, State
from spine.clock import Clock
from spine.facts.keys import KeyDestroyed, KeyLapsed, KeySigned
from spine.ids import DeliveryId, KeyId, UnitId
from spine.store import Ack, Change, Decide, Saved, Store, Write

log = logging.getLogger("trunkline.keys")


class DecisionCheck(Protocol):
    """Whether an approval holds, by what was kept of it (assertion, session, MAC record, link or rule).

    ``fra``: how old revocation news may be at opening, which must be what was approved; ``claims``: all that is to
    be signed, which must be what was shown.
    """

    async def stands(
        self, delivery: DeliveryId, *, fra: int | None = None, claims: Mapping[str, Any] | None = None
    ) -> bool: ...


class StoreTime(Protocol):
    """The store's own clock (``TIME``)."""

    async def time(self) -> datetime: ...


class ServerTime:
    """``StoreTime`` of a real store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def time(self) -> datetime:
        seconds, micros = (await self._store.valkey.everywhere("TIME"))[0]
        return at(int(seconds)) + timedelta(microseconds=int(micros))


class KeySigner:
    """Signs what ``issue`` committed, with the key named there: a second try gives the same bytes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: KeysLimits,
        signing: SigningKeys,
        decision: DecisionCheck,
        store_time: StoreTime,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._signing = signing
        self._decision = decision
        self._store_time = store_time

    async def sign(self, key: KeyId, *, unit: UnitId, now: datetime, ack: Ack | None = None) -> None:
        """Sign a key that was issued, and the car's revocation list where it is old.

        With a clock astray nothing is signed; the key's timer tries again.
        """
        saved = await self._store.load(key)
        if saved.ended:
            return
        state, body = read_key(saved)
        stands = True
        if state is State.ISSUED:
            if not await self.clock_agrees():
                return
            claims = body.claims or {}
            stands = await self._decision.stands(body.delivery, fra=claims.get("fra"), claims=claims)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            ledger = Ledger(saved, unit, now=now, limits=self._limits)
            if ledger.state(key) is State.ISSUED:
                self._settle(ledger, key, stands=stands)
            if ledger.numbers.live and list_is_due(ledger, self._limits):
                signer = self._signing.signer("fresh")
                sign_list(ledger, signer=signer, unit=unit, vehicle=body.vehicle, limits=self._limits)
            return ledger.change()

        await self._store.change([key, numbers_id(unit), list_id(unit)], decide, ack=ack)

    async def clock_agrees(self) -> bool:
        """Whether our clock and the store's are near enough for anything to be signed by them."""
        apart = (self._clock.now() - await self._store_time.time()).total_seconds()
        if abs(apart) <= self._limits.clock_error.total_seconds():
            return True
        log.warning("signer_refused", extra={"code": ClockAstray.code, "seconds_apart": apart})
        return False

    async def due(self, saved: Saved, *, now: datetime) -> None:
        """A key's timer: sign what is not signed yet, end what has run out, forget what is long over."""
        if saved.ended:
            return
        state, body = read_key(saved)
        over = past_use(body.exp, self._limits.clock_error)
        if state is State.ISSUED and now < over:
            if not await self.clock_agrees():
                raise ClockAstray("the key waits for its signature")
            await self.sign(KeyId(saved.id), unit=body.unit, now=now)
        elif state in LIVE:
            await self._run_out(KeyId(saved.id), body, now)
        else:
            await self._store.change([saved.id], _forget(saved))

    async def _run_out(self, key: KeyId, body: KeyBody, now: datetime) -> None:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            ledger = Ledger(saved, body.unit, now=now, limits=self._limits)
            state = ledger.state(key)
            if state in {State.DRAFT, State.ISSUED}:
                ledger.tell(key, KeyLapsed(**ledger.about(key)))
            elif state in LIVE and now >= past_use(body.exp, self._limits.clock_error):
                ledger.tell(key, KeyDestroyed(**ledger.about(key), how="expired"))
            return ledger.change()

        await self._store.change([key, numbers_id(body.unit), list_id(body.unit)], decide)

    def _settle(self, ledger: Ledger, key: KeyId, *, stands: bool) -> None:
        body = ledger.body(key)
        if ledger.now.timestamp() >= body.exp or body.claims is None:
            ledger.tell(key, KeyLapsed(**ledger.about(key)))
        elif not stands or not self._signing.holds("key", body.kid):  # its issuer key was removed meanwhile
            ledger.tell(key, KeyDestroyed(**ledger.about(key), how="never_handed_out"))
        else:
            body.token = self._signing.signer("key", body.kid).sign(body.claims)
            body.record = self._signing.signer("log").sign(_record(body, body.claims, body.token))
            ledger.tell(key, KeySigned(**ledger.about(key)))


def _record(body: KeyBody, claims: Mapping[str, object], token: str) -> dict[str, object]:
    made = KeyClaims.of(claims)
    return KeyRecord(
        dlv=made.dlv,
        aud=made.aud,
        jti=made.jti,
        seq=made.seq,
        kid=body.kid,
        hash=body.claims_hash,
        ath=sha256_b64(token.encode()),
        jkt=made.cnf.jkt,
        act=made.act,
        iat=made.iat,
        nbf=made.nbf,
        exp=made.exp,
        cid=made.own.cid if made.own else None,
    ).wire()


def _forget(due: Saved) -> Decide:
    def decide(saved: Mapping[str, Saved]) -> Change | None:
        now = saved[due.id]
        if now.ended or now.version != due.version:
            return None
        return Change({due.id: Write(now.state, "", ended=True)})

    return decide
