"""Carry commands from the log to the cars: signed when sent, sent while in time, repeated only unchanged."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol

from spine.clock import Clock
from spine.facts import Fact
from spine.facts.keys import FreshSigned, ReceiptRejected, RevocationRaised
from spine.facts.trust import TrustPublished
from spine.facts.vehicle import (
    CommandCreated,
    CommandExpired,
    CommandSent,
    CommandUndeliverable,
    UnitAsked,
)
from spine.hints import Hints
from spine.ids import CommandId
from spine.log import Log, order
from spine.store import Ack, Store
from spine.valkey import StoreDown
from vehicle_gateway.bundles import Bundles
from vehicle_gateway.commands import CommandBody, Commands
from vehicle_gateway.fresh import FreshAnswers
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import NO_SUBSCRIBERS, Lost, NotConnected
from vehicle_gateway.lists import Lists
from vehicle_gateway.ready import CommandSigner, Ready
from vehicle_gateway.standing import Standing
from vehicle_gateway.states import CommandState, UnitState
from vehicle_gateway.wire import down, up

_log = logging.getLogger("trunkline.vehicle_gateway")

GROUP: Final = "gateway"
KINDS: Final = frozenset(
    {
        "command.created",
        "revocation.raised",
        "receipt.rejected",
        "unit.asked",
        "fresh.signed",
        "trust.published",
    }
)


Launched = asyncio.Future[int]
"""On its way to the broker, whose word it gives."""
Fate = type[CommandSent] | type[CommandUndeliverable] | type[CommandExpired]


class Downlink(Protocol):
    """How a message leaves the house (``vehicle_gateway.link.Link``)."""

    @property
    def connected(self) -> bool: ...

    async def wait_connected(self) -> None: ...

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: int | None = None,
    ) -> int: ...

    def send(
        self,
        topic: str,
        payload: bytes,
        *,
        expiry: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> Launched: ...


class Received(Protocol):
    """An entry of the log as a reader hands it over."""

    @property
    def partition(self) -> int: ...

    @property
    def position(self) -> str: ...

    @property
    def fact(self) -> Fact: ...

    @property
    def ack(self) -> Ack | None: ...


class Dispatch:
    """The gateway's reactions (group ``gateway``)."""

    def __init__(
        self,
        store: Store,
        log: Log,
        clock: Clock,
        limits: GatewayLimits,
        *,
        signer: CommandSigner,
        downlink: Downlink,
        hints: Hints[Ready] | None = None,
    ) -> None:
        self._store = store
        self._hints = hints
        self._facts = log
        self._clock = clock
        self._limits = limits
        self._signer = signer
        self._downlink = downlink
        self._commands = Commands(store, clock, limits)
        self._standing = Standing(store)
        self._lists = Lists(store, clock, limits, downlink)
        self._answers = FreshAnswers(store, limits, downlink)
        self._bundles = Bundles(store, limits, downlink)
        self._since: dict[int, str] = {}
        self._up_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def on_up(self) -> None:
        """To be run after each connection: the lists again; the first time, note where the log stands.

        What was created after that place cannot have been sent by a gateway before us: the broker has given
        its session to us.
        """
        self._up_at = asyncio.get_running_loop().time()
        if not self._since:
            try:
                self._since = {
                    partition: await self._facts.last(partition)
                    for partition in range(self._store.house.partitions)
                }
            except StoreDown:
                _log.warning("dispatch.place_unknown")
        self._start(self._lists.repeat_all(), "lists")
        self._start(self._bundles.carry(), "bundles")

    async def react(self, received: Received) -> None:
        """Handle one entry; what cannot leave at once goes on in the background until it is too late."""
        fact = received.fact
        match fact:
            case CommandCreated():
                await self._send(fact, received)
            case RevocationRaised():
                await self._lists.raised(fact, ack=received.ack)
            case ReceiptRejected():
                await self._standing.quarantine(
                    fact.unit, reason="receipt_rejected", now=self._clock.now(), ack=received.ack
                )
            case TrustPublished():
                await self._bundles.published(fact, ack=received.ack)
                self._start(self._bundles.carry(), "bundles")
            case UnitAsked(name="trust"):
                await self._bundles.answer(fact)
            case UnitAsked(name="revocations"):
                await self._lists.repeat(fact.vehicle)
            case FreshSigned() if fact.request:
                await self._answers.give(fact, now=self._clock.now())
            case _:
                return

    async def close(self) -> None:
        """Stop what goes on in the background; their commands end as ``unanswered``."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, fact: CommandCreated, received: Received) -> None:
        """Wait until it has left, or a moment: order is kept, and a broker that is away holds up nobody."""
        doubt = not self._surely_unsent(received)
        ready = None if doubt else self._hinted(fact)
        if ready is None:
            found = await self._store.load_many([fact.command, fact.unit])
            command, unit = found[fact.command], found[fact.unit]
            if command.state != CommandState.CREATED:
                return
            if unit.state != UnitState.ACTIVE:
                await self._commands.become(
                    fact.command, CommandUndeliverable, now=self._clock.now(), ack=received.ack
                )
                return
            ready = Ready.of(fact.command, command.body, self._signer)
        left, going = asyncio.Event(), None
        if self._downlink.connected and self._remaining(ready.body) > 0:
            # At once: what follows, a task and its first turn, takes longer than this.
            with suppress(NotConnected):
                going = self._launch(fact.command, ready)
        self._start(self._carry(fact, ready, going, left, doubt=doubt), f"command-{fact.command}")
        try:
            async with asyncio.timeout(self._limits.send_patience.total_seconds()):
                await left.wait()
        except TimeoutError:
            _log.info("command.waits", extra={"command": fact.command})

    def _hinted(self, fact: CommandCreated) -> Ready | None:
        """The command as it was foretold when it was made, once; its car was fit for it at that moment.

        A hint of a change that was never saved is of another moment than the fact.
        """
        said = None if self._hints is None else self._hints.take(fact.command)
        if said is None:
            return None
        body = said.body
        fits = (body.created_at, body.unit, body.expires_at) == (fact.at, fact.unit, fact.expires_at)
        return said if fits else None

    def _surely_unsent(self, received: Received) -> bool:
        since = self._since.get(received.partition)
        return since is not None and order(received.position) > order(since)

    async def _carry(
        self, fact: CommandCreated, ready: Ready, going: Launched | None, left: asyncio.Event, *, doubt: bool
    ) -> None:
        """From ``created`` to what became of sending it; in doubt the timer will say ``unanswered``."""
        try:
            fate = await self._send_in_time(fact.command, ready, going, doubt=doubt)
        finally:
            left.set()
        if fate is None:
            _log.warning("command.in_doubt", extra={"command": fact.command})
            return
        if fate is CommandSent:
            # An answer comes within milliseconds; it must not wait for the commit that says the command left,
            # and mostly makes it needless.
            await asyncio.sleep(self._limits.sent_after.total_seconds())
        try:
            await self._commands.become(fact.command, fate, now=self._clock.now())
        except StoreDown:
            # the unit's result or the timer will say how it ended
            _log.warning("command.fate_not_kept", extra={"command": fact.command, "fate": fate.__name__})

    async def _send_in_time(
        self, command: CommandId, ready: Ready, going: Launched | None, *, doubt: bool
    ) -> Fate | None:
        """Publish until it is out or too late; ``going``: begun already. None: it may have left, and nobody knows.

        ``expired`` and ``undeliverable`` are said only of what surely never reached the car.
        """
        while (remaining := self._remaining(ready.body)) > 0 or going is not None:
            if going is None and not self._downlink.connected:
                try:
                    async with asyncio.timeout(remaining):
                        await self._downlink.wait_connected()
                except TimeoutError:
                    break
            try:
                async with asyncio.timeout(remaining):
                    launched, going = going or self._launch(command, ready), None
                    code = await launched
            except NotConnected:
                await asyncio.sleep(self._limits.send_again.total_seconds())
                continue
            except (Lost, TimeoutError):
                doubt = True
                continue
            if code == 0:
                return CommandSent
            if code == NO_SUBSCRIBERS and self._cars_come_back():
                await asyncio.sleep(self._limits.send_again.total_seconds())
                continue
            _log.warning("command.not_taken", extra={"command": command, "reason_code": code})
            return None if doubt else CommandUndeliverable
        return None if doubt else CommandExpired

    def _cars_come_back(self) -> bool:
        """Whether the broker may know nobody only because it has just started and cars connect after us."""
        up_for = asyncio.get_running_loop().time() - self._up_at
        return up_for < self._limits.cars_back_within.total_seconds()

    def _launch(self, command: CommandId, ready: Ready) -> Launched:
        """Write it to the socket now; the future gives the broker's word. Raises ``NotConnected``."""
        body = ready.body
        most = min(self._remaining(body), self._limits.command_expiry.total_seconds())
        return self._downlink.send(
            down(body.shard, body.unit, "cmd"),
            ready.payload,
            expiry=max(1, int(most)),
            response_topic=up(body.shard, body.unit, "res"),
            correlation=command.encode(),
        )

    def _remaining(self, body: CommandBody) -> float:
        """Seconds until the signed ``exp``, which is whole seconds."""
        return int(body.expires_at.timestamp()) - self._clock.now().timestamp()

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failed := task.exception()) is not None:
            _log.error("dispatch.failed", exc_info=failed, extra={"task": task.get_name()})
