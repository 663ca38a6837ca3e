"""News of deliveries to real addresses: a full one keeps nobody else from hearing, filters and order go by the car."""

from collections.abc import AsyncIterator

import pytest

from delivery.news import News
from spine.ids import EndpointId, VehicleId
from spine.queued import Backlog
from tests.service.delivery_house import CAR, DeliveryHouse, home, house_of_people
from tests.service.test_webhooks_engine import LIMITS, Office, compose, make_office
from webhooks.addresses import Wishes
from webhooks.guard import Guard
from webhooks.messages import queue_of
from webhooks.sender import HttpSender

__all__ = ["home", "house_of_people"]

FEW = LIMITS.model_copy(update={"backlog_most": 2, "backlog_hard": 2})
URL = "https://shop.example/h"
OTHER_CAR = VehicleId("veh_5zzzzzzzzzzzzzzz")


class Told:
    """The house with a real engine behind its news; nothing is sent."""

    def __init__(self, home: DeliveryHouse, office: Office) -> None:
        self.home, self.office = home, office
        desk, cars = home.desk, home.people.people.cars
        home.news = News(desk.deliveries, cars, desk.rules, office.engine, office.endpoints, home.post)

    async def address(self, subscriber: str, wishes: Wishes | None = None) -> EndpointId:
        endpoint, _ = await self.office.endpoints.add(subscriber, URL, wishes=wishes)
        await self.office.endpoints.answered(endpoint.id)
        return endpoint.id

    async def backlog(self, endpoint: EndpointId) -> Backlog:
        place = queue_of(endpoint)
        return await self.office.engine._queues.backlog(place.partition, place.address)

    async def waiting(self, endpoint: EndpointId) -> int:
        return (await self.backlog(endpoint)).waiting


@pytest.fixture
async def told(home: DeliveryHouse) -> AsyncIterator[Told]:
    async with HttpSender(FEW, Guard(dev=True)) as sender:
        composers = {"delivery": compose, "people": compose}
        yield Told(home, make_office(home.store, home.clock, sender, composers, FEW))  # type: ignore[arg-type]


async def test_a_full_address_keeps_nobody_else_from_hearing(told: Told) -> None:
    home = told.home
    full, other = await told.address(home.owner), await told.address(home.owner)
    carrier, other_carrier = await told.address(home.carrier), await told.address(home.carrier)
    for endpoint in (full, carrier):
        for n in range(FEW.backlog_hard):
            await told.office.engine.queue(told.office.news(endpoint, f"n{n}"))
    delivery = await home.asked()
    assert await told.waiting(other) == 1, "asked"
    await home.decide(delivery)
    await home.settle()
    rows = (await told.office.engine.attempts(other)).rows
    assert "withdrawn" in {each.attempt.reason for each in rows}
    assert await told.waiting(other) == 1, "the question is over, and that it was approved is told"
    assert await told.waiting(other_carrier) == 1
    assert await told.waiting(full) == await told.waiting(carrier) == FEW.backlog_hard
    streams = [subscriber for subscriber, _ in home.post.told]
    assert {home.owner, home.carrier} <= set(streams), "what was passed over stands in the stream"


async def test_in_order_of_the_vehicle_deliveries_to_one_car_are_one_order(told: Told) -> None:
    by_vehicle = await told.address(told.home.owner, Wishes(order="vehicle"))
    by_delivery = await told.address(told.home.owner, Wishes(order="delivery"))
    carriers = await told.address(told.home.carrier, Wishes(order="vehicle"))
    deliveries = [await told.home.asked() for _ in range(2)]
    one, each = await told.backlog(by_vehicle), await told.backlog(by_delivery)
    assert (one.waiting, one.behind) == (1, 1)
    assert (each.waiting, each.behind) == (2, 0)
    for delivery in deliveries:
        await told.home.decide(delivery)
    await told.home.settle()
    seen = await told.backlog(carriers)
    assert (seen.waiting, seen.behind) == (2, 0), (
        "a carrier that answers badly does not learn which share a car"
    )


async def test_an_address_hears_of_the_vehicles_it_named_only(told: Told) -> None:
    home = told.home
    mine = await told.address(home.owner, Wishes(vehicles=[CAR]))
    others = await told.address(home.owner, Wishes(vehicles=[OTHER_CAR]))
    carriers, every = (
        await told.address(home.carrier, Wishes(vehicles=[CAR])),
        await told.address(home.carrier),
    )
    delivery = await home.asked()
    await home.decide(delivery)
    await home.settle()
    assert await told.waiting(mine) == 1, "the question is withdrawn, and what was decided is told"
    assert await told.waiting(others) == 0
    assert await told.waiting(every) == 1
    assert await told.waiting(carriers) == 0, (
        "whatever stands in its filter, it tells a carrier of no vehicle"
    )
