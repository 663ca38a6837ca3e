"""What a courier asks of the car: a challenge, the one opening, lock and flash; and the wait for it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar, Final, Protocol

from delivery.answers import BOOT, Answer, answer_by, answer_of
from delivery.courier import Device, assigned, near
from delivery.model import Opening, Read
from delivery.place import Point
from delivery.ports import Cars, Keys
from delivery.problems import (
    ArriveFirst,
    CarSaidNo,
    NoKey,
    OnlySimulated,
    OpeningInFlight,
    TooManyOpenings,
    TooOften,
)
from delivery.service import Deliveries, Turn, told
from delivery.states import Act, State
from spine.facts.delivery import OpeningStarted
from spine.facts.vehicle import (
    CommandDone,
    CommandExpired,
    CommandRefused,
    CommandUnanswered,
    CommandUndeliverable,
)
from spine.ids import CommandId, DeliveryId, KeyId, named_after, partition_of
from spine.log import Entry
from spine.problems import Kind, Problem
from spine.store import Change, Outcome, Saved
from vehicle_gateway.commands import Commands, Planned
from vehicle_gateway.wire import Op

_MINUTE: Final = timedelta(minutes=1)
_GLANCE: Final = 0.5
"""Seconds between two looks of a request that waits for an attempt it did not begin."""

_GIVEN_UP: Final = (CommandRefused, CommandExpired, CommandUndeliverable, CommandUnanswered)
_Ended = CommandDone | CommandRefused | CommandExpired | CommandUndeliverable | CommandUnanswered


class CarSilent(Problem):
    """The car did not answer in time; nothing was opened by this."""

    code: ClassVar[str] = "car.silent"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    try_again: ClassVar[bool] = True


class Tail(Protocol):
    """Facts as they are committed (``spine.log.Tail``)."""

    async def wait_for(
        self,
        partition: int,
        predicate: Callable[[Entry], bool],
        timeout: float,  # noqa: ASYNC109 - as the tail has it
        after: str | None = None,
    ) -> Entry | None: ...


class Rates(Protocol):
    """How often something was done (``spine.rates.Rates``)."""

    async def take(self, space: str, id: str, *, limit: int, per: timedelta, now: datetime) -> int: ...  # noqa: A002


class AtTheCar:
    """The acts of a courier in front of the car."""

    def __init__(
        self, deliveries: Deliveries, cars: Cars, keys: Keys, commands: Commands, tail: Tail, rates: Rates
    ) -> None:
        self._deliveries = deliveries
        self._cars = cars
        self._keys = keys
        self._commands = commands
        self._tail = tail
        self._rates = rates

    async def challenge(self, device: Device, delivery: DeliveryId, *, wait: float) -> tuple[str, datetime]:
        """A challenge of the car for this device to sign, and until when it is worth signing.

        Raises ``CarSilent`` (nothing happened), ``CarSaidNo``, ``TooOften``, ``ArriveFirst``.
        """
        read = await self._at_work(device, delivery, Act.CHALLENGE)
        self._check_arrival(read)
        await self._slowly("challenge", delivery, self._deliveries.limits.challenges_most)
        asked = self._deliveries.clock.now()
        command = _command(delivery, "challenge")
        fact = await self._ask(read, command, Op.CHALLENGE, {"delivery": delivery}, wait)
        if isinstance(fact, CommandRefused):
            raise CarSaidNo(fact.code)
        if not isinstance(fact, CommandDone):
            raise CarSilent("the car did not answer; nothing was opened")
        view = await self._commands.view(command)
        return str(view.data.get("challenge", "")), asked + self._deliveries.limits.challenge_life

    async def open(
        self,
        device: Device,
        delivery: DeliveryId,
        proof: str,
        *,
        wait: float,
        position: Point | None = None,
        reason: str = "",
    ) -> Answer:
        """Present key and proof to the car, once; the same proof again waits for the same answer.

        One commit starts the opening and makes its command. Raises ``OpeningInFlight`` for another proof
        meanwhile, ``NoKey``, ``ArriveFirst``, ``TooFar``, ``TooManyOpenings``, ``StepNotAllowed``.
        """
        while True:
            read = await self._deliveries.read(delivery)
            assigned(read, device)
            try:
                return await self._open(read, device, proof, wait=wait, position=position, reason=reason)
            except _Raced:
                continue

    async def _open(
        self, read: Read, device: Device, proof: str, *, wait: float, position: Point | None, reason: str
    ) -> Answer:
        known, now, limits = _sha256(proof), self._deliveries.clock.now(), self._deliveries.limits
        opening, key = read.body.opening, read.body.key
        if opening is not None and opening.proof == known:
            return await self._known(read, opening.command, key.key if key else None, wait)
        if read.state is State.OPENING:
            raise OpeningInFlight("wait for the answer to the attempt that is on its way")
        read.require(Act.OPEN)
        if key is None or key.dead or key.jkt != device.jkt:
            raise NoKey("there is no key for this device now")
        arrival = read.body.arrival
        if position is not None and read.body.vehicle is not None:
            car = await self._cars.car(read.body.vehicle, now=now)
            arrival = near(car, position, reason, limits, now)
        fresh = read.but(body=read.body.but(arrival=arrival))
        self._check_arrival(fresh)
        n = read.body.openings + 1
        if n > limits.openings_most:
            raise TooManyOpenings("this delivery has been tried too often: call the carrier")
        token = await self._keys.hand_out(key.key, jkt=device.jkt, now=now)
        command = CommandId(named_after("cmd", read.id, n, "open"))
        planned = await self._plan(
            read, command, Op.PRESENT, {"delivery": read.id, "key": token, "proof": proof}
        )

        def decide(here: Read, saved: Mapping[str, Saved]) -> Turn:
            assigned(here, device)
            if (here.body.openings, here.body.opening, here.body.key) != (n - 1, opening, here.body.key):
                raise _Raced
            here.require(Act.OPEN)
            made = planned.decide(saved)
            if made is None or here.body.key is None or here.body.key.key != key.key or here.body.key.dead:
                raise NoKey("the key is over")
            started = told(OpeningStarted, here, now, command=command, key=key.key)
            body = here.body.but(
                openings=n,
                opening=Opening(command=command, proof=known, at=now),
                arrival=arrival,
                refusal=None,
            )
            return Turn(body, [started], writes=made.writes, others=made.facts)

        outcome = await self._commit(read.id, decide, planned)
        found = await self._outcome(read.id, command, key.key, wait, after=outcome.positions[-1])
        return found or await self._known(await self._deliveries.read(read.id), command, key.key, wait=0)

    async def _commit(
        self, delivery: DeliveryId, decide: Callable[[Read, Mapping[str, Saved]], Turn], planned: Planned
    ) -> Outcome:
        now = self._deliveries.clock.now()

        def decided(saved: Mapping[str, Saved]) -> Change:
            read = Read.of(saved[delivery])
            if read is None:
                raise _Raced
            return self._deliveries.commit(read, decide(read, saved), now)

        return await self._deliveries.store.change([delivery, *planned.subjects], decided)

    async def _known(self, read: Read, command: CommandId, key: KeyId | None, wait: float) -> Answer:
        """The answer to an attempt that another request began, looked for in short waits."""
        while True:
            there = answer_of(read)
            if there is not None or wait <= 0:
                return there or Answer("pending")
            found = await self._outcome(read.id, command, key, min(wait, _GLANCE), after=None)
            if found is not None:
                return found
            wait -= _GLANCE
            read = await self._deliveries.read(read.id)

    async def _outcome(
        self, delivery: DeliveryId, command: CommandId, key: KeyId | None, wait: float, *, after: str | None
    ) -> Answer | None:
        """The answer by the car's verified receipt or by the command's end; None where none came."""

        def fits(entry: Entry) -> bool:
            fact = entry.fact
            if isinstance(fact, BOOT):
                return fact.key == key
            return isinstance(fact, _GIVEN_UP) and fact.command == command

        entry = await self._tail.wait_for(partition_of(delivery), fits, wait, after)
        return None if entry is None else answer_by(entry)

    async def lock(self, device: Device, delivery: DeliveryId, *, wait: float) -> Answer:
        """Drive the lock shut; needs no key."""
        return await self._simple(device, delivery, Act.LOCK, Op.LOCK, wait)

    async def flash(self, device: Device, delivery: DeliveryId, *, wait: float) -> Answer:
        """Flash the lights, so that the courier finds the car."""
        return await self._simple(device, delivery, Act.FLASH, Op.FLASH, wait)

    async def _simple(self, device: Device, delivery: DeliveryId, act: Act, op: Op, wait: float) -> Answer:
        read = await self._at_work(device, delivery, act)
        await self._slowly(op.value, delivery, self._deliveries.limits.flashes_most)
        fact = await self._ask(read, _command(delivery, op.value), op, {"delivery": delivery}, wait)
        match fact:
            case CommandDone():
                return Answer("done", at=fact.at)
            case CommandRefused():
                return Answer("refused", fact.code, at=fact.at)
            case CommandExpired() | CommandUndeliverable():
                return Answer("not_sent", at=fact.at)
            case CommandUnanswered():
                return Answer("unsure", at=fact.at)
            case None:
                return Answer("pending")

    async def _at_work(self, device: Device, delivery: DeliveryId, act: Act) -> Read:
        read = await self._deliveries.read(delivery)
        assigned(read, device)
        read.require(act)
        return read

    def _check_arrival(self, read: Read) -> None:
        arrival, now = read.body.arrival, self._deliveries.clock.now()
        if arrival is None or now > arrival.at + self._deliveries.limits.near_holds:
            raise ArriveFirst("say again that you are at the car")

    async def _slowly(self, what: str, delivery: DeliveryId, most: int) -> None:
        now = self._deliveries.clock.now()
        seconds = await self._rates.take(what, delivery, limit=most, per=_MINUTE, now=now)
        if seconds:
            raise TooOften(f"at most {most} a minute", retry_after=seconds)

    async def _ask(
        self, read: Read, command: CommandId, op: Op, args: Mapping[str, str], wait: float
    ) -> _Ended | None:
        """Make a command and wait for its end; None where that takes longer."""
        planned = await self._plan(read, command, op, args)
        outcome = await self._deliveries.store.change(planned.subjects, planned.decide)

        def fits(entry: Entry) -> bool:
            return isinstance(entry.fact, _Ended) and entry.fact.command == command

        after = outcome.positions[-1] if outcome.positions else None
        entry = await self._tail.wait_for(partition_of(command), fits, wait, after)
        return entry.fact if entry is not None and isinstance(entry.fact, _Ended) else None

    async def _plan(self, read: Read, command: CommandId, op: Op, args: Mapping[str, str]) -> Planned:
        if read.body.test is not None or read.body.vehicle is None:
            raise OnlySimulated("a test delivery plays by itself")
        return await self._commands.plan(
            command,
            vehicle=read.body.vehicle,
            op=op,
            args=args,
            delivery=read.id,
            ttl=self._deliveries.limits.command_life,
            now=self._deliveries.clock.now(),
        )


class _Raced(Exception):
    """The delivery changed between our look and our commit: look again."""


def _command(delivery: DeliveryId, what: str) -> CommandId:
    return CommandId(named_after("cmd", delivery, secrets.token_hex(6), what))


def _sha256(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
