"""Car addresses on the real store: taken once, bound by first use, dead with their owner, and never a word why not."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from people import address_text
from people.limits import PeopleLimits
from people.model import AddressKind, AddressView
from people.problems import NotFound, NotYours, TooFull
from people.states import Address
from spine.facts import delivery as said
from spine.ids import AddressId, CarrierId, DeliveryId, PersonId, QuestionId, partition_of
from spine.store import Change, Write
from tests.service.people_house import CAR, OTHER_CAR, PeopleHouse, house_of_people

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()
SHOP = CarrierId("car_4aaaaaaaaaaaaaaa")
OTHER_SHOP = CarrierId("car_5aaaaaaaaaaaaaaa")
ONE, OTHER = DeliveryId("dlv_3aaaaaaaaaaaaaaa"), DeliveryId("dlv_3bbbbbbbbbbbbbbb")


async def made(house: PeopleHouse, owner: PersonId, kind: AddressKind = AddressKind.ONE_ORDER) -> AddressView:
    return await house.people.addresses.make(CAR, kind, by=owner, label="books", now=house.now)


async def resolve(
    house: PeopleHouse, text: str, delivery: DeliveryId = ONE, carrier: CarrierId = SHOP
) -> Any:
    return await house.people.addresses.resolve(text, carrier=carrier, delivery=delivery, now=house.now)


async def delivery_exists(house: PeopleHouse, delivery: DeliveryId) -> None:
    await house.store.change([delivery], lambda _: Change({delivery: Write("asked", "{}")}))


async def say(house: PeopleHouse, fact: Any, delivery: DeliveryId = ONE, **more: Any) -> None:
    await house.append(fact(at=house.now, carrier=SHOP, delivery=delivery, **more))
    await house.settle()


async def test_an_address_lives_in_its_cars_partition(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    owner = await house.owner("ada@example.org")
    view = await made(house, owner)
    assert view.text.startswith("TL-")
    assert address_text.partition(view.text, 8) == partition_of(CAR) == partition_of(view.id)
    assert address_text.normalised(view.text) not in view.id
    found = await resolve(house, view.text.lower().replace("-", " "))
    assert found.vehicle == CAR


async def test_of_two_deliveries_at_once_one_takes_a_one_order_address(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    owner = await house.owner("ada@example.org")
    text = (await made(house, owner)).text
    rivals = [DeliveryId(f"dlv_3{n:015d}") for n in range(10)]
    found = await asyncio.gather(*(resolve(house, text, rival) for rival in rivals))
    assert sum(one is not None for one in found) == 1
    winner = rivals[next(n for n, one in enumerate(found) if one)]
    assert await resolve(house, text, winner) == found[rivals.index(winner)]
    (shown,) = await house.people.addresses.all_of(CAR, by=owner, now=house.now)
    assert (shown.state, shown.carrier) == (Address.TAKEN, SHOP)


async def test_for_one_carrier_it_is_bound_by_first_use_and_for_any_it_is_not(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    owner = await house.owner("ada@example.org")
    bound = await made(house, owner, AddressKind.ONE_CARRIER)
    free = await made(house, owner, AddressKind.ANY)
    assert await resolve(house, bound.text) is not None
    assert await resolve(house, bound.text, OTHER) is not None
    assert await resolve(house, bound.text, OTHER, OTHER_SHOP) is None
    assert await resolve(house, free.text) is not None
    assert await resolve(house, free.text, OTHER, OTHER_SHOP) is not None
    shown = {one.id: one.carrier for one in await house.people.addresses.all_of(CAR, by=owner, now=house.now)}
    assert shown == {bound.id: SHOP, free.id: None}


async def test_unknown_mistyped_blocked_and_released_are_all_none(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    owner = await house.owner("ada@example.org")
    blocked, released = await made(house, owner), await made(house, owner)
    await people.addresses.block(CAR, blocked.id, by=owner, now=house.now)
    await people.addresses.block(CAR, blocked.id, by=owner, now=house.now)
    assert await resolve(house, blocked.text) is None
    assert await resolve(house, address_text.written(address_text.draw(3))) is None
    assert await resolve(house, released.text[:-1] + "?") is None
    await people.cars.release(CAR, by=owner, now=house.now)
    assert await resolve(house, released.text) is None  # at once, before the log is read
    await house.settle()
    new = await house.owner("ben@example.org", "OTHR2345")
    assert await people.addresses.all_of(CAR, by=new, now=house.now) == []
    assert await resolve(house, released.text) is None
    one = (await made(house, new)).id
    other = AddressId(one[:-1] + ("0" if one[-1] != "0" else "1"))
    with pytest.raises(NotFound):
        await people.addresses.block(CAR, other, by=new, now=house.now)
    with pytest.raises(NotYours):
        await people.addresses.all_of(CAR, by=owner, now=house.now)
    with pytest.raises(NotYours):
        await made(house, owner)
    died = [fact.reason for fact in await house.facts() if fact.kind == "address.died"]
    assert died == ["blocked", "released"]


APPROVED = {"question": QuestionId("qst_3aaaaaaaaaaaaaaa.1"), "by": None}


@pytest.mark.parametrize(
    ("fact", "more", "usable"),
    [
        (said.DeliveryApproved, {**APPROVED, "level": "link", "shown": "x"}, False),
        (said.DeliveryDeclined, APPROVED, False),
        (said.DeliveryBlocked, {"by": PersonId("per_3aaaaaaaaaaaaaaa")}, False),
        (said.DeliveryCancelled, {}, True),
        (said.DeliveryExpired, {}, True),
        (said.DeliveryUnusable, {"reason": "unknown"}, True),
        (said.DeliveryEnded, {"outcome": "cancelled"}, True),
    ],
)
async def test_spent_once_the_owner_has_spoken_and_given_back_otherwise(
    house_of_people: PeopleHouse, fact: Any, more: dict[str, Any], usable: bool
) -> None:
    house = house_of_people
    owner = await house.owner("ada@example.org")
    text = (await made(house, owner)).text
    await resolve(house, text)
    await delivery_exists(house, ONE)
    await say(house, fact, **more)
    await say(house, said.DeliveryEnded, outcome="whatever")
    assert (await resolve(house, text, OTHER) is not None) == usable
    before, log = await house.subjects(), await house.facts()
    house.rewind()
    await house.settle()
    assert (await house.subjects(), await house.facts()) == (before, log)


async def test_blocking_while_a_delivery_holds_it_ends_it_for_good(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    owner = await house.owner("ada@example.org")
    view = await made(house, owner)
    await resolve(house, view.text)
    await house.people.addresses.block(CAR, view.id, by=owner, now=house.now)
    await say(house, said.DeliveryCancelled)
    assert await resolve(house, view.text, OTHER) is None


@pytest.mark.parametrize("exists", [False, True])
async def test_killed_between_taking_and_ordering_the_address_is_given_back(
    house_of_people: PeopleHouse, exists: bool
) -> None:
    house = house_of_people
    owner = await house.owner("ada@example.org")
    text = (await made(house, owner)).text
    await resolve(house, text)
    if exists:
        await delivery_exists(house, ONE)
    house.clock.advance(LIMITS.address_held_for - timedelta(seconds=1))
    await house.fire("hld")
    assert await resolve(house, text, OTHER) is None
    house.clock.advance(timedelta(seconds=1))
    await house.fire("hld")
    await house.fire("hld")
    assert (await resolve(house, text, OTHER) is None) == exists
    assert (await resolve(house, text, ONE) is None) == (not exists)


async def test_a_repeated_request_makes_one_address_and_a_car_holds_so_many(
    house_of_people: PeopleHouse,
) -> None:
    house, addresses = house_of_people, house_of_people.people.addresses
    owner = await house.owner("ada@example.org")
    for _ in range(2):
        await addresses.make(CAR, AddressKind.ANY, by=owner, seed="one request", now=house.now)
    assert len(await addresses.all_of(CAR, by=owner, now=house.now)) == 1
    for _ in range(LIMITS.addresses_per_car - 1):
        await made(house, owner, AddressKind.ANY)
    with pytest.raises(TooFull):
        await made(house, owner)
    with pytest.raises(NotYours):
        await addresses.make(OTHER_CAR, AddressKind.ANY, by=owner, now=house.now)
