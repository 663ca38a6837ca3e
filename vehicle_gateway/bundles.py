"""The trust bundle on its way to the cars: kept retained on every unit's ``dn/trust``."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Final

from pydantic import BaseModel, ConfigDict

from spine.facts.trust import TRUST, TrustPublished
from spine.facts.vehicle import UnitAsked
from spine.ids import UnitId, VehicleId, named_after
from spine.index import Index
from spine.store import Ack, Change, Saved, Store, Write
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Lost, NotConnected
from vehicle_gateway.lists import Retainer
from vehicle_gateway.registry import UnitBody, VehicleBody
from vehicle_gateway.states import UnitState, VehicleState
from vehicle_gateway.wire import Trust, down

_log = logging.getLogger("trunkline.vehicle_gateway")

ALL_VEHICLES: Final = ("vehicles", "all")
"""Name and owner of the list of all vehicles."""

_MINE: Final = named_after("bdl", TRUST)
_PAGE: Final = 200


class _Bundle(BaseModel):
    """The newest bundle, and whether it has been left for every car there was."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    bundle: tuple[str, ...]
    carried: bool = False

    def payload(self) -> bytes:
        return Trust(bundle=list(self.bundle)).model_dump_json().encode()


class Bundles:
    """What is not carried to the end goes on after the next connection; a car that missed it asks."""

    def __init__(self, store: Store, limits: GatewayLimits, retainer: Retainer) -> None:
        self._store = store
        self._limits = limits
        self._retainer = retainer
        self._index = Index(store.valkey, store.house)
        self._carrying = asyncio.Lock()

    async def published(self, fact: TrustPublished, *, ack: Ack | None) -> None:
        """Keep a newer bundle; ``carry`` brings it to the cars."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _read(saved[_MINE])
            if known is not None and known.version >= fact.version:
                return None
            fresh = _Bundle(version=fact.version, bundle=fact.bundle)
            return Change({_MINE: Write("published", fresh.model_dump_json())})

        await self._store.change([_MINE], decide, ack=ack)

    async def answer(self, fact: UnitAsked) -> None:
        """A unit asks: it gets the newest, unless it says that it has that."""
        known = _read(await self._store.load(_MINE))
        if known is not None and fact.data.get("version") != known.version:
            await self._leave(known, await self._store.load(fact.unit))

    async def carry(self) -> None:
        """Leave the newest bundle for every car, unless that was done."""
        async with self._carrying:
            known = _read(await self._store.load(_MINE))
            if known is None or known.carried:
                return
            count = 0
            async for unit in self._units():
                if not await self._leave(known, unit):
                    return
                count += 1
            await self._note_carried(known)
            _log.info("bundle.carried", extra={"bundle_version": known.version, "units": count})

    async def _units(self) -> AsyncIterator[Saved]:
        after: str | None = None
        while True:
            page = await self._index.page(*ALL_VEHICLES, after=after, limit=_PAGE)
            for saved in (await self._load(page.members)).values():
                if saved.state == VehicleState.ENROLLED:
                    yield await self._store.load(VehicleBody.model_validate_json(saved.body).unit)
            if page.next is None:
                return
            after = page.next

    async def _load(self, vehicles: list[str]) -> Mapping[str, Saved]:
        return await self._store.load_many([VehicleId(one) for one in vehicles]) if vehicles else {}

    async def _leave(self, known: _Bundle, unit: Saved) -> bool:
        """False: the broker is away, so there is no use in going on."""
        if unit.state not in {UnitState.ACTIVE, UnitState.QUARANTINED}:
            return True
        topic = down(UnitBody.model_validate_json(unit.body).shard, UnitId(unit.id), "trust")
        try:
            async with asyncio.timeout(self._limits.list_patience.total_seconds()):
                code = await self._retainer.publish(topic, known.payload(), qos=1, retain=True)
        except (NotConnected, Lost, TimeoutError) as failed:
            _log.info("bundle.waits", extra={"unit": unit.id, "reason": type(failed).__name__})
            return False
        _log.debug("bundle.left", extra={"unit": unit.id, "reason_code": code})
        return True

    async def _note_carried(self, known: _Bundle) -> None:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if _read(saved[_MINE]) != known:
                return None
            done = known.model_copy(update={"carried": True})
            return Change({_MINE: Write("published", done.model_dump_json())})

        await self._store.change([_MINE], decide)


def _read(saved: Saved) -> _Bundle | None:
    return _Bundle.model_validate_json(saved.body) if saved.version else None
