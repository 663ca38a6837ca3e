"""Everybody at once: approve, decline, block, cancel, assign, expire, tap. As if each ran in a process of its own."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from delivery.courier import Device
from delivery.model import Window
from delivery.place import Anywhere
from delivery.states import ENDS, State
from spine.facts.vehicle import CommandCreated
from spine.ids import DeliveryId, partition_of
from spine.problems import Problem
from tests.people_signing import Device as Phone
from tests.service.delivery_house import CAR, HERE, HOUR, DeliveryHouse, home, house_of_people

__all__ = ["home", "house_of_people"]

ROUNDS = 5
Act = Callable[[], Awaitable[Any]]


class Apart(dict[str, asyncio.Lock]):
    """No turns are taken: what keeps processes apart is the store alone."""

    def setdefault(self, key: str, default: Any = None) -> asyncio.Lock:
        return asyncio.Lock()


async def all_at_once(dice: random.Random, acts: dict[str, Act]) -> dict[str, Any]:
    """Every act in a drawn order, begun together; what came of each. Only Problems may come."""
    names = list(acts)
    dice.shuffle(names)

    async def begun(name: str) -> Any:
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        return await acts[name]()

    said = await asyncio.gather(*(begun(name) for name in names), return_exceptions=True)
    outcome = dict(zip(names, said, strict=True))
    unforeseen = [one for one in said if isinstance(one, BaseException) and not isinstance(one, Problem)]
    assert not unforeseen, outcome
    return outcome


def went_through(outcome: dict[str, Any], *names: str) -> list[str]:
    return [name for name in names if not isinstance(outcome[name], BaseException)]


async def deciders(home: DeliveryHouse, delivery: DeliveryId) -> dict[str, Act]:
    token = await home.link(delivery)
    _, question, _ = await home.desk.deciding.open(token)
    deciding, owner, carrier = home.desk.deciding, home.desk.owner, home.desk.carrier
    window = Window(start=home.now + 3 * HOUR, end=home.now + 5 * HOUR)

    async def expire() -> None:
        home.clock.advance(timedelta(days=2))
        await home.desk.due.on_due(await home.store.load(delivery))

    return {
        "approve": lambda: deciding.by_link(token, "approve", question.digest),
        "decline": lambda: deciding.by_session(
            home.owner, delivery, "decline", question.digest, session="s", level="session"
        ),
        "block": lambda: owner.block(home.owner, delivery),
        "cancel": lambda: carrier.cancel(home.carrier, delivery),
        "assign": lambda: carrier.assign(home.carrier, delivery, home.courier),
        "reschedule": lambda: carrier.reschedule(home.carrier, delivery, window),
        "expire": expire,
    }


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_an_answer_meets_everything_else(home: DeliveryHouse, seed: int) -> None:
    dice = random.Random(seed)
    delivery = await home.asked(courier=home.courier)
    home.store._turns = Apart()  # type: ignore[assignment]
    acts = await deciders(home, delivery)
    chosen = {name: acts[name] for name in dice.sample(sorted(acts), dice.randrange(2, len(acts) + 1))}
    outcome = await all_at_once(dice, {**chosen, "approve": acts["approve"], "decline": acts["decline"]})
    await home.settle()
    await home.fire()
    kinds = await home.kinds(delivery)
    decisions = [kind for kind in kinds if kind in {"delivery.approved", "delivery.declined"}]
    ended = [k for k in kinds if k.removeprefix("delivery.") in {"declined", "blocked", "cancelled", "expired", "rescheduled"}]  # fmt: skip
    assert len(decisions) <= 1, kinds
    assert len(went_through(outcome, "approve", "decline")) <= 1
    assert len(ended) <= 1, kinds
    read = await home.read(delivery)
    if "delivery.approved" not in decisions:
        assert read.body.key is None
        assert not await home.desk.deciding.stands(delivery)
    if read.state in ENDS:
        await nothing_opens(home, delivery)
    await home.again()


async def nothing_opens(home: DeliveryHouse, delivery: DeliveryId) -> None:
    """After an end its key is dead, or dies as soon as the car says so; nobody gets it."""
    read = await home.read(delivery)
    with pytest.raises(Problem):
        await home.desk.courier.key(home.device, delivery)
    if read.body.key is not None:
        view = await home.keys.view(read.body.key.key)
        assert view is None or view.state not in {"issued", "signed", "handed_out"}, view


async def at_the_car(home: DeliveryHouse, delivery: DeliveryId, other: Device) -> dict[str, Act]:
    desk, car = home.desk, home.desk.at_the_car

    async def expire() -> None:
        home.clock.advance(timedelta(hours=3))
        await home.desk.due.on_due(await home.store.load(delivery))

    return {
        "tap": lambda: car.open(home.device, delivery, "proof.one.x", wait=0),
        "tap again": lambda: car.open(home.device, delivery, "proof.two.x", wait=0),
        "same tap": lambda: car.open(home.device, delivery, "proof.one.x", wait=0),
        "other phone": lambda: car.open(other, delivery, "proof.three.x", wait=0),
        "block": lambda: desk.owner.block(home.owner, delivery),
        "cancel": lambda: desk.carrier.cancel(home.carrier, delivery),
        "reassign": lambda: desk.carrier.assign(home.carrier, delivery, other.courier),
        "elsewhere": lambda: desk.owner.change_place(home.owner, delivery, Anywhere()),
        "fail": lambda: desk.courier.fail(home.device, delivery, "no_room"),
        "arrive": lambda: desk.courier.arrive(home.device, delivery, HERE),
        "expire": expire,
    }


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_a_tap_meets_everything_else(home: DeliveryHouse, seed: int) -> None:
    """At most one command that opens, with the key that was good; after an end none that the server starts."""
    dice = random.Random(1_000 + seed)
    other = Device(*await home.new_courier(Phone(), "Kim"))
    delivery = await home.arrived()
    first = (await home.read(delivery)).body.key
    home.store._turns = Apart()  # type: ignore[assignment]
    acts = await at_the_car(home, delivery, other)
    chosen = {name: acts[name] for name in dice.sample(sorted(acts), dice.randrange(2, len(acts) + 1))}
    outcome = await all_at_once(dice, {**chosen, "tap": acts["tap"]})
    await home.settle()
    log = await home.log.read(partition_of(delivery), limit=5_000)
    presents = [e.fact for e in log if isinstance(e.fact, CommandCreated) and e.fact.op == "present"]
    kinds = await home.kinds(delivery)
    assert len(presents) <= 1, outcome
    assert len(presents) == kinds.count("delivery.opening")
    assert isinstance(outcome.get("other phone", Problem()), Problem)
    read = await home.read(delivery)
    if read.state in {State.BLOCKED, State.CANCELLED, State.EXPIRED, State.FAILED}:
        await nothing_opens(home, delivery)
    if presents and first is not None:
        # Whatever was asked meanwhile: the car's word is the truth, and it is told.
        await home.receipts(delivery, "consumed", "opened", key=first.key)
        assert await home.state(delivery) is State.OPEN
    await home.again()


@pytest.mark.parametrize("seed", range(3))
async def test_a_car_given_away_in_the_moment_of_the_approval(home: DeliveryHouse, seed: int) -> None:
    """Whichever was first: no key outlives the owner's right."""
    delivery = await home.asked(courier=home.courier)
    home.store._turns = Apart()  # type: ignore[assignment]
    acts = await deciders(home, delivery)
    cars = home.people.people.cars
    sold: Act = lambda: cars.release(CAR, by=home.owner, now=home.now)  # noqa: E731
    await all_at_once(random.Random(seed), {"approve": acts["approve"], "sold": sold})
    await home.settle()
    await home.fire()
    assert await home.state(delivery) in ENDS
    await nothing_opens(home, delivery)
    await home.again()
