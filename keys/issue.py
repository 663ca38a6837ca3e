"""Make keys and hand them out: claims and number committed first, the signature after (keys.md 3.9)."""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from keys.approvals import Approvals
from keys.car.jwk import b64, sha256_b64
from keys.car.jws import payload_bytes
from keys.checkpoints import Checkpoints
from keys.drafts import Drafts, drafted, issued
from keys.early import room_for
from keys.fresh import Freshness
from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.model import (
    Approval,
    InHand,
    Kept,
    KeyBody,
    KeyView,
    LiveKey,
    Wanted,
    approval_id,
    at,
    key_id,
    list_id,
    numbers_id,
    past_use,
    read_key,
)
from keys.problems import (
    ClockAstray,
    KeyAlive,
    KeyOver,
    NoSuchKey,
    OwnerMustSign,
    TooManyKeys,
    TooSoon,
)
from keys.receipts import ReceiptKeys, Receipts
from keys.revocation import Revoking
from keys.signer import DecisionCheck, KeySigner, ServerTime, StoreTime
from keys.signing import Signer, SigningKeys
from keys.states import HOW, LIVE, State
from keys.wording import claims_of, in_hand_of
from spine.clock import Clock
from spine.facts import Fact
from spine.facts.delivery import DeliveryApproved
from spine.facts.keys import FreshAsked, KeyHandedOut, KeyIssued, KeyLapsed, KeyRevoked, NumbersJumped
from spine.facts.vehicle import UnitAsked, UnitReceipt
from spine.ids import DeliveryId, KeyId, UnitId, named_after, partition_of, prefix_of
from spine.store import Ack, Change, Saved, Store


class NotAWorker(RuntimeError):
    """Signing and reacting were asked of a process that was given no signing keys: a mistake in composing."""


class Heard(Protocol):
    """An entry of the log as a reader hands it over; its acknowledgement goes into the reaction's commit."""

    @property
    def fact(self) -> Fact: ...

    @property
    def ack(self) -> Ack | None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """The parts that only the process ``work`` has."""

    signer: KeySigner
    receipts: Receipts
    approvals: Approvals


class Keys:
    """The key service. A process that does not sign (``api``) is built without what follows ``limits``."""

    KINDS: ClassVar[frozenset[str]] = frozenset(
        {
            "unit.receipt",
            "unit.asked",
            "fresh.asked",
            "key.issued",
            "key.revoked",
            "numbers.jumped",
            "delivery.approved",
        }
    )
    """What the reader group ``keys`` listens to."""

    TIMERS: ClassVar[tuple[str, ...]] = ("key", "rvl", "apr", "fsh")
    """Prefixes of the subjects whose timers are ``on_due``'s."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: KeysLimits,
        *,
        signing: SigningKeys | None = None,
        decision: DecisionCheck | None = None,
        receipt_keys: ReceiptKeys | None = None,
        store_time: StoreTime | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._signing = signing
        self._random = random
        self.drafts = Drafts(store, limits, signing)
        self._revoking = Revoking(store, limits, signing)
        self.fresh = Freshness(store, limits, signing)
        self._work: Work | None = None
        if signing and decision and receipt_keys:
            self._work = Work(
                KeySigner(store, clock, limits, signing, decision, store_time or ServerTime(store)),
                Receipts(store, limits, receipt_keys),
                Approvals(store, limits, signing),
            )

    async def issue(self, wanted: Wanted, *, now: datetime, ack: Ack | None = None) -> KeyId:
        """Commit a key's claims and number, once; the signer signs them after. The same again: the same key.

        After the window's end the key is recorded as ``key.lapsed``. Raises ``TooSoon``, ``TooManyKeys``,
        ``ClockAstray``, ``KeyAlive`` while the former key could still open, ``NoSuchKey`` if it never was,
        ``OwnerMustSign`` where the car wants the owner's co-signature (see ``draft``).
        """
        return await self._make(wanted, now=now, ack=ack, draft=False)

    async def draft(self, wanted: Wanted, *, now: datetime, ack: Ack | None = None) -> KeyId:
        """The same for a key that the owner is asked to sign first: ``drafts`` turns it into a key.

        It may be made as early as the owner is asked; its hours are fixed here. Raises as ``issue``, but
        neither ``TooSoon`` nor ``OwnerMustSign``.
        """
        return await self._make(wanted, now=now, ack=ack, draft=True)

    async def _make(self, wanted: Wanted, *, now: datetime, ack: Ack | None, draft: bool) -> KeyId:
        if self._signing is None:
            raise NotAWorker
        former = key_id(wanted.delivery, wanted.n - 1) if wanted.n > 1 else None
        subjects = [wanted.key, numbers_id(wanted.unit), list_id(wanted.unit), *([former] if former else [])]
        jti, signer = b64(self._random(16)), self._signing.signer("key")

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[wanted.key].version:
                return None
            if former:
                self._former_is_dead(saved[former], now)
            ledger = Ledger(saved, wanted.unit, now=now, limits=self._limits)
            self._begin(ledger, wanted, jti, signer, draft=draft)
            return ledger.change()

        await self._store.change(subjects, decide, ack=ack)
        return wanted.key

    async def hand_out(self, key: KeyId, *, jkt: str, now: datetime) -> str:
        """The token, for the courier's device ``jkt``; asked again, the same token.

        Raises ``NoSuchKey``, ``NotYourKey``, ``NotSignedYet``, ``KeyOver``.
        """

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if in_hand_of(saved[key], jkt, now):
                return None
            ledger = Ledger(saved, read_key(saved[key])[1].unit, now=now, limits=self._limits)
            ledger.body(key).handed_out = True
            ledger.tell(
                key,
                KeyHandedOut(**ledger.about(key)),
            )
            return ledger.change()

        before = await self._store.load(key)
        if (token := in_hand_of(before, jkt, now)) is not None:
            return token
        unit = read_key(before)[1].unit
        outcome = await self._store.change([key, numbers_id(unit), list_id(unit)], decide)
        token = read_key(outcome.saved[key])[1].token
        if token is None:
            raise KeyOver(key)
        return token

    async def in_hand(self, key: KeyId, *, jkt: str, now: datetime) -> InHand:
        """The token, if it was handed out before; changes nothing. Raises what ``hand_out`` raises."""
        saved = await self._store.load(key)
        return InHand(in_hand_of(saved, jkt, now), saved)

    async def view(self, key: KeyId) -> KeyView:
        """What may be known of a key. Raises ``NoSuchKey``."""
        state, body = read_key(await self._store.load(key))
        return KeyView(
            key=key,
            state=state,
            live=state in LIVE,
            jti=body.jti,
            seq=body.seq,
            nbf=at(body.nbf),
            exp=at(body.exp),
            jkt=body.jkt,
            handed_out=body.handed_out,
            how_destroyed=HOW.get(state),
            dies_at=past_use(body.exp, self._limits.clock_error) if state in LIVE else None,
        )

    async def keys_of(self, delivery: DeliveryId) -> list[KeyView]:
        """All keys a delivery ever had, in order."""
        views: list[KeyView] = []
        while True:
            try:
                views.append(await self.view(key_id(delivery, len(views) + 1)))
            except NoSuchKey:
                return views

    async def revoke(self, key: KeyId, *, reason: str, now: datetime, ack: Ack | None = None) -> None:
        """Take a key back: see ``Revoking.revoke``. Where the clock is astray the list is signed later."""
        sign = self._work is not None and await self._work.signer.clock_agrees()
        await self._revoking.revoke(key, reason=reason, now=now, ack=ack, sign=sign)

    async def evidence_of(self, delivery: DeliveryId) -> Kept:
        """The signed records kept of a delivery's approvals and keys, for ``keys.evidence``."""
        rows = await self._store.load_many([approval_id(delivery)])
        approvals = Approval.model_validate_json(rows[approval_id(delivery)].body)
        keys = [read_key(await self._store.load(one.key))[1] for one in await self.keys_of(delivery)]
        return Kept(
            tuple(approvals.records.values()),
            tuple(body.record for body in keys if body.record),
            await Checkpoints(self._store).latest(partition_of(delivery)),
        )

    async def room_for(self, unit: UnitId, numbers: Iterable[int]) -> bool:
        """Whether receipts of these chain numbers may be taken from a phone (``keys.early``)."""
        return await room_for(self._store, unit, numbers, self._limits)

    async def react(self, received: Heard) -> None:
        """One entry of the log, for the reader group ``keys`` (process ``work``)."""
        work, now = self._at_work(), self._clock.now()
        match received.fact:
            case UnitReceipt() as fact:
                await work.receipts.take(fact, now=now, ack=received.ack)
            case KeyIssued() as fact:
                await work.signer.sign(fact.key, unit=fact.unit, now=now, ack=received.ack)
            case KeyRevoked() | NumbersJumped() as fact if await work.signer.clock_agrees():
                await self._revoking.raise_list(fact.unit, now=now, ack=received.ack)
            case UnitAsked(name="freshness") as fact if await work.signer.clock_agrees():
                about = (fact.vehicle, fact.unit, str(fact.data.get("nonce", "")), fact.request)
                await self.fresh.sign(*about, asked_at=fact.at, now=now, ack=received.ack)
            case FreshAsked() as fact if await work.signer.clock_agrees():
                about = (fact.vehicle, fact.unit, fact.nonce, "")
                await self.fresh.sign(*about, asked_at=fact.at, now=now, ack=received.ack)
            case DeliveryApproved() as fact:
                await work.approvals.keep(fact, ack=received.ack)
            case _:
                return

    async def on_due(self, saved: Saved) -> None:
        """A timer of one of ``TIMERS`` (process ``work``)."""
        work, now = self._at_work(), self._clock.now()
        match prefix_of(saved.id):
            case "key":
                await work.signer.due(saved, now=now)
            case "rvl":
                if not await work.signer.clock_agrees():
                    raise ClockAstray("the list waits for its signature")
                await self._revoking.raise_list(UnitId(named_after("vu", saved.id)), now=now)
            case "fsh":
                await self.fresh.due(saved)
            case _:
                await work.approvals.due(saved)

    def _at_work(self) -> "Work":
        if self._work is None:
            raise NotAWorker
        return self._work

    def _former_is_dead(self, former: Saved, now: datetime) -> None:
        if not former.version:
            raise NoSuchKey(former.id)  # numbers are not skipped: each key vouches for the one before it
        if State(former.state) not in LIVE:
            return
        until = past_use(KeyBody.model_validate_json(former.body).exp, self._limits.clock_error)
        raise KeyAlive(until, now=now)

    def _begin(self, ledger: Ledger, wanted: Wanted, jti: str, signer: Signer, *, draft: bool) -> None:
        now, numbers = ledger.now, ledger.numbers
        starts = max(now, wanted.not_before)
        body = KeyBody(
            vehicle=wanted.vehicle,
            unit=wanted.unit,
            delivery=wanted.delivery,
            jkt=wanted.jkt,
            iat=int(now.timestamp()),
            nbf=int(starts.timestamp()),
            exp=int(min(wanted.expires, starts + self._limits.longest_window).timestamp()),
        )
        ledger.open(wanted.key, body)
        if body.exp <= body.nbf:
            ledger.tell(wanted.key, KeyLapsed(**ledger.about(wanted.key)))
            return
        if not draft:
            self._may_be_issued(ledger, starts)
        self._may_begin(ledger, body)
        numbers.last, numbers.iat = numbers.last + 1, body.iat
        numbers.live[wanted.key] = LiveKey(seq=numbers.last, exp=body.exp)
        body.jti, body.seq, body.kid = jti, numbers.last, signer.kid
        claims = claims_of(wanted, body) | ({"tbv": signer.tbv} if signer.tbv else {})
        body.claims, body.claims_hash = claims, sha256_b64(payload_bytes(claims))
        ledger.tell(wanted.key, drafted(ledger, wanted.key) if draft else issued(ledger, wanted.key))

    def _may_be_issued(self, ledger: Ledger, starts: datetime) -> None:
        if starts - ledger.now > self._limits.ahead:
            raise TooSoon(f"the window starts at {starts.isoformat()}")
        if ledger.numbers.owner is not None and ledger.numbers.owner.required:
            raise OwnerMustSign("the owner was not asked to sign this key")

    def _may_begin(self, ledger: Ledger, body: KeyBody) -> None:
        numbers = ledger.numbers
        if body.iat < numbers.iat:
            raise ClockAstray("a key was made for this car at a later time than it is now")
        ledger.prune()
        if len(numbers.live) >= self._limits.live_keys:
            raise TooManyKeys(f"{len(numbers.live)} keys of this car are alive")
        if len(numbers.live) + len(ledger.list.dead) >= self._limits.dead_listed:
            raise TooManyKeys("too many keys of this car were revoked and have not run out")
