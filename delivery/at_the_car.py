"""Make a command for the car of a delivery, and wait for its end in the log."""

from collections.abc import Mapping
from typing import Final

from delivery.freshness import Tail
from delivery.model import Read
from delivery.problems import OnlySimulated
from delivery.service import Deliveries
from spine.facts.vehicle import (
    CommandDone,
    CommandExpired,
    CommandRefused,
    CommandUnanswered,
    CommandUndeliverable,
)
from spine.ids import CommandId, VehicleId, partition_of
from spine.log import Entry
from vehicle_gateway.commands import Commands
from vehicle_gateway.planning import Found, Planned
from vehicle_gateway.wire import Op

Ended = CommandDone | CommandRefused | CommandExpired | CommandUndeliverable | CommandUnanswered
GIVEN_UP: Final = (CommandRefused, CommandExpired, CommandUndeliverable, CommandUnanswered)
_ENDING: Final = frozenset(kind.model_fields["kind"].default for kind in (CommandDone, *GIVEN_UP))


class Orders:
    """For every act at a car: the same life of a command, the same wait."""

    def __init__(self, deliveries: Deliveries, commands: Commands, tail: Tail) -> None:
        self._deliveries = deliveries
        self._commands = commands
        self._tail = tail

    async def ask(
        self, read: Read, command: CommandId, op: Op, args: Mapping[str, str], wait: float
    ) -> Ended | None:
        """Make a command and wait for its end; None where that takes longer."""
        planned = await self.plan(read, command, op, args)
        planned.foretell(self._deliveries.store)
        outcome = await self._deliveries.store.change(planned.subjects, planned.decide, loaded=planned.loaded)

        def fits(entry: Entry) -> bool:
            return entry.kind in _ENDING and isinstance(entry.fact, Ended) and entry.fact.command == command

        after = outcome.positions[-1] if outcome.positions else None
        entry = await self._tail.wait_for(partition_of(command), fits, wait, after)
        return entry.fact if entry is not None and isinstance(entry.fact, Ended) else None

    async def plan(
        self, read: Read, command: CommandId, op: Op, args: Mapping[str, str], found: Found | None = None
    ) -> Planned:
        """A command ready to be committed, alone or with what else belongs to it."""
        return await self._commands.plan(
            command,
            vehicle=vehicle_of(read),
            op=op,
            args=args,
            delivery=read.id,
            ttl=self._deliveries.limits.command_life,
            now=self._deliveries.clock.now(),
            found=found,
        )


def vehicle_of(read: Read) -> VehicleId:
    """The car of a delivery. Raises ``OnlySimulated``."""
    if read.body.test is not None or read.body.vehicle is None:
        raise OnlySimulated("a test delivery plays by itself")
    return read.body.vehicle
