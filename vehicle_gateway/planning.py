"""A command before it is made: its body, its bounds, and the change that makes it, to be part of another's."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from spine.facts.vehicle import CommandCreated
from spine.hints import COMMANDS
from spine.ids import CommandId, DeliveryId, UnitId, VehicleId
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.registry import NoSuchVehicle, VehicleBody, VehicleView
from vehicle_gateway.states import COMMAND, CommandState, UnitState, VehicleState, step
from vehicle_gateway.wire import Op


class CarUnavailable(Problem):
    """No command can be made for this car: it is retired, or its unit is quarantined or was just replaced."""

    code: ClassVar[str] = "command.car_unavailable"
    kind: ClassVar[Kind] = Kind.CONFLICT


class CommandOutOfBounds(Problem):
    """The command's life or its arguments are larger than a command may have."""

    code: ClassVar[str] = "command.out_of_bounds"
    kind: ClassVar[Kind] = Kind.INVALID


class CommandBody(BaseModel):
    """What a command's subject keeps. ``args`` go when it ends; ``data`` is the unit's answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vehicle: VehicleId
    unit: UnitId
    shard: int
    op: Op
    args: dict[str, Any] = Field({}, repr=False)
    delivery: DeliveryId | None
    created_at: AwareDatetime
    expires_at: AwareDatetime
    code: str = ""
    data: dict[str, Any] = Field({}, repr=False)
    may_have_opened: bool = False

    def claims(self, command: str) -> dict[str, Any]:
        """The claims of its ``tl-cmd+jwt``: the same each time, so a second sending is the same command."""
        return {
            "aud": self.unit,
            "cmd": command,
            "op": self.op.value,
            "iat": int(self.created_at.timestamp()),
            "exp": int(self.expires_at.timestamp()),
            "args": self.args,
        }


@dataclass(frozen=True)
class Planned:
    """A command ready to be made inside somebody else's change of the same partition (one commit per tap).

    Name ``subjects`` in the change and merge what ``decide`` gives (None: it exists already) into its answer.
    """

    command: CommandId
    body: CommandBody = field(repr=False)
    wake_at: datetime
    loaded: Mapping[str, Saved] = field(repr=False)
    """The subjects as they were read for it."""

    @cached_property
    def text(self) -> str:
        """The command's subject, as it is saved."""
        return self.body.model_dump_json()

    @property
    def subjects(self) -> tuple[str, ...]:
        return (self.command, self.body.vehicle, self.body.unit)

    def decide(self, saved: Mapping[str, Saved]) -> Change | None:
        """Raises ``CarUnavailable`` if the unit is no longer the car's, or not trusted."""
        if saved[self.command].version:
            return None
        vehicle, unit, body = saved[self.body.vehicle], saved[self.body.unit], self.body
        if vehicle.state != VehicleState.ENROLLED or unit.state != UnitState.ACTIVE:
            raise CarUnavailable(f"its unit is {unit.state}")
        planned_on = self.loaded.get(body.vehicle)  # whose unit is the body's
        if vehicle is not planned_on and VehicleBody.model_validate_json(vehicle.body).unit != body.unit:
            raise CarUnavailable("its unit was just replaced")
        created = CommandCreated(
            at=body.created_at,
            vehicle=body.vehicle,
            unit=body.unit,
            command=self.command,
            op=body.op,
            delivery=body.delivery,
            expires_at=body.expires_at,
        )
        state = step(COMMAND, CommandState.NEW, created)
        return Change({self.command: Write(state, self.text, self.wake_at)}, [created])

    def foretell(self, store: Store) -> None:
        """Let the gateway make it ready while it is being saved, where somebody waits for it."""
        store.foretell(COMMANDS, (self.command, self.text))


@dataclass(frozen=True, slots=True)
class Found:
    """A vehicle, and the subjects of a command to it as they were read: command, vehicle, unit."""

    view: VehicleView
    loaded: Mapping[str, Saved] = field(repr=False)


class Planner:
    """Prepares commands. Remembers which unit is in a car, only to read all it needs at once."""

    def __init__(self, store: Store, limits: GatewayLimits) -> None:
        self._store = store
        self._limits = limits
        self._unit_in: OrderedDict[VehicleId, UnitId] = OrderedDict()

    async def plan(
        self,
        command: CommandId,
        *,
        vehicle: VehicleId,
        op: Op,
        args: Mapping[str, Any],
        delivery: DeliveryId | None,
        ttl: timedelta,
        now: datetime,
        found: Found | None = None,
    ) -> Planned:
        """Prepare a command for the vehicle's present unit, to be committed with something else.

        ``found``: what ``find`` gave a moment ago. Raises ``NoSuchVehicle``, ``CommandOutOfBounds``.
        """
        if not timedelta(seconds=1) <= ttl <= self._limits.command_life:
            raise CommandOutOfBounds("a command lives from one second to a day")
        if len(json.dumps(args).encode()) > self._limits.args_bytes:
            raise CommandOutOfBounds("its arguments are too large")
        found = found or await self.find(command, vehicle)
        body = CommandBody(
            vehicle=vehicle,
            unit=found.view.unit,
            shard=found.view.shard,
            op=op,
            args=dict(args),
            delivery=delivery,
            created_at=now,
            expires_at=now + ttl,
        )
        return Planned(command, body, body.expires_at + self._limits.answer_grace, found.loaded)

    async def find(self, command: CommandId, vehicle: VehicleId) -> Found:
        """Read what a command is planned on, at once where the unit is the one we remember.

        Raises ``NoSuchVehicle``.
        """
        remembered = self._unit_in.get(vehicle)
        loaded = await self._store.load_many([command, vehicle, *([remembered] if remembered else [])])
        if not loaded[vehicle].version:
            raise NoSuchVehicle(vehicle)
        view = VehicleView.of(loaded[vehicle])
        if view.unit != remembered:
            loaded |= await self._store.load_many([view.unit])
            self._unit_in[vehicle] = view.unit
            if len(self._unit_in) > self._limits.known_units:
                self._unit_in.popitem(last=False)
        return Found(view, {each: loaded[each] for each in (command, vehicle, view.unit)})
