"""High-rate values of a car: a ring of the last minutes, never the log. It holds positions, and fades."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from spine.ids import VehicleId, partition_of
from spine.keyspace import Keyspace
from spine.log import order
from spine.store import Store
from spine.valkey import Word
from vehicle_gateway.limits import GatewayLimits

Values = Mapping[str, bool | int | float | str | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """What one message said, by signal path, and when we took it."""

    at: datetime
    values: Values = field(repr=False)


class Telemetry:
    """One short stream per car beside its state."""

    def __init__(self, store: Store, limits: GatewayLimits) -> None:
        self._store = store
        self._limits = limits
        self._keys = Keyspace(store.valkey.prefix)

    async def put(self, samples: Sequence[tuple[VehicleId, Values]], now: datetime) -> None:
        """Add to the rings; what is older than the ring falls out. Raises ``StoreDown``."""
        ring = self._limits.telemetry_ring
        oldest = round((now - ring).timestamp() * 1000)
        commands: list[tuple[Word, ...]] = []
        for vehicle, values in samples:
            key = self._key(vehicle)
            commands.append(("XADD", key, "MINID", oldest, "*", "v", json.dumps(values)))
            commands.append(("PEXPIRE", key, round(ring.total_seconds() * 1000)))
        await self._store.valkey.ask_all(commands)

    async def recent(self, vehicle: VehicleId) -> list[Sample]:
        """Oldest first. Raises ``StoreDown``."""
        rows = await self._store.valkey.ask("XRANGE", self._key(vehicle), "-", "+")
        return [
            Sample(datetime.fromtimestamp(order(position)[0] / 1000, UTC), json.loads(flat[1]))
            for position, flat in rows
        ]

    def _key(self, vehicle: VehicleId) -> str:
        return self._keys.at(partition_of(vehicle), "ring", vehicle)
