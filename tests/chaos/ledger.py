"""Reads the whole log and the unit's own memory, and says what must never have happened and did."""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from keys.car.claims import ReceiptClaims
from keys.car.jws import RECEIPT, read
from keys.car.receipt import chain_hash, verify_chain
from spine.facts import Fact
from spine.facts import delivery as d
from spine.facts import keys as k
from spine.facts import vehicle as v
from spine.facts import webhooks as w
from spine.log import START, Entry, Log
from trunkline.desk import Desk
from vehicle_gateway.registry import Vehicles

_UNLATCHING = re.compile(rb"lock\.state former='latched' state='unlatching'")
_ENDS_OF_A_COMMAND = (v.CommandDone, v.CommandRefused, v.CommandExpired, v.CommandUndeliverable)
"""One of these for each command; `unanswered` before it is no end: a late answer is still the truth."""
_MAY_REPEAT = (
    d.OpeningRefused, d.DeliveryUnsure, d.DeliveryEnded, d.ParcelAdded, d.OutOfPlace, d.PhotoSeen, d.PhotoTaken,
)  # fmt: skip


def identity(fact: Fact) -> tuple[object, ...] | None:
    """What makes this fact the same as another: twice in the log is once too often. None: may repeat."""
    match fact:
        case v.UnitReceipt():
            return fact.kind, fact.unit, fact.receipt
        case v.CommandCreated() | v.CommandSent() | v.CommandReceived() | v.CommandUnanswered():
            return fact.kind, fact.command
        case _ if isinstance(fact, _ENDS_OF_A_COMMAND):
            return "end of a command", fact.command
        case k.RevocationRaised():
            return fact.kind, fact.unit, fact.signed  # signed anew every few minutes, one version
        case k.RevocationConfirmed():
            return fact.kind, fact.unit, fact.n
        case k.FreshAsked() | k.FreshSigned() | k.MemoryLost() | k.NumbersJumped() | k.ReceiptRejected():
            return None
        case _ if isinstance(fact, k.KeyFact):
            n = getattr(fact, "n", None)
            return ("receipt", fact.unit, n) if n is not None else (fact.kind, fact.key)
        case d.OpeningStarted():
            return fact.kind, fact.command
        case d.DeliveryKeyed():
            return fact.kind, fact.key
        case d.CourierAssigned():
            return fact.kind, fact.delivery, fact.courier
        case _ if isinstance(fact, _MAY_REPEAT):
            return None
        case _ if isinstance(fact, d.DeliveryFact):
            return fact.kind, fact.delivery
        case w.MessageQueued() | w.MessageDelivered() | w.MessageDied() | w.MessageErased():
            return fact.kind, fact.message
        case _:
            return None


@dataclass
class Ledger:
    """Everything read so far. ``wrong``: violations, in the order they were found."""

    unit: str
    folder: Path
    unit_log: Path
    wrong: list[str] = field(default_factory=list)
    of: dict[str, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    """Facts by delivery, in log order."""
    _positions: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    _counted: Counter[tuple[object, ...]] = field(default_factory=Counter)
    _receipts: dict[int, str] = field(default_factory=dict)
    _own: dict[int, str] = field(default_factory=dict)
    facts: int = 0

    async def read_on(self, desk: Desk) -> None:
        """Take what came since, and look at each new fact."""
        log = Log(desk.valkey, desk.house)
        for partition in range(desk.house.partitions):
            seen = self._positions[partition]
            after = seen[-1][0] if seen else START
            async for entry in log.entries(partition, after):
                self.take(entry)
        self._read_unit()

    def take(self, entry: Entry) -> None:
        """One more entry of the log, in its order."""
        fact = entry.fact
        self._positions[entry.partition].append((entry.position, fact.model_dump_json()))
        self.facts += 1
        delivery = getattr(fact, "delivery", None)
        if delivery is not None:
            self.of[delivery].append(fact)
        known_as = identity(fact)
        if known_as is not None:
            self._counted[known_as] += 1
            if self._counted[known_as] == 2:
                self.wrong.append(f"doubled: {known_as} at {entry.position}")
        match fact:
            case v.UnitReceipt():
                claims = ReceiptClaims.of(read(fact.receipt, RECEIPT).claims)
                self._receipts[claims.n] = fact.receipt
            case k.ReceiptRejected():
                self.wrong.append(f"receipt rejected: {fact.reason}")
            case k.KeyConsumed() | k.BootOpened() | k.BootIndeterminate():
                self._check_approved(fact)
            case v.UnitQuarantined():
                self.wrong.append(f"quarantined: {fact.reason}")
            case _:
                pass

    def _check_approved(self, fact: k.KeyConsumed | k.BootOpened | k.BootIndeterminate) -> None:
        """Approved, then issued, then used: in the order of the delivery's own partition."""
        kinds = [one.kind for one in self.of[fact.delivery]]
        wanted = ["delivery.approved", "key.issued", "key.signed", "delivery.opening", fact.kind]
        places = [kinds.index(kind) if kind in kinds else -1 for kind in wanted]
        if -1 in places or places != sorted(places):
            self.wrong.append(
                f"opening without approval: {fact.delivery} {dict(zip(wanted, places, strict=True))}"
            )

    def _read_unit(self) -> None:
        """The receipts the unit still keeps; after a compaction older ones are only in the log."""
        lines = (self.folder / "receipts.log").read_text("utf-8", "replace").split("\n")
        for line in lines[:-1]:
            token = line.split(" ")[-1]
            if token.count(".") != 2:
                continue
            try:
                claims = ReceiptClaims.of(read(token, RECEIPT).claims)
            except Exception:  # a torn line, cut by the kill
                continue
            self._own[claims.n] = token

    @property
    def told_by_unit(self) -> int:
        """The number of the unit's last receipt."""
        return max(self._own, default=0)

    @property
    def told_to_server(self) -> int:
        """Up to which number the server has every receipt."""
        n = 0
        while n + 1 in self._receipts:
            n += 1
        return n

    def check_openings(self) -> None:
        """By the unit's own word and by its latch: no key opened twice."""
        claims = [
            ReceiptClaims.of(read(text, RECEIPT).claims) for text in {**self._receipts, **self._own}.values()
        ]
        for out in ("consumed", "opened"):
            for jti, times in Counter(one.jti for one in claims if one.out == out).items():
                if times > 1:
                    self.wrong.append(f"{out} {times} times: key {jti}")
        consumed = sum(one.out == "consumed" for one in claims)
        unlatched = len(_UNLATCHING.findall(self.unit_log.read_bytes()))
        if unlatched > consumed:
            self.wrong.append(f"unlatched {unlatched} times with {consumed} keys")

    async def check_whole(self, desk: Desk) -> None:
        """Read the log again from its beginning: nothing that was there is gone or other than it was."""
        log = Log(desk.valkey, desk.house)
        for partition, seen in self._positions.items():
            again = [(e.position, e.fact.model_dump_json()) async for e in log.entries(partition)]
            if again[: len(seen)] != seen:
                self.wrong.append(f"partition {partition}: the log is not what it was")
            if len({position for position, _ in again}) != len(again):
                self.wrong.append(f"partition {partition}: a position twice")
        for n, text in self._own.items():
            if self._receipts.get(n) not in {None, text}:
                self.wrong.append(f"receipt {n} is another at the server than in the unit")
        key = await Vehicles(desk.store).receipt_key(self.unit)  # type: ignore[arg-type]
        if key is None:
            self.wrong.append("no receipt key")
            return
        last = max(self._receipts, default=0)
        chain = [self._receipts[n] for n in range(1, last + 1) if n in self._receipts]
        if len(chain) != last:
            self.wrong.append(f"receipts missing: {last - len(chain)} of {last}")
            return
        told = verify_chain(chain, key=key, unit=self.unit)
        if (told and told[-1].n != last) or chain_hash(chain[-1]) != chain_hash(self._receipts[last]):
            self.wrong.append("the chain does not end where it should")
