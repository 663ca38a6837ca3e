"""Timers: fired promptly and at least once; a failing one is snoozed, visible and never lost."""

import asyncio
import time
from collections import Counter
from datetime import datetime, timedelta

import pytest

from spine.clock import SystemClock
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.store import Change, Saved, Store, StoreDown, Write
from spine.timers import LateTimers, Timers
from tests.service.conftest import MORNING, SetClock, running, until

pytestmark = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)
KEYS = Keyspace("tl")
LIMITS = SpineLimits.model_validate(
    {"lease": 120, "lease_poll": 0.03, "timer_poll": 0.05, "store_retry": 0.02}
)
"""With a lease that outlives any pause of this machine: without it nothing fires, and another may fire it once more."""


def dlv(n: int, partition: int = 7) -> str:
    return f"dlv_{partition:x}{n:015d}"


async def set_timer(store: Store, subject: str, wake_at) -> None:
    await store.change([subject], lambda _: Change({subject: Write("waits", "{}", wake_at)}))


class Alarm:
    """A handler that counts, clears its timer, and fails as long as it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.fired: Counter[str] = Counter()
        self.fails: Exception | None = None
        self.clears = True

    async def on_due(self, saved: Saved) -> None:
        self.fired[saved.id] += 1
        if self.fails:
            raise self.fails
        if self.clears:
            await self._store.change([saved.id], lambda s: Change({saved.id: Write("fired", "{}")}))


class Held:
    """The system's clock, which stands still until it is let go: no timer is due before the next one is set."""

    def __init__(self) -> None:
        self._from = SystemClock().now()
        self._let_go: float | None = None

    def let_go(self) -> None:
        self._let_go = time.monotonic()

    def now(self) -> datetime:
        ran = 0.0 if self._let_go is None else time.monotonic() - self._let_go
        return self._from + timedelta(seconds=ran)


@pytest.fixture
def alarm(store: Store) -> Alarm:
    return Alarm(store)


@pytest.fixture
def timers(store: Store, alarm: Alarm, clock: SetClock) -> Timers:
    return Timers(store, {"dlv": alarm.on_due}, clock=clock, limits=LIMITS)


async def test_a_sweep_fires_what_is_due_in_every_partition(store, alarm, timers) -> None:
    for n in range(16):
        await set_timer(store, dlv(n, n % 8), MORNING + timedelta(seconds=n))
    await set_timer(store, "key_7aaaaaaaaaaaaaaa.1", MORNING)  # no handler here: not ours
    assert await timers.sweep(MORNING - timedelta(milliseconds=1)) == 0
    assert await timers.sweep(MORNING + timedelta(seconds=9)) == 10
    assert set(alarm.fired) == {dlv(n, n % 8) for n in range(10)}
    assert await timers.sweep(MORNING + timedelta(seconds=9)) == 0
    assert await timers.sweep(MORNING + timedelta(days=1)) == 6
    assert set(alarm.fired.values()) == {1}


async def test_many_due_at_once_all_fire(store, alarm, timers) -> None:
    await asyncio.gather(*(set_timer(store, dlv(n), MORNING) for n in range(350)))
    async with running(timers.run()):
        await until(lambda: len(alarm.fired) == 350)
    assert set(alarm.fired.values()) == {1}


async def test_a_timer_fires_promptly_also_when_set_by_another_process(store, alarm) -> None:
    clock = Held()
    timers = Timers(store, {"dlv": alarm.on_due}, clock=clock, limits=LIMITS)
    async with running(timers.run()):
        now = clock.now()
        await set_timer(store, dlv(0), now + timedelta(hours=1))
        await set_timer(store, dlv(1), now + timedelta(seconds=1.5))
        await asyncio.sleep(0.1)
        await set_timer(store, dlv(2), now + timedelta(seconds=1.4))
        assert alarm.fired == {}
        clock.let_go()
        await until(lambda: len(alarm.fired) == 2)
        took = (clock.now() - now).total_seconds()
    assert list(alarm.fired) == [dlv(2), dlv(1)]
    assert 1.5 <= took < 60, "by their time, and nobody waited for the one of an hour"


async def test_a_failing_timer_is_snoozed_with_growing_delay_and_visible(
    store, alarm, timers, valkey, house
) -> None:
    late = LateTimers(valkey, house)
    alarm.fails = RuntimeError("out of order")
    await set_timer(store, dlv(1), MORNING)
    now, waits = MORNING, []
    timers._clock.set(now)
    for tries in range(1, 6):
        assert await timers.sweep(now) == 1
        (row,) = await late.list()
        assert (row.subject, row.failures, row.reason) == (dlv(1), tries, "RuntimeError: out of order")
        waits.append((row.next_at - now).total_seconds())
        assert await timers.sweep(row.next_at - timedelta(milliseconds=1)) == 0
        now = row.next_at
        timers._clock.set(now)
    assert waits == [1, 2, 4, 8, 16]
    alarm.fails = None
    assert await timers.sweep(now) == 1
    assert await late.list() == []
    assert (await store.load(dlv(1))).state == "fired"


async def test_a_changed_timer_forgets_its_failures_and_a_touched_one_keeps_its_snooze(
    store, alarm, timers, valkey, house
) -> None:
    alarm.fails = RuntimeError("x")
    await set_timer(store, dlv(1), MORNING)
    await timers.sweep(MORNING)
    await set_timer(store, dlv(1), MORNING)  # the same time again: still snoozed
    assert await timers.sweep(MORNING) == 0
    assert len(await LateTimers(valkey, house).list()) == 1
    await set_timer(store, dlv(1), MORNING + timedelta(milliseconds=1))
    assert await LateTimers(valkey, house).list() == []
    alarm.fails = None
    assert await timers.sweep(MORNING + timedelta(milliseconds=1)) == 1


async def test_a_handler_that_leaves_it_due_does_not_spin(store, alarm, timers, valkey, house) -> None:
    alarm.clears = False
    await set_timer(store, dlv(1), MORNING)
    assert await timers.sweep(MORNING) == 1
    assert await timers.sweep(MORNING) == 0
    (row,) = await LateTimers(valkey, house).list()
    assert row.reason == "its handler left it due"


async def test_a_store_that_is_down_is_not_its_failure(store, alarm, timers, valkey, house) -> None:
    alarm.fails = StoreDown("gone")
    await set_timer(store, dlv(1), MORNING)
    async with running(timers.run()):
        await until(lambda: alarm.fired[dlv(1)] >= 3)
        assert await LateTimers(valkey, house).list() == []
        alarm.fails = None

        async def fired() -> bool:
            return (await store.load(dlv(1))).state == "fired"

        await until(fired)


async def test_one_that_hangs_does_not_stop_the_others(store, alarm) -> None:
    slow, gate = dlv(0), asyncio.Event()

    async def on_due(saved: Saved) -> None:
        if saved.id == slow:
            await gate.wait()
        await alarm.on_due(saved)

    timers = Timers(store, {"dlv": on_due}, clock=SetClock(), limits=LIMITS)
    await set_timer(store, slow, MORNING - timedelta(days=1))
    async with running(timers.run()):
        for n in range(1, 30):
            await set_timer(store, dlv(n), MORNING)
        await until(lambda: len(alarm.fired) == 29)
        gate.set()
        await until(lambda: slow in alarm.fired)


async def test_one_process_fires_and_another_takes_over(store, alarm, clock) -> None:
    first = Timers(store, {"dlv": alarm.on_due}, clock=clock, limits=LIMITS)
    second = Timers(store, {"dlv": alarm.on_due, "key": alarm.on_due}, clock=clock, limits=LIMITS)
    async with running(second.run()):
        async with running(first.run()):
            for n in range(40):
                await set_timer(store, dlv(n, n % 8), MORNING)
            await until(lambda: len(alarm.fired) == 40)
        await set_timer(store, dlv(99), MORNING)
        await set_timer(store, "key_7aaaaaaaaaaaaaaa.1", MORNING)
        await until(lambda: len(alarm.fired) == 42)
    assert set(alarm.fired.values()) == {1}


async def test_a_stale_timer_of_nothing_is_dropped(store, alarm, timers, valkey) -> None:
    await valkey.ask("ZADD", KEYS.due(7, "dlv"), 5, dlv(5))
    assert await timers.sweep(MORNING) == 1
    assert alarm.fired == {}
    assert await valkey.ask("ZCARD", KEYS.due(7, "dlv")) == 0
