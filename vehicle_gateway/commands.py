"""Commands to a car: made, answered, given up. Their arguments are secret and go when it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, ClassVar, Final, Self

from spine.clock import Clock
from spine.facts.vehicle import (
    CommandDone,
    CommandExpired,
    CommandReceived,
    CommandRefused,
    CommandSent,
    CommandUnanswered,
    CommandUndeliverable,
)
from spine.ids import CommandId, DeliveryId, NotAnId, UnitId, VehicleId, partition_of, prefix_of
from spine.problems import Kind, Problem
from spine.store import Ack, Change, Saved, Store, Write
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.planning import (
    CarUnavailable,
    CommandBody,
    CommandOutOfBounds,
    Planned,
    Planner,
)
from vehicle_gateway.states import COMMAND, ENDED, CommandState, follows, step
from vehicle_gateway.wire import Op, Result

__all__ = [
    "PREFIX",
    "Answered",
    "CarUnavailable",
    "CommandBody",
    "CommandOutOfBounds",
    "CommandView",
    "Commands",
    "NoSuchCommand",
    "Outcome",
    "Planned",
]

PREFIX: Final = "cmd"

Outcome = (
    type[CommandSent]
    | type[CommandUndeliverable]
    | type[CommandReceived]
    | type[CommandDone]
    | type[CommandExpired]
    | type[CommandUnanswered]
)


class NoSuchCommand(Problem):
    """No command has this id, or its end is so long ago that its answer is erased."""

    code: ClassVar[str] = "command.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


@dataclass(frozen=True, slots=True)
class CommandView:
    """A command as it stands. ``code``: why it was refused. ``data``: the unit's answer, e.g. a challenge."""

    id: CommandId
    state: CommandState
    unit: UnitId
    op: Op
    expires_at: datetime
    code: str
    data: Mapping[str, Any] = field(repr=False)
    may_have_opened: bool

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @classmethod
    def of(cls, saved: Saved) -> Self:
        """Raises ``NoSuchCommand`` where nothing can be read (any more)."""
        if not saved.version or saved.ended:
            raise NoSuchCommand(saved.id)
        body, state = CommandBody.model_validate_json(saved.body), CommandState(saved.state)
        may = body.may_have_opened or (body.op is Op.PRESENT and state is CommandState.UNANSWERED)
        return cls(CommandId(saved.id), state, body.unit, body.op, body.expires_at, body.code, body.data, may)


class Answered(Enum):
    """What a unit's result came to. ``FOREIGN``: no such command, or another unit's: poison."""

    TAKEN = auto()
    REPEATED = auto()
    FOREIGN = auto()


class Commands(Planner):
    """Makes, answers and ends commands. Sending them is ``dispatch.py``, in the gateway process."""

    def __init__(self, store: Store, clock: Clock, limits: GatewayLimits) -> None:
        super().__init__(store, limits)
        self._clock = clock

    async def create(
        self,
        command: CommandId,
        *,
        vehicle: VehicleId,
        op: Op,
        args: Mapping[str, Any],
        delivery: DeliveryId | None,
        ttl: timedelta,
        now: datetime,
        ack: Ack | None = None,
    ) -> None:
        """Commit ``command.created``; a second call with the same id changes nothing."""
        planned = await self.plan(
            command, vehicle=vehicle, op=op, args=args, delivery=delivery, ttl=ttl, now=now
        )
        await self._store.change(planned.subjects, planned.decide, ack=ack, loaded=planned.loaded)

    async def view(self, command: CommandId) -> CommandView:
        """Raises ``NoSuchCommand``."""
        return CommandView.of(await self._store.load(command))

    async def answer(self, result: Result, unit: UnitId, *, now: datetime) -> Answered:
        """Take a unit's result; the same one again changes nothing."""
        try:
            ours = prefix_of(result.cmd) == PREFIX and partition_of(result.cmd) == partition_of(unit)
        except NotAnId:
            ours = False
        if not ours:
            return Answered.FOREIGN
        verdict = Answered.TAKEN

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            nonlocal verdict
            verdict, change = self._answered(saved[result.cmd], result, unit, now)
            return change

        await self._store.change([result.cmd], decide)
        return verdict

    def _answered(
        self, saved: Saved, result: Result, unit: UnitId, now: datetime
    ) -> tuple[Answered, Change | None]:
        if not saved.version:
            return Answered.FOREIGN, None
        if saved.ended:
            return Answered.REPEATED, None
        body = CommandBody.model_validate_json(saved.body)
        if body.unit != unit:
            return Answered.FOREIGN, None
        kind: type[CommandReceived] | type[CommandDone] | type[CommandRefused]
        match result.outcome:
            case "received":
                kind = CommandReceived
            case "done":
                kind = CommandDone
            case "refused":
                kind = CommandRefused
        state = CommandState(saved.state)
        if not follows(COMMAND, state, kind):
            return Answered.REPEATED, None
        if kind is not CommandReceived:
            body = body.model_copy(
                update={"code": result.code, "data": result.data, "may_have_opened": result.may_have_opened}
            )
        said = (
            CommandRefused(code=result.code or "refused", **_about(saved.id, body, now))
            if kind is CommandRefused
            else kind(**_about(saved.id, body, now))
        )
        return Answered.TAKEN, self._step(saved, body, said, now)

    async def become(
        self, command: CommandId, kind: Outcome, *, now: datetime, ack: Ack | None = None
    ) -> None:
        """Commit what became of it (sent, expired, ...); no change where that does not follow."""
        await self._store.change([command], self._becoming(command, kind, now), ack=ack)

    def _becoming(
        self, command: str, kind: Outcome, now: datetime
    ) -> Callable[[Mapping[str, Saved]], Change | None]:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = saved[command]
            if before.ended or not follows(COMMAND, CommandState(before.state), kind):
                return None
            body = CommandBody.model_validate_json(before.body)
            return self._step(before, body, kind(**_about(command, body, now)), now)

        return decide

    def _step(
        self,
        saved: Saved,
        body: CommandBody,
        fact: CommandSent
        | CommandUndeliverable
        | CommandReceived
        | CommandDone
        | CommandRefused
        | CommandExpired
        | CommandUnanswered,
        now: datetime,
    ) -> Change:
        state = step(COMMAND, CommandState(saved.state), fact)
        wake_at = body.expires_at + self._limits.answer_grace
        if state in ENDED:
            body = body.model_copy(update={"args": {}})
            wake_at = now + self._limits.result_kept
        return Change({saved.id: Write(state, body.model_dump_json(), wake_at)}, [fact])

    async def on_due(self, saved: Saved) -> None:
        """Timer of prefix ``cmd``: no answer in time is ``unanswered``; an old answer is erased.

        One still ``created`` when all is over may have left in a crash of the gateway, so it is not called
        ``expired`` here: only the gateway knows what it never sent.
        """
        if CommandState(saved.state) not in ENDED:
            await self.become(CommandId(saved.id), CommandUnanswered, now=self._clock.now())
            return

        def erase(found: Mapping[str, Saved]) -> Change | None:
            present = found[saved.id]
            if present.ended or present.version != saved.version:
                return None
            return Change({saved.id: Write(present.state, "{}", ended=True)})

        await self._store.change([saved.id], erase)


def _about(command: str, body: CommandBody, now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "vehicle": body.vehicle,
        "unit": body.unit,
        "command": command,
        "op": body.op,
        "delivery": body.delivery,
    }
