"""What a courier asks of the car: a challenge, the one opening, lock and flash; and the wait for it."""

import os
import secrets
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import ClassVar, Final

from delivery.ahead import LookAhead, Sight, Subjects
from delivery.answers import BOOT, Answer, answer_by, answer_of
from delivery.at_the_car import GIVEN_UP, Orders, vehicle_of
from delivery.attempt import Attempt, Raced
from delivery.courier import Device, assigned, near
from delivery.freshness import News, Tail, brought, impatient
from delivery.model import Arrival, Opening, Read
from delivery.pace import Rates, slowly
from delivery.place import Point
from delivery.ports import Cars, Keys
from delivery.problems import (
    ArriveFirst,
    CarSaidNo,
    NoKey,
    OpeningInFlight,
    TooManyOpenings,
)
from delivery.service import Deliveries, Turn, told
from delivery.states import Act, State
from delivery.witness import Witness, WitnessStand
from spine.facts.delivery import OpeningStarted
from spine.facts.vehicle import (
    CommandDone,
    CommandExpired,
    CommandRefused,
    CommandUnanswered,
    CommandUndeliverable,
    UnitReceipt,
)
from spine.ids import CommandId, DeliveryId, KeyId, named_after, partition_of
from spine.log import Entry
from spine.problems import Kind, Problem
from spine.store import Change, Outcome, Saved
from vehicle_gateway.commands import Commands
from vehicle_gateway.wire import Op

_GLANCE: Final = 0.5
"""Seconds between two looks of a request that waits for an attempt it did not begin."""

_TELLING: Final = frozenset(kind.model_fields["kind"].default for kind in (UnitReceipt, *BOOT, *GIVEN_UP))


class CarSilent(Problem):
    """The car did not answer in time; nothing was opened by this."""

    code: ClassVar[str] = "car.silent"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    try_again: ClassVar[bool] = True


class AtTheCar:
    """The acts of a courier in front of the car."""

    def __init__(
        self,
        deliveries: Deliveries,
        cars: Cars,
        keys: Keys,
        commands: Commands,
        tail: Tail,
        rates: Rates,
        news: News,
    ) -> None:
        self._deliveries = deliveries
        self._keys = keys
        self._commands = commands
        self._tail = tail
        self._orders = Orders(deliveries, commands, tail)
        self._rates = rates
        self._news = news
        self._ahead = LookAhead(deliveries, cars, keys, commands, news)
        self._stand = WitnessStand()
        self.foretold = self._stand.hear
        """To be told of receipts that are being saved (``spine.hints.RECEIPTS``): those waited for are verified."""

    async def challenge(self, device: Device, delivery: DeliveryId, *, wait: float) -> tuple[str, datetime]:
        """A challenge of the car for this device to sign, and until when it is worth signing.

        Where the car asks for news with the key they are had signed meanwhile. Raises ``CarSilent`` and
        ``NewsMissing`` (nothing happened), ``CarSaidNo``, ``TooOften``, ``ArriveFirst``.
        """
        read = await self._at_work(device, delivery, Act.CHALLENGE)
        self._check_arrival(read.body.arrival)
        await self._slowly("challenge", delivery, self._deliveries.limits.challenges_most)
        asked = self._deliveries.clock.now()
        command = _command(delivery, "challenge")
        beside = await self._ahead.prepare(delivery)
        args: dict[str, str] = {"delivery": delivery}
        if beside is not None and beside.key.token is not None:
            args["key"] = beside.key.token  # the unit reads it while the courier looks for the boot
        fact = await self._orders.ask(read, command, Op.CHALLENGE, args, wait)
        if isinstance(fact, CommandRefused):
            raise CarSaidNo(fact.code)
        if not isinstance(fact, CommandDone):
            raise CarSilent("the car did not answer; nothing was opened")
        view = await self._commands.view(command)
        challenge = str(view.data.get("challenge", ""))
        if view.data.get("fresh") is True or impatient(read):
            # now, so that the tap is one round trip; it finds them beside the rest
            await self._news.obtain(vehicle_of(read), view.unit, challenge, wait=wait)
            await self._ahead.prepare(delivery)
        return challenge, asked + self._deliveries.limits.challenge_life

    async def look(self, delivery: DeliveryId) -> Sight:
        """What an opening needs, read before it is known who asks; to be told to nobody, only given to ``open``.

        Raises ``NoSuchDelivery``.
        """
        return await self._ahead.look(delivery)

    async def open(
        self,
        device: Device,
        delivery: DeliveryId,
        proof: str,
        *,
        wait: float,
        position: Point | None = None,
        reason: str = "",
        sight: Sight | None = None,
    ) -> Answer:
        """Present key and proof to the car, once; the same proof again waits for the same answer.

        One commit starts the opening and makes its command. ``sight``: what ``look`` gave just now.
        Raises ``OpeningInFlight`` for another proof meanwhile, ``NoKey``, ``ArriveFirst``, ``TooFar``,
        ``TooManyOpenings``, ``StepNotAllowed``.
        """
        while True:
            seen, sight = sight or await self._ahead.look(delivery), None
            read = seen.read
            assigned(read, device)
            opening, key = read.body.opening, read.body.key
            if opening is not None and opening.proof == _sha256(proof):
                return await self._known(read, opening.command, key.key if key else None, wait)
            try:
                attempt = await self._attempt(seen, device, proof, position=position, reason=reason)
                outcome = await self._commit(attempt)
                os.sched_yield()
            except Raced:
                continue
            except Problem:
                # a copy of this very tap may have used the key meanwhile: its answer is the answer
                if (await self._deliveries.read(delivery)).body.opening == opening:
                    raise
                continue
            command = attempt.planned.command
            witness = attempt.witness.after(outcome.saved[attempt.planned.body.unit])
            with self._stand.waiting(witness):
                found = await self._outcome(
                    read.id, command, attempt.key_id, wait, after=outcome.positions[-1], witness=witness
                )
            return found or await self._known(
                await self._deliveries.read(read.id), command, attempt.key_id, wait=0
            )

    async def _attempt(
        self, seen: Sight, device: Device, proof: str, *, position: Point | None, reason: str
    ) -> Attempt:
        """One tap, ready to be committed on what was read."""
        read, now, limits = seen.read, self._deliveries.clock.now(), self._deliveries.limits
        key = read.body.key
        if read.state is State.OPENING:
            raise OpeningInFlight("wait for the answer to the attempt that is on its way")
        read.require(Act.OPEN)
        if key is None or key.dead or key.jkt != device.jkt:
            raise NoKey("there is no key for this device now")
        n = read.body.openings + 1
        subjects = Subjects(vehicle_of(read), key.key, device.jkt, n)
        beside = seen.beside
        if beside is None or beside.subjects != subjects:
            beside = await self._ahead.beside(read.id, subjects)
        arrival = read.body.arrival if position is None else near(beside.car, position, reason, limits, now)
        self._check_arrival(arrival)
        if n > limits.openings_most:
            raise TooManyOpenings("this delivery has been tried too often: call the carrier")
        if beside.key.token is None:
            await self._keys.hand_out(key.key, jkt=device.jkt, now=now)
            beside = await self._ahead.beside(read.id, subjects)
        args = {"delivery": read.id, "key": beside.key.token or "", "proof": proof}
        args |= brought(beside.news, proof)
        planned = await self._orders.plan(read, subjects.command(read.id), Op.PRESENT, args, beside.found)
        planned.foretell(self._deliveries.store)

        def decide(here: Read, others: Mapping[str, Saved]) -> Turn:
            assigned(here, device)
            if (here.body.openings, here.body.opening, here.body.key) != (n - 1, read.body.opening, key):
                raise Raced
            if others[key.key].version != beside.key.saved.version:
                raise Raced
            here.require(Act.OPEN)
            made = planned.decide(others)
            if made is None:
                raise NoKey("the key is over")
            started = told(OpeningStarted, here, now, command=planned.command, key=key.key)
            body = here.body.but(
                openings=n,
                opening=Opening(command=planned.command, proof=_sha256(proof), at=now),
                arrival=arrival,
                refusal=None,
            )
            return Turn(body, [started], writes=made.writes, others=made.facts)

        return Attempt(read, seen.saved, beside.key.saved, planned, beside.witness, now, decide)

    async def _commit(self, attempt: Attempt) -> Outcome:
        """One commit starts the opening and makes its command."""
        delivery, planned = attempt.saved.id, attempt.planned

        def decided(saved: Mapping[str, Saved]) -> Change:
            read = attempt.delivery(saved[delivery])
            return self._deliveries.commit(read, attempt.decide(read, saved), attempt.now)

        loaded = {delivery: attempt.saved, attempt.key_id: attempt.key, **planned.loaded}
        return await self._deliveries.store.change(list(loaded), decided, loaded=loaded)

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
        self,
        delivery: DeliveryId,
        command: CommandId,
        key: KeyId | None,
        wait: float,
        *,
        after: str | None,
        witness: Witness | None = None,
    ) -> Answer | None:
        """The answer by the car's verified receipt or by the command's end; None where none came.

        With ``witness`` the receipt is verified here, as soon as it is durable.
        """
        found: list[Answer] = []

        def fits(entry: Entry) -> bool:
            if entry.kind not in _TELLING:
                return False
            fact, answer = entry.fact, None
            if isinstance(fact, UnitReceipt) and witness is not None:
                answer = witness.answer(fact)
            elif (isinstance(fact, BOOT) and fact.key == key) or (
                isinstance(fact, GIVEN_UP) and fact.command == command
            ):
                answer = answer_by(entry)
            found.extend([answer] if answer else [])
            return bool(found)

        await self._tail.wait_for(partition_of(delivery), fits, wait, after)
        return found[0] if found else None

    async def lock(self, device: Device, delivery: DeliveryId, *, wait: float) -> Answer:
        """Drive the lock shut; needs no key."""
        return await self._simple(device, delivery, Act.LOCK, Op.LOCK, wait)

    async def flash(self, device: Device, delivery: DeliveryId, *, wait: float) -> Answer:
        """Flash the lights, so that the courier finds the car."""
        return await self._simple(device, delivery, Act.FLASH, Op.FLASH, wait)

    async def lock_for_help(self, delivery: DeliveryId, *, wait: float) -> Answer:
        """As ``lock``, for whoever helps by telephone: it makes the car safer, and needs neither key nor device."""
        read = await self._deliveries.read(delivery)
        read.require(Act.LOCK)
        return await self._moved(read, Op.LOCK, wait)

    async def _simple(self, device: Device, delivery: DeliveryId, act: Act, op: Op, wait: float) -> Answer:
        return await self._moved(await self._at_work(device, delivery, act), op, wait)

    async def _moved(self, read: Read, op: Op, wait: float) -> Answer:
        delivery = read.id
        await self._slowly(op.value, delivery, self._deliveries.limits.flashes_most)
        fact = await self._orders.ask(read, _command(delivery, op.value), op, {"delivery": delivery}, wait)
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

    def _check_arrival(self, arrival: Arrival | None) -> None:
        now = self._deliveries.clock.now()
        if arrival is None or now > arrival.at + self._deliveries.limits.near_holds:
            raise ArriveFirst("say again that you are at the car")

    async def _slowly(self, what: str, delivery: DeliveryId, most: int) -> None:
        await slowly(self._rates, what, delivery, most, self._deliveries.clock.now())


def _command(delivery: DeliveryId, what: str) -> CommandId:
    return CommandId(named_after("cmd", delivery, secrets.token_hex(6), what))


def _sha256(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
