"""What the car itself says of an opening: its signed receipt, read as soon as the log has it."""

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
_ANSWERS: Final = _AFTER_OPENING | {"indeterminate"}


@dataclass(frozen=True, slots=True)
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
        try:
            # What it claims, unverified, says whether verifying it is worth the time of who waits.
            parts = read(fact.receipt, RECEIPT)
            if parts.claims.get("cmd") != self.command or parts.claims.get("out") not in _ANSWERS:
                return None
            claims = check_receipt(parts, key=self.key, unit=self.unit, kid=self.kid)
        except Unacceptable:
            return None
        receipt = claims.n, chain_hash(fact.receipt)
        if claims.out in _AFTER_OPENING:
            return Answer("opened", at=_moment(claims) or fact.at, receipt=receipt)
        return Answer("unsure", "indeterminate", at=fact.at, receipt=receipt)


def _moment(claims: ReceiptClaims) -> datetime | None:
    """When it happened by the unit's clock, if that was set."""
    return None if claims.clk.state == "unset" else _EPOCH + timedelta(milliseconds=claims.at)
