"""Builds everything once: the parts every server process shares, then what `api` and `work` add."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from delivery import desk as delivery_desk
from delivery.cars import StoredCars
from delivery.rules import RuleBook
from keys.issue import Keys
from keys.signing import SigningKeys
from maintenance import booking_links, garage_links
from maintenance import composition as maintenance
from maintenance.centers import Centers
from maintenance.centers_composition import Abroad
from maintenance.centers_reactions import OURS as AT_CENTERS
from maintenance.code_table import kept
from maintenance.ports import Asleep
from people.service import People, build
from spine.clock import Clock
from spine.ids import PersonId, VehicleId
from spine.store import Store
from spine.streams import Streams
from spine.words import Words
from trunkline import languages
from trunkline.desk import Desk
from trunkline.ground import Ground
from trunkline.installation import seal, vehicle_ca
from trunkline.people_news import PeopleComposing
from trunkline.posting import PeopleMailer, alive, mail_door, minter, people_composer
from trunkline.push_key import contact_of, push_key
from trunkline.sealing import keyring_of, sealing_key
from trunkline.settings import Settings
from trunkline.trust import PublicKeys
from vehicle_gateway.commands import Commands
from vehicle_gateway.registry import Vehicles
from webhooks.dispatch import Brief, Composer
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.envelope import News
from webhooks.guard import Guard
from webhooks.mail import Letter, Mail
from webhooks.operational import Composing as OperationalComposing
from webhooks.sender import HttpSender
from webhooks.sources import Sources
from webhooks.subscriptions import Subscriptions
from webhooks.web_push_devices import Devices
from webhooks.web_push_letters import composer as push_composer
from webhooks.web_push_sending import PushDoor


@dataclass(frozen=True, slots=True)
class Services:
    """The domain services that `api` and `work` share."""

    ground: Ground
    vehicles: Vehicles
    commands: Commands
    cars: StoredCars
    people: People
    keys: Keys
    endpoints: Endpoints
    devices: Devices
    sources: Sources
    engine: Engine
    subscriptions: Subscriptions
    delivery: delivery_desk.Desk
    maintenance: maintenance.Maintenance


@asynccontextmanager
async def services(base: Ground, *, signing: SigningKeys | None = None) -> AsyncIterator[Services]:
    """Wire the domain. Only with ``signing`` (process `work`) can keys be made, and browsers be notified."""
    settings, store, clock = base.settings, base.store, base.clock
    mailer = PeopleMailer(clock, settings.people)
    people = _people(settings, store, clock, mailer)
    vehicles = Vehicles(store)
    cars = StoredCars(store, settings.gateway)
    guard = Guard(dev=settings.webhooks_dev)
    keyring = keyring_of(settings)
    endpoints = Endpoints(store, clock, settings.webhooks, guard, keyring)
    devices = Devices(store, clock, settings.webhooks, guard, keyring.seal, alive(people))
    vapid = push_key(settings) if signing is not None else None
    commands = Commands(store, clock, settings.gateway)
    keys = Keys(
        store,
        clock,
        settings.keys,
        signing=signing,
        decision=delivery_desk.decisions(
            store, clock=clock, limits=settings.delivery, people=people, public_url=settings.public_url
        ),
        receipt_keys=vehicles,
    )
    delivery = delivery_desk.build(
        store,
        clock=clock,
        limits=settings.delivery,
        people=people,
        keys=keys,
        cars=cars,
        commands=commands,
        tail=base.tail,
        photos=settings.photo_dir,
        public_url=settings.public_url,
        authorities=[vehicle_ca(settings)],
        jwks=PublicKeys(settings),
        speak=languages.words,
    )
    cared_for = maintenance.build(
        store,
        clock=clock,
        limits=settings.maintenance,
        people=people,
        maker=kept(settings.data_dir).severities,
        public_url=settings.public_url,
        abroad=Abroad(Centers.read(settings.centers_file), endpoints),
    )
    mail = Mail(
        mail_door(settings),
        minter(
            people.links,
            {
                booking_links.PAGE: cared_for.booking_links.mint,
                garage_links.PAGE: cared_for.garage_links.mint,
            },
            delivery.deciding.mint,
            clock,
        ),
        sender=settings.mail_from,
    )

    async def mail_of(person: PersonId) -> str | None:
        view = await people.persons.view(person)
        return view.email if view else None

    async def words_for(person: PersonId) -> Words:
        view = await people.persons.view(person)
        return languages.words(view.language if view else "")

    operational = OperationalComposing(endpoints, mail_of, words_for)
    of_cases = cared_for.composing(sender=settings.mail_from, asleep=asleep(delivery.rules))
    composers: dict[str, Composer] = {
        "endpoint": operational,
        "message": operational,
        "push": push_composer(words_for),
        "people": people_composer(people.letters, settings.people),
        "recovery": PeopleComposing(people.recoveries, public_url=settings.public_url),
        "delivery": delivery.composing,
        "case": of_cases,
        "appointment": either(AT_CENTERS, cared_for.centers.composing, of_cases),
    }
    async with HttpSender(settings.webhooks, guard) as sender:
        door = PushDoor(sender, vapid, contact_of(settings), settings.webhooks) if vapid else None
        engine = Engine(
            store,
            clock,
            settings.webhooks,
            composers,
            sender,
            mail,
            endpoints,
            devices=devices,
            push=door,
        )
        subscriptions = Subscriptions(Streams(base.valkey), clock, settings.webhooks, composers)
        mailer.attach(engine, endpoints, subscriptions)
        try:
            yield Services(
                ground=base,
                vehicles=vehicles,
                commands=commands,
                cars=cars,
                people=people,
                keys=keys,
                endpoints=endpoints,
                devices=devices,
                sources=Sources(store, clock, settings.webhooks, keyring),
                engine=engine,
                subscriptions=subscriptions,
                delivery=delivery,
                maintenance=cared_for,
            )
        finally:
            await engine.close()


def asleep(rules: RuleBook) -> Asleep:
    """Whether a car's household sleeps, as the car's rules say: what packages beside `delivery` go by."""

    async def asked(vehicle: VehicleId, now: datetime) -> bool:
        quiet = (await rules.of(vehicle))[0].quiet
        return quiet is not None and quiet.until(now) is not None

    return asked


def either(beginning: str, first: Composer, otherwise: Composer) -> Composer:
    """The composer of types that begin so, and that of all others with the same first part."""

    async def composed(brief: Brief) -> News | Letter | None:
        return await (first if brief.type.startswith(beginning) else otherwise)(brief)

    return composed


def _people(settings: Settings, store: Store, clock: Clock, mailer: PeopleMailer) -> People:
    return build(
        store=store,
        mailer=mailer,
        clock=clock,
        limits=settings.people,
        origin=settings.public_url,
        secret=sealing_key(seal(settings, "people")),
        speak=languages.words,
    )


def people_of(desk: Desk) -> People:
    """People as an operator's command needs them: reading and erasing, no mail."""
    mailer = PeopleMailer(desk.clock, desk.settings.people)
    return _people(desk.settings, desk.store, desk.clock, mailer)
