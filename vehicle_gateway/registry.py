"""The vehicles we know and the units in them: who they are, which shard is theirs, how they stand."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.ids import UnitId, VehicleId
from spine.ingest import car_state, forget_car_state
from spine.problems import Kind, Problem
from spine.store import Saved, Store
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.possession import key_of
from vehicle_gateway.presence import POSITION, CarState, Reachability, car_state_of, reachability
from vehicle_gateway.states import UnitState, VehicleState


class NoSuchVehicle(Problem):
    """No vehicle has this id."""

    code: ClassVar[str] = "vehicle.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class NoSuchUnit(Problem):
    """No unit has this id."""

    code: ClassVar[str] = "unit.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VehicleBody(_Body):
    """What a vehicle's subject keeps. ``shard`` (0 to 255) is the vehicle's for ever; units inherit it."""

    unit: UnitId
    shard: int
    enrolled_at: AwareDatetime


class UnitBody(_Body):
    """What a unit's subject keeps: public keys and certificates; the private ones never leave the unit."""

    vehicle: VehicleId
    shard: int
    receipt_jwk: dict[str, str]
    mtls: str
    receipts: str
    until: AwareDatetime
    renewal: str = ""
    renewal_iat: int = 0
    reason: str = ""

    @property
    def receipt_key(self) -> Ed25519PublicKey:
        return key_of(self.receipt_jwk)


@dataclass(frozen=True, slots=True)
class VehicleView:
    id: VehicleId
    state: VehicleState
    unit: UnitId
    shard: int
    enrolled_at: datetime

    @classmethod
    def of(cls, saved: Saved) -> Self:
        body = VehicleBody.model_validate_json(saved.body)
        return cls(VehicleId(saved.id), VehicleState(saved.state), body.unit, body.shard, body.enrolled_at)


@dataclass(frozen=True, slots=True)
class UnitView:
    """A unit as it stands. ``mtls``, ``receipts``: PEM certificates; ``reason``: why it is quarantined."""

    id: UnitId
    vehicle: VehicleId
    shard: int
    state: UnitState
    receipt_jwk: dict[str, str]
    mtls: str = field(repr=False)
    receipts: str = field(repr=False)
    until: datetime
    reason: str

    @classmethod
    def of(cls, saved: Saved) -> Self:
        body = UnitBody.model_validate_json(saved.body)
        return cls(
            UnitId(saved.id),
            body.vehicle,
            body.shard,
            UnitState(saved.state),
            body.receipt_jwk,
            body.mtls,
            body.receipts,
            body.until,
            body.reason,
        )


class Vehicles:
    """Reads vehicles and units; both lie in the vehicle's partition, as does the car's state."""

    def __init__(self, store: Store, limits: GatewayLimits | None = None) -> None:
        self._store = store
        self._limits = limits or GatewayLimits()

    async def vehicle(self, vehicle: VehicleId) -> VehicleView:
        """Raises ``NoSuchVehicle``."""
        saved = await self._store.load(vehicle)
        if not saved.version:
            raise NoSuchVehicle(vehicle)
        return VehicleView.of(saved)

    async def unit(self, unit: UnitId) -> UnitView:
        """Raises ``NoSuchUnit``."""
        found = await self.find_unit(unit)
        if found is None:
            raise NoSuchUnit(unit)
        return found

    async def find_unit(self, unit: UnitId) -> UnitView | None:
        saved = await self._store.load(unit)
        return UnitView.of(saved) if saved.version else None

    async def receipt_key(self, unit: UnitId) -> Ed25519PublicKey | None:
        """With what this unit signs receipts, whatever its state: old receipts stay provable."""
        found = await self.find_unit(unit)
        return None if found is None else key_of(found.receipt_jwk)

    async def car(self, vehicle: VehicleId) -> CarState:
        """The car's last values: when it was heard, its word, position and signals."""
        return car_state_of(await car_state(self._store, vehicle))

    async def reachability(self, vehicle: VehicleId, now: datetime) -> Reachability:
        """Whether and how the car can be reached now."""
        car = await self.car(vehicle)
        return reachability(car.word, car.last_seen, now, self._limits)

    async def forget_position(self, vehicle: VehicleId) -> None:
        """Erase where the car stands, as when it changes hands."""
        await forget_car_state(self._store, vehicle, [POSITION])
