"""What an operator's command needs open: settings, store and clock, closed again at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from spine.clock import Clock, SystemClock
from spine.house import House, open_house
from spine.store import Store
from spine.valkey import Valkey
from trunkline.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    """An open installation on the operator's host."""

    settings: Settings
    clock: Clock
    valkey: Valkey
    house: House
    store: Store


@asynccontextmanager
async def desk(settings: Settings | None = None) -> AsyncIterator[Desk]:
    """Open the installation of this data directory. Raises ``StoreDown`` and ``StoreUnfit``."""
    known = settings or Settings()
    valkey = Valkey.at(known.store_url, cluster=known.store_cluster)
    try:
        house = await open_house(valkey, allow_everysec=known.allow_everysec)
        yield Desk(known, SystemClock(), valkey, house, Store(valkey, house))
    finally:
        await valkey.close()
