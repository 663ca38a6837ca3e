"""Answers of the key service on their way to the unit that asked: ``dn/fresh``, not retained, soon stale."""

import asyncio
import logging
from datetime import datetime
from typing import Protocol

from spine.facts.keys import FreshSigned
from spine.store import Store
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Lost, NotConnected
from vehicle_gateway.registry import UnitBody
from vehicle_gateway.wire import EXPIRY, down

_log = logging.getLogger("trunkline.vehicle_gateway")


class Outlet(Protocol):
    """Sends one message (``vehicle_gateway.link.Link``)."""

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry: int | None = None
    ) -> int: ...


class FreshAnswers:
    """The topic is the unit's own, so an answer never replaces the list that is kept on ``dn/rev``."""

    def __init__(self, store: Store, limits: GatewayLimits, outlet: Outlet) -> None:
        self._store = store
        self._limits = limits
        self._outlet = outlet

    async def give(self, fact: FreshSigned, *, now: datetime) -> None:
        """Publish it once while it can still count; what is lost, the unit asks for again."""
        left = (EXPIRY["req"] or 0) - int((now - fact.at).total_seconds())
        unit = await self._store.load(fact.unit)
        if left <= 0 or not unit.version:
            return
        topic = down(UnitBody.model_validate_json(unit.body).shard, fact.unit, "fresh")
        try:
            async with asyncio.timeout(self._limits.list_patience.total_seconds()):
                await self._outlet.publish(topic, fact.signed.encode(), qos=1, expiry=left)
        except (NotConnected, Lost, TimeoutError) as failed:
            _log.info("fresh.not_given", extra={"unit": fact.unit, "reason": type(failed).__name__})
