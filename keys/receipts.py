"""What cars say they did: verify each receipt and its place in the chain, and let it happen in one commit."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.car.claims import ReceiptClaims
from keys.car.jws import Unacceptable
from keys.car.receipt import Head, chain_hash, follows, read_receipt
from keys.early import Link, told_ahead
from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.meaning import Contradiction, apply
from keys.model import Chain, KeyBody, Numbers, RevocationList, chain_id, key_id, list_id, numbers_id
from spine.facts.keys import ReceiptRejected
from spine.facts.vehicle import UnitReceipt
from spine.ids import DeliveryId, KeyId, UnitId, VehicleId, partition_of
from spine.store import Ack, Change, Overtaken, Saved, Store, Write

log = logging.getLogger("trunkline.keys")
_TRIES = 5
_KEYS_AT_ONCE = 3
"""Keys of a delivery looked for at once: one and two replacements, mostly all there are."""


class ReceiptKeys(Protocol):
    """Who knows the public receipt key that a unit was enrolled with."""

    async def receipt_key(self, unit: UnitId) -> Ed25519PublicKey | None: ...


class _Moved(Exception):
    """The chain or the keys concerned are others than when the plan was made: plan again."""


@dataclass(slots=True)
class Placed:
    """Where a receipt belongs. ``run``: what can be taken now, in order; ``wrong``: what does not fit.

    ``hold``: its predecessors have not come; ``ahead``: what can be told all the same (``keys.early``).
    """

    run: list[Link] = field(default_factory=list)
    hold: bool = False
    ahead: list[Link] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)


def place(chain: Chain, link: Link, held: Mapping[int, Link], limits: KeysLimits) -> Placed:
    """Find a receipt's place in the chain. Pure."""
    if link.claims.n <= chain.n:
        known = chain.recent.get(link.claims.n, link.hash)
        return Placed(wrong={} if known == link.hash else {link.text: "fork"})
    if link.claims.n > chain.n + 1 and not chain.resumes:
        before = held.get(link.claims.n)
        if before is not None:
            return Placed(wrong={} if before.text == link.text else {link.text: "fork"})
        full = len(held) >= limits.receipts_held
        if full:
            return Placed(wrong={link.text: "gap"})
        return Placed(hold=True, ahead=told_ahead(link, held, chain.ahead))
    gone = link.claims.n > chain.n + 1  # what lies between was acknowledged before the backup came back
    placed = Placed()
    head = Head(link.claims.n - 1, link.claims.prev) if gone else Head(chain.n, chain.hash)
    following: Link | None = link
    while following is not None:
        if not follows(head, following.claims):
            placed.wrong[following.text] = "fork"
            break
        placed.run.append(following)
        head = Head(following.claims.n, following.hash)
        following = held.get(head.n + 1)
    return placed


class Receipts:
    """Takes receipts as the log brings them; each changes keys, chain and facts together, or nothing."""

    def __init__(self, store: Store, limits: KeysLimits, receipt_keys: ReceiptKeys) -> None:
        self._store = store
        self._limits = limits
        self._receipt_keys = receipt_keys

    async def take(self, fact: UnitReceipt, *, now: datetime, ack: Ack | None = None) -> None:
        """One receipt: what does not verify is ``receipt.rejected``, what comes too early is kept aside."""
        for _ in range(_TRIES):
            try:
                await self._try(fact, now, ack)
            except _Moved:
                continue
            return
        raise Overtaken(chain_id(fact.unit))

    async def _try(self, fact: UnitReceipt, now: datetime, ack: Ack | None) -> None:
        unit = fact.unit
        key, loaded = await asyncio.gather(
            self._receipt_keys.receipt_key(unit),
            self._store.load_many([chain_id(unit), numbers_id(unit), list_id(unit)]),
        )
        before = loaded[chain_id(unit)]
        placed, link = self._place(fact, key, Chain.model_validate_json(before.body))
        told = placed.run or placed.ahead
        keys, forgotten = await self._keys_named(loaded[list_id(unit)], loaded[numbers_id(unit)], told)
        named = [KeyId(each) for each in keys]
        loaded |= keys
        subjects = [before.id, numbers_id(unit), list_id(unit), *named]

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[before.id].version != before.version:
                raise _Moved
            chain = Chain.model_validate_json(saved[before.id].body)
            ledger = Ledger(saved, unit, now=now, limits=self._limits)
            if not _concerned(ledger.list, ledger.numbers, told) <= saved.keys():
                raise _Moved
            wrong = placed.wrong | self._take_run(chain, ledger, placed, named, forgotten, fact.vehicle)
            for text, reason in wrong.items():
                self._reject(chain, ledger, fact, text, reason)
            if placed.hold and link is not None:
                chain.held[link.claims.n] = link.text
                self._tell_ahead(chain, ledger, placed, named, fact.vehicle)
            if chain == Chain.model_validate_json(before.body):
                return None
            ledger.also(before.id, Write("open", chain.model_dump_json()))
            return ledger.change()

        await self._store.change(subjects, decide, ack=ack, loaded=loaded)

    def _place(
        self, fact: UnitReceipt, key: Ed25519PublicKey | None, chain: Chain
    ) -> tuple[Placed, Link | None]:
        if key is None:
            return Placed(wrong={fact.receipt: "unknown_unit"}), None
        try:
            link = Link(fact.receipt, read_receipt(fact.receipt, key=key, unit=fact.unit))
            held = {
                n: Link(text, read_receipt(text, key=key, unit=fact.unit)) for n, text in chain.held.items()
            }
        except Unacceptable as cause:
            return Placed(wrong={fact.receipt: cause.fault.value}), None
        return place(chain, link, held, self._limits), link

    async def _keys_named(
        self, listed: Saved, numbers: Saved, run: Sequence[Link]
    ) -> tuple[dict[str, Saved], set[str]]:
        """The keys these receipts name or may declare dead; and the deliveries long forgotten."""
        pending = _concerned(
            RevocationList.model_validate_json(listed.body), Numbers.model_validate_json(numbers.body), run
        )
        here = partition_of(
            listed.id
        )  # a car's deliveries stand beside it: others' are no business of its unit
        deliveries = sorted({d for link in run if (d := link.claims.dlv) and partition_of(d) == here})
        named: dict[str, Saved] = {}
        forgotten: set[str] = set()
        first = 1
        while deliveries:
            counted = range(first, first + _KEYS_AT_ONCE)
            keys = {one: [key_id(DeliveryId(one), n) for n in counted] for one in deliveries}
            found = await self._store.load_many([key for each in keys.values() for key in each])
            for delivery in deliveries:
                there = [found[key] for key in keys[delivery] if found[key].version]
                forgotten.update(delivery for saved in there if saved.ended)
                named |= {saved.id: saved for saved in there if not saved.ended}
            deliveries = [one for one in deliveries if found[keys[one][-1]].version]
            first += _KEYS_AT_ONCE
        return named | await self._store.load_many(key for key in pending if key not in named), forgotten

    def _take_run(
        self,
        chain: Chain,
        ledger: Ledger,
        placed: Placed,
        named: Sequence[KeyId],
        forgotten: set[str],
        vehicle: VehicleId,
    ) -> dict[str, str]:
        """Move the chain along the run. Returns the receipts that say what cannot be, with the reason."""
        wrong: dict[str, str] = {}
        for link in placed.run:
            if link.claims.gen is not None and link.claims.gen < chain.gen:
                return wrong | {link.text: "generation"}
            chain.n, chain.hash, chain.resumes = link.claims.n, link.hash, False
            chain.gen = max(chain.gen, link.claims.gen or 0)
            chain.held.pop(chain.n, None)
            chain.recent[chain.n] = chain.hash
            chain.recent.pop(chain.n - self._limits.receipts_remembered, None)
            if chain.n in chain.ahead:
                chain.ahead = [n for n in chain.ahead if n > chain.n]
                continue
            if link.claims.dlv in forgotten:
                continue
            try:
                key = _key_of(ledger, link.claims, named)
                apply(ledger, link.claims, link.hash, key, vehicle=vehicle)
            except Contradiction as cause:
                wrong[link.text] = str(cause)
        return wrong

    def _tell_ahead(
        self, chain: Chain, ledger: Ledger, placed: Placed, named: Sequence[KeyId], vehicle: VehicleId
    ) -> None:
        """What does not fit is left for its turn in the chain, which judges it."""
        for link in placed.ahead:
            try:
                key = _key_of(ledger, link.claims, named)
                apply(ledger, link.claims, link.hash, key, vehicle=vehicle)
            except Contradiction:
                return
            chain.ahead.append(link.claims.n)

    def _reject(self, chain: Chain, ledger: Ledger, fact: UnitReceipt, text: str, reason: str) -> None:
        """Report a receipt once; whoever hears it quarantines the unit."""
        digest = chain_hash(text)
        if digest in chain.rejected:
            return
        chain.rejected = [*chain.rejected, digest][-self._limits.receipts_remembered :]
        log.warning("receipt_rejected", extra={"unit": fact.unit, "reason": reason})
        ledger.facts.append(
            ReceiptRejected(
                at=ledger.now, vehicle=fact.vehicle, unit=fact.unit, reason=reason, receipt_hash=digest
            )
        )


def _concerned(listed: RevocationList, numbers: Numbers, run: Sequence[Link]) -> set[KeyId]:
    """Keys that a receipt may declare dead without naming them: revoked, or of a unit that lost its memory."""
    forgot = any(link.claims.floor is not None for link in run)
    return set(listed.pending) | (set(numbers.live) if forgot else set())


def _key_of(ledger: Ledger, claims: ReceiptClaims, named: Sequence[KeyId]) -> KeyId | None:
    for key in named:
        body: KeyBody = ledger.body(key)
        if (body.jti, body.seq, body.unit) == (claims.jti, claims.seq, claims.iss):
            return key
    return None
