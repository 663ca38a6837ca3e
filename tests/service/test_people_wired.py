"""People behind the real reader, index and timers, as the worker runs them."""

from contextlib import AsyncExitStack
from datetime import timedelta

from people import lists, reactions
from people.couriers import OF_CARRIER
from spine.clock import SystemClock
from spine.index import Index
from spine.limits import SpineLimits
from spine.log import Tail
from spine.parked import Parked
from spine.readers import Reader
from spine.timers import LateTimers, Timers
from tests.people_signing import Device
from tests.service.conftest import running, until
from tests.service.people_house import CAR, PeopleHouse, house_of_people

__all__ = ["house_of_people"]


async def test_readers_and_timers_carry_a_life(house_of_people: PeopleHouse, tail: Tail) -> None:
    house, people = house_of_people, house_of_people.people
    store, limits = house.store, SpineLimits()
    index = Index(store.valkey, store.house)
    made = Reader(
        store, house.log, tail, reactions.GROUP, people.reactions.react,
        kinds=reactions.KINDS, limits=limits, clock=SystemClock(),
    )  # fmt: skip
    kept = Reader(
        store, house.log, tail, "index", index.reaction(lists.places),
        kinds=lists.KINDS, limits=limits, clock=SystemClock(),
    )  # fmt: skip
    timers = Timers(store, people.reactions.timers(), clock=house.clock, limits=limits)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(made.run(), kept.run(), timers.run()))
        owner = await house.owner("ada@example.org")
        carrier = (await people.carriers.enrol("P", now=house.now)).client_id
        courier = await house.courier(carrier, Device())
        await until(lambda: people.cars.cars_of(owner, now=house.now))
        assert (await until(lambda: people.couriers.of_carrier(carrier, after=None, limit=5)))[1] is None

        async def listed() -> bool:
            return (await index.page(OF_CARRIER, carrier)).members == [courier]

        await until(listed)
        await people.sign_in.ask("late@example.org", client="a", now=house.now)
        house.clock.advance(timedelta(days=2))

        async def forgotten() -> bool:
            return await people.persons.find("late@example.org") is None

        await until(forgotten)
        await people.persons.erase(owner, now=house.now)

        async def released() -> bool:
            return await people.cars.owners_of(CAR, now=house.now) == []

        await until(released)
        await people.couriers.remove(carrier, courier, now=house.now)

        async def gone() -> bool:
            return (await index.page(OF_CARRIER, carrier)).members == []

        await until(gone)
    assert await Parked(store.valkey, store.house).list(reactions.GROUP) == []
    assert await LateTimers(store.valkey, store.house).list() == []
