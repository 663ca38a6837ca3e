"""What an owner decides beforehand with a passkey, and whom the household does not hear from: made, seen, ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from delivery import barred, standing
from delivery.barred import BarredBody
from delivery.levels import Ground, how
from delivery.limits import DeliveryLimits
from delivery.ports import CarPeople, Carriers, Passkeys
from delivery.problems import LevelTooLow
from delivery.rules import RuleBook
from delivery.standing import Standing, StandingBody, Wish
from people.assertions import Assertion
from people.problems import NotYours
from spine.clock import Clock
from spine.facts.people import PasskeyRemoved
from spine.facts.rules import CarrierLifted, StandingEnded, StandingMade
from spine.ids import CarrierId, PersonId, VehicleId, named_after
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write


class TooManyStanding(Problem):
    """The car has as many standing approvals as it may have."""

    code: ClassVar[str] = "standing.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoSuchStanding(Problem):
    """This car has no such standing approval."""

    code: ClassVar[str] = "standing.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class Beforehand:
    """Standing approvals and bars of a car. All raise ``NotYours`` for anybody but an owner of it."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: DeliveryLimits,
        people: CarPeople,
        passkeys: Passkeys,
        carriers: Carriers,
        rules: RuleBook,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._people = people
        self._passkeys = passkeys
        self._carriers = carriers
        self._rules = rules

    async def rules(self, person: PersonId, vehicle: VehicleId) -> tuple[Standing, ...]:
        """The standing approvals, oldest first."""
        await self._owns(person, vehicle)
        return StandingBody.of(await self._store.load(standing.subject_of(vehicle))).rules

    async def options(self, person: PersonId, vehicle: VehicleId, wish: Wish) -> dict[str, Any]:
        """What the owner's passkey is asked to sign for this wish. Raises ``LevelTooLow`` without a passkey."""
        await self._owns(person, vehicle)
        await self._has_passkey(person)
        body = StandingBody.of(await self._store.load(standing.subject_of(vehicle)))
        return await self._passkeys.options(person, standing.challenge(vehicle, wish, body.made + 1))

    async def make(
        self, person: PersonId, vehicle: VehicleId, wish: Wish, assertion: Assertion | None
    ) -> Standing:
        """A new standing approval. Only with a passkey, whatever way its owner approves single deliveries.

        The same wish of the same owner again: the one that stands. Raises ``LevelTooLow``,
        ``TooManyStanding``, and what ``Passkeys.verify`` raises.
        """
        await self._owns(person, vehicle)
        subject, now = standing.subject_of(vehicle), self._clock.now()
        before = StandingBody.of(await self._store.load(subject))
        if (same := _same(before, person, wish)) is not None:
            return same
        await self._has_passkey(person)
        if assertion is None:
            raise LevelTooLow("passkey", "A standing approval is made with your passkey.", ())
        n = before.made + 1
        challenge = standing.challenge(vehicle, wish, n)
        passkey = await self._passkeys.verify(person, assertion, challenge=challenge, now=now)
        rule = Standing(
            id=named_after("std", vehicle, n), n=n, vehicle=vehicle, wish=wish, by=person, at=now,
            passkey=passkey, assertion=assertion,
        )  # fmt: skip

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body = StandingBody.of(saved[subject])
            if _same(body, person, wish) is not None:
                return None
            if len(body.rules) >= self._limits.standing_most:
                raise TooManyStanding("take one back first")
            if body.made + 1 != n:  # signed for a number that another rule has taken
                raise LevelTooLow("passkey", "Another one was made at the same moment: sign once more.", ())
            made = StandingMade(at=now, vehicle=vehicle, carrier=wish.carrier, by=person, rule=rule.id)
            after = body.but(made=n, rules=(*body.rules, rule))
            return Change({subject: after.write()}, [made])

        done = await self._store.change([subject], decide)
        return _same(StandingBody.of(done.saved[subject]), person, wish) or rule

    async def end(self, person: PersonId, vehicle: VehicleId, rule: str) -> None:
        """Take one back: any owner may. Raises ``NoSuchStanding``."""
        await self._owns(person, vehicle)
        subject, now = standing.subject_of(vehicle), self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change:
            body = StandingBody.of(saved[subject])
            found = next((one for one in body.rules if one.id == rule), None)
            if found is None:
                raise NoSuchStanding("this car has no such standing approval (any more)")
            ended = StandingEnded(at=now, vehicle=vehicle, carrier=found.wish.carrier, by=person, rule=rule)
            return Change({subject: body.but(rules=standing.without(body.rules, rule)).write()}, [ended])

        await self._store.change([subject], decide)

    async def passkey_gone(self, fact: PasskeyRemoved) -> None:
        """Reaction to ``passkey.removed``, by hand or by a recovery: what that passkey allowed beforehand ends.

        It may have been a thief's. Nothing is let in by it meanwhile (``standing.Trust``).
        """
        now = self._clock.now()
        for role in await self._people.cars_of(fact.person, now=now):
            await self._end_those_of(fact, role.vehicle, now)

    async def _end_those_of(self, fact: PasskeyRemoved, vehicle: VehicleId, now: datetime) -> None:
        subject = standing.subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body = StandingBody.of(saved[subject])
            gone = [one for one in body.rules if (one.by, one.passkey) == (fact.person, fact.passkey)]
            if not gone:
                return None
            ended = [
                StandingEnded(
                    at=now, vehicle=vehicle, carrier=one.wish.carrier, by=one.by, rule=one.id,
                    reason="passkey_removed",
                )
                for one in gone
            ]  # fmt: skip
            left = tuple(one for one in body.rules if one not in gone)
            return Change({subject: body.but(rules=left).write()}, ended)

        await self._store.change([subject], decide)

    async def rests(self, person: PersonId, vehicle: VehicleId) -> Mapping[str, str]:
        """Which standing approvals do not count until an owner lets their carrier come again, and why."""
        bars, found = await self.bars(person, vehicle), {}
        for rule in await self.rules(person, vehicle):
            carrier = await self._carriers.view(rule.wish.carrier)
            why = bars.rests(rule.wish.carrier, rule.at, carrier.frozen_at if carrier else None)
            if why:
                found[rule.id] = why
        return found

    async def bars(self, person: PersonId, vehicle: VehicleId) -> BarredBody:
        """Who is not heard of at present."""
        await self._owns(person, vehicle)
        return BarredBody.of(await self._store.load(barred.subject_of(vehicle))).living(self._clock.now())

    async def lift(self, person: PersonId, vehicle: VehicleId, carrier: CarrierId) -> None:
        """Let a carrier ask again, and come by the standing approvals that rest. Where nothing of it is so: no change."""
        await self._owns(person, vehicle)
        known = await self._carriers.view(carrier)
        subject, now = barred.subject_of(vehicle), self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = BarredBody.of(saved[subject])
            after = before.lifted(carrier, now, known.frozen_at if known else None)
            if after == before:
                return None
            lifted = CarrierLifted(at=now, vehicle=vehicle, carrier=carrier, by=person)
            return Change({subject: after.write()}, [lifted])

        await self._store.change([subject], decide)

    async def erase(self, vehicle: VehicleId, also: tuple[str, ...] = ()) -> None:
        """Sale or end of a lease: what the former household decided beforehand is dead."""
        await self._rules.erase(vehicle)
        subjects = [barred.subject_of(vehicle), standing.subject_of(vehicle), *also]

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            writes = {
                one: _emptied(saved[one]) for one in subjects if saved[one].version and not _bare(saved[one])
            }
            return Change(writes) if writes else None

        await self._store.change(subjects, decide)

    async def _has_passkey(self, person: PersonId) -> None:
        by = await self._passkeys.approves_by(person)
        if by != "passkey":
            raise LevelTooLow("passkey", how([Ground.NEW_CARRIER], "nothing", "passkey"), ())

    async def _owns(self, person: PersonId, vehicle: VehicleId) -> None:
        role = await self._people.role_of(person, vehicle, now=self._clock.now())
        if role is None or role.role != "owner":
            raise NotYours("Only an owner decides beforehand for a car.")


def _same(body: StandingBody, person: PersonId, wish: Wish) -> Standing | None:
    return next((one for one in body.rules if one.by == person and one.wish == wish), None)


def _bare(saved: Saved) -> bool:
    return StandingBody.of(saved).rules == () if saved.id.startswith("std") else saved.body == "{}"


def _emptied(saved: Saved) -> Write:
    """The count of rules goes on, so that no assertion of a former owner's fits a number again."""
    if not saved.id.startswith("std"):
        return Write(saved.state, "{}")
    return StandingBody(made=StandingBody.of(saved).made).write()
