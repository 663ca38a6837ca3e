"""Who hears of what about cases (group ``maintenance-news``): one message per fact and address, queued by ids only."""

import logging
from datetime import datetime
from typing import Final

from maintenance.events import KINDS, NOT_PROVED, type_of
from maintenance.model import CaseBody, Read
from maintenance.notices import topic_of
from maintenance.ports import Devices, Endpoints, Engine, Subscribers
from maintenance.service import Cases, NoSuchCase
from people.cars import Cars as CarPeople
from people.model import Role, RoleOnCar
from spine.facts import maintenance as f
from spine.facts.maintenance import AppointmentFact, CaseFact
from spine.ids import EndpointId, PersonId, named_after
from spine.queues import BacklogFull
from spine.readers import Received
from webhooks.messages import Outgoing, message_id
from webhooks.web_push_beside import Beside, NoDevices

__all__ = ["GROUP", "KINDS", "News"]

log = logging.getLogger("trunkline.maintenance")

GROUP: Final = "maintenance-news"
URGENT: Final = frozenset({"case.told_again", "case.reprioritised", "case.reopened"})
"""Mailed at once, where it is high or critical; what is less says itself on the page."""
_OWNERS_ALONE: Final = frozenset({"case.called"})
_ALARMING: Final = frozenset({"high", "critical"})
_SHORT: Final = {"case.reprioritised": "urgent", "case.told_again": "again"}
"""The names of messages are ids, and ids are short."""


class News:
    """Queues what a fact means for people and systems. Read twice, the same messages are found queued."""

    def __init__(
        self,
        cases: Cases,
        people: CarPeople,
        engine: Engine,
        endpoints: Endpoints,
        subscribers: Subscribers,
        devices: Devices | None = None,
    ) -> None:
        """``devices``: the browsers that people let us notify: they hear what is mailed."""
        self._cases = cases
        self._people = people
        self._engine = engine
        self._endpoints = endpoints
        self._subscribers = subscribers
        self._beside = Beside(engine, devices or NoDevices())

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        type_ = type_of(fact)
        if type_ is None or not isinstance(fact, CaseFact | AppointmentFact):
            return
        try:
            read = await self._cases.read(fact.case)
        except NoSuchCase:
            return
        concerned = await self._concerned(fact, read, type_)
        # People first, and an address that is full holds up nobody else.
        if _mailed(type_, fact, read):
            for role in concerned:
                if role.may_approve:
                    await self._queue(fact, received.position, type_, read, person=role.person)
        for role in concerned:
            await self._tell(role, fact, received.position, type_)
        await self._to_systems(concerned, fact, received.position, type_, read)

    async def _concerned(self, fact: CaseFact | AppointmentFact, read: Read, type_: str) -> list[RoleOnCar]:
        if read.body.what == "canary":
            return []
        roles = await self._people.people_of(read.body.vehicle, now=self._cases.clock.now())
        whole = type_ not in _OWNERS_ALONE
        return [one for one in roles if one.visible_from <= fact.at and (whole or one.role is Role.OWNER)]

    async def _to_systems(
        self,
        concerned: list[RoleOnCar],
        fact: CaseFact | AppointmentFact,
        position: str,
        type_: str,
        read: Read,
    ) -> None:
        for role in concerned:
            for endpoint in await self._endpoints.for_subscriber(role.person, type_):
                try:
                    await self._queue(fact, position, type_, read, endpoint=endpoint)
                except BacklogFull:
                    log.warning("news.address_full", extra={"endpoint": endpoint, "case": fact.case})

    async def _tell(
        self, role: RoleOnCar, fact: CaseFact | AppointmentFact, position: str, type_: str
    ) -> None:
        event = named_after("msg", fact.case, _what(type_, position))
        await self._subscribers.tell(role.person, event, type_, _reference(fact, position), at=fact.at)

    async def _queue(
        self,
        fact: CaseFact | AppointmentFact,
        position: str,
        type_: str,
        read: Read,
        *,
        person: PersonId | None = None,
        endpoint: EndpointId | None = None,
    ) -> None:
        to = person or endpoint
        if to is None:
            return
        message = Outgoing(
            id=message_id(fact.case, _what(type_, position), to),
            type=type_,
            at=fact.at,
            expires_at=self._worth_until(fact.at, type_),
            reference=_reference(fact, position),
            person=person,
            endpoint=endpoint,
            interactive=read.body.severity == "critical" or type_ in URGENT,
            order_key=read.id,
        )
        await self._engine.queue(message)
        await self._beside.as_well(message, topic_of(type_, read.body.severity))

    def _worth_until(self, at: datetime, type_: str) -> datetime:
        limits = self._cases.limits.cases
        return at + (limits.critical_told_every if type_ == "case.told_again" else limits.news_life)


def _mailed(type_: str, fact: CaseFact | AppointmentFact, read: Read) -> bool:
    """What is worth a mail. A flapping fault opens and closes silently: that it is mended, and came back, is said once."""
    body = read.body
    if body.what != "fault":
        return False
    if isinstance(fact, f.CaseReopened):
        return body.severity in _ALARMING and _first(body, fact)
    if isinstance(fact, f.TriggerOffered) and fact.why == NOT_PROVED:
        return True  # it was told that nothing is to be done any more
    if type_ in URGENT:
        return body.severity in _ALARMING
    if isinstance(fact, f.CaseClosed):
        return fact.why != "repair_did_not_hold" and _first(body, fact)
    if isinstance(fact, f.TriggerUnreached):  # not where a case that opens again only goes on where it stood
        return not any(one.kind == "case.reopened" and one.at == fact.at for one in body.history)
    return type_ == "case.opened"


def _first(body: CaseBody, fact: CaseFact | AppointmentFact) -> bool:
    """The case's history has no earlier one of this kind."""
    first = next((one for one in body.history if one.kind == fact.kind), None)
    return first is not None and first.at == fact.at


def _what(type_: str, position: str) -> str:
    return f"{_SHORT.get(type_, type_.partition('.')[2])}.{position}"


def _reference(fact: CaseFact | AppointmentFact, position: str) -> dict[str, str]:
    """What a body is composed from when it is sent or read: ids and codes only."""
    reference = {"case": fact.case, "position": position}
    return {**reference, "appointment": fact.appointment} if isinstance(fact, AppointmentFact) else reference
