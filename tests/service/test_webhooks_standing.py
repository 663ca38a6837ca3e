"""How an address comes to hear and ceases to, with a crash after each step: finished by whoever comes next."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from spine.ids import EndpointId, PersonId
from spine.log import Log
from spine.store import Store, StoreDown
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.test_webhooks_engine import CARRIER, LIMITS, Office, Sink, compose, make_office, sink
from tests.service.test_webhooks_results import left_of
from tests.service.test_webhooks_rules import OTHER, fails_first, kinds, queue, states
from webhooks.addresses import Changed, FiltersRefused, TypesRefused
from webhooks.endpoints import EndpointState, EndpointUnknown, Wishes
from webhooks.forgetting import KINDS, Forgetting
from webhooks.guard import Guard
from webhooks.sender import HttpSender
from webhooks.signature import SignatureRefused, verify

__all__ = ["sink"]

ZOE = PersonId("per_5aaaaaaaaaaaaaaa")


@pytest.fixture
async def office(store: Store, clock: SetClock) -> AsyncIterator[Office]:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose})
        yield office
        await office.engine.close()


@contextmanager
def cut_before(office: Office, what: str) -> Iterator[None]:
    """The process ends where it would have asked this of the queues."""

    async def never(*_: object, **__: object) -> None:
        raise StoreDown("cut off here")

    queues: Any = office.endpoints._queues
    setattr(queues, what, never)
    try:
        with pytest.raises(StoreDown):
            yield
    finally:
        delattr(queues, what)


async def read_on(office: Office) -> None:
    """What the reader of the log does with all that stands there, as often as it likes."""
    log, house = Log(office.store.valkey, office.store.house), office.store.house
    forgetting = Forgetting(office.endpoints)
    for partition in range(house.partitions):
        for entry in await log.read(partition):
            if entry.kind in KINDS:
                await forgetting.handle(entry)


# ---- removing


@pytest.mark.parametrize("subscriber", [CARRIER, ZOE])
async def test_a_crash_before_the_queues_are_erased_is_made_good_by_the_reader(
    office: Office, sink: Sink, valkey: Valkey, subscriber: str
) -> None:
    sink.says(400, headers={"webhook-delivery": "abort-message"})
    made, _ = await office.endpoints.add(subscriber, sink.url, wishes=Wishes(order="delivery"))
    await office.endpoints.answered(made.id)
    await queue(office, made.id, "a", "b")
    await office.engine.sweep()
    sink.says(500)
    await queue(office, made.id, "c", "d")
    await office.engine.sweep()
    with cut_before(office, "purge"):
        if subscriber == ZOE:
            await office.endpoints.forget(subscriber)
        else:
            await office.endpoints.remove(made.id, subscriber)
    with pytest.raises(EndpointUnknown):
        await office.endpoints.remove(made.id, subscriber)
    assert await left_of(valkey, made.id), "what the crash left"
    for _ in range(2):
        await read_on(office)
    assert await left_of(valkey, made.id) == []


async def test_the_reader_erases_nothing_of_an_address_that_is_only_disabled(
    office: Office, sink: Sink
) -> None:
    sink.says(410)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    await office.engine.sweep()
    assert "endpoint.disabled" in await kinds(office)
    await read_on(office)
    assert await states(office, [one]) == ["dead"]


# ---- enabling


@pytest.mark.parametrize("crash", ["hold", "adjust"])
async def test_order_and_rate_outlive_a_crash_after_add(office: Office, sink: Sink, crash: str) -> None:
    """The address is there, its queue knows nothing of it; whoever made it asks for a ping later."""
    wishes = Wishes(order="delivery", rate=2)
    with cut_before(office, crash):
        await office.endpoints.add(CARRIER, sink.url, wishes=wishes)
    [made] = await office.endpoints.of(CARRIER)
    await office.endpoints.ping(made.id, CARRIER)
    await office.engine.sweep()
    assert (await office.endpoints.one(made.id, CARRIER)).state is EndpointState.ENABLED
    await kept_in_order(office, sink, made.id)


async def kept_in_order(office: Office, sink: Sink, endpoint: EndpointId) -> None:
    await fails_first(sink)
    mine = await queue(office, endpoint, "a", "b")
    others = await queue(office, endpoint, *(f"n{n}" for n in range(30)), delivery=OTHER)
    sink.got.clear()
    await office.engine.sweep()
    assert await states(office, mine) == ["pending", "pending"], "one that fails holds up those behind it"
    assert len(sink.got) == LIMITS.rate_burst, "and the rate is kept"
    assert (await states(office, others)).count("delivered") == LIMITS.rate_burst - 1


@pytest.mark.parametrize("crash", ["hold", "adjust"])
async def test_order_and_rate_outlive_a_crash_after_the_answer(
    office: Office, sink: Sink, crash: str
) -> None:
    """Enabled, and its queue does not know yet: the same ping is sent once more, and its answer finishes it."""
    with cut_before(office, "adjust"):
        await office.endpoints.add(CARRIER, sink.url, wishes=Wishes(order="delivery", rate=2))
    [made] = await office.endpoints.of(CARRIER)
    with cut_before(office, crash):
        await office.endpoints.answered(made.id, 0)
    assert (await office.endpoints.one(made.id, CARRIER)).state is EndpointState.ENABLED
    await office.endpoints.answered(made.id, 0)
    assert (await office.engine.backlog(made.id)).held_until is None
    assert (await kinds(office)).count("endpoint.enabled") == 1
    await kept_in_order(office, sink, made.id)


async def test_an_answered_ping_ends_no_pause_its_receiver_asked_for(office: Office, sink: Sink) -> None:
    sink.says(429, headers={"retry-after": "120"})
    endpoint, _ = await office.address(sink.url)
    await queue(office, endpoint, "a")
    await office.engine.sweep()
    held = (await office.engine.backlog(endpoint)).held_until
    assert held == office.clock.now() + timedelta(seconds=120)
    await office.endpoints.answered(endpoint, 0)
    assert (await office.engine.backlog(endpoint)).held_until == held


# ---- disabling


async def test_a_ping_that_waits_does_not_undo_a_disable(office: Office, sink: Sink) -> None:
    """Sent while the address did not answer, disabled meanwhile: it is not even sent again."""
    endpoint, _ = await office.address(sink.url)
    sink.says(503)
    office.clock.advance(timedelta(seconds=1))
    await office.endpoints.ping(endpoint, CARRIER)
    await office.engine.sweep()
    assert len(sink.got) == 1
    await office.endpoints.disable(endpoint, "operator")
    sink.says(204)
    sink.got.clear()
    office.clock.advance(timedelta(seconds=30))
    await office.engine.sweep()
    view = await office.endpoints.one(endpoint, CARRIER)
    assert (view.state, view.reason, sink.got) == (EndpointState.DISABLED, "operator", [])
    await office.endpoints.ping(endpoint, CARRIER)
    await office.engine.sweep()
    assert (await office.endpoints.one(endpoint, CARRIER)).state is EndpointState.ENABLED, "a new one does"


async def test_a_ping_on_the_wire_does_not_undo_a_disable(office: Office) -> None:
    """It was answered after the disabling, and what it came to is decided then."""
    endpoint, _ = await office.address("https://shop.example/h")
    await office.endpoints.disable(endpoint, "operator")
    await office.endpoints.answered(endpoint, 0)
    assert (await office.endpoints.one(endpoint, CARRIER)).state is EndpointState.DISABLED
    await office.endpoints.answered(endpoint, 1)
    assert (await office.endpoints.one(endpoint, CARRIER)).state is EndpointState.ENABLED


async def test_the_first_ping_that_dies_does_not_disable_what_another_enabled(office: Office) -> None:
    made, _ = await office.endpoints.add(CARRIER, "https://shop.example/h")
    await office.endpoints.answered(made.id, 0)
    await office.endpoints.unanswered(made.id)
    assert (await office.endpoints.one(made.id, CARRIER)).state is EndpointState.ENABLED


async def test_a_ping_reads_its_address_anew(office: Office, sink: Sink) -> None:
    """Nobody counts the versions of its queue's address: what is known from before may be an ended secret."""
    endpoint, old = await office.address(sink.url)
    await office.endpoints.ping(endpoint, CARRIER)
    await queue(office, endpoint, "a")
    await office.engine.sweep()
    new = await office.endpoints.rotate(endpoint, CARRIER, overlap=timedelta())
    office.clock.advance(timedelta(milliseconds=1))
    await office.endpoints.ping(endpoint, CARRIER)
    await office.engine.sweep()
    headers, body = sink.got[-1]
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert b"endpoint.ping" in body
    assert verify([new], raw, body, now=office.clock.now())
    with pytest.raises(SignatureRefused):
        verify([old], raw, body, now=office.clock.now())


# ---- changing


async def test_what_is_changed_holds_from_the_next_news_on(office: Office, sink: Sink) -> None:
    car = "veh_7k3m9qxd4hwe2a5t"
    endpoint, _ = await office.address(sink.url)
    heard = office.endpoints.for_subscriber
    assert await heard(CARRIER, "key.used") == [endpoint]
    changed = await office.endpoints.change(endpoint, CARRIER, Changed(types=["delivery.*"], vehicles=[car]))
    assert (changed.types, changed.vehicles, changed.order) == (("delivery.*",), (car,), "none")
    assert await heard(CARRIER, "key.used", vehicle=car) == []
    assert await heard(CARRIER, "delivery.opened", vehicle=car) == [endpoint]
    assert await heard(CARRIER, "delivery.opened") == []
    await office.endpoints.change(endpoint, CARRIER, Changed(vehicles=[]))
    assert await heard(CARRIER, "delivery.opened") == [endpoint]
    for wrong in (Changed(types=["no type"]), Changed(rate=-1), Changed(vehicles=["car"])):
        with pytest.raises((FiltersRefused, TypesRefused)):
            await office.endpoints.change(endpoint, CARRIER, wrong)
    with cut_before(office, "adjust"):
        await office.endpoints.change(endpoint, CARRIER, Changed(order="delivery", rate=2))
    await office.endpoints.change(endpoint, CARRIER, Changed(order="delivery", rate=2))
    await kept_in_order(office, sink, endpoint)
