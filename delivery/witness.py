"""What the car itself says of an opening: its signed receipt, read as soon as the log has it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from delivery.answers import Answer
from keys.car.claims import ReceiptClaims
from keys.car.jwk import ed25519_to_jwk, thumbprint
from keys.car.jws import RECEIPT, Unacceptable, read
from keys.car.receipt import chain_hash, check_receipt
from spine.facts.vehicle import UnitReceipt
from spine.ids import CommandId
from spine.store import Saved
from vehicle_gateway.possession import key_of
from vehicle_gateway.registry import UnitView

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_AFTER_OPENING: Final = frozenset({"opened", "not_lifted", "closed", "locked", "left_open"})
_FORETOLD_MOST: Final = 16
"""Of one opening there are half a dozen."""
_ANSWERS: Final = _AFTER_OPENING | {"indeterminate"}


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """The unit that was given a command, and the key by which its receipts are known.

    A person in front of the car is told what the car has signed, once that is durable. What it means for the
    key, the delivery and the unit's chain is still decided by those who read the log (``keys.receipts``).
    """

    command: CommandId
    unit: str
    version: int
    """Of the unit's subject, when its key was read there."""
    key: Ed25519PublicKey = field(repr=False)
    kid: str
    foretold: dict[str, ReceiptClaims | None] = field(default_factory=dict, repr=False)
    """What receipts turned out to say that were read before they were durable."""

    @classmethod
    def of(cls, command: CommandId, unit: Saved) -> Self:
        """``unit``: its subject, as the command was planned on it."""
        key = key_of(UnitView.of(unit).receipt_jwk)
        return cls(command, unit.id, unit.version, key, thumbprint(ed25519_to_jwk(key)))

    def after(self, unit: Saved) -> "Witness":
        """The same, of the unit as the command's commit found it."""
        return (
            self if (unit.id, unit.version) == (self.unit, self.version) else Witness.of(self.command, unit)
        )

    def answer(self, fact: UnitReceipt) -> Answer | None:
        """The answer that this receipt gives; None where it is about something else, or not the unit's own."""
        if fact.unit != self.unit:
            return None
        receipt = fact.receipt
        claims = self.foretold[receipt] if receipt in self.foretold else self._verified(receipt)
        if claims is None:
            return None
        link = claims.n, chain_hash(receipt)
        if claims.out in _AFTER_OPENING:
            return Answer("opened", at=_moment(claims) or fact.at, receipt=link)
        return Answer("unsure", "indeterminate", at=fact.at, receipt=link)

    def foresee(self, receipt: str) -> None:
        """Read what is being saved; it is an answer once its fact has come, and only if it is the very same."""
        if len(self.foretold) < _FORETOLD_MOST:
            self.foretold[receipt] = self._verified(receipt)

    def _verified(self, receipt: str) -> ReceiptClaims | None:
        """None: it is about something else, or not the unit's own."""
        try:
            # What it claims, unverified, says whether verifying it is worth the time of who waits.
            parts = read(receipt, RECEIPT)
            if parts.claims.get("cmd") != self.command or parts.claims.get("out") not in _ANSWERS:
                return None
            return check_receipt(parts, key=self.key, unit=self.unit, kid=self.kid)
        except Unacceptable:
            return None


class WitnessStand:
    """Those who wait for a receipt in this process, by unit."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Witness]] = {}

    @contextmanager
    def waiting(self, witness: Witness) -> Iterator[None]:
        """Inside, it hears what is foretold."""
        others = self._waiting.setdefault(witness.unit, [])
        others.append(witness)
        try:
            yield
        finally:
            others.remove(witness)
            if not others:
                del self._waiting[witness.unit]

    def hear(self, unit: str, receipt: str) -> None:
        """A receipt of this unit is being saved."""
        for witness in self._waiting.get(unit, ()):
            witness.foresee(receipt)


def _moment(claims: ReceiptClaims) -> datetime | None:
    """When it happened by the unit's clock, if that was set."""
    return None if claims.clk.state == "unset" else _EPOCH + timedelta(milliseconds=claims.at)
