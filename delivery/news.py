"""Who hears of what (group ``delivery-news``): one message per fact and address, queued by ids only."""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from delivery.model import Read
from delivery.notices import ALARMS
from delivery.notifying import Notifying
from delivery.ports import CarPeople, Devices, Endpoints, Engine, Received, Subscribers
from delivery.problems import NoSuchDelivery
from delivery.prompts import Prompts, Told
from delivery.rules import RuleBook
from delivery.service import Deliveries
from delivery.states import State
from delivery.views import SEEN_BY_OWNERS, carrier_type
from people.model import Role, RoleOnCar
from spine.facts.delivery import (
    DeliveryApproved,
    DeliveryAsked,
    DeliveryBlocked,
    DeliveryCancelled,
    DeliveryDeclined,
    DeliveryExpired,
    DeliveryFact,
    DeliveryRescheduled,
)
from spine.facts.keys import OwnerKeysChanged
from spine.facts.rules import RuleFact, StandingEnded
from spine.ids import DeliveryId, EndpointId, PersonId, QuestionId, VehicleId, named_after, prefix_of
from spine.queues import BacklogFull
from spine.store import Saved
from webhooks.messages import Outgoing, message_id
from webhooks.web_push_beside import NoDevices

log = logging.getLogger("trunkline.delivery")

ASKED: Final = "delivery.asked"
WAITING: Final = "delivery.waiting"

KINDS: Final = frozenset(
    str(fact.model_fields["kind"].default)
    for fact in (*DeliveryFact.__args__, *RuleFact.__args__, OwnerKeysChanged)
)
"""What the reader of this group gets."""

MAILED: Final = ALARMS | {
    "delivery.asked", "delivery.approved", "delivery.opened", "delivery.delivered", "delivery.failed",
    "delivery.declined", "delivery.cancelled", "delivery.expired", "delivery.blocked",
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
        rules: RuleBook,
        engine: Engine,
        endpoints: Endpoints,
        subscribers: Subscribers,
        devices: Devices | None = None,
    ) -> None:
        """``devices``: the browsers that people let us notify: they hear what is mailed."""
        self._deliveries = deliveries
        self._people = people
        self._rules = rules
        self._engine = engine
        self._endpoints = endpoints
        self._subscribers = subscribers
        self._notifying = Notifying(engine, devices or NoDevices())
        self._prompts = Prompts(deliveries.store, deliveries.limits)

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        if isinstance(fact, OwnerKeysChanged | RuleFact):
            await self._tell_owners(fact, received.position)
            return
        if not isinstance(fact, DeliveryFact):
            return
        try:
            read = await self._deliveries.read(fact.delivery)
        except NoSuchDelivery:
            return
        # People first, and an address that is full holds up nobody else.
        if read.body.vehicle is not None and fact.kind in SEEN_BY_OWNERS:
            await self._tell_people(fact, read, read.body.vehicle, received.position)
        type_ = carrier_type(fact.kind, read)
        if type_ is not None:
            await self._tell(fact.carrier, fact, received.position, type_)
            # Without the vehicle: a carrier never hears which one it was, not even by what a filter lets through
            # or by what waits for what.
            for endpoint in await self._endpoints.for_subscriber(fact.carrier, type_):
                await self._put(
                    self._message(fact, read, received.position, type_, endpoint, order=fact.delivery)
                )

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``prm_``: what could not be mailed when it was asked is told now, in one mail if it is several.

        Queued before it is noted, under names that a second time finds again.
        """
        now = self._deliveries.clock.now()
        vehicle, body, due = self._prompts.due(saved, now)
        if not due:
            return
        found = {one: await self._open(one) for one in due}
        still = [read for read in found.values() if read is not None]
        gone = [one for one, read in found.items() if read is None]
        told = Told(vehicle, [read.id for read in still], None)
        people = [one for one in await self._people.people_of(vehicle, now=now) if one.may_approve]
        if len(still) == 1:
            await self._ask_late(still[0], people, now)
        elif still:
            told = Told(vehicle, told.deliveries, body.lists + 1)
            for role in people:
                await self._list(vehicle, body.lists + 1, role.person, now)
        await self._prompts.told(told, gone, now)

    async def _tell_people(self, fact: DeliveryFact, read: Read, vehicle: VehicleId, position: str) -> None:
        now = self._deliveries.clock.now()
        roles = await self._people.people_of(vehicle, now=now)
        if isinstance(fact, DeliveryAsked) and read.state is not State.ASKED:
            return  # answered before anybody was told: by a standing approval, or on a page
        over = _over(fact, read)
        if over:
            await self._withdraw(read, roles)
        mails = fact.kind in MAILED and _worth_a_mail(fact, read)
        if mails and isinstance(fact, DeliveryAsked):
            rules, _ = await self._rules.of(vehicle)
            mails = await self._prompts.may_mail(vehicle, read, rules.quiet, now)
        concerned = _concerned(fact, read, roles)
        for role in concerned:
            if mails and _for_this_one(fact, role):
                await self._put(self._message(fact, read, position, fact.kind, role.person, order=vehicle))
            elif over and read.body.question is not None:
                asked = _asked_id(read.id, read.body.question, role.person)
                until = self._worth_until(fact, read)
                await self._notifying.over(asked, role.person, read.id, at=fact.at, until=until)
            await self._tell(role.person, fact, position, fact.kind)
        for role in concerned:
            for endpoint in await self._endpoints.for_subscriber(role.person, fact.kind, vehicle=vehicle):
                await self._put(self._message(fact, read, position, fact.kind, endpoint, order=vehicle))

    async def _put(self, message: Outgoing) -> None:
        """Above ``backlog_hard`` an address is passed over: the event stands in its subscriber's stream.

        Holding the fact back instead would keep the others of this car from hearing of it, and of what comes after.
        """
        try:
            await self._engine.queue(message)
        except BacklogFull:
            log.warning(
                "news.address_full", extra={"endpoint": message.endpoint, "person": message.person, "type": message.type}
            )  # fmt: skip
        await self._notifying.as_well(message)

    async def _tell(self, subscriber: str, fact: DeliveryFact, position: str, type_: str) -> None:
        event = named_after("msg", fact.delivery, _what(fact, position))
        await self._subscribers.tell(subscriber, event, type_, _reference(fact, position), at=fact.at)

    async def _withdraw(self, read: Read, roles: Iterable[RoleOnCar]) -> None:
        """The question is over: whoever has not heard of it yet needs not."""
        if read.body.question is None:
            return
        for role in roles:
            listed = await self._endpoints.for_subscriber(role.person, ASKED, vehicle=read.body.vehicle)
            addresses: list[EndpointId | PersonId] = [role.person, *listed]
            for to in addresses:
                await self._engine.withdraw(_asked_id(read.id, read.body.question, to))
            await self._notifying.withdraw(_asked_id(read.id, read.body.question, role.person), role.person)

    async def _open(self, delivery: DeliveryId) -> Read | None:
        try:
            read = await self._deliveries.read(delivery)
        except NoSuchDelivery:
            return None
        late = self._deliveries.clock.now() >= read.body.approve_by
        return None if late or read.state is not State.ASKED else read

    async def _ask_late(self, read: Read, people: Iterable[RoleOnCar], now: datetime) -> None:
        if read.body.question is None:
            return
        reference = {"delivery": read.id, "kind": ASKED, "position": "0-0", "question": read.body.question}
        for role in people:
            if role.visible_from <= read.body.requested_at:
                await self._put(
                    Outgoing(
                        id=_asked_id(read.id, read.body.question, role.person),
                        type=ASKED,
                        at=now,
                        expires_at=read.body.approve_by,
                        reference=reference,
                        person=role.person,
                        interactive=True,
                    )
                )

    async def _list(self, vehicle: VehicleId, n: int, person: PersonId, now: datetime) -> None:
        await self._put(
            Outgoing(
                id=message_id(vehicle, f"waiting.{n}", person),
                type=WAITING,
                at=now,
                expires_at=now + self._deliveries.limits.prompts_per,
                reference={"vehicle": vehicle},
                person=person,
                interactive=True,
            )
        )

    async def _tell_owners(self, fact: OwnerKeysChanged | RuleFact, position: str) -> None:
        """What changed about how the car is guarded: every owner hears it by mail, whoever did it."""
        now, vehicle = self._deliveries.clock.now(), fact.vehicle
        reference = {"vehicle": vehicle, **_what_changed(fact)}
        for role in await self._people.people_of(vehicle, now=now):
            if role.role is Role.OWNER and role.visible_from <= fact.at:
                await self._put(
                    Outgoing(
                        id=message_id(vehicle, f"{fact.kind.replace('.', '-')}.{position}", role.person),
                        type=f"delivery.{fact.kind.replace('.', '_')}",
                        at=fact.at,
                        expires_at=fact.at + self._deliveries.limits.state_news_life,
                        reference=reference,
                        person=role.person,
                        interactive=True,
                    )
                )

    def _message(
        self,
        fact: DeliveryFact,
        read: Read,
        position: str,
        type_: str,
        to: EndpointId | PersonId,
        *,
        order: DeliveryId | VehicleId,
    ) -> Outgoing:
        person = prefix_of(to) == "per"
        return Outgoing(
            id=message_id(fact.delivery, _what(fact, position), to),
            type=type_,
            at=fact.at,
            expires_at=self._worth_until(fact, read),
            reference=_reference(fact, position),
            endpoint=None if person else EndpointId(to),
            person=PersonId(to) if person else None,
            interactive=_at_once(fact),
            order_key=order,
        )

    def _worth_until(self, fact: DeliveryFact, read: Read) -> datetime:
        limits = self._deliveries.limits
        if isinstance(fact, DeliveryAsked):
            return read.body.approve_by
        return fact.at + (limits.alarm_life if fact.kind in ALARMS else limits.state_news_life)


def _what(fact: DeliveryFact, position: str) -> str:
    """What a message is named after: a question by its number, so that it is found again to be withdrawn."""
    if isinstance(fact, DeliveryAsked):
        return _asked(fact.question)
    return f"{fact.kind.removeprefix('delivery.')}.{position}"


def _reference(fact: DeliveryFact, position: str) -> dict[str, str]:
    """What a body is composed from when it is sent or read: ids and codes only."""
    reference = {"delivery": fact.delivery, "kind": fact.kind, "position": position}
    return {**reference, "question": fact.question} if isinstance(fact, DeliveryAsked) else reference


def _asked_id(delivery: DeliveryId, question: QuestionId, to: EndpointId | PersonId) -> str:
    """The message that puts a question to somebody: found again to withdraw it."""
    return message_id(delivery, _asked(question), to)


def _asked(question: QuestionId) -> str:
    return f"asked.{question.rsplit('.', 1)[1]}"


def _at_once(fact: DeliveryFact) -> bool:
    """A person waits, or has to be able to block what a rule let in."""
    by_rule = isinstance(fact, DeliveryApproved) and fact.level == "standing"
    return isinstance(fact, DeliveryAsked) or by_rule or fact.kind in ALARMS


def _over(fact: DeliveryFact, read: Read) -> bool:
    """Whether with this fact nothing is asked any more."""
    if isinstance(fact, DeliveryApproved | DeliveryDeclined):
        return True
    ended = isinstance(fact, DeliveryExpired | DeliveryCancelled | DeliveryBlocked | DeliveryRescheduled)
    return ended and read.body.approval is None


def _for_this_one(fact: DeliveryFact, role: RoleOnCar) -> bool:
    """Of a no hear by mail those who could have answered, but not the one who did."""
    return not isinstance(fact, DeliveryDeclined) or (role.may_approve and role.person != fact.by)


def _what_changed(fact: OwnerKeysChanged | RuleFact) -> dict[str, str]:
    if isinstance(fact, OwnerKeysChanged):
        return {"keys": str(len(fact.cids)), "required": "yes" if fact.required else "no"}
    why = {"reason": fact.reason} if isinstance(fact, StandingEnded) else {}
    return {"carrier": fact.carrier, **why}


def _concerned(fact: DeliveryFact, read: Read, people: Iterable[RoleOnCar]) -> list[RoleOnCar]:
    """Whoever had a role when it was requested; asked are those who decide, told are all."""
    there = [one for one in people if one.visible_from <= read.body.requested_at]
    return [one for one in there if one.may_approve] if isinstance(fact, DeliveryAsked) else there


def _worth_a_mail(fact: DeliveryFact, read: Read) -> bool:
    """What ended without ever having been approved needs no second mail."""
    if isinstance(fact, DeliveryDeclined) and read.body.disowned:
        return False  # "that was not me" has a mail of its own
    ended_unasked = fact.kind in {"delivery.cancelled", "delivery.expired"}
    return not ended_unasked or read.body.approval is not None
