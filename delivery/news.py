"""Who hears of what (group ``delivery-news``): one message per fact and address, queued by ids only."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from delivery.model import Read
from delivery.ports import CarPeople, Endpoints, Engine, Received, Subscribers
from delivery.problems import NoSuchDelivery
from delivery.service import Deliveries
from delivery.views import SEEN_BY_OWNERS, carrier_type
from people.model import RoleOnCar
from spine.facts.delivery import DeliveryAsked, DeliveryFact
from spine.ids import EndpointId, PersonId, named_after
from webhooks.messages import Outgoing, message_id

KINDS: Final = frozenset(str(fact.model_fields["kind"].default) for fact in DeliveryFact.__args__)
"""What the reader of this group gets."""

ALARMS: Final = frozenset(
    {"delivery.unsure", "delivery.left_open", "delivery.out_of_place", "delivery.carrier_doubted"}
)
"""Never silent: owner and carrier hear at once, and it is tried again soon."""

MAILED: Final = ALARMS | {
    "delivery.asked", "delivery.approved", "delivery.opened", "delivery.delivered", "delivery.failed",
    "delivery.cancelled", "delivery.expired", "delivery.blocked",
}  # fmt: skip
"""What the people of a car get a mail about; a linked system hears of more."""


class News:
    """Queues what a fact means for people and systems. Read twice, the same messages are found queued.

    Whoever hears of it has it in the own stream first: an address that misses a message can ask there.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        people: CarPeople,
        engine: Engine,
        endpoints: Endpoints,
        subscribers: Subscribers,
    ) -> None:
        self._deliveries = deliveries
        self._people = people
        self._engine = engine
        self._endpoints = endpoints
        self._subscribers = subscribers

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        if not isinstance(fact, DeliveryFact):
            return
        try:
            read = await self._deliveries.read(fact.delivery)
        except NoSuchDelivery:
            return
        type_ = carrier_type(fact.kind, read)
        if type_ is not None:
            await self._tell(fact.carrier, fact, received.position, type_)
            for endpoint in await self._endpoints.for_subscriber(fact.carrier, type_):
                await self._queue(fact, read, received.position, type_, endpoint=endpoint)
        if read.body.vehicle is not None and fact.kind in SEEN_BY_OWNERS:
            await self._tell_people(fact, read, received.position)

    async def _tell_people(self, fact: DeliveryFact, read: Read, position: str) -> None:
        if read.body.vehicle is None:
            return
        now = self._deliveries.clock.now()
        for role in _concerned(fact, read, await self._people.people_of(read.body.vehicle, now=now)):
            if fact.kind in MAILED and _worth_a_mail(fact, read):
                await self._queue(fact, read, position, fact.kind, person=role.person)
            await self._tell(role.person, fact, position, fact.kind)
            for endpoint in await self._endpoints.for_subscriber(role.person, fact.kind):
                await self._queue(fact, read, position, fact.kind, endpoint=endpoint)

    async def _tell(self, subscriber: str, fact: DeliveryFact, position: str, type_: str) -> None:
        event = named_after("msg", fact.delivery, _what(fact, position))
        await self._subscribers.tell(subscriber, event, type_, _reference(fact, position), at=fact.at)

    async def _queue(
        self,
        fact: DeliveryFact,
        read: Read,
        position: str,
        type_: str,
        *,
        endpoint: EndpointId | None = None,
        person: PersonId | None = None,
    ) -> None:
        to = endpoint or person
        if to is None:
            return
        await self._engine.queue(
            Outgoing(
                id=message_id(fact.delivery, _what(fact, position), to),
                type=type_,
                at=fact.at,
                expires_at=self._worth_until(fact, read),
                reference=_reference(fact, position),
                endpoint=endpoint,
                person=person,
                interactive=isinstance(fact, DeliveryAsked) or fact.kind in ALARMS,
            )
        )

    def _worth_until(self, fact: DeliveryFact, read: Read) -> datetime:
        limits = self._deliveries.limits
        if isinstance(fact, DeliveryAsked):
            return read.body.approve_by
        return fact.at + (limits.alarm_life if fact.kind in ALARMS else limits.state_news_life)


def _what(fact: DeliveryFact, position: str) -> str:
    return f"{fact.kind.removeprefix('delivery.')}.{position}"


def _reference(fact: DeliveryFact, position: str) -> dict[str, str]:
    """What a body is composed from when it is sent or read: ids and codes only."""
    reference = {"delivery": fact.delivery, "kind": fact.kind, "position": position}
    return {**reference, "question": fact.question} if isinstance(fact, DeliveryAsked) else reference


def _concerned(fact: DeliveryFact, read: Read, people: Iterable[RoleOnCar]) -> list[RoleOnCar]:
    """Whoever had a role when it was requested; asked are those who decide, told are all."""
    there = [one for one in people if one.visible_from <= read.body.requested_at]
    return [one for one in there if one.may_approve] if isinstance(fact, DeliveryAsked) else there


def _worth_a_mail(fact: DeliveryFact, read: Read) -> bool:
    """What ended without ever having been approved needs no second mail."""
    ended_unasked = fact.kind in {"delivery.cancelled", "delivery.expired"}
    return not ended_unasked or read.body.approval is not None
