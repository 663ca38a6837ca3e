"""What an owner does to a delivery besides answering: look, block, extend, change the place, set rules."""

from collections.abc import Mapping
from datetime import datetime

from delivery.model import Read, Window
from delivery.place import Anywhere, Circle, Polygon
from delivery.ports import CarPeople
from delivery.problems import NoKeyLeft, NoSuchDelivery, WindowUnfit
from delivery.questions import Changed, Question
from delivery.rules import RuleBook, Rules
from delivery.service import Deliveries, Turn, told
from delivery.states import Act, State
from people.model import RoleOnCar
from people.problems import NotYours
from spine.facts.delivery import DeliveryBlocked, DeliveryExtended, PlaceChanged
from spine.ids import DeliveryId, PersonId, VehicleId
from spine.store import Saved, Write


class OwnerDesk:
    """The acts of the people of a car."""

    def __init__(self, deliveries: Deliveries, people: CarPeople, rules: RuleBook) -> None:
        self._deliveries = deliveries
        self._people = people
        self._rules = rules

    async def read(self, person: PersonId, delivery: DeliveryId) -> tuple[Read, RoleOnCar]:
        """A delivery of a car this person has a role on, of that role's time. Else ``NoSuchDelivery``."""
        read = await self._deliveries.read(delivery)
        vehicle = read.body.vehicle
        if vehicle is None:
            raise NoSuchDelivery(delivery)
        role = await self._people.role_of(person, vehicle, now=self._deliveries.clock.now())
        if role is None or not sees(role, read):
            raise NoSuchDelivery(delivery)
        return read, role

    async def block(self, person: PersonId, delivery: DeliveryId) -> Read:
        """Stop it, at any moment until the lock moves; its key is revoked. Again: no change.

        While an opening is on its way this may be too late: then the receipt says so and is shown.
        """
        await self._decides(person, delivery)
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is State.BLOCKED:
                return None
            read.require(Act.BLOCK)
            return Turn(read.body, [told(DeliveryBlocked, read, now, by=person)])

        return await self._deliveries.change(delivery, decide)

    async def extend(self, person: PersonId, delivery: DeliveryId, until: datetime) -> Read:
        """Make the window longer. A key that runs out before is followed by a later one (keys.md 3.9)."""
        also = _question_of(await self._decides(person, delivery))
        now, limits = self._deliveries.clock.now(), self._deliveries.limits

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            window = read.body.window
            if until == window.end:
                return None
            read.require(Act.EXTEND)
            _only_what_was_signed(read)
            if not window.end < until <= window.start + limits.window_longest:
                raise WindowUnfit(f"later than now agreed, and at most {limits.window_longest} in all")
            body = read.body.but(window=Window(start=window.start, end=until))
            writes = _noted(read, saved, Changed(by=person, at=now, until=until))
            return Turn(body, [told(DeliveryExtended, read, now, until=until)], writes=writes)

        return await self._deliveries.change(delivery, decide, also=also)

    async def change_place(
        self, person: PersonId, delivery: DeliveryId, place: Circle | Polygon | Anywhere
    ) -> Read:
        """Say where the car may be instead. The key with the former fence is revoked and made anew."""
        also = _question_of(await self._decides(person, delivery))
        now = self._deliveries.clock.now()

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            if read.body.place == place:
                return None
            read.require(Act.MOVE_PLACE)
            _only_what_was_signed(read)
            if read.body.key is not None and read.body.key.n >= self._deliveries.limits.keys_most:
                raise NoKeyLeft("every key inside this approval was made: have it rescheduled")
            body = read.body.but(place=place, epoch=read.body.epoch + 1, out_by=None, arrival=None)
            writes = _noted(read, saved, Changed(by=person, at=now, place=place))
            return Turn(body, [told(PlaceChanged, read, now)], writes=writes)

        return await self._deliveries.change(delivery, decide, also=also)

    async def rules(self, person: PersonId, vehicle: VehicleId) -> tuple[Rules, str]:
        """The rules of a car and their ETag. Raises ``NotYours`` for anybody but an owner."""
        await self._owns(person, vehicle)
        return await self._rules.of(vehicle)

    async def set_rules(
        self, person: PersonId, vehicle: VehicleId, rules: Rules, *, if_match: str
    ) -> tuple[Rules, str]:
        """Raises ``NotYours``, ``RulesChanged``."""
        await self._owns(person, vehicle)
        return await self._rules.set(vehicle, rules, if_match=if_match)

    async def _decides(self, person: PersonId, delivery: DeliveryId) -> Read:
        read, role = await self.read(person, delivery)
        if not role.may_approve:
            raise NotYours("You are told about this car, and do not decide about it.")
        return read

    async def _owns(self, person: PersonId, vehicle: VehicleId) -> None:
        role = await self._people.role_of(person, vehicle, now=self._deliveries.clock.now())
        if role is None or role.role != "owner":
            raise NotYours("Only an owner sets the rules of a car.")


def sees(role: RoleOnCar, read: Read) -> bool:
    """Whether this delivery of the car is of the time of this role on it."""
    return role.visible_from <= read.body.requested_at


def _question_of(read: Read) -> list[str]:
    return [read.body.question] if read.body.question is not None else []


def _noted(read: Read, saved: Mapping[str, Saved], change: Changed) -> dict[str, Write]:
    """Beside what was shown, so that the signer knows that an owner allowed it (``delivery.as_shown``)."""
    subject = read.body.question
    question = Question.of(saved[subject]) if subject is not None else None
    if subject is None or question is None:
        return {}
    body = question.but(changed=(*question.changed, change))
    return {subject: Write(saved[subject].state, body.model_dump_json())}


def _only_what_was_signed(read: Read) -> None:
    """Place and hours stand in what the owner's passkey signed; the car takes no others."""
    if read.body.draft is not None:
        raise NoKeyLeft("your passkey signed for this place and these hours: have it rescheduled")
