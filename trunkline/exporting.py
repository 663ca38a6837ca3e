"""The evidence file of a delivery, for the operator's command line."""

from typing import Any

from delivery.evidence import Evidence, NoAssertion
from delivery.gesture import behind
from delivery.questions import Question
from delivery.service import Deliveries
from keys.issue import Keys
from people.assertions import wire
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


async def assertion_of(desk: Desk, delivery: DeliveryId) -> dict[str, Any]:
    """What the passkey signed for its approval, or the rule. Raises ``NoSuchDelivery``, ``NoAssertion``."""
    read = await Deliveries(desk.store, desk.clock, desk.settings.delivery).read(delivery)
    approval = read.body.approval
    question = None if approval is None else Question.of(await desk.store.load(approval.question))
    found = None if question is None or question.decided is None else behind(question.decided)
    if found is None:
        raise NoAssertion("no passkey signed for it, or what it signed is no longer kept")
    return wire(found)
