"""Foreign contact centers put together: everything that routes, readers and timers need of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from maintenance.booking import Booking
from maintenance.centers import Centers
from maintenance.centers_amazon import Connect, open_client
from maintenance.centers_composing import Composing
from maintenance.centers_ending import Ending
from maintenance.centers_fitting import BookingDoor, DeskRules, NoEndpoints
from maintenance.centers_handing import Handing
from maintenance.centers_offers import CenterOffers
from maintenance.centers_ports import Endpoints, Engine
from maintenance.centers_reactions import Reactions
from maintenance.centers_reports import Reports
from maintenance.centers_sending import Sending
from maintenance.centers_states import PREFIX
from maintenance.centers_sweep import Sweep
from maintenance.centers_task import Places
from maintenance.centers_twilio import PlainHttp, TaskRouter
from maintenance.centers_twilio_events import TwilioDoor
from maintenance.centers_vendors import Vendor
from maintenance.counting import Counting
from maintenance.desk_days import Days
from maintenance.limits import CenterLimits
from maintenance.service import Cases
from maintenance.starting import Starting
from people.service import People
from spine.ids import PersonId, VehicleId
from spine.index import Index
from spine.timers import OnDue


@dataclass(frozen=True, slots=True)
class Abroad:
    """What is outside: which cases go where, where centers hear, and whose own API is asked.

    ``vendors``: by the source of their center; None: those that the table names. ``public_url``: where we are found.
    """

    table: Centers = field(default_factory=Centers)
    endpoints: Endpoints = field(default_factory=NoEndpoints)
    vendors: Mapping[str, Vendor] | None = None
    public_url: str = ""


@dataclass(frozen=True, slots=True)
class ContactCenters:
    """Ready to use."""

    table: Centers
    cases: Cases
    people: People
    handing: Handing
    ending: Ending
    sending: Sending
    reports: Reports
    offers: CenterOffers
    twilio: TwilioDoor
    composing: Composing
    sweep: Sweep

    def reactions(self, engine: Engine) -> Reactions:
        """For process `work`, which has the engine."""
        return Reactions(self.cases, self.handing, self.ending, engine, self.people.cars)

    def timers(self) -> Mapping[str, OnDue]:
        """For process `work`."""
        return {PREFIX: self.sending.on_due}


def build_centers(
    cases: Cases,
    abroad: Abroad,
    *,
    people: People,
    index: Index,
    days: Days,
    booking: Booking,
    rules: Starting,
    counting: Counting,
) -> ContactCenters:
    """Wire it. Raises ``CentersUnreadable`` where a secret's file cannot be read."""
    table, public_url = abroad.table, abroad.public_url
    desk, places = DeskRules(days, cases.limits.desk, rules), Places(public_url)
    tokens: dict[str, SecretStr] = {
        each.source: each.twilio.auth_token() for each in table.center if each.twilio is not None
    }
    asked = abroad.vendors if abroad.vendors is not None else _vendors(table, tokens, cases.limits.centers)
    ending = Ending(cases, desk, desk, rules, counting)
    handing = Handing(cases, table, abroad.endpoints, desk, desk, desk, ending, counting)
    reports = Reports(cases, desk, BookingDoor(booking), ending, handing.look)

    async def concerns(person: PersonId, vehicle: VehicleId) -> bool:
        return person in await people.cars.owners_of(vehicle, now=cases.clock.now())

    return ContactCenters(
        table=table,
        cases=cases,
        people=people,
        handing=handing,
        ending=ending,
        sending=Sending(cases, table, handing, ending, asked, places),
        reports=reports,
        offers=CenterOffers(cases, booking.offers),
        twilio=TwilioDoor(cases, reports, tokens, public_url=public_url),
        composing=Composing(cases, table, places, people.persons.view, concerns),
        sweep=Sweep(cases, handing, ending, index, counting),
    )


def _vendors(table: Centers, tokens: Mapping[str, SecretStr], limits: CenterLimits) -> dict[str, Vendor]:
    within = limits.vendor_timeout.total_seconds()
    found: dict[str, Vendor] = {}
    for each in table.center:
        if each.connect is not None:
            found[each.source] = Connect(each.connect, open_client(each.connect, within=within))
        elif each.twilio is not None:
            found[each.source] = TaskRouter(each.twilio, tokens[each.source], PlainHttp(within=within))
    return found
