"""Receipts that came another way than over MQTT: saved as the same facts, under the same numbers, once."""

from collections.abc import Sequence
from datetime import datetime

from spine.facts.vehicle import UnitReceipt
from spine.ids import partition_of
from spine.ingest import Incoming, Verdict, ingest
from spine.store import Store
from vehicle_gateway.registry import UnitView
from vehicle_gateway.translate import receipt_number


async def save_receipts(
    store: Store, unit: UnitView, receipts: Sequence[tuple[int, str]], *, now: datetime
) -> int:
    """Commit receipts (chain number and compact form) that the caller has verified; gives how many were new.

    One that came over MQTT before, or comes later, is the same. It is no sign of life of the car. Raises
    ``StoreDown``; when this returns, they are on disk.
    """
    entries = [
        Incoming(
            unit.vehicle,
            unit.id,
            0,
            dedupe=receipt_number(n, receipt),
            facts=[UnitReceipt(at=now, vehicle=unit.vehicle, unit=unit.id, receipt=receipt)],
            wants_window=False,
        )
        for n, receipt in receipts
    ]
    verdicts = await ingest(store, partition_of(unit.id), entries, now=now)
    return verdicts.count(Verdict.NEW)
