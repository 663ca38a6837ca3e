"""Everything of people, built once by the composition root."""

from dataclasses import dataclass

from people.access import Access
from people.addresses import Addresses
from people.agents import Agents
from people.carriers import Carriers
from people.cars import Cars
from people.challenges import Challenges
from people.courier_tokens import CourierTokens
from people.couriers import Couriers
from people.device_keys import DeviceKeys
from people.email_change import EmailChanges
from people.idempotency import Idempotency
from people.invitations import Invitations
from people.known_devices import KnownDevices
from people.letters import Letters
from people.limits import PeopleLimits
from people.mail_links import Mailer, MailLinks
from people.oauth import CarrierTokens
from people.operators import Operators
from people.passkeys import Passkeys
from people.persons import Persons
from people.presence import Presence
from people.pseudonyms import Pseudonyms
from people.reactions import Reactions
from people.recovery import Recoveries
from people.relying_party import RelyingParty
from people.sessions import Sessions
from people.sign_in import Doorkeeper, SignIn
from people.step_up import StepUp
from spine.clock import Clock
from spine.expiring import Expiring
from spine.index import Index
from spine.rates import Rates
from spine.store import Store
from spine.words import Speak, untranslated


@dataclass(frozen=True, slots=True)
class People:
    """Who may do what on which car, and how each of them shows who they are."""

    limits: PeopleLimits
    origin: str
    clock: Clock
    pseudonyms: Pseudonyms
    persons: Persons
    sessions: Sessions
    passkeys: Passkeys
    recoveries: Recoveries
    known_devices: KnownDevices
    step_up: StepUp
    links: MailLinks
    letters: Letters
    sign_in: SignIn
    doorkeeper: Doorkeeper
    presence: Presence
    cars: Cars
    invitations: Invitations
    changes: EmailChanges
    addresses: Addresses
    carriers: Carriers
    carrier_tokens: CarrierTokens
    devices: DeviceKeys
    couriers: Couriers
    courier_tokens: CourierTokens
    operators: Operators
    agents: Agents
    access: Access
    idempotency: Idempotency
    reactions: Reactions


def build(
    store: Store,
    *,
    mailer: Mailer,
    clock: Clock,
    limits: PeopleLimits,
    origin: str,
    secret: bytes,
    speak: Speak = untranslated,
) -> People:
    """Wire the package. ``speak``: what mails are written with.

    ``origin``: of the public URL, no slash at its end. ``secret``: 32 bytes or more, kept outside the store
    (``people.pseudonyms``); with another one no person and no address is found any more.
    """
    index, expiring, rates = Index(store.valkey, store.house), Expiring(store.valkey), Rates(store.valkey)
    partitions = store.house.partitions
    pseudonyms = Pseudonyms(secret, partitions)
    challenges = Challenges(expiring, limits.passkey_challenge_life)
    persons = Persons(store, pseudonyms, challenges, limits)
    sessions = Sessions(store, limits)
    party = RelyingParty(origin)
    passkeys = Passkeys(store, party, limits)
    known_devices = KnownDevices(store, limits)
    links = MailLinks(expiring, origin, limits.mail_link_life)
    doorkeeper = Doorkeeper(rates, pseudonyms, limits)
    presence = Presence(store, expiring, rates, limits)
    cars = Cars(store, index, persons, presence, mailer, limits)
    recoveries = Recoveries(store, cars, links, limits)
    invitations = Invitations(store, persons, presence, mailer, limits)
    changes = EmailChanges(store, persons, cars, links, mailer, limits)
    addresses = Addresses(store, pseudonyms, limits, partitions)
    carriers = Carriers(store, limits)
    carrier_tokens = CarrierTokens(carriers, expiring, rates, origin, limits)
    devices = DeviceKeys(store, partitions, limits)
    couriers = Couriers(store, expiring, index, devices, origin, limits)
    courier_tokens = CourierTokens(couriers, carriers, expiring, origin, limits)
    operators = Operators(store)
    return People(
        limits=limits,
        origin=origin,
        clock=clock,
        pseudonyms=pseudonyms,
        persons=persons,
        sessions=sessions,
        passkeys=passkeys,
        recoveries=recoveries,
        known_devices=known_devices,
        step_up=StepUp(passkeys, party, challenges, persons, sessions, known_devices, rates, limits),
        links=links,
        letters=Letters(persons, invitations, changes, links, recoveries, cars, speak),
        sign_in=SignIn(persons, sessions, links, known_devices, mailer, doorkeeper),
        doorkeeper=doorkeeper,
        presence=presence,
        cars=cars,
        invitations=invitations,
        changes=changes,
        addresses=addresses,
        carriers=carriers,
        carrier_tokens=carrier_tokens,
        devices=devices,
        couriers=couriers,
        courier_tokens=courier_tokens,
        operators=operators,
        agents=Agents(store, persons),
        access=Access(sessions, carrier_tokens, courier_tokens, operators, doorkeeper, clock, origin),
        idempotency=Idempotency(expiring, pseudonyms, limits),
        reactions=Reactions(
            persons=persons,
            sessions=sessions,
            presence=presence,
            cars=cars,
            invitations=invitations,
            changes=changes,
            addresses=addresses,
            carriers=carriers,
            devices=devices,
            known_devices=known_devices,
            recoveries=recoveries,
            mailer=mailer,
            clock=clock,
        ),
    )
