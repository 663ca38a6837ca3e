"""Who hears of an appointment by mail (group ``appointments``, after the other half of each saga): owner and garage."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from maintenance.appointing import Appointing
from maintenance.booking import Booking
from maintenance.garage_problems import NoSuchAppointment
from maintenance.limits import GarageLimits
from maintenance.notices import topic_of
from maintenance.ports import Devices
from maintenance.slots import garage_of
from people.cars import Cars
from spine.clock import Clock
from spine.facts import maintenance as f
from spine.facts.people import CarReleased
from spine.ids import PersonId
from spine.readers import Received
from spine.store import Ack
from webhooks.messages import Outgoing, message_id
from webhooks.web_push_beside import Beside, NoDevices

GROUP: Final = "appointments"
KINDS: Final = frozenset(
    str(fact.model_fields["kind"].default)
    for fact in (f.SlotBooked, *f.AppointmentFact.__args__, f.GarageRemoved, CarReleased)
)
"""What the reader of this group gets."""

_TO_GARAGE: Final = frozenset({"appointment.booked", "appointment.moved", "appointment.cancelled"})
_TO_OWNER: Final = _TO_GARAGE | {"appointment.no_show", "appointment.done"}


class Engine(Protocol):
    """The door to the webhooks engine."""

    async def queue(self, message: Outgoing, *, ack: Ack | None = None) -> bool: ...


class VisitNews:
    """First what the fact means for slot and case, then who is told. Read twice, the same messages are found queued."""

    def __init__(
        self,
        appointing: Appointing,
        booking: Booking,
        cars: Cars,
        engine: Engine,
        clock: Clock,
        limits: GarageLimits,
        devices: Devices | None = None,
    ) -> None:
        """``devices``: the browsers that people let us notify: they hear what is mailed."""
        self._appointing = appointing
        self._booking = booking
        self._cars = cars
        self._engine = engine
        self._clock = clock
        self._limits = limits
        self._beside = Beside(engine, devices or NoDevices())

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        await self._appointing.handle(fact)
        if isinstance(fact, f.AppointmentFact) and fact.kind in _TO_OWNER:
            await self._tell(fact)

    async def _tell(self, fact: f.AppointmentFact) -> None:
        now = self._clock.now()
        until = fact.at + self._limits.told_within
        if now >= until:
            return
        try:
            appointment = await self._booking.read(fact.appointment)
        except NoSuchAppointment:
            return
        what = f"{fact.kind.partition('.')[2].replace('_', '-')}.{fact.sequence}"
        for role in await self._cars.people_of(fact.vehicle, now=now):
            if role.may_approve and role.visible_from <= appointment.body.booked_at:
                await self._queue(fact, what, role.person, until)
        if fact.kind in _TO_GARAGE:
            await self._queue(fact, what, PersonId(fact.garage), until, {"garage": fact.garage})
        if isinstance(fact, f.AppointmentMoved) and (former := garage_of(fact.former)) != fact.garage:
            await self._queue(fact, what, PersonId(former), until, {"garage": former, "former": fact.former})

    async def _queue(
        self,
        fact: f.AppointmentFact,
        what: str,
        to: PersonId,
        until: datetime,
        more: Mapping[str, str] | None = None,
    ) -> None:
        mail = Outgoing(
            id=message_id(fact.appointment, what, to),
            type=fact.kind,
            at=fact.at,
            expires_at=until,
            reference={"appointment": fact.appointment, "sequence": str(fact.sequence), **(more or {})},
            person=to,  # a garage stands in the place of a person: the composer knows it by ``garage``
            interactive=True,
            order_key=fact.vehicle,
        )
        await self._engine.queue(mail)
        if more is None:
            await self._beside.as_well(mail, topic_of(fact.kind))
