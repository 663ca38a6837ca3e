"""What every server process stands on: the store, and what needs the store alone."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from spine.clock import Clock, SystemClock
from spine.expiring import Expiring
from spine.house import House, open_house
from spine.index import Index
from spine.log import Log, Tail
from spine.rates import Rates
from spine.store import Store
from spine.valkey import StoreDown, Valkey
from trunkline.settings import Settings

log = logging.getLogger("trunkline")


@dataclass(frozen=True, slots=True)
class Ground:
    """The store and what stands on it alone."""

    settings: Settings
    clock: Clock
    valkey: Valkey
    house: House
    store: Store
    log: Log
    tail: Tail
    index: Index
    expiring: Expiring
    rates: Rates


@asynccontextmanager
async def ground(
    settings: Settings, *, linger: timedelta = timedelta(), lingers_on: Iterable[str] = ()
) -> AsyncIterator[Ground]:
    """Open the store (waiting while it is down) and follow its log. Raises ``StoreUnfit``.

    ``linger``, ``lingers_on``: how long this process leaves facts alone once one of these kinds has come.
    """
    clock = SystemClock()
    valkey = Valkey.at(settings.store_url, cluster=settings.store_cluster)
    try:
        house = await _open(valkey, settings)
        facts = Log(valkey, house)
        tail = Tail(facts, limits=settings.spine, linger=linger, lingers_on=lingers_on)
        following = asyncio.create_task(tail.run(), name="tail")
        try:
            await tail.ready()
            yield Ground(
                settings=settings,
                clock=clock,
                valkey=valkey,
                house=house,
                store=Store(valkey, house),
                log=facts,
                tail=tail,
                index=Index(valkey, house),
                expiring=Expiring(valkey),
                rates=Rates(valkey),
            )
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
    finally:
        await valkey.close()


async def _open(valkey: Valkey, settings: Settings) -> House:
    while True:
        try:
            return await open_house(valkey, allow_everysec=settings.allow_everysec)
        except StoreDown as down:
            log.warning("store_waits", extra={"reason": down.detail})
            await asyncio.sleep(settings.spine.store_retry.total_seconds())
