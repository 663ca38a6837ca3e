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
from people.known_devices import KnownDevices
from people.mail_links import Mailer, MailKind, RecoveryFact
from people.persons import Persons
from people.presence import PAIR, Presence
from people.recovery import Recoveries
from people.sessions import Sessions
from spine.clock import Clock
from spine.facts import Fact, delivery, people
from spine.facts.vehicle import UnitEvent
from spine.facts.webhooks import PushStarted
from spine.ids import named_after
from spine.readers import Received
from spine.store import Ack, Saved

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

_AboutPasskeys = (
    people.PasskeyAdded
    | people.PasskeyRemoved
    | people.PasskeyAlarmed
    | people.RecoveryAsked
    | people.RecoveryReminded
    | people.RecoveryCancelled
    | people.RecoveryDone
)

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
        people.PasskeyAdded,
        people.PasskeyRemoved,
        people.PasskeyAlarmed,
        people.RecoveryAsked,
        people.RecoveryReminded,
        people.RecoveryCancelled,
        people.RecoveryDone,
        PushStarted,
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
    known_devices: KnownDevices
    recoveries: Recoveries
    mailer: Mailer
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
            case PushStarted() as fact:
                # A session that was stolen must not listen unseen: whoever reads the mailbox hears of it.
                await self.mailer.mail(fact.person, MailKind.NOTIFIED, fact.device, ack=ack)
            case fact if isinstance(fact, _AboutPasskeys):
                if isinstance(fact, RecoveryFact):
                    await self.mailer.tell(fact, received.position)
                await self._tell(fact, ack=ack)
            case fact:
                await self._about_delivery(fact, ack=ack)

    async def _about_delivery(self, fact: Fact, *, ack: Ack | None) -> None:
        now = self.clock.now()
        match fact:
            case delivery.DeliveryUnusable() as fact:
                await self.addresses.give_back(fact.delivery, now=now)
                await self.carriers.count_unusable(fact, ack=ack)
            case fact if isinstance(fact, _DECIDED):
                await self.addresses.spend(fact.delivery, now=now)
            case fact if isinstance(fact, _UNDECIDED):
                await self.addresses.give_back(fact.delivery, now=now)
            case _:
                pass

    async def _tell(self, fact: _AboutPasskeys, *, ack: Ack | None) -> None:
        """The person hears at once of what happens to their passkeys, whoever did it."""
        match fact:
            case people.RecoveryReminded():
                kind = MailKind.RECOVERY_REMINDED
            case people.PasskeyAdded():
                kind = MailKind.PASSKEY_ADDED
            case people.PasskeyRemoved(reason="removed"):
                kind = MailKind.PASSKEY_REMOVED
            case people.PasskeyAlarmed():
                kind = MailKind.PASSKEY_ALARM
            case people.RecoveryAsked():
                kind = MailKind.RECOVERY_ASKED
            case people.RecoveryDone():
                kind = MailKind.RECOVERY_DONE
            case _:
                return  # ended by a recovery, of which one mail tells; or taken back, by whoever was mailed
        prefix = "rcv" if isinstance(fact, RecoveryFact) else "psk"
        await self.mailer.mail(fact.person, kind, named_after(prefix, fact.person, fact.n), ack=ack)

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
            "dvc": at(self.known_devices.on_due),
            "rcv": at(self.recoveries.on_due),
        }
