"""The bundle at the cars' mail boxes: retained for each, carried on after a crash, given again to who asks."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from spine.facts.trust import TrustPublished
from spine.index import Index
from spine.store import Change, Store, Write
from tests.service.brokers import Mosquitto
from tests.service.gateway_scene import Car, Scene, a_gateway, enrol, running
from vehicle_gateway.bundles import ALL_VEHICLES

pytestmark = [pytest.mark.broker, pytest.mark.valkey]

AT = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
TRUST = "tru_0service"


@pytest.fixture
async def scene(store: Store, mosquitto: Mosquitto) -> AsyncIterator[Scene]:
    async with a_gateway(store, mosquitto) as scene:
        yield scene


async def published(store: Store, version: int) -> None:
    fact = TrustPublished(
        at=AT, trust=TRUST, version=version, bundle=(f"{version}.one.sig", f"{version}.two.sig")
    )
    await store.change([TRUST], lambda saved: Change({TRUST: Write("x", str(saved[TRUST].version))}, [fact]))


async def listed(store: Store, *cars: Car) -> None:
    for car in cars:
        await Index(store.valkey, store.house).put(*ALL_VEHICLES, car.vehicle, 1.0)


def document(version: int) -> dict[str, list[str]]:
    return {"bundle": [f"{version}.one.sig", f"{version}.two.sig"]}


async def test_every_car_gets_the_newest_bundle_also_one_that_was_away(
    scene: Scene, mosquitto: Mosquitto
) -> None:
    away = Car(mosquitto, *await enrol(scene.store))
    async with scene.car() as here:
        await listed(scene.store, here, away)
        await published(scene.store, 1)
        await here.until(lambda car: document(1) in car.heard.get("trust", []))
        await published(scene.store, 2)
        await here.until(lambda car: document(2) in car.heard.get("trust", []))
    async with running(away.link.run()):
        await away.until(lambda car: bool(car.heard.get("trust")))
        assert away.heard["trust"] == [document(2)]


async def test_what_a_gateway_did_not_finish_the_next_one_does(store: Store, mosquitto: Mosquitto) -> None:
    await published(store, 3)
    car = Car(mosquitto, *await enrol(store))
    await listed(store, car)
    async with a_gateway(store, mosquitto), running(car.link.run()):
        await car.until(lambda c: document(3) in c.heard.get("trust", []))


async def test_a_unit_that_asks_gets_it_unless_it_has_it(scene: Scene) -> None:
    async with scene.car() as car:
        await published(scene.store, 4)
        await car.say("req/trust", {"nonce": "", "data": {"version": 1}})
        await car.until(lambda c: c.heard.get("trust") == [document(4)])
        await car.say("req/trust", {"nonce": "", "data": {"version": 4}})
        await car.say("req/trust", {"nonce": "", "data": {}})
        await car.until(lambda c: len(c.heard["trust"]) == 2)


async def test_an_older_bundle_that_comes_late_changes_nothing(scene: Scene) -> None:
    async with scene.car() as car:
        await listed(scene.store, car)
        await published(scene.store, 6)
        await car.until(lambda c: document(6) in c.heard.get("trust", []))
        await published(scene.store, 5)
        await car.say("req/trust", {"nonce": "", "data": {}})
        await car.until(lambda c: len(c.heard["trust"]) >= 2)
        assert [json.dumps(one) for one in car.heard["trust"]] == [json.dumps(document(6))] * 2
