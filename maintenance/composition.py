"""The package put together once: everything that routes, readers and timers of maintenance need."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parseaddr
from urllib.parse import urlsplit

import webhooks.envelope
from maintenance import ports
from maintenance.appointing import Appointing
from maintenance.booking import Booking
from maintenance.booking_links import BookingLinks
from maintenance.calls import written_to
from maintenance.capacity import Capacity
from maintenance.centers_composition import Abroad, ContactCenters, build_centers
from maintenance.choosing import Choosing
from maintenance.composing import Composing
from maintenance.counting import Counting, StoredCounting
from maintenance.desk import Desk, build_desk
from maintenance.desk_days import PREFIX as DAYS
from maintenance.desk_rules import promise
from maintenance.due import Due
from maintenance.explaining import Language
from maintenance.garage_desk import GarageDesk
from maintenance.garage_links import GarageLinks
from maintenance.garages import Garages
from maintenance.intake import Intake
from maintenance.limits import MaintenanceLimits
from maintenance.news import News
from maintenance.notices import Noticing, awake
from maintenance.offers import Offers
from maintenance.owner import OwnerCases
from maintenance.owner_booking import OwnerBooking
from maintenance.reactions import Reactions
from maintenance.service import Cases
from maintenance.severity import Severity
from maintenance.singing import Singing
from maintenance.starting import Starting
from maintenance.sweeping import Sweeping
from maintenance.visit_composing import VisitComposing
from maintenance.visit_news import Engine, VisitNews
from people.service import People
from spine.clock import Clock
from spine.counters import Counters
from spine.dead_letters import DeadLetters
from spine.expiring import Expiring
from spine.ids import GarageId, PersonId, VehicleId
from spine.index import Index
from spine.store import Saved, Store
from spine.timers import OnDue
from webhooks.dispatch import Brief, Composer
from webhooks.mail import Letter


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Cases, garages and appointments, ready to use. ``reactions`` and ``timers`` are for the process ``work``."""

    limits: MaintenanceLimits
    clock: Clock
    people: People
    index: Index
    cases: Cases
    counting: Counting
    rules: Starting
    choosing: Choosing
    owner: OwnerCases
    intake: Intake
    reactions: Reactions
    due: Due
    garages: Garages
    capacity: Capacity
    offers: Offers
    booking: Booking
    appointing: Appointing
    desk: Desk
    centers: ContactCenters
    booking_links: BookingLinks
    garage_links: GarageLinks
    garage_desk: GarageDesk
    owner_booking: OwnerBooking
    public_url: str
    sweeping: Sweeping
    singing: Singing

    def news(
        self,
        engine: ports.Engine,
        endpoints: ports.Endpoints,
        subscribers: ports.Subscribers,
        devices: ports.Devices | None = None,
    ) -> News:
        """Who hears of cases, and systems of appointments; apart, because the engine composes with ``composing``."""
        return News(self.cases, self.people.cars, engine, endpoints, subscribers, devices)

    def composing(self, *, sender: str, asleep: ports.Asleep = awake) -> Composer:
        """Writes all of that, and the mails about appointments; ``asleep``: where it is to be a notification."""
        cases = Composing(
            self.cases, self.people.cars, self.people.persons, self.choosing, public_url=self.public_url
        )
        visits = self.visit_composing(sender=sender)

        async def compose(brief: Brief) -> webhooks.envelope.News | Letter | None:
            mail_of_a_visit = brief.type.startswith("appointment.") and brief.person is not None
            return await (visits if mail_of_a_visit else cases)(brief)

        return Noticing(self.cases, compose, asleep, public_url=self.public_url)

    def visit_news(self, engine: Engine, devices: ports.Devices | None = None) -> VisitNews:
        """The other half of bookings, and mails about appointments; for process `work`."""
        limits, cars = self.limits.garages, self.people.cars
        return VisitNews(self.appointing, self.booking, cars, engine, self.clock, limits, devices)

    def visit_composing(self, *, sender: str) -> VisitComposing:
        """Writes those mails. ``sender``: where letters come from, a mailbox with or without a name."""
        host = urlsplit(self.people.origin).hostname or "localhost"
        return VisitComposing(
            self.cases.store,
            self.garages,
            self.people.cars,
            self.people.persons,
            self.clock,
            self.limits.garages,
            host=host,
            sender=parseaddr(sender)[1] or f"no-reply@{host}",
        )

    async def language_of(self, person: PersonId, vehicle: VehicleId) -> Language:
        """The language a person chose for this car's calls, else the one of their mails, else English."""
        view = await self.people.persons.view(person)
        return written_to(person, await self.choosing.of(vehicle), view.language if view else "")

    async def garage_day(self, saved: Saved) -> None:
        """Timer of ``gar_``: once a day the next slots are made, and slots compared with their appointments."""
        await self.capacity.on_due(saved)  # first: whatever the sweep meets, there is something to be booked
        await self.appointing.sweep(GarageId(saved.id))

    def timers(self) -> Mapping[str, OnDue]:
        """Handlers of what time alone does, by the prefix of the subject; for process `work`."""
        return {
            "cse": self.due.on_due,
            DAYS: self.desk.days.on_due,
            "flt": self.intake.on_due,
            "gar": self.garage_day,
            "slt": self.booking.on_due,
            "apt": self.appointing.on_due,
            **self.centers.timers(),
            "bkl": self.booking_links.on_due,
        }


def build(
    store: Store,
    *,
    clock: Clock,
    limits: MaintenanceLimits,
    people: People,
    maker: Mapping[str, Severity] | None = None,
    public_url: str = "",
    abroad: Abroad | None = None,
) -> Maintenance:
    """Wire the package. ``maker``: an imported severity table, by code. ``public_url``: of our pages, without a slash.

    ``abroad``: contact centers with a system of their own.
    """
    cases, index = Cases(store, clock, limits), Index(store.valkey, store.house)
    choosing = Choosing(store, clock, people.cars)
    counting = StoredCounting(Counters(store.valkey))
    rules = Starting(limits.cases, promise(limits.cases), limits.desk.calls_per_case)
    intake = Intake(cases, rules, maker or {}, DeadLetters(store.valkey, store.house), counting)
    garages = Garages(store, index, limits.garages)
    capacity = Capacity(store, garages, clock, limits.garages)
    offers = Offers(store, garages, capacity, limits.garages)
    booking = Booking(store, cases, capacity, offers, clock, limits)
    owner = OwnerCases(cases, people.cars, choosing, index)
    appointing = Appointing(cases, booking, capacity, index, rules)
    desk = build_desk(cases, people, index)
    centers = build_centers(
        cases,
        replace(abroad or Abroad(), public_url=public_url),
        people=people,
        index=index,
        days=desk.days,
        booking=booking,
        rules=rules,
        counting=counting,
    )
    links = BookingLinks(store, people.cars, clock, limits.garages, public_url=public_url)
    return Maintenance(
        limits=limits,
        clock=clock,
        people=people,
        index=index,
        cases=cases,
        counting=counting,
        rules=rules,
        choosing=choosing,
        owner=owner,
        intake=intake,
        reactions=Reactions(cases, intake, rules, counting),
        due=Due(cases, rules, counting, not_claimed=centers.ending.lease_over),
        desk=desk,
        garages=garages,
        capacity=capacity,
        offers=offers,
        booking=booking,
        centers=centers,
        appointing=appointing,
        booking_links=links,
        garage_links=GarageLinks(
            Expiring(store.valkey), garages, clock, limits.garages, public_url=public_url
        ),
        garage_desk=GarageDesk(store, garages, capacity, booking, appointing, index),
        owner_booking=OwnerBooking(store, cases, owner, garages, offers, booking, appointing, links),
        public_url=public_url,
        sweeping=Sweeping(cases, index, Counters(store.valkey)),
        singing=Singing(store, clock, Counters(store.valkey)),
    )
