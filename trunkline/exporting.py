"""The evidence file of a delivery, for the operator's command line."""

from typing import Any

from delivery.evidence import Evidence
from delivery.service import Deliveries
from keys.issue import Keys
from spine.ids import DeliveryId
from spine.log import Log
from trunkline.desk import Desk
from trunkline.installation import public_keys, vehicle_ca
from vehicle_gateway.registry import Vehicles


async def evidence_of(desk: Desk, delivery: DeliveryId) -> dict[str, Any]:
    """Raises ``NoSuchDelivery`` and ``NoEvidence``."""
    settings, store = desk.settings, desk.store
    deliveries = Deliveries(store, desk.clock, settings.delivery)
    evidence = Evidence(
        deliveries,
        Log(desk.valkey, desk.house),
        Keys(store, desk.clock, settings.keys),
        Vehicles(store),
        authorities=[vehicle_ca(settings)],
        jwks=public_keys(settings),
    )
    return await evidence.file(await deliveries.read(delivery))
