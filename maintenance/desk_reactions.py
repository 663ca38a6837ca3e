"""What the log tells the desk to do next (group ``desk``). Read twice, nothing changes."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final, Protocol

from maintenance.desk_days import Days
from maintenance.desk_help import Help
from maintenance.lists import OF_CAR
from maintenance.model import Read
from maintenance.service import Cases, NoSuchCase, Turn
from spine.facts import Fact, delivery
from spine.facts.base import Base
from spine.facts.maintenance import CallMade
from spine.facts.people import CarReleased, CourierRemoved, PersonErased
from spine.ids import CaseId, VehicleId
from spine.index import Index
from spine.store import Ack, Saved

GROUP: Final = "desk"
_TROUBLE: Final[Mapping[type[Base], str]] = {
    delivery.DeliveryUnsure: "unsure",
    delivery.DeliveryLeftOpen: "left_open",
}
_WELL: Final = (
    delivery.DeliveryClosed,
    delivery.DeliveryDelivered,
    delivery.OpeningRefused,
    delivery.DeliveryBlocked,
)
_HEARD: Final[tuple[type[Base], ...]] = (
    *_TROUBLE,
    *_WELL,
    CallMade,
    CarReleased,
    CourierRemoved,
    PersonErased,
)
KINDS: Final = frozenset(str(fact.model_fields["kind"].default) for fact in _HEARD)
_PAGE: Final = 100


class Received(Protocol):
    """An entry of the log as a reader hands it over."""

    @property
    def fact(self) -> Fact: ...

    @property
    def ack(self) -> Ack | None: ...


class DeskReactions:
    """Hears calls, deliveries in trouble, and who is gone."""

    def __init__(self, cases: Cases, days: Days, help_: Help, index: Index) -> None:
        self._cases = cases
        self._days = days
        self._help = help_
        self._index = index

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        match fact:
            case CallMade():
                await self._settle(fact, received.ack)
            case delivery.DeliveryUnsure() | delivery.DeliveryLeftOpen() if fact.vehicle is not None:
                await self._help.trouble(fact.delivery, fact.vehicle, _TROUBLE[type(fact)], fact.at)
            case CarReleased():
                await self._help.left(fact.person, fact.vehicle, fact.at)
                if fact.role == "owner":
                    await self._erase(fact.vehicle, fact.at)
            case CourierRemoved():
                await self._help.forget(fact.courier)
            case PersonErased():
                await self._help.forget(fact.person)
                await self._days.forget(fact.person, ack=received.ack)
            case _ if isinstance(fact, _WELL):
                await self._help.resolved(fact.delivery)
            case _:
                pass

    async def _settle(self, fact: CallMade, ack: Ack | None) -> None:
        """The person's call of the day follows the call: confirmed, or given back."""
        try:
            read = await self._cases.read(fact.case)
        except NoSuchCase:
            return
        person = next((call.person for call in read.body.trigger.calls if call.n == fact.n), None)
        if person is not None:
            await self._days.settle(person, fact.case, fact.n, fact.disposition, ack=ack)

    async def _erase(self, vehicle: VehicleId, at: datetime) -> None:
        """What was said to the car's owner goes with them: of help that nobody else asked for.

        What is missing on the list because it was just opened holds no number of theirs (``Help.left`` finds that
        without it), and what was said there is erased when it is closed.
        """

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            body = read.body
            if body.what != "help" or body.opened_at > at or body.askers:
                return None
            calls = tuple(call.but(person=None) for call in body.trigger.calls)
            dialled = body.trigger.dialled.but(person=None) if body.trigger.dialled else None
            after = body.but(answers={}, note="", trigger=body.trigger.but(calls=calls, dialled=dialled))
            return None if after == body else Turn(after)

        async for case in self._of(vehicle):
            try:
                await self._cases.change(case, decide)
            except NoSuchCase:
                continue

    async def _of(self, vehicle: VehicleId) -> AsyncIterator[CaseId]:
        after = None
        while True:
            page = await self._index.page(OF_CAR, vehicle, after=after, limit=_PAGE)
            for member in page.members:
                yield CaseId(member)
            if page.next is None:
                return
            after = page.next
