"""What the log and the timers tell people to do next (group ``people``)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from people.addresses import Addresses
from people.carriers import Carriers
from people.cars import Cars
from people.device_keys import DeviceKeys
from people.email_change import EmailChanges
from people.invitations import Invitations
from people.persons import Persons
from people.presence import PAIR, Presence
from people.sessions import Sessions
from spine.clock import Clock
from spine.facts import delivery, people
from spine.facts.vehicle import UnitEvent
from spine.readers import Received
from spine.store import Saved

GROUP: Final = "people"

_DECIDED: Final = (delivery.DeliveryApproved, delivery.DeliveryDeclined, delivery.DeliveryBlocked)
"""The owner has spoken: a one-order address is spent."""

_UNDECIDED: Final = (
    delivery.DeliveryCancelled,
    delivery.DeliveryExpired,
    delivery.DeliveryUnusable,
    delivery.DeliveryEnded,
)
"""It is over, and where the owner never spoke the address is free again."""

KINDS: Final = frozenset(
    fact.model_fields["kind"].default
    for fact in (
        *_DECIDED,
        *_UNDECIDED,
        UnitEvent,
        people.CarClaimed,
        people.CarReleased,
        people.PersonErased,
        people.CourierEnrolled,
        people.CourierRemoved,
    )
)

Timer = Callable[[Saved], Awaitable[None]]


class Reactions:
    """Every reaction finds what it did before: reading a fact twice changes nothing."""

    def __init__(
        self,
        *,
        persons: Persons,
        sessions: Sessions,
        presence: Presence,
        cars: Cars,
        invitations: Invitations,
        changes: EmailChanges,
        addresses: Addresses,
        carriers: Carriers,
        devices: DeviceKeys,
        clock: Clock,
    ) -> None:
        self._persons = persons
        self._sessions = sessions
        self._presence = presence
        self._cars = cars
        self._invitations = invitations
        self._changes = changes
        self._addresses = addresses
        self._carriers = carriers
        self._devices = devices
        self._clock = clock

    async def react(self, received: Received) -> None:
        """One fact of the log."""
        now, ack = self._clock.now(), received.ack
        match received.fact:
            case UnitEvent(type=kind) as fact if kind == PAIR:
                await self._presence.keep(fact, now=now, ack=ack)
            case people.CarClaimed() as fact:
                await self._cars.follow(fact.vehicle, fact.person, now=now, ack=ack)
            case people.CarReleased() as fact:
                await self._cars.forget(fact, now=now)
                await self._addresses.bury(fact.vehicle, now=now)
            case people.PersonErased() as fact:
                await self._cars.release_all_of(fact.person, now=now)
            case people.CourierEnrolled() as fact:
                await self._devices.confirm(fact.jkt, fact.courier, ack=ack)
            case people.CourierRemoved() as fact if fact.jkt:
                await self._devices.free(fact.jkt, fact.courier, ack=ack)
            case delivery.DeliveryUnusable() as fact:
                await self._addresses.give_back(fact.delivery, now=now)
                await self._carriers.count_unusable(fact, ack=ack)
            case fact if isinstance(fact, _DECIDED):
                await self._addresses.spend(fact.delivery, now=now)
            case fact if isinstance(fact, _UNDECIDED):
                await self._addresses.give_back(fact.delivery, now=now)
            case _:
                pass

    def timers(self) -> Mapping[str, Timer]:
        """Handlers by id prefix, for ``spine.timers``."""

        def at(handler: Callable[..., Awaitable[None]]) -> Timer:
            return lambda saved: handler(saved, now=self._clock.now())

        return {
            "per": at(self._persons.on_due),
            "sns": at(self._sessions.on_due),
            "emc": at(self._changes.on_due),
            "clm": at(self._presence.on_due),
            "crw": at(self._cars.on_due),
            "inv": at(self._invitations.on_due),
            "hld": at(self._addresses.on_due),
            "dvk": self._devices.on_due,
        }
