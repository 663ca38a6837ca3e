"""Builds everything once: the parts every server process shares, then what `api` and `work` add."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from delivery import desk as delivery_desk
from delivery import lists as delivery_lists
from delivery.cars import StoredCars
from delivery.news import KINDS as NEWS_KINDS
from delivery.reactions import KINDS as DELIVERY_KINDS
from keys.issue import Keys
from keys.signing import SigningKeys
from maintenance import booking_links, centers_sweep, desk_index, garage_links
from maintenance import composition as maintenance
from maintenance import lists as maintenance_lists
from maintenance import lists_garages as garage_lists
from maintenance.centers import Centers
from maintenance.centers_composition import Abroad
from maintenance.centers_reactions import GROUP as CENTERS
from maintenance.centers_reactions import KINDS as CENTERS_KINDS
from maintenance.centers_reactions import OURS as AT_CENTERS
from maintenance.code_table import kept
from maintenance.desk_reactions import GROUP as DESK
from maintenance.desk_reactions import KINDS as DESK_KINDS
from maintenance.news import GROUP as CASE_NEWS
from maintenance.news import KINDS as CASE_NEWS_KINDS
from maintenance.reactions import GROUP as MAINTENANCE
from maintenance.reactions import KINDS as MAINTENANCE_KINDS
from maintenance.singing import GROUP as CANARY
from maintenance.singing import KINDS as CANARY_KINDS
from maintenance.visit_news import GROUP as APPOINTMENTS
from maintenance.visit_news import KINDS as APPOINTMENT_KINDS
from people import lists as people_lists
from people.reactions import GROUP as PEOPLE_GROUP
from people.reactions import KINDS as PEOPLE_KINDS
from people.service import People, build
from spine.clock import Clock, SystemClock
from spine.expiring import Expiring
from spine.house import House, open_house
from spine.ids import PersonId
from spine.index import Index
from spine.log import Log, Tail
from spine.rates import Rates
from spine.readers import Reader
from spine.store import Store
from spine.streams import Streams
from spine.timers import Timers
from spine.valkey import StoreDown, Valkey
from trunkline import vehicle_list
from trunkline.desk import Desk
from trunkline.installation import gateway_password, seal, vehicle_ca
from trunkline.posting import PeopleMailer, mail_door, minter, people_composer, sealing_key
from trunkline.settings import Settings
from trunkline.trust import PublicKeys
from vehicle_gateway.commands import Commands
from vehicle_gateway.dispatch import CommandSigner
from vehicle_gateway.duty import Equipment
from vehicle_gateway.gateway import Gateway
from vehicle_gateway.link import Broker, Tls
from vehicle_gateway.pki import Pki
from vehicle_gateway.registry import Vehicles
from vehicle_gateway.renewal import KINDS as RENEWAL_KINDS
from vehicle_gateway.renewal import Renewals
from webhooks import lists as webhook_lists
from webhooks.dispatch import Brief, Composer
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.envelope import News
from webhooks.forgetting import GROUP as FORGETTING
from webhooks.forgetting import KINDS as FORGOTTEN
from webhooks.forgetting import Forgetting
from webhooks.guard import Guard
from webhooks.keyring import Keyring
from webhooks.mail import Letter, Mail
from webhooks.operational import GROUP as OPERATIONAL
from webhooks.operational import KINDS as TOLD_OF
from webhooks.operational import Composing as OperationalComposing
from webhooks.operational import Operational
from webhooks.sealing import Seal
from webhooks.sender import HttpSender
from webhooks.sources import Sources
from webhooks.subscriptions import Subscriptions

log = logging.getLogger("trunkline")


@dataclass(frozen=True, slots=True)
class Ground:
    """The store and what stands on it alone."""

    settings: Settings
    clock: Clock
    valkey: Valkey
    house: House
    store: Store
    log: Log
    tail: Tail
    index: Index
    expiring: Expiring
    rates: Rates


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
    sources: Sources
    engine: Engine
    subscriptions: Subscriptions
    delivery: delivery_desk.Desk
    maintenance: maintenance.Maintenance


@asynccontextmanager
async def ground(settings: Settings) -> AsyncIterator[Ground]:
    """Open the store (waiting while it is down) and follow its log. Raises ``StoreUnfit``."""
    clock = SystemClock()
    valkey = Valkey.at(settings.store_url, cluster=settings.store_cluster)
    try:
        house = await _open(valkey, settings)
        facts = Log(valkey, house)
        tail = Tail(facts, limits=settings.spine)
        following = asyncio.create_task(tail.run(), name="tail")
        try:
            await tail.ready()
            yield Ground(
                settings=settings,
                clock=clock,
                valkey=valkey,
                house=house,
                store=Store(valkey, house),
                log=facts,
                tail=tail,
                index=Index(valkey, house),
                expiring=Expiring(valkey),
                rates=Rates(valkey),
            )
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
    finally:
        await valkey.close()


async def _open(valkey: Valkey, settings: Settings) -> House:
    while True:
        try:
            return await open_house(valkey, allow_everysec=settings.allow_everysec)
        except StoreDown as down:
            log.warning("store_waits", extra={"reason": down.detail})
            await asyncio.sleep(settings.spine.store_retry.total_seconds())


@asynccontextmanager
async def services(base: Ground, *, signing: SigningKeys | None = None) -> AsyncIterator[Services]:
    """Wire the domain. Only with ``signing`` (process `work`) can keys be made."""
    settings, store, clock = base.settings, base.store, base.clock
    mailer = PeopleMailer(clock, settings.people)
    people = _people(settings, store, clock, mailer)
    vehicles = Vehicles(store)
    cars = StoredCars(store, settings.gateway)
    guard = Guard(dev=settings.webhooks_dev)
    keyring = keyring_of(settings)
    endpoints = Endpoints(store, clock, settings.webhooks, guard, keyring)
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

    operational = OperationalComposing(endpoints, mail_of)
    of_cases = cared_for.composing(sender=settings.mail_from)
    composers: dict[str, Composer] = {
        "endpoint": operational,
        "message": operational,
        "people": people_composer(people.letters, settings.people),
        "delivery": delivery.composing,
        "case": of_cases,
        "appointment": either(AT_CENTERS, cared_for.centers.composing, of_cases),
    }
    async with HttpSender(settings.webhooks, guard) as sender:
        engine = Engine(
            store,
            clock,
            settings.webhooks,
            composers,
            sender,
            mail,
            endpoints,
        )
        mailer.attach(engine)
        try:
            yield Services(
                ground=base,
                vehicles=vehicles,
                commands=commands,
                cars=cars,
                people=people,
                keys=keys,
                endpoints=endpoints,
                sources=Sources(store, clock, settings.webhooks, keyring),
                engine=engine,
                subscriptions=Subscriptions(Streams(base.valkey), clock, settings.webhooks, composers),
                delivery=delivery,
                maintenance=cared_for,
            )
        finally:
            await engine.close()


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
    )


def people_of(desk: Desk) -> People:
    """People as an operator's command needs them: reading and erasing, no mail."""
    mailer = PeopleMailer(desk.clock, desk.settings.people)
    return _people(desk.settings, desk.store, desk.clock, mailer)


def keyring_of(settings: Settings) -> Keyring:
    """What seals the secrets of webhook addresses and linked systems at rest."""
    given = settings.endpoint_secret_key
    text = given.get_secret_value() if given is not None else seal(settings, "endpoint")
    first, *former = (sealing_key(each.strip()) for each in text.split(","))
    return Keyring(Seal(first, former))


def gateway(base: Ground, signer: CommandSigner) -> Gateway:
    """What process `gateway` runs: the broker on one side, the log on the other."""
    settings = base.settings
    tls = Tls(ca=settings.broker_tls_ca) if settings.broker_tls_ca else None
    broker = Broker(
        settings.broker_host,
        settings.broker_port,
        tls=tls,
        username=settings.broker_username,
        password=gateway_password(settings),
    )
    kit = Equipment(
        store=base.store,
        tail=base.tail,
        clock=base.clock,
        signer=signer,
        broker=broker,
        limits=settings.gateway,
        link_limits=settings.link,
        spine_limits=settings.spine,
    )
    return Gateway(kit)


def readers(parts: Services) -> list[Reader]:
    """Who listens to the log in process `work`."""
    base = parts.ground
    authority = Pki.open(base.settings.pki_dir, base.settings.gateway)
    renewal = Renewals(base.store, base.clock, base.settings.gateway, authority, parts.commands)
    news = parts.delivery.news(parts.engine, parts.endpoints, parts.subscriptions)
    case_news = parts.maintenance.news(parts.engine, parts.endpoints, parts.subscriptions)

    def reader(group: str, handle: object, kinds: frozenset[str] | None = None) -> Reader:
        return Reader(
            base.store,
            base.log,
            base.tail,
            group,
            handle,  # type: ignore[arg-type]  # each package names what it needs of an entry
            kinds=kinds,
            limits=base.settings.spine,
            clock=base.clock,
        )

    return [
        reader("keys", parts.keys.react, Keys.KINDS),
        reader("delivery", parts.delivery.reactions.handle, DELIVERY_KINDS),
        reader("delivery-news", news.handle, NEWS_KINDS),
        reader(MAINTENANCE, parts.maintenance.reactions.handle, MAINTENANCE_KINDS),
        reader(CANARY, parts.maintenance.singing.handle, CANARY_KINDS),
        reader(CASE_NEWS, case_news.handle, CASE_NEWS_KINDS),
        reader(APPOINTMENTS, parts.maintenance.visit_news(parts.engine).handle, APPOINTMENT_KINDS),
        reader(PEOPLE_GROUP, parts.people.reactions.react, PEOPLE_KINDS),
        reader("renewal", renewal.react, RENEWAL_KINDS),
        reader(CENTERS, parts.maintenance.centers.reactions(parts.engine).handle, CENTERS_KINDS),
        reader(DESK, parts.maintenance.desk.reactions.handle, DESK_KINDS),
        reader(FORGETTING, Forgetting(parts.endpoints).handle, FORGOTTEN),
        reader(
            OPERATIONAL,
            Operational(parts.engine, parts.endpoints, parts.subscriptions, base.clock).handle,
            TOLD_OF,
        ),
        reader(
            "lists",
            base.index.reaction(
                delivery_lists.places,
                desk_index.places,
                maintenance_lists.places,
                centers_sweep.places,
                garage_lists.places,
                people_lists.places,
                vehicle_list.places,
                webhook_lists.places,
            ),
        ),
    ]


def timers(parts: Services) -> Timers:
    """What time alone does, in process `work`."""
    base = parts.ground
    handlers = {
        **parts.people.reactions.timers(),
        **parts.maintenance.timers(),
        "dlv": parts.delivery.due.on_due,
        "vis": parts.delivery.placing.forget_visit,
        "prm": parts.delivery.news(parts.engine, parts.endpoints, parts.subscriptions).on_due,
        "key": parts.keys.on_due,
        "rvl": parts.keys.on_due,
        "apr": parts.keys.on_due,
        "fsh": parts.keys.on_due,
        "cmd": parts.commands.on_due,
    }
    return Timers(base.store, handlers, clock=base.clock, limits=base.settings.spine)
