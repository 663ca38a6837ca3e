"""From an address to a car to its people: resolve and ask, or note that the address cannot be used."""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from delivery import household, questions, standing
from delivery.co_signing import CoSigning
from delivery.gesture import hash_of
from delivery.household import Household
from delivery.life import number_of
from delivery.model import Approval, Planned, Read, Via
from delivery.place import Anywhere, Circle, Polygon
from delivery.ports import Addresses, Carriers, Couriers, Passkeys
from delivery.questions import Decided, Question
from delivery.service import Deliveries, Turn, told
from delivery.standing import Standing, StandingBody, Trust
from delivery.states import State
from keys.drafts import Draft
from keys.problems import ClockAstray
from people.model import Resolved
from spine.facts.delivery import DeliveryApproved, DeliveryAsked, DeliveryUnusable
from spine.ids import DeliveryId, PersonId, QuestionId, VehicleId, named_after
from spine.store import Saved, Write


class _Raced(Exception):
    """The car's rules changed after something was drawn up for them: look again."""


def question_id(delivery: DeliveryId) -> QuestionId:
    """A delivery asks once; a change that needs another answer is another delivery."""
    return QuestionId(named_after("qst", delivery, 1))


class Asking:
    """What follows ``delivery.requested``. Doing it again changes nothing."""

    def __init__(
        self,
        deliveries: Deliveries,
        addresses: Addresses,
        passkeys: Passkeys,
        carriers: Carriers,
        couriers: Couriers,
        co_signing: CoSigning,
    ) -> None:
        self._deliveries = deliveries
        self._addresses = addresses
        self._passkeys = passkeys
        self._carriers = carriers
        self._couriers = couriers
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
        via = await self._found(read, self._deliveries.clock.now())
        if via is None:
            await self._note_unusable(delivery, "address", since)
            return
        asked = False
        while not asked:
            with suppress(_Raced):
                await self._ask(read, via, since)
                asked = True

    async def tell_unusable(self, delivery: DeliveryId) -> None:
        """The moment drawn for it has come."""
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is not State.REQUESTED or read.body.unusable is None:
                return None
            unusable = told(DeliveryUnusable, read, now, reason=read.body.unusable, vehicle=None)
            return Turn(read.body.but(address=None), [unusable])

        await self._deliveries.change(delivery, decide)

    async def _found(self, read: Read, now: datetime) -> Resolved | None:
        """How the order finds its car: by its address or, rescheduled, by what that led to before."""
        # a test carrier has its test addresses and no others: it never gets near a real car
        if not read.body.livemode:
            return None
        vehicle, via = read.body.vehicle, read.body.via
        if vehicle is not None and via is not None:
            return Resolved(vehicle, via.address, via.era)
        if read.body.address is None:
            return None
        return await self._addresses.resolve(
            read.body.address, carrier=read.body.carrier, delivery=read.body.order, now=now
        )

    async def _note_unusable(self, delivery: DeliveryId, why: str, since: str) -> None:
        now = self._deliveries.clock.now()
        after = await self._deliveries.change(delivery, lambda read, _: self._unusable(read, why, since, now))
        await self._tell_at_once(after)

    def _unusable(self, read: Read, why: str, since: str, now: datetime) -> Turn | None:
        """Noted only: the carrier is told at a moment drawn, which says nothing of the reason."""
        if read.state is not State.REQUESTED or read.body.unusable is not None:
            return None
        longest = self._deliveries.limits.unusable_told_within.total_seconds()
        delay = timedelta(seconds=secrets.SystemRandom().uniform(0, longest))
        told_at = min(now + delay, read.body.approve_by)
        return Turn(read.body.but(unusable=why, told_at=told_at, vehicle=None, via=None, since=since))

    async def _tell_at_once(self, read: Read) -> None:
        if read.body.unusable is not None and not self._deliveries.limits.unusable_told_within:
            await self.tell_unusable(read.id)

    async def _ask(self, first: Read, via: Resolved, since: str) -> None:
        vehicle, now = via.vehicle, self._deliveries.clock.now()
        carrier = await self._carriers.view(first.body.carrier)
        records = household.subjects(via)
        home = Household.of(via, await self._deliveries.store.load_many(records))
        if carrier is None or (why := home.why_not(first, now)):
            await self._note_unusable(first.id, "carrier" if carrier is None else why, since)
            return
        named = first.body.courier
        courier = await self._couriers.courier(named.courier) if named else None
        question, nonce = question_id(first.id), secrets.token_urlsafe(16)
        goes_on, draft = await self._drawn_up(first, vehicle, home.rules.place, since, now)
        if not goes_on:
            return
        passkeys = await self._makers(vehicle)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            if read.state is not State.REQUESTED or read.body.unusable is not None:
                return None
            here = Household.of(via, saved)
            if why := here.why_not(read, now):  # an owner said so since we looked
                return self._unusable(read, why, since, now)
            if draft is not None and not self.co_signing.is_for(draft, here.rules.place):
                raise _Raced
            body = read.body.but(
                vehicle=vehicle, via=Via(address=via.address, era=via.era), place=here.rules.place, address=None,
                question=question, since=since, ask_again_at=None,
            )  # fmt: skip
            if draft is not None:
                if body.courier != named:
                    return None  # ``courier_named`` asks with a draft for the other device
                planned = Planned(n=number_of(draft.key), epoch=body.epoch)
                body = body.but(draft=draft.key, planned=planned)
            shown = courier if body.courier == named else None
            # The carrier reads `approve_by`: it must not tell that there is a car, and what it wants.
            until = body.approve_by if draft is None else min(body.approve_by, draft.exp)
            asks = Read(id=read.id, state=read.state, body=body.but(approve_by=until))
            asked = questions.put(question, asks, carrier, shown, nonce=nonce, draft=draft)
            fact = told(DeliveryAsked, asks, now, question=question, approve_by=until)
            turn = Turn(body, [fact], writes={question: Write("open", asked.model_dump_json())})
            kept = StandingBody.of(saved[standing.subject_of(vehicle)])
            trust = Trust(here.owners(now), passkeys, here.bars, carrier.frozen_at)
            limits = self._deliveries.limits
            rule = standing.choose(kept, asks, shown, trust=trust, now=now, limits=limits)
            if rule is None or shown is None:
                return turn
            return let_in(turn, asks, asked, rule, standing.record(rule, shown), kept, now)

        also = [question, standing.subject_of(vehicle), *records]
        await self._tell_at_once(await self._deliveries.change(first.id, decide, also=also))

    async def _makers(self, vehicle: VehicleId) -> frozenset[tuple[PersonId, str]]:
        """Passkeys of those who allowed something beforehand, read after the moment that is decided on.

        One that is removed later than that was good at that moment; what it let in is told, and can be blocked.
        """
        kept = StandingBody.of(await self._deliveries.store.load(standing.subject_of(vehicle)))
        return frozenset(
            [
                (person, one.id)
                for person in {rule.by for rule in kept.rules}
                for one in await self._passkeys.all_of(person)
            ]
        )

    async def _drawn_up(
        self, first: Read, vehicle: VehicleId, place: Circle | Polygon | Anywhere, since: str, now: datetime
    ) -> tuple[bool, Draft | None]:
        """What the owner has to sign, where the car wants that; False where nobody can be asked yet."""
        unit = await self.co_signing.unit_of(vehicle)
        if unit is None:
            return True, None
        draft = None
        if first.body.courier is not None:
            try:
                draft = await self.co_signing.draft(first, vehicle, unit, place, now)
            except ClockAstray:
                await self._again(first.id, since, now)
                return False, None
        if draft is None:
            await self._wait(first.id, since)
        return draft is not None, draft

    async def again(self, delivery: DeliveryId) -> None:
        """The moment to try once more has come: the clocks did not agree."""
        read = await self._deliveries.read(delivery)
        if read.body.since is not None and read.body.ask_again_at is not None:
            await self._begin(delivery, read.body.since)

    async def _again(self, delivery: DeliveryId, since: str, now: datetime) -> None:
        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is not State.REQUESTED:
                return None
            later = now + self._deliveries.limits.key_again
            return Turn(read.body.but(since=since, ask_again_at=later))

        await self._deliveries.change(delivery, decide)

    async def _wait(self, delivery: DeliveryId, since: str) -> None:
        """For a courier to be named. Nobody is told: an answer here must not say that there is a car.

        The car is not remembered: by then the address may be dead and the car another's.
        """

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            body = read.body.but(since=since)
            return Turn(body) if read.state is State.REQUESTED and body != read.body else None

        await self._deliveries.change(delivery, decide)


def let_in(
    turn: Turn,
    asks: Read,
    asked: Question,
    rule: Standing,
    kept: Mapping[str, str],
    body: StandingBody,
    now: datetime,
) -> Turn:
    """The question as its turn puts it, answered by a standing approval in the same commit."""
    question = asks.body.question
    if question is None:
        return turn
    decided = Decided(
        answer="approve", by=rule.by, level="standing", at=now, source=f"standing:{rule.id}", record=kept
    )
    answered = asked.model_copy(update={"decided": decided})
    approval = Approval(question=question, by=rule.by, level="standing", shown=asked.digest, at=now)
    said = told(
        DeliveryApproved, asks, now, question=question, by=rule.by, level="standing", shown=asked.digest,
        assertion=hash_of(rule.assertion),
    )  # fmt: skip
    return Turn(
        turn.body.but(approval=approval),
        [*turn.facts, said],
        writes={
            question: Write("approve", answered.model_dump_json()),
            standing.subject_of(rule.vehicle): body.used(asks.id, now).write(),
        },
    )


def before(position: str) -> str:
    """The log position just before one: reading after it begins with that one."""
    milliseconds, _, n = position.partition("-")
    return f"{milliseconds}-{int(n) - 1}" if int(n or 0) else f"{int(milliseconds) - 1}-{2**32}"
