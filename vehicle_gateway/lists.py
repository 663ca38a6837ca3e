"""Revocation lists on their way to the cars: kept retained on ``dn/rev``, repeated after each reconnect."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict

from spine.clock import Clock
from spine.facts.keys import RevocationRaised
from spine.ids import UnitId, VehicleId, named_after, partition_of
from spine.keyspace import Keyspace
from spine.store import Ack, Change, Saved, Store, Write
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Lost, NotConnected
from vehicle_gateway.registry import NoSuchUnit, UnitBody
from vehicle_gateway.wire import down

_log = logging.getLogger("trunkline.vehicle_gateway")

_PREFIX: Final = "rev"
_PAGE: Final = 200


class Retainer(Protocol):
    """Leaves a message for a unit that may be away."""

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int: ...


class _List(BaseModel):
    """The newest list of one vehicle, signed by the key service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: UnitId
    shard: int
    version: int
    signed: str


class Lists:
    """One subject per vehicle holds its newest list; a sorted set per partition says whose is young."""

    def __init__(self, store: Store, clock: Clock, limits: GatewayLimits, retainer: Retainer) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._retainer = retainer
        self._keys = Keyspace(store.valkey.prefix)

    async def raised(self, fact: RevocationRaised, *, ack: Ack | None) -> None:
        """Keep a newer list, then publish it; where that fails it goes out with the next connection."""
        unit = await self._store.load(fact.unit)
        if not unit.version:
            raise NoSuchUnit(fact.unit)
        shard = UnitBody.model_validate_json(unit.body).shard
        fresh = _List(unit=fact.unit, shard=shard, version=fact.version, signed=fact.signed)
        subject = named_after(_PREFIX, fact.vehicle)
        # Before the commit: a name too many in the set is harmless, one too few would never be repeated.
        await self._note(fact.vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _read(saved[subject])
            if known is not None and known.unit == fresh.unit and known.version >= fresh.version:
                return None
            return Change({subject: Write("raised", fresh.model_dump_json())})

        outcome = await self._store.change([subject], decide, ack=ack)
        newest = _read(outcome.saved[subject])
        if newest is not None:
            await self._publish(newest)

    async def repeat(self, vehicle: VehicleId) -> None:
        """Publish a vehicle's list again, where there is one."""
        known = _read(await self._store.load(named_after(_PREFIX, vehicle)))
        if known is not None:
            await self._publish(known)

    async def repeat_all(self) -> None:
        """Publish every young list again: a broker that crashed may have lost what it retained."""
        oldest = (self._clock.now() - self._limits.list_age).timestamp()
        for partition in range(self._store.house.partitions):
            key = self._key(partition)
            await self._store.valkey.ask("ZREMRANGEBYSCORE", key, "-inf", f"({oldest}")
            vehicles = await self._store.valkey.ask("ZRANGE", key, 0, -1)
            for start in range(0, len(vehicles), _PAGE):
                subjects = [named_after(_PREFIX, vehicle) for vehicle in vehicles[start : start + _PAGE]]
                for saved in (await self._store.load_many(subjects)).values():
                    known = _read(saved)
                    if known is not None and not await self._publish(known):
                        return

    async def _publish(self, known: _List) -> bool:
        try:
            async with asyncio.timeout(self._limits.list_patience.total_seconds()):
                code = await self._retainer.publish(
                    down(known.shard, known.unit, "rev"), known.signed.encode(), qos=1, retain=True
                )
        except (NotConnected, Lost, TimeoutError) as failed:
            _log.info("list.waits", extra={"unit": known.unit, "reason": type(failed).__name__})
            return False
        _log.info(
            "list.published",
            extra={"unit": known.unit, "list_version": known.version, "reason_code": code},
        )
        return True

    async def _note(self, vehicle: VehicleId) -> None:
        score = self._clock.now().timestamp()
        await self._store.valkey.ask("ZADD", self._key(partition_of(vehicle)), score, vehicle)

    def _key(self, partition: int) -> str:
        return self._keys.at(partition, "lists")


def _read(saved: Saved) -> _List | None:
    return _List.model_validate_json(saved.body) if saved.version else None
