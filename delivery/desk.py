"""The package put together once: everything that routes, readers and timers of deliveries need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delivery.asking import Asking
from delivery.beforehand import Beforehand
from delivery.brought import Brought
from delivery.carrier import CarrierDesk
from delivery.co_signing import CoSigning
from delivery.composing import Composing
from delivery.courier import CourierDesk
from delivery.deciding import Deciding
from delivery.due import Due
from delivery.evidence import Evidence
from delivery.fallback import Fallbacks
from delivery.freshness import AwayFromNetwork
from delivery.freshness import News as FreshNews
from delivery.limits import DeliveryLimits
from delivery.news import News
from delivery.opening import AtTheCar
from delivery.owner import OwnerDesk
from delivery.photos import Photos
from delivery.placing import Placing
from delivery.ports import Cars, Devices, Endpoints, Engine, Keys, Subscribers
from delivery.reactions import Reactions
from delivery.rules import RuleBook
from delivery.service import Deliveries
from delivery.waiting import Waiting
from people.service import People
from spine.clock import Clock
from spine.index import Index
from spine.log import Log, Tail
from spine.open_streams import OpenStreams
from spine.rates import Rates
from spine.store import Store
from spine.words import Speak, untranslated
from vehicle_gateway.commands import Commands
from vehicle_gateway.registry import Vehicles


@dataclass(frozen=True, slots=True)
class Desk:
    """Deliveries, ready to use. ``reactions`` and ``due`` are for the process ``work``."""

    people: People
    deliveries: Deliveries
    cars: Cars
    index: Index
    tail: Tail
    rates: Rates
    rules: RuleBook
    photos: Photos
    placing: Placing
    carrier: CarrierDesk
    owner: OwnerDesk
    beforehand: Beforehand
    fallbacks: Fallbacks
    courier: CourierDesk
    at_the_car: AtTheCar
    away: AwayFromNetwork
    brought: Brought
    deciding: Deciding
    waiting: Waiting
    asking: Asking
    reactions: Reactions
    due: Due
    composing: Composing
    evidence: Evidence
    streams: OpenStreams

    def news(
        self,
        engine: Engine,
        endpoints: Endpoints,
        subscribers: Subscribers,
        devices: Devices | None = None,
    ) -> News:
        """The reaction that queues news; apart, because the engine composes with ``composing``."""
        cars = self.people.cars
        return News(self.deliveries, cars, self.rules, engine, endpoints, subscribers, devices)


def decisions(
    store: Store, *, clock: Clock, limits: DeliveryLimits, people: People, public_url: str
) -> Deciding:
    """What the signer asks before it signs; the key service is built with it."""
    return Deciding(
        Deliveries(store, clock, limits), people.cars, people.passkeys, people.persons, public_url=public_url
    )


def build(  # noqa: PLR0913 - each is one thing below that deliveries stand on
    store: Store,
    *,
    clock: Clock,
    limits: DeliveryLimits,
    people: People,
    keys: Keys,
    cars: Cars,
    commands: Commands,
    tail: Tail,
    photos: Path,
    public_url: str,
    authorities: Sequence[str],
    jwks: Mapping[str, Any],
    speak: Speak = untranslated,
) -> Desk:
    """Wire the package. ``photos``: a directory; ``authorities``, ``jwks``: see ``delivery.evidence``; ``speak``: mails."""
    deliveries = Deliveries(store, clock, limits)
    deciding = decisions(store, clock=clock, limits=limits, people=people, public_url=public_url)
    index, rates = Index(store.valkey, store.house), Rates(store.valkey)
    fresh, rules = FreshNews(deliveries, keys.fresh, tail), RuleBook(store)
    album = Photos(photos, largest=limits.photo_bytes)
    waiting = Waiting(deliveries, deciding, index)
    fallbacks = Fallbacks(deliveries, people.cars)
    co_signing = CoSigning(deliveries, keys, cars)
    asking = Asking(
        deliveries, people.addresses, people.passkeys, people.carriers, people.couriers, co_signing
    )
    beforehand = Beforehand(store, clock, limits, people.cars, people.passkeys, people.carriers, rules)
    reactions = Reactions(
        deliveries, asking, people.addresses, keys, cars, people.carriers, beforehand, index
    )
    return Desk(
        people=people,
        deliveries=deliveries,
        cars=cars,
        index=index,
        tail=tail,
        rates=rates,
        rules=rules,
        photos=album,
        placing=Placing(deliveries, partitions=store.house.partitions),
        carrier=CarrierDesk(deliveries, people.couriers, cars),
        owner=OwnerDesk(deliveries, people.cars, rules),
        beforehand=beforehand,
        fallbacks=fallbacks,
        courier=CourierDesk(deliveries, cars, keys, album),
        at_the_car=AtTheCar(deliveries, cars, keys, commands, tail, rates, fresh),
        away=AwayFromNetwork(deliveries, cars, keys, rates, fresh),
        brought=Brought(deliveries, keys, Vehicles(store), rates),
        deciding=deciding,
        waiting=waiting,
        asking=asking,
        reactions=reactions,
        due=Due(deliveries, asking, reactions, album),
        composing=Composing(
            deliveries,
            deciding,
            people.persons,
            people.carriers,
            waiting,
            people.cars,
            fallbacks,
            public_url=public_url,
            speak=speak,
        ),
        evidence=Evidence(
            deliveries,
            Log(store.valkey, store.house),
            keys,
            Vehicles(store),
            authorities=authorities,
            jwks=jwks,
        ),
        streams=OpenStreams(each=limits.streams_each, total=limits.streams_open),
    )
