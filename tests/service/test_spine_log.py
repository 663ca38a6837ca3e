"""The log and its live end: nothing missing, nothing twice, whoever reads."""

import asyncio
import time
from datetime import timedelta

import pytest

from spine.facts.people import CarrierEnrolled
from spine.ids import CarrierId
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.log import Lagged, Log, Tail, order
from spine.store import Change, Store, Write
from spine.valkey import StoreDown, Valkey
from tests.service.conftest import MORNING, running, until
from tests.service.valkeys import Server

both = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)


async def say(store: Store, n: int, partition: int = 7) -> str:
    carrier = CarrierId(f"car_{partition:x}{n:015d}")
    fact = CarrierEnrolled(at=MORNING, carrier=carrier)
    outcome = await store.change([carrier], lambda _: Change({carrier: Write("a", "{}")}, [fact]))
    return outcome.positions[0]


def number(entry) -> int:
    return int(entry.fact.carrier[5:])


@both
async def test_reading_goes_on_after_a_position(store: Store, log: Log) -> None:
    assert await log.last(7) == "0-0"
    positions = [await say(store, n) for n in range(10)]
    await say(store, 99, partition=3)
    assert [e.position for e in await log.read(7)] == positions
    assert [number(e) for e in await log.read(7, positions[3], limit=2)] == [4, 5]
    assert await log.last(7) == positions[-1]
    assert [number(e) async for e in log.entries(7, positions[7])] == [8, 9]
    assert number(await log.at(7, positions[5])) == 5
    assert await log.at(7, "5-5") is None


@both
async def test_a_waiting_reader_hears_of_a_fact_at_once(store: Store, log: Log, tail: Tail) -> None:
    delays = []
    for n in range(20):
        position = await log.last(7)
        waiting = asyncio.create_task(tail.after(7, position, limit=10, patience=60))
        await asyncio.sleep(0)
        await say(store, n)
        said = time.perf_counter()
        assert [number(e) for e in await waiting] == [n]
        delays.append(time.perf_counter() - said)
    assert sorted(delays)[5] < 0.05, "no interval lies between; the rest a busy machine may have delayed"


@both
async def test_history_and_live_end_join_without_a_gap(store: Store, log: Log) -> None:
    tail = Tail(log, limits=SpineLimits(ring=16))
    for n in range(30):
        await say(store, n)
    seen: list[int] = []

    async def follow() -> None:
        position = "0-0"
        while len(seen) < 200:
            entries = await tail.after(7, position, limit=7, patience=60)
            seen.extend(number(e) for e in entries)
            position = entries[-1].position
            await asyncio.sleep(0.002)  # slower than what comes: it falls out of the ring and reads on

    async with running(tail.run()):
        following = asyncio.create_task(follow())
        for n in range(30, 200):
            await say(store, n)
        await asyncio.wait_for(following, 60)
    assert seen == list(range(200))


async def test_after_some_facts_the_log_is_left_alone_for_a_while(store: Store, log: Log) -> None:
    """And only after those: a list that is read again after an act must have it."""
    patient = Tail(log, linger=timedelta(seconds=0.5), lingers_on=("carrier.enrolled",))
    prompt = Tail(log, linger=timedelta(hours=1), lingers_on=("carrier.frozen",))
    async with running(patient.run()), running(prompt.run()):
        await asyncio.gather(patient.ready(), prompt.ready())
        start = await log.last(7)
        waiting = asyncio.create_task(patient.after(7, start, limit=10, patience=60))
        await say(store, 1)
        assert [number(e) for e in await prompt.after(7, start, limit=10, patience=60)] == [1]
        await say(store, 2)
        assert [number(e) for e in await waiting] == [1]
        second = await log.last(7)
        assert await patient.wait_for(7, lambda e: e.position == second, timeout=60, after=start)


@both
async def test_waiting_for_one_entry(store: Store, tail: Tail) -> None:
    first = await say(store, 1)
    assert await tail.wait_for(7, lambda e: number(e) == 2, timeout=0.05, after=first) is None
    waiting = asyncio.create_task(tail.wait_for(7, lambda e: number(e) == 2, timeout=60))
    await asyncio.sleep(0)
    second = await say(store, 2)
    found = await waiting
    assert found is not None
    assert found.position == second
    assert await tail.wait_for(7, lambda e: number(e) == 2, timeout=60, after=first) == found


async def _drain(entries, into: list) -> None:
    while True:
        into.append(await asyncio.wait_for(anext(entries), 60))


@both
async def test_a_subscriber_gets_what_comes_or_is_told_that_it_lags(store: Store, tail: Tail) -> None:
    async with tail.subscribe() as everything, tail.subscribe(3) as third:
        await say(store, 1, partition=7)
        await say(store, 2, partition=3)
        assert {number(await anext(everything)), number(await anext(everything))} == {1, 2}
        assert number(await anext(third)) == 2
        await asyncio.gather(*(say(store, n, partition=3) for n in range(1_100)))
        last = await tail.log.last(3)
        await until(lambda: order(tail._ends[3].last) == order(last))
        got = []
        with pytest.raises(Lagged):
            await _drain(third, got)
        assert len(got) == 1_000


async def test_a_fact_of_another_version_does_not_stop_the_log(
    valkey: Valkey, store: Store, log: Log
) -> None:
    stream = Keyspace("tl").log(7)
    await valkey.ask("XADD", stream, "*", "f", '{"kind":"moon.landed","vehicle":"veh_7aaaaaaaaaaaaaaa"}')
    await valkey.ask("XADD", stream, "*", "f", "not json")
    await say(store, 1)
    landed, broken, good = await log.read(7)
    assert (landed.readable, landed.kind, landed.fact.subject) == (
        False,
        "moon.landed",
        "veh_7aaaaaaaaaaaaaaa",
    )
    assert (broken.readable, broken.kind, broken.fact.subject) == (False, "unreadable", broken.position)
    assert good.readable


async def test_the_tail_outlives_the_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGKILL the server and start it on the same folder: every answered commit is there, the tail goes on."""
    from spine.house import init_house, open_house

    server = Server(tmp_path_factory.mktemp("k"))
    server.start()
    valkey = Valkey.at(server.url)
    try:
        await init_house(valkey)
        house = await open_house(valkey)
        store, log = Store(valkey, house), Log(valkey, house)
        tail = Tail(log)
        answered: list[int] = []

        async def work() -> None:
            for n in range(2_000):
                while True:
                    try:
                        await say(store, n)
                        break
                    except StoreDown:
                        await asyncio.sleep(0.01)
                answered.append(n)

        seen: list[int] = []
        async with running(tail.run()):
            await tail.ready()
            working = asyncio.create_task(work())
            position = "0-0"
            for stage in (300, 900):
                await until(lambda stage=stage: len(answered) >= stage)
                server.kill()
                await asyncio.sleep(0.05)
                server.start()
            async with asyncio.timeout(120):  # each commit waits for the disk, which may be slow
                while len(set(seen)) < 2_000:
                    try:
                        entries = await tail.after(7, position, limit=500, patience=1)
                    except StoreDown:
                        await asyncio.sleep(0.01)
                        continue
                    seen.extend(number(e) for e in entries)
                    position = entries[-1].position if entries else position
            await working
        assert answered == list(range(2_000))
        # A commit whose answer was lost may be tried again: versions tell, and the log holds both.
        assert seen == sorted(seen)
        assert len(seen) - 2_000 <= 2
        assert seen == [number(e) async for e in log.entries(7)]
    finally:
        await valkey.close()
        server.kill()
