"""What the log and the timers tell people to do next (group ``people``)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Reactions:
    """Every reaction finds what it did before: reading a fact twice changes nothing."""

    persons: Persons
    sessions: Sessions
    presence: Presence
    cars: Cars
    invitations: Invitations
    changes: EmailChanges
    addresses: Addresses
    carriers: Carriers
    devices: DeviceKeys
    clock: Clock

    async def react(self, received: Received) -> None:
        """One fact of the log."""
        now, ack = self.clock.now(), received.ack
        match received.fact:
            case UnitEvent(type=kind) as fact if kind == PAIR:
                await self.presence.keep(fact, now=now, ack=ack)
            case people.CarClaimed() as fact:
                await self.cars.follow(fact.vehicle, fact.person, now=now, ack=ack)
            case people.CarReleased() as fact:
                await self.cars.forget(fact, now=now)
                await self.addresses.bury(fact.vehicle, now=now)
            case people.PersonErased() as fact:
                await self.cars.release_all_of(fact.person, now=now)
            case people.CourierEnrolled() as fact:
                await self.devices.confirm(fact.jkt, fact.courier, ack=ack)
            case people.CourierRemoved() as fact if fact.jkt:
                await self.devices.free(fact.jkt, fact.courier, ack=ack)
            case delivery.DeliveryUnusable() as fact:
                await self.addresses.give_back(fact.delivery, now=now)
                await self.carriers.count_unusable(fact, ack=ack)
            case fact if isinstance(fact, _DECIDED):
                await self.addresses.spend(fact.delivery, now=now)
            case fact if isinstance(fact, _UNDECIDED):
                await self.addresses.give_back(fact.delivery, now=now)
            case _:
                pass

    def timers(self) -> Mapping[str, Timer]:
        """Handlers by id prefix, for ``spine.timers``."""

        def at(handler: Callable[..., Awaitable[None]]) -> Timer:
            return lambda saved: handler(saved, now=self.clock.now())

        return {
            "per": at(self.persons.on_due),
            "sns": at(self.sessions.on_due),
            "emc": at(self.changes.on_due),
            "clm": at(self.presence.on_due),
            "crw": at(self.cars.on_due),
            "inv": at(self.invitations.on_due),
            "hld": at(self.addresses.on_due),
            "dvk": self.devices.on_due,
        }
