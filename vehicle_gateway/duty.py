"""Everything of one gateway while it is the one on duty for its shards; made anew for each time."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from spine.clock import Clock
from spine.counters import Counters
from spine.dead_letters import DeadLetters
from spine.hints import COMMANDS, Hints
from spine.ids import CommandId, named_after, partition_of
from spine.limits import SpineLimits
from spine.log import Tail
from spine.problems import Problem
from spine.readers import Reader
from spine.store import Store
from vehicle_gateway.commands import Commands
from vehicle_gateway.dispatch import GROUP, KINDS, Dispatch
from vehicle_gateway.gaps import Gap, Gaps
from vehicle_gateway.inbound import Inbound
from vehicle_gateway.intake import Intake
from vehicle_gateway.known import KnownUnits
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Broker, Incoming, Link, LinkLimits
from vehicle_gateway.ready import CommandSigner, Ready
from vehicle_gateway.replies import Replies
from vehicle_gateway.wire import Op

_log = logging.getLogger("trunkline.vehicle_gateway")

_KINDS: Final = ("sig", "tel", "dtc", "res", "evt/#", "req/#")
_SNAPSHOT_LIVES: Final = timedelta(seconds=30)
_LOOK_FOR_GAPS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Shards:
    """A range of shards, both ends included; small installs have one consumer for all."""

    first: int = 0x00
    last: int = 0xFF

    @property
    def name(self) -> str:
        """Names client id and lease: always the same for the same range."""
        return f"{self.first:02x}-{self.last:02x}"

    def filters(self, kind: str) -> dict[str, int]:
        """Topic filters for one kind of message, QoS 1."""
        if (self.first, self.last) == (0x00, 0xFF):
            return {f"tl/1/+/+/up/{kind}": 1}
        return {f"tl/1/{shard:02x}/+/up/{kind}": 1 for shard in range(self.first, self.last + 1)}


ALL: Final = Shards()


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a gateway works with. ``signer`` holds the gateway's own key and no other."""

    store: Store
    tail: Tail
    clock: Clock
    broker: Broker = field(repr=False)
    signer: CommandSigner = field(repr=False)
    limits: GatewayLimits = field(default_factory=GatewayLimits)
    spine_limits: SpineLimits = field(default_factory=SpineLimits)
    link_limits: LinkLimits = field(default_factory=LinkLimits)
    shards: Shards = ALL


class Duty:
    """One connection with the fixed client id, what comes over it, and what goes out."""

    def __init__(self, kit: Equipment) -> None:
        limits = kit.limits
        self._kit = kit
        self.link = Link(
            kit.broker,
            client_id=f"tl-gw-{kit.shards.name}",
            on_message=self._take,
            on_up=self._on_up,
            clean_start=False,  # Mosquitto writes no other session to disk
            session_expiry=int(limits.session.total_seconds()),
            receive_maximum=limits.receive_maximum,
            keepalive=int(limits.keepalive.total_seconds()),
            limits=kit.link_limits,
        )
        self._commands = Commands(kit.store, kit.clock, limits)
        self._units = KnownUnits(kit.store, kit.tail, most=limits.known_units)
        self._counters = Counters(kit.store.valkey)
        self._gaps = Gaps(after=limits.gap, most=limits.known_units)
        intake = Intake(
            kit.store,
            kit.clock,
            limits,
            units=self._units,
            dead=DeadLetters(kit.store.valkey, kit.store.house, kit.spine_limits),
            replies=Replies(self.link),
            gaps=self._gaps,
        )
        self._inbound = Inbound(intake, self.link, limits)
        self._hints = Hints(kit.store.valkey, COMMANDS, self._foreseen, kit.spine_limits)
        self._dispatch = Dispatch(
            kit.store,
            kit.tail.log,
            kit.clock,
            limits,
            signer=kit.signer,
            downlink=self.link,
            hints=self._hints,
        )
        self._reader = Reader(
            kit.store,
            kit.tail.log,
            kit.tail,
            GROUP,
            self._dispatch.react,
            kinds=KINDS,
            limits=kit.spine_limits,
            clock=kit.clock,
        )

    async def run(self) -> None:
        """Until cancelled: then DISCONNECT; what is unacknowledged waits in the session for the next."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._units.run(), name="gateway-units")
                tasks.create_task(self._inbound.run(), name="gateway-inbound")
                tasks.create_task(self._hints.run(), name="gateway-hints")
                tasks.create_task(self._reader.run(), name="gateway-reader")
                tasks.create_task(self._watch_gaps(), name="gateway-gaps")
                tasks.create_task(self.link.run(), name="gateway-link")
        finally:
            await self._dispatch.close()

    def _foreseen(self, command: str, text: str) -> Ready | None:
        """A command that is being made. Where it is ours to send it is signed by the time we know that it was."""
        ours = self._reader.leases.token((partition_of(command), GROUP)) is not None
        return Ready.of(command, text, self._kit.signer) if ours else None

    def _take(self, message: Incoming) -> None:
        self._inbound.take(message)

    async def _on_up(self, session_present: bool) -> None:  # noqa: FBT001  # the link's callback
        """``up/state``: marked where it is the broker's copy; elsewhere the retain mark is the sender's."""
        shards = self._kit.shards
        marked = {name: qos for kind in _KINDS for name, qos in shards.filters(kind).items()}
        await self.link.subscribe(marked, retain_as_published=True)
        await self.link.subscribe(shards.filters("state"))
        await self._dispatch.on_up()
        _log.info("gateway.connected", extra={"session_present": session_present})

    async def _watch_gaps(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_FOR_GAPS)
            for gap in self._gaps.due(self._kit.clock.now()):
                with suppress(Problem):  # no car, no trust, no store: the next gap asks again
                    await self._ask_for_snapshot(gap)
                    await self._counters.add("gateway", ["snapshots_asked"])

    async def _ask_for_snapshot(self, gap: Gap) -> None:
        known = (await self._units.find([gap.unit])).get(gap.unit)
        if known is None:
            return
        await self._commands.create(
            CommandId(named_after("cmd", gap.unit, "gap", gap.boot, gap.seq)),
            vehicle=known.vehicle,
            op=Op.SNAPSHOT,
            args={},
            delivery=None,
            ttl=_SNAPSHOT_LIVES,
            now=self._kit.clock.now(),
        )
