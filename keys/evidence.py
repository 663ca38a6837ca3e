"""Put together the evidence of a delivery: one JSON document that ``keys.car.evidence`` judges offline."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from keys.car.evidence import Report, Roots, verify_file
from keys.car.evidence_file import FORM, Arrived, EvidenceFile
from keys.car.jws import RECEIPT, Unacceptable, read
from keys.model import Kept
from spine.facts import Fact
from spine.ids import DeliveryId, UnitId, VehicleId

__all__ = ["Report", "Roots", "build", "segment", "verify_file"]


def segment(receipts: Iterable[tuple[str, datetime]], delivery: DeliveryId) -> list[tuple[str, datetime]]:
    """The unbroken run of a unit's receipts from the first to the last of a delivery, in chain order.

    ``receipts``: each with its arrival, in any order, repeated or not, as the log has them. Receipts of other
    deliveries that lie between stay in: without them the chain could not be followed.
    """
    by_number: dict[int, tuple[str, datetime]] = {}
    mine: list[int] = []
    for text, arrived in receipts:
        try:
            claims = read(text, RECEIPT).claims
        except Unacceptable:
            continue  # it was rejected when it came, and is part of no chain
        n = claims.get("n")
        if not isinstance(n, int):
            continue
        by_number.setdefault(n, (text, arrived))
        if claims.get("dlv") == delivery:
            mine.append(n)
    if not mine:
        return []
    return [by_number[n] for n in range(min(mine), max(mine) + 1) if n in by_number]


def build(  # noqa: PLR0913 - each is one part of the file
    *,
    delivery: DeliveryId,
    vehicle: VehicleId,
    unit: UnitId,
    kept: Kept,
    receipts: Iterable[tuple[str, datetime]],
    certificates: Sequence[str],
    authorities: Sequence[str],
    jwks: Mapping[str, Any],
    facts: Iterable[Fact],
    now: datetime,
    proofs: Sequence[str] = (),
) -> dict[str, Any]:
    """The evidence of one delivery, ready for ``json.dumps``.

    ``receipts``: what the log has of this unit, with arrival times (see ``segment``).
    ``certificates``: PEM of the unit's receipt certificates in force meanwhile; ``authorities``: PEM of the
    vehicle CA; ``facts``: those of the delivery and its keys, in order.
    """
    return EvidenceFile(
        form=FORM,
        delivery=delivery,
        vehicle=vehicle,
        unit=unit,
        made_at=_millis(now),
        approvals=list(kept.approvals),
        keys=list(kept.keys),
        proofs=list(proofs),
        receipts=[
            Arrived(receipt=text, arrived=_millis(arrived)) for text, arrived in segment(receipts, delivery)
        ],
        certificates=list(certificates),
        authorities=list(authorities),
        jwks=dict(jwks),
        facts=[fact.model_dump(mode="json") for fact in facts],
        checkpoint=kept.checkpoint,
    ).model_dump(mode="json")


def _millis(when: datetime) -> int:
    return int(when.timestamp() * 1000)
