"""From an address to a car to its people: resolve and ask, or note that the address cannot be used."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from delivery import questions
from delivery.co_signing import CoSigning
from delivery.life import number_of
from delivery.model import Planned, Read
from delivery.ports import Addresses, CarPeople, Carriers, Couriers
from delivery.rules import RuleBook
from delivery.service import Deliveries, Turn, told
from delivery.states import State
from spine.facts.delivery import DeliveryAsked, DeliveryUnusable
from spine.ids import DeliveryId, QuestionId, VehicleId, named_after
from spine.store import Saved, Write


def question_id(delivery: DeliveryId) -> QuestionId:
    """A delivery asks once; a change that needs another answer is another delivery."""
    return QuestionId(named_after("qst", delivery, 1))


class Asking:
    """What follows ``delivery.requested``. Doing it again changes nothing."""

    def __init__(
        self,
        deliveries: Deliveries,
        addresses: Addresses,
        people: CarPeople,
        carriers: Carriers,
        couriers: Couriers,
        rules: RuleBook,
        co_signing: CoSigning,
    ) -> None:
        self._deliveries = deliveries
        self._addresses = addresses
        self._people = people
        self._carriers = carriers
        self._couriers = couriers
        self._rules = rules
        self.co_signing = co_signing

    async def begin(self, delivery: DeliveryId, position: str) -> None:
        """Resolve the address under the order's id and ask whoever decides about the car.

        ``position``: of the order's fact in the log.
        """
        await self._begin(delivery, before(position))

    async def courier_named(self, delivery: DeliveryId) -> None:
        """Begin anew where the owner has to sign for the courier's device and there was none to sign for."""
        since = (await self._deliveries.read(delivery)).body.since
        if since is not None:
            await self._begin(delivery, since)

    async def _begin(self, delivery: DeliveryId, since: str) -> None:
        read = await self._deliveries.read(delivery)
        if read.state is not State.REQUESTED or read.body.unusable is not None or read.body.test is not None:
            return
        now = self._deliveries.clock.now()
        vehicle = read.body.vehicle or await self._resolved(read, now)
        why_not = "address" if vehicle is None else await self._why_not(read, vehicle, now)
        if vehicle is None or why_not:
            await self._note_unusable(delivery, why_not, since)
        else:
            await self._ask(read, vehicle, since)

    async def tell_unusable(self, delivery: DeliveryId) -> None:
        """The moment drawn for it has come."""
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is not State.REQUESTED or read.body.unusable is None:
                return None
            unusable = told(DeliveryUnusable, read, now, reason=read.body.unusable, vehicle=None)
            return Turn(read.body.but(address=None), [unusable])

        await self._deliveries.change(delivery, decide)

    async def _resolved(self, read: Read, now: datetime) -> VehicleId | None:
        # a test carrier has its test addresses and no others: it never gets near a real car
        if read.body.address is None or not read.body.livemode:
            return None
        found = await self._addresses.resolve(
            read.body.address, carrier=read.body.carrier, delivery=read.body.order, now=now
        )
        return found.vehicle if found else None

    async def _why_not(self, read: Read, vehicle: VehicleId, now: datetime) -> str:
        """Why this car does not take the order at all; empty where it may be asked for."""
        rules, _ = await self._rules.of(vehicle)
        if rules.block_all:
            return "blocked"
        if read.body.act == "cabin" and not rules.cabin:
            return "cabin"
        deciders = [one for one in await self._people.people_of(vehicle, now=now) if one.may_approve]
        return "" if deciders else "nobody"

    async def _note_unusable(self, delivery: DeliveryId, why: str, since: str) -> None:
        limits, now = self._deliveries.limits, self._deliveries.clock.now()
        longest = limits.unusable_told_within.total_seconds()
        delay = timedelta(seconds=secrets.SystemRandom().uniform(0, longest))

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is not State.REQUESTED or read.body.unusable is not None:
                return None
            told_at = min(now + delay, read.body.approve_by)
            return Turn(read.body.but(unusable=why, told_at=told_at, vehicle=None, since=since))

        await self._deliveries.change(delivery, decide)
        if longest == 0:
            await self.tell_unusable(delivery)

    async def _ask(self, first: Read, vehicle: VehicleId, since: str) -> None:
        carrier = await self._carriers.view(first.body.carrier)
        if carrier is None:
            await self._note_unusable(first.id, "carrier", since)
            return
        rules, _ = await self._rules.of(vehicle)
        named = first.body.courier
        courier = await self._couriers.courier(named.courier) if named else None
        question, nonce = question_id(first.id), secrets.token_urlsafe(16)
        now = self._deliveries.clock.now()
        unit, draft = await self.co_signing.unit_of(vehicle), None
        if unit is not None:
            if named is not None:
                draft = await self.co_signing.draft(first, vehicle, unit, rules.place, now)
            if draft is None:
                await self._wait(first.id, since)
                return

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is not State.REQUESTED or read.body.unusable is not None:
                return None
            body = read.body.but(
                vehicle=vehicle, place=rules.place, address=None, question=question, since=since
            )
            if draft is not None:
                if body.courier != named:
                    return None  # ``courier_named`` asks with a draft for the other device
                planned = Planned(n=number_of(draft.key), epoch=body.epoch)
                body = body.but(draft=draft.key, planned=planned)
            if body.courier != named:
                # assigned while we looked: the question shows nobody, so nobody is held to it
                body = body.but(courier=body.courier.but(named=False)) if body.courier else body
            shown = courier if body.courier == named else None
            # The carrier reads `approve_by`: it must not tell that there is a car, and what it wants.
            until = body.approve_by if draft is None else min(body.approve_by, draft.exp)
            asks = Read(id=read.id, state=read.state, body=body.but(approve_by=until))
            asked = questions.put(question, asks, carrier, shown, nonce=nonce, draft=draft)
            fact = told(DeliveryAsked, asks, now, question=question, approve_by=until)
            return Turn(body, [fact], writes={question: Write("open", asked.model_dump_json())})

        await self._deliveries.change(first.id, decide, also=[question])

    async def _wait(self, delivery: DeliveryId, since: str) -> None:
        """For a courier to be named. Nobody is told: an answer here must not say that there is a car.

        The car is not remembered: by then the address may be dead and the car another's.
        """

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            body = read.body.but(since=since)
            return Turn(body) if read.state is State.REQUESTED and body != read.body else None

        await self._deliveries.change(delivery, decide)


def before(position: str) -> str:
    """The log position just before one: reading after it begins with that one."""
    milliseconds, _, n = position.partition("-")
    return f"{milliseconds}-{int(n) - 1}" if int(n or 0) else f"{int(milliseconds) - 1}-{2**32}"
