"""How a car stands now: its reachability and position, from what the gateway keeps of it."""

from datetime import datetime

from delivery.place import Point
from delivery.ports import Car
from spine.ids import UnitId, VehicleId
from spine.ingest import car_state
from spine.store import Store
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.presence import WHERE, car_state_of, reachability
from vehicle_gateway.registry import Vehicles


class StoredCars:
    """Reads cars (``delivery.ports.Cars``)."""

    def __init__(self, store: Store, limits: GatewayLimits) -> None:
        self._store = store
        self._limits = limits
        self._vehicles = Vehicles(store)

    async def car(self, vehicle: VehicleId, *, now: datetime) -> Car:
        """A car that never spoke is one without coverage."""
        state = car_state_of(await car_state(self._store, vehicle, WHERE))
        found = reachability(state.word, state.last_seen, now, self._limits)
        where = state.position
        return Car(
            reach=found.reach,
            last_seen=found.last_seen,
            wakes_at=found.wakes_at,
            position=Point(lat=where.latitude, lon=where.longitude) if where else None,
        )

    async def unit(self, vehicle: VehicleId) -> UnitId:
        """The unit that is in the car now. Raises ``NoSuchVehicle``."""
        return (await self._vehicles.vehicle(vehicle)).unit
