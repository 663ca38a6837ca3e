"""Senders, the store and a receiver are killed in the middle, again and again: nothing is lost, little comes twice."""

import asyncio
import multiprocessing
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from multiprocessing.process import BaseProcess

import pytest

from spine.clock import SystemClock
from spine.house import init_house, open_house
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import until
from tests.service.test_webhooks_engine import CARRIER, Office, compose, make_office
from tests.service.valkeys import Server
from tests.webhooks_sink import CountingSink
from webhooks.envelope import wire_id
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.messages import Outgoing, message_id
from webhooks.sender import HttpSender

LIMITS = WebhooksLimits(
    in_flight=64,
    in_flight_per_address=64,
    lease_margin=timedelta(minutes=10),
    state_waits=(timedelta(seconds=1),) * 9,
    open_first=timedelta(seconds=1),
    open_most=timedelta(seconds=1),
)
"""With leases that last longer than any test waits: what is taken over is taken over before they end.

A try that a kill cut off counts, so one that then meets the receiver's restart is its message's second: by default the
next one comes after five minutes.
"""
MESSAGES = 1_200
ADDRESSES = 5
PATIENCE = 120.0
MOST_ON_THE_WAY = LIMITS.in_flight + LIMITS.claim_ahead + LIMITS.settle_most
"""On the wire, or through with it and not saved yet."""


def work(url: str, name: str) -> None:
    """What the sender's process does until it is killed."""
    asyncio.run(_work(url, name))


async def _work(url: str, name: str) -> None:
    valkey = Valkey.at(url)
    store = Store(valkey, await open_house(valkey))
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, SystemClock(), sender, {"delivery": compose}, LIMITS)
        await office.engine.run(name)


FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload([__name__])  # one process reads the code for all of them


def start(url: str, name: str = "work") -> BaseProcess:
    worker = FORKING.Process(target=work, args=(url, name), daemon=True)
    worker.start()
    return worker


async def kill(worker: BaseProcess) -> None:
    assert worker.is_alive(), "it ended by itself"
    worker.kill()
    await asyncio.to_thread(worker.join)


@pytest.fixture
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A store of the test's own: it is killed too."""
    server = Server(tmp_path_factory.mktemp("k"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def office(server: Server) -> AsyncIterator[Office]:
    valkey = Valkey.at(server.url)
    await init_house(valkey, 8)
    store = Store(valkey, await open_house(valkey))
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        yield make_office(store, SystemClock(), sender, {"delivery": compose}, LIMITS)
    await valkey.close()


async def queued(office: Office, url: str, count: int, addresses: int = ADDRESSES) -> list[str]:
    """So many messages, spread over addresses of several partitions."""
    endpoints = []
    for n in range(addresses):
        made, _ = await office.endpoints.add(f"car_{n % 8}{CARRIER[5:]}", url)
        await office.engine.withdraw(made.pinged)
        await office.endpoints.answered(made.id)
        endpoints.append(made.id)
    now = office.clock.now()
    ids = [message_id("dlv_7k3m9qxd4hwe2a5t", f"n{n}", endpoints[n % addresses]) for n in range(count)]
    for start_ in range(0, count, 200):
        await asyncio.gather(
            *(
                office.engine.queue(
                    Outgoing(
                        id=ids[n],
                        type="delivery.opened",
                        at=now,
                        expires_at=now + timedelta(hours=1),
                        reference={"delivery": "dlv_7k3m9qxd4hwe2a5t"},
                        endpoint=endpoints[n % addresses],
                    )
                )
                for n in range(start_, min(start_ + 200, count))
            )
        )
    return ids


async def test_nothing_is_lost_when_senders_the_store_and_a_receiver_are_killed(
    office: Office, server: Server
) -> None:
    async with CountingSink.listening(slow_ms=5) as sink:
        ids = await queued(office, sink.url, MESSAGES)
        worker, kills = start(server.url), 0
        for share in (0.25, 0.5, 0.75):
            await until(lambda share=share: sink.unique >= share * MESSAGES, within=PATIENCE)
            await kill(worker)
            kills += 1
            if share == 0.5:
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            worker = start(server.url)
        await until(lambda: sink.unique >= 0.85 * MESSAGES, within=PATIENCE)
        await sink.restart()
        await until(lambda: whole(office, worker), within=PATIENCE)
        await until(lambda: sink.unique == MESSAGES, within=PATIENCE)
        await until(lambda: settled(office, ids), within=PATIENCE)
        await kill(worker)
    assert set(sink.times) == {wire_id(each) for each in ids}, "0 lost"
    assert sum(sink.times.values()) - MESSAGES <= (kills + 1) * MOST_ON_THE_WAY
    rows = Counter[str]()
    for endpoint in {each.rsplit(".", 2)[2] for each in ids}:
        page = await office.engine.attempts(f"ep_{endpoint}", limit=1_000)
        rows.update(row.attempt.outcome for row in page.rows)
    assert rows["interrupted"], "the kills met tries on the wire"


async def test_the_store_is_killed_under_a_sender(office: Office, server: Server) -> None:
    """The sender lives on: what a lost answer had leased comes back without waiting for the lease to end."""
    async with CountingSink.listening(slow_ms=5) as sink:
        ids = await queued(office, sink.url, MESSAGES)
        worker = start(server.url)
        await until(lambda: sink.unique >= 0.3 * MESSAGES, within=PATIENCE)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        came = sink.unique
        await until(lambda: sink.unique > came, within=PATIENCE)
        await until(lambda: sink.unique == MESSAGES, within=PATIENCE)
        await until(lambda: settled(office, ids), within=PATIENCE)
        await kill(worker)
    assert set(sink.times) == {wire_id(each) for each in ids}
    assert sum(sink.times.values()) - MESSAGES <= MOST_ON_THE_WAY


async def test_another_sender_takes_over_what_a_silent_one_had(office: Office, server: Server) -> None:
    """Killed for good: nobody of its name comes back, so its missed beats tell."""
    hung = asyncio.Event()
    async with CountingSink.listening(slow_ms=0, hang=hung) as sink:
        await queued(office, sink.url, 20, addresses=1)
        worker = start(server.url, "one")
        await until(lambda: sink.hanging >= 20, within=PATIENCE)
        await kill(worker)
        hung.set()
        other = start(server.url, "other")
        await until(lambda: sink.unique == 20, within=PATIENCE)
        await kill(other)


async def whole(office: Office, worker: BaseProcess) -> bool:
    """It runs, and the store knows of no lease of a sender that is gone."""
    return worker.is_alive() and len(await office.store.valkey.ask("HKEYS", "tl:senders")) == 1


async def settled(office: Office, ids: list[str]) -> bool:
    """Nothing waits and nothing is on the wire."""
    found = {each.rsplit(".", 2)[2] for each in ids}
    loads = await asyncio.gather(*(office.engine.backlog(f"ep_{each}") for each in found))
    return all(load.waiting + load.in_flight == 0 for load in loads)


def test_a_lease_outlives_the_longest_try() -> None:
    limits = WebhooksLimits()
    assert limits.lease == limits.total_timeout + timedelta(seconds=15)
    with pytest.raises(ValueError, match="lease"):
        WebhooksLimits(lease_margin=timedelta(seconds=14))
