"""The unit's receipt log: a signed chain on disk, kept until each link is acknowledged (keys.md 3.3, 3.5)."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from keys.car.claims import Out, OwnerState, ReceiptClaims, UnitClock
from keys.car.jws import RECEIPT, SigningKey, payload_bytes, read, to_sign
from keys.car.receipt import Head, chain_hash, follows, opening_to_sign
from keys.car.verify import Reading
from keys.car.window import Window
from vehicle_unit.disk import Disk
from vehicle_unit.journal import Damaged, Journal
from vehicle_unit.limits import UnitLimits
from vehicle_unit.receipt import Opening, Receipt, Via
from vehicle_unit.record import NotWritten, RecordStore

__all__ = ["ENDS", "Opening", "Receipt", "Receipts", "Via"]

FILE = "receipts.log"
ENDS: frozenset[Out] = frozenset({"locked", "not_lifted"})
"""After one of these the boot is shut and locked again: the opening is over."""


class Receipts:
    """Append-only. A line is ``head``, a receipt, or ``ack``; when it gets long it is written anew.

    The receipt ``consumed`` is made durable beside the record, in the same write, before it is signed: what is
    signed is fixed by then. Signed, it moves to the journal with the next one, or at the next start. A damaged
    chain is not continued: ``Damaged`` is raised at start, and the unit opens nothing.
    """

    def __init__(
        self,
        disk: Disk,
        *,
        unit: str,
        key: SigningKey,
        boot: int,
        limits: UnitLimits,
        record: RecordStore | None = None,
    ) -> None:
        """``record``: the one that carries ``consumed``. Raises ``Damaged``."""
        self._journal = Journal(disk, FILE)
        self._record = record or RecordStore(disk)
        self._unit = unit
        self._key = key
        self._boot = boot
        self._limits = limits
        self._hashed = Head()
        self._newest: Receipt | None = None
        """The last one, where its hash, and so its signature, has not been needed yet."""
        self._carried: Receipt | None = None
        """What the record carries."""
        self._kept: dict[int, Receipt] = {}
        self._waiting: dict[int, Receipt] = {}
        self._broken = False
        self.last_list = 0
        """The highest revocation list version that a receipt says was taken."""
        self.last_owners = ""
        """The hash of the owner keys that the last receipt about them names; empty: none was ever written."""
        self._load()

    def append(
        self,
        out: Out,
        reading: Reading,
        *,
        opening: Opening | None = None,
        code: str | None = None,
        gen: int | None = None,
        rev: int | None = None,
        floor: int | None = None,
        owner: OwnerState | None = None,
    ) -> Receipt:
        """Sign the next link and write it durably.

        Raises ``OSError``, from then on always: whether that link is on disk is known only after a restart,
        and two links of one number would look like a forked chain.
        """
        self._check()
        if opening is not None and (code, gen, rev, floor, owner) == (None,) * 5:
            text = self._of_opening(out, reading, opening)
        else:
            head = self._head
            claims = ReceiptClaims(
                iss=self._unit,
                boot=self._boot,
                n=head.n + 1,
                prev=head.hash,
                at=reading.at,
                clk=UnitClock(state=reading.state, u=reading.u),
                out=out,
                code=code,
                gen=gen,
                rev=rev,
                floor=floor,
                owner=owner,
                **(opening._asdict() if opening else {}),
            )
            text = to_sign(payload_bytes(claims.wire()), form=RECEIPT, key=self._key)
        receipt = Receipt(self.last + 1, text, self._key, at=reading.at)
        with self._breaking():
            self._land(receipt)
        self._follow(receipt)
        if rev is not None:
            self.last_list = max(self.last_list, rev)
        if owner is not None:
            self.last_owners = owner.hash
        return receipt

    def consume(
        self,
        opening: Opening,
        reading: Reading,
        *,
        window: Window,
        clock_floor: int,
        own: str | None = None,
    ) -> Receipt:
        """Write the record with ``window`` and what the receipt ``consumed`` says in one durable write (step 14).

        Its signature is left for after the latch. ``own``: the hash of the credential whose co-signature held.
        Raises ``NotWritten``, and like ``append`` ``OSError``.
        """
        self._check()
        former = self._record.current
        if former is None:
            raise NotWritten("no record")
        text = self._of_opening("consumed", reading, opening, gen=former.generation + 1, own=own)
        self._broken = True  # unless all of it is written
        if self._carried is not None:
            self._land()
        self._record.advance(window=window, clock_floor=clock_floor, beside=text)
        self._broken = False
        self._carried = receipt = Receipt(self.last + 1, text, self._key, at=reading.at)
        self._follow(receipt)
        return receipt

    @property
    def last(self) -> int:
        """The chain number of the last receipt."""
        return self._hashed.n if self._newest is None else self._newest.n

    @property
    def generation(self) -> int:
        """The highest record generation that a kept receipt names; 0 where none does."""
        return max((receipt.claims.gen or 0 for receipt in self._kept.values()), default=0)

    def room_for(self, count: int) -> bool:
        """Whether that many more can be kept until they are acknowledged."""
        return len(self._waiting) + count <= self._limits.receipts_kept

    def pending(self) -> Sequence[Receipt]:
        """Those not yet acknowledged, in chain order."""
        return list(self._waiting.values())

    def acknowledged(self, n: int) -> None:
        """The server has it durably. Losing this line costs one repetition, so it is not synced."""
        if self._waiting.pop(n, None) is not None:
            self._journal.append(f"ack {n}", sync=False)
            self._compact()

    def consumed(self) -> Sequence[Receipt]:
        """All kept receipts that say a key was consumed: their numbers are used, whatever the record says."""
        return [receipt for receipt in self._kept.values() if receipt.claims.out == "consumed"]

    def of_key(self, jti: str, *, after: int) -> Sequence[Receipt]:
        """All kept receipts of one key whose chain number is above ``after``, in chain order."""
        return [one for one in self._kept.values() if one.claims.jti == jti and one.n > after]

    def about_commands(self) -> Sequence[Receipt]:
        """All kept receipts that name the command they answer."""
        return [receipt for receipt in self._kept.values() if receipt.claims.cmd is not None]

    def unfinished(self) -> tuple[Opening, frozenset[Out]] | None:
        """The last opening and what was said of it so far, if the boot was not locked again after it."""
        opening: Opening | None = None
        said: set[Out] = set()
        for receipt in self._kept.values():
            claims = receipt.claims
            if claims.out == "consumed":
                assert claims.jti is not None
                assert claims.seq is not None
                assert claims.dlv is not None
                opening = Opening(claims.jti, claims.seq, claims.dlv, claims.cmd, claims.via or "mqtt")
                said = {"consumed"}
            elif opening is not None and claims.jti == opening.jti and claims.out != "refused":
                said.add(claims.out)  # a second tap's refusal says nothing of the first one's opening
        if opening is None or said & ENDS:
            return None
        return opening, frozenset(said)

    # ---- lines

    @property
    def _head(self) -> Head:
        """Where the chain stands."""
        if self._newest is not None:
            self._hashed = Head(self._newest.n, chain_hash(self._newest.token))
            self._newest = None
        return self._hashed

    def _check(self) -> None:
        if self._broken:
            raise OSError("the receipt log could not be written before")

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        """Broken from here on, unless all of it is written."""
        self._broken = True
        yield
        self._broken = False

    def _of_opening(
        self, out: Out, reading: Reading, opening: Opening, *, gen: int | None = None, own: str | None = None
    ) -> str:
        """The next link, spelled out and not yet signed."""
        return opening_to_sign(
            out=out,
            iss=self._unit,
            boot=self._boot,
            head=self._head,
            clock=reading,
            jti=opening.jti,
            seq=opening.seq,
            dlv=opening.dlv,
            cmd=opening.cmd,
            via=opening.via,
            gen=gen,
            own=own,
            key=self._key,
        )

    def _land(self, *receipts: Receipt) -> None:
        """Append, after what the record carries: one write, one sync."""
        carried = [] if self._carried is None else [self._carried]
        self._journal.append_all([receipt.token for receipt in (*carried, *receipts)])
        self._carried = self._record.beside = None

    def _load(self) -> None:
        """Read the journal, and put what the record carries in its place; a power cut may have torn it out."""
        lines = self._journal.load(every_line_was_synced=False)
        beside = self._record.beside
        carried = None if beside is None else Receipt.read(beside, self._key)
        whole: list[str] = []
        for line in lines:
            if carried is not None and self._misses(carried.claims, line):
                whole.append(self._put_back(carried))
            self._read_line(line)
            whole.append(line)
        if carried is not None and carried.n > self._head.n:
            whole.append(self._put_back(carried))
        if len(whole) > len(lines):
            self._journal.rewrite(whole)
        self._record.beside = None

    def _put_back(self, carried: Receipt) -> str:
        """The link that the journal misses, in its compact form: signed now, if that was not done before.

        Nothing is signed but what ``consume`` may have written, and by no other key than was meant then: that
        would be a second receipt of one number. Raises ``Damaged``.
        """
        record = self._record.current
        if record is None or not carried.may_be_signed(self._unit, record.window):
            raise Damaged(f"receipt {carried.n} is not ours to sign")
        if not follows(self._head, carried.claims):  # links before it are gone
            raise Damaged(f"receipt {carried.n} does not follow")
        self._take(carried)
        return carried.token

    def _misses(self, carried: ReceiptClaims, line: str) -> bool:
        """Whether ``line`` is the link after the carried one, and that is not here."""
        if not follows(self._head, carried) or line.startswith(("head ", "ack ")):
            return False
        return ReceiptClaims.of(read(line, RECEIPT).claims).n == carried.n + 1

    def _take(self, receipt: Receipt) -> None:
        self._hashed, self._newest = Head(receipt.n, chain_hash(receipt.token)), None
        self._keep(receipt)
        if receipt.claims.out == "revoked" and receipt.claims.rev is not None:
            self.last_list = max(self.last_list, receipt.claims.rev)
        if receipt.claims.owner is not None:
            self.last_owners = receipt.claims.owner.hash

    def _follow(self, receipt: Receipt) -> None:
        """It is the newest; its hash is made when the next one needs it."""
        self._newest = receipt
        self._keep(receipt)

    def _keep(self, receipt: Receipt) -> None:
        self._kept[receipt.n] = self._waiting[receipt.n] = receipt

    def _read_line(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "ack":
            self._waiting.pop(int(rest), None)
        elif word == "head":
            kept: dict[str, Any] = json.loads(rest)
            self._hashed, self._newest = Head(kept["n"], kept["hash"]), None
            self.last_list = kept["list"]
            self.last_owners = kept.get("owners", "")
        else:
            self._read_receipt(line)

    def _read_receipt(self, token: str) -> None:
        receipt = Receipt.read(token, self._key)
        claims = receipt.claims
        if claims.n <= self._head.n:  # kept from before the head was written anew
            self._keep(receipt)
            return
        if not follows(self._head, claims):
            raise Damaged(f"receipt {claims.n} does not follow")
        self._take(receipt)

    def _compact(self) -> None:
        if self._journal.lines < self._limits.compact_after or self.unfinished():
            return
        pending = self.pending()
        if len(pending) * 2 > self._journal.lines:
            return
        record = self._record.current
        if record is not None and self.generation >= record.generation:
            try:
                self._record.advance()  # the last use stands in both slots before its receipt may go
            except NotWritten:
                return
        head = {
            "n": self._head.n,
            "hash": self._head.hash,
            "list": self.last_list,
            "owners": self.last_owners,
        }
        self._journal.rewrite(
            [f"head {json.dumps(head, separators=(',', ':'))}", *(receipt.token for receipt in pending)]
        )
        self._kept = dict(self._waiting)
