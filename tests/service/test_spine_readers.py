"""Readers: at least once, in order per subject, one at a time, and nothing stops them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from spine.facts.delivery import DeliveryRequested
from spine.facts.people import CarrierEnrolled, CarrierFrozen
from spine.house import House
from spine.ids import CarrierId, DeliveryId
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.log import Log, Tail
from spine.parked import NotParked, Parked, Standing
from spine.problems import Kind, Problem
from spine.progress import forget_group, progress
from spine.readers import Reader, Received
from spine.store import Ack, Change, LeaseLost, Saved, Store, StoreDown, Write
from spine.valkey import Valkey
from tests import warm
from tests.service.conftest import MORNING, SetClock, running, until
from tests.service.spine_worker import CARRIER
from trunkline.nursery import Forked

pytestmark = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)
KEYS = Keyspace("tl")
LIMITS = SpineLimits.model_validate(
    {"lease": 120, "lease_poll": 0.03, "cursor_flush": 0.02, "held_poll": 0.02, "store_retry": 0.02}
)
"""With a lease that outlives any pause of this machine: one that is lost has its entries read again, as it should."""


def carrier(name: str, partition: int = 7) -> CarrierId:
    return CarrierId(f"car_{partition:x}{name:0>15}")


async def say(store: Store, name: str, partition: int = 7, kind=CarrierEnrolled) -> str:
    subject = carrier(name, partition)
    outcome = await store.change([subject], lambda _: Change({}, [kind(at=MORNING, carrier=subject)]))
    return outcome.positions[0]


class Notes:
    """A reaction that writes down what it gets, and does what a test tells it to."""

    def __init__(self, then: Callable[[Received], Awaitable[None]] | None = None) -> None:
        self.got: list[Received] = []
        self.then = then

    async def react(self, received: Received) -> None:
        self.got.append(received)
        if self.then:
            await self.then(received)

    def names(self) -> list[str]:
        return [received.fact.subject[5:].lstrip("0") for received in self.got]


@pytest.fixture
def start(store: Store, log: Log, tail: Tail, clock: SetClock):
    @asynccontextmanager
    async def start(notes: Notes, **options):
        options = {"limits": LIMITS, "clock": clock, "group": "g"} | options
        reader = Reader(store, log, tail, handle=notes.react, **options)
        async with running(reader.run()):
            yield reader

    return start


class Broken(Problem):
    code = "broken"
    kind = Kind.CONFLICT


def broken(*names: str) -> tuple[set[str], Callable[[Received], Awaitable[None]]]:
    bad = {carrier(name) for name in names}

    async def then(received: Received) -> None:
        if received.fact.subject in bad:
            raise Broken("no")

    return bad, then


async def test_every_fact_of_every_partition_is_read_once_in_order(start, store: Store) -> None:
    notes = Notes()
    for n in range(40):
        await say(store, f"a{n}", partition=n % 8)
    async with start(notes):
        for n in range(40, 80):
            await say(store, f"a{n}", partition=n % 8)
        await until(lambda: len(notes.got) >= 80)
        await until(lambda: _cursors_at_the_end(store))
    for partition in range(8):
        assert [n for r, n in zip(notes.got, notes.names(), strict=True) if r.partition == partition] == [
            f"a{n}" for n in range(80) if n % 8 == partition
        ]
    async with start(again := Notes()):
        await say(store, "last")
        await until(lambda: again.got)
    assert again.names() == ["last"]


async def _cursors_at_the_end(store: Store) -> bool:
    log = Log(store.valkey, store.house)
    for partition in range(8):
        cursor = await store.valkey.ask("HGET", KEYS.cursors(partition), "g")
        if (cursor or "0-0") != await log.last(partition):
            return False
    return True


async def test_only_the_kinds_asked_for_arrive(start, store: Store) -> None:
    notes = Notes()
    async with start(notes, kinds=frozenset({"carrier.frozen"})):
        await say(store, "a")
        await say(store, "b", kind=CarrierFrozen)
        await until(lambda: notes.got)
        await until(lambda: _cursors_at_the_end(store))
    assert notes.names() == ["b"]


async def test_the_acknowledgement_is_part_of_the_commit(start, store: Store) -> None:
    cursor_after: list[str] = []

    async def then(received: Received) -> None:
        mark = f"msg_7{received.fact.subject[5:]}"
        await store.change([mark], lambda _: Change({mark: Write("x", "{}")}), ack=received.ack)
        cursor_after.append(await store.valkey.ask("HGET", KEYS.cursors(7), "g"))

    async with start(
        notes := Notes(then), limits=LIMITS.model_copy(update={"cursor_flush": timedelta(hours=1)})
    ):
        positions = [await say(store, f"a{n}") for n in range(3)]
        await until(lambda: len(cursor_after) == 3)
    assert cursor_after == positions
    assert [r.ack.position for r in notes.got if r.ack] == positions


async def test_a_failing_entry_holds_back_its_subject_only(
    start, store: Store, clock: SetClock, valkey, house
) -> None:
    bad, then = broken("b")
    async with start(notes := Notes(then)):
        for name in ("a", "b", "c", "b", "d"):
            await say(store, name)
        await until(lambda: "d" in notes.names())
        assert notes.names() == ["a", "b", "c", "d"]
        held = await until(lambda: _held(valkey, house, 2))
        assert [(h.standing, h.failures) for h in held] == [(Standing.FAILING, 1), (Standing.BEHIND, 0)]
        assert held[0].reason == "Broken: no"
        bad.clear()
        clock.advance(timedelta(seconds=1))
        await until(lambda: notes.names() == ["a", "b", "c", "d", "b", "b"])
        assert [r.position for r in notes.got[4:]] == [h.position for h in held]
        assert notes.got[4].ack is None
        await until(lambda: _nothing_held(valkey, house))
        await say(store, "b")
        await until(lambda: len(notes.got) == 7)
        assert notes.got[6].ack is not None


async def _held(valkey: Valkey, house: House, count: int):
    held = await Parked(valkey, house).list("g", parked_only=False)
    return held if len(held) == count else None


async def _nothing_held(valkey: Valkey, house: House) -> bool:
    return await Parked(valkey, house).list("g", parked_only=False) == []


async def test_five_failures_park_it_until_an_operator_comes(
    start, store: Store, clock: SetClock, valkey, house
) -> None:
    bad, then = broken("b", "c")
    parked = Parked(valkey, house)
    async with start(notes := Notes(then)):
        first = await say(store, "b")
        await say(store, "c")
        await say(store, "b")
        for tries in range(1, 5):
            await until(
                lambda tries=tries: notes.names().count("b") == tries and notes.names().count("c") == tries
            )
            await until(lambda tries=tries: _failed(valkey, house, tries))
            clock.advance(timedelta(minutes=2))
        rows = await until(lambda: _parked(parked, 2))
        assert [(h.position == first, h.failures, h.kind) for h in rows] == [
            (True, 5, "carrier.enrolled"), (False, 5, "carrier.enrolled"),
        ]  # fmt: skip
        clock.advance(timedelta(days=1))
        await say(store, "a")
        await until(lambda: notes.names()[-1] == "a")
        assert notes.names().count("b") == 5

        with pytest.raises(NotParked):
            await parked.retry("g", "1-1")
        await parked.retry("g", first)  # still broken: counted anew
        await until(lambda: notes.names().count("b") == 6)
        bad.discard(carrier("b"))
        clock.advance(timedelta(minutes=2))
        await until(lambda: notes.names().count("b") == 8)
        await parked.skip("g", rows[1].position, "by hand")
        await say(store, "c")
        await until(lambda: _failed(valkey, house, 1))
        assert [(h.position, why) for h, why in await parked.skipped("g")] == [(rows[1].position, "by hand")]


async def _failed(valkey: Valkey, house: House, failures: int) -> bool:
    held = await Parked(valkey, house).list("g", parked_only=False)
    heads = [h for h in held if h.standing is not Standing.BEHIND]
    return bool(heads) and all(h.failures == failures for h in heads)


async def _parked(parked: Parked, count: int):
    rows = await parked.list("g")
    return rows if len(rows) == count else None


async def test_held_entries_survive_a_restart(start, store: Store, clock: SetClock, valkey, house) -> None:
    bad, then = broken("b")
    async with start(Notes(then)):
        await say(store, "b")
        await say(store, "b")
        await until(lambda: _held(valkey, house, 2))
    async with start(notes := Notes(then)):
        await say(store, "b")
        await until(lambda: _held(valkey, house, 3))
        assert notes.got == []
        bad.clear()
        clock.advance(timedelta(minutes=2))
        await until(lambda: notes.names() == ["b", "b", "b"])
    positions = [r.position for r in notes.got]
    assert positions == sorted(positions)


@pytest.mark.parametrize("failure", [ConnectionError("broker gone"), StoreDown("gone")])
async def test_what_is_unreachable_never_counts(
    start, store: Store, clock: SetClock, valkey, house, failure
) -> None:
    down = [True]

    async def then(received: Received) -> None:
        if down[0]:
            raise failure

    async with start(notes := Notes(then)):
        await say(store, "a")
        for tries in range(1, 9):
            await until(lambda tries=tries: len(notes.got) >= tries)
            await asyncio.sleep(0)
            clock.advance(timedelta(minutes=2))
        assert await Parked(valkey, house).list("g") == []
        down[0] = False
        await say(store, "b")

        async def both() -> bool:
            clock.advance(timedelta(minutes=2))
            return {"a", "b"} <= set(notes.names()[8:]) and await _nothing_held(valkey, house)

        await until(both)


async def test_a_reaction_that_hangs_has_failed(start, store: Store, valkey, house) -> None:
    async def then(received: Received) -> None:
        if received.fact.subject == carrier("a"):
            await asyncio.Event().wait()

    short = LIMITS.model_copy(update={"handler_timeout": timedelta(milliseconds=50)})
    async with start(notes := Notes(then), limits=short):
        await say(store, "a")
        await say(store, "b")
        await until(lambda: "b" in notes.names())
        (held,) = await until(lambda: _held(valkey, house, 1))
        assert held.reason.startswith("TimeoutError")


async def test_an_unreadable_fact_is_parked_and_the_rest_goes_on(start, store: Store, valkey, house) -> None:
    raw = '{"kind":"moon.landed","carrier":"' + carrier("m") + '"}'
    await valkey.ask("XADD", KEYS.log(7), "*", "f", raw)
    async with start(notes := Notes()):
        await say(store, "a")
        await say(store, "m")
        await until(lambda: notes.names() == ["a"])
        (held,) = await until(lambda: _parked(Parked(valkey, house), 1))
        assert (held.kind, held.subject) == ("moon.landed", carrier("m"))
        await Parked(valkey, house).skip("g", held.position, "old")
        await until(lambda: notes.names() == ["a", "m"])


async def test_one_reads_and_the_other_stands_by_until_it_goes(start, store: Store) -> None:
    async with start(second := Notes(), limits=LIMITS):
        async with start(first := Notes()):
            await say(store, "a")
            await until(lambda: first.got or second.got)
        await say(store, "b")
        await until(lambda: len(first.got) + len(second.got) == 2)
    assert sorted(first.names() + second.names()) == ["a", "b"]


async def test_a_holder_that_stalled_changes_nothing_when_it_comes_back(start, store: Store, valkey) -> None:
    """Its lease is stolen while it reacts: its commit, cursor and held entries are refused."""
    stalled, go_on = asyncio.Event(), asyncio.Event()
    refused: list[Exception] = []
    mark = "msg_7aaaaaaaaaaaaaaa"

    async def then(received: Received) -> None:
        stalled.set()
        await go_on.wait()
        try:
            await store.change([mark], lambda s: Change({mark: Write("done", "{}")}), ack=received.ack)
        except LeaseLost as lost:
            refused.append(lost)
            raise

    async with start(notes := Notes(then)) as reader:
        await say(store, "a")
        await stalled.wait()
        await valkey.ask("SET", KEYS.lease(7, "g"), "thief", "PX", 60_000)
        go_on.set()
        await until(lambda: refused)
        assert (await store.load(mark)).version == 0
        assert await valkey.ask("HGET", KEYS.cursors(7), "g") == "0-0"
        await until(lambda: reader.leases.token((7, "g")) is None)
        with pytest.raises(LeaseLost):
            await store.change([mark], lambda _: Change({}), ack=Ack("g", 7, "9-9", notes.got[0].ack.lease))
        await valkey.ask("DEL", KEYS.lease(7, "g"))
        await until(lambda: len(notes.got) == 2)  # it is a reader like any other again
        assert notes.got[0].position == notes.got[1].position

        async def done() -> bool:
            return (await store.load(mark)).version == 1

        await until(done)


async def test_a_stolen_lease_stops_the_cursor_without_a_commit(start, store: Store, valkey) -> None:
    gate = asyncio.Event()
    slow = LIMITS.model_copy(update={"cursor_flush": timedelta(0)})

    async def wait(_: Received) -> None:
        await gate.wait()

    async with start(Notes(wait), limits=slow) as reader:
        await say(store, "a")
        await until(lambda: reader.leases.token((7, "g")))
        await valkey.ask("SET", KEYS.lease(7, "g"), "thief", "PX", 60_000)
        gate.set()
        await until(lambda: reader.leases.token((7, "g")) is None)
        assert await valkey.ask("HGET", KEYS.cursors(7), "g") in (None, "0-0")


async def test_a_killed_worker_leaves_a_saga_of_two_partitions_whole(
    request, valkey: Valkey, store: Store
) -> None:
    """SIGKILL right after one step or the other, over and over: every slot taken once, every delivery confirmed."""
    name = request.node.callspec.params["valkey"]
    fixture = "valkey_cluster" if name == "cluster" else "valkey_server"
    servers = request.getfixturevalue(fixture)
    url = servers[0].url if name == "cluster" else servers.url
    deliveries = [DeliveryId(f"dlv_7{n:015d}") for n in range(120)]
    for delivery in deliveries:
        fact = DeliveryRequested(at=MORNING, delivery=delivery, carrier=CARRIER)
        await store.change(
            [delivery], lambda s, f=fact: Change({k: Write("requested", "{}") for k in s}, [f])
        )

    kills: Counter[str] = Counter()
    for step in ("slot", "confirm") * 20:
        worker = warm.start("tests.service.spine_worker", url, name, step)
        try:
            await until(lambda worker=worker: _dead_or_done(worker, store, deliveries), within=120)
            kills[step] += worker.poll() is not None
        finally:
            worker.kill()
            worker.wait()
        if await _all_confirmed(store, deliveries):
            break
    assert kills["slot"] >= 2
    assert kills["confirm"] >= 1
    assert {s.version for s in (await store.load_many(deliveries)).values()} == {2}
    assert (await store.load(CARRIER)).body == "120"
    slots = await store.load_many(f"slt_3{d[5:]}" for d in deliveries)
    assert {(s.state, s.version) for s in slots.values()} == {("taken", 1)}
    log = Log(valkey, store.house)
    assert [e.fact.subject async for e in log.entries(7)] == deliveries
    assert len([e async for e in log.entries(3)]) == 120


async def _dead_or_done(worker: Forked, store: Store, deliveries: list[DeliveryId]) -> bool:
    return worker.poll() is not None or await _all_confirmed(store, deliveries)


async def _all_confirmed(store: Store, deliveries: list[DeliveryId]) -> bool:
    return {s.state for s in (await store.load_many(deliveries)).values()} == {"confirmed"}


async def test_two_workers_never_react_side_by_side(start, store: Store) -> None:
    at_work: Counter[int] = Counter()
    worst: list[int] = []

    async def then(received: Received) -> None:
        at_work[received.partition] += 1
        worst.append(at_work[received.partition])
        await asyncio.sleep(0.001)
        at_work[received.partition] -= 1

    async with start(one := Notes(then)), start(two := Notes(then)), start(three := Notes(then)):
        await asyncio.gather(*(say(store, f"a{n}", partition=n % 8) for n in range(200)))
        await until(lambda: len(one.got) + len(two.got) + len(three.got) >= 200)
    assert set(worst) == {1}


async def test_a_crowd_of_facts_is_read_with_saved_states(start, store: Store) -> None:
    """Facts committed with their subjects: what a reaction loads is at least as new as its fact."""
    seen: list[int] = []

    async def then(received: Received) -> None:
        seen.append((await store.load(received.fact.subject)).version)

    async with start(Notes(then)):
        for n in range(20):
            subject = carrier("x")
            fact = CarrierEnrolled(at=MORNING, carrier=subject)

            def decide(saved: dict[str, Saved], fact=fact) -> Change:
                return Change({k: Write("on", "{}") for k in saved}, [fact])

            await store.change([subject], decide)
            await until(lambda n=n: len(seen) == n + 1)
    assert seen == list(range(1, 21))


async def test_progress_shows_who_is_how_far(start, store: Store, log: Log, clock: SetClock) -> None:
    _, then = broken("b")
    async with start(notes := Notes(then)):
        await say(store, "a")
        await say(store, "b")
        await until(lambda: len(notes.got) == 2)
        await until(lambda: _cursors_at_the_end(store))
        rows = {row.partition: row for row in await progress(log)}
        assert (rows[7].group, rows[7].held, rows[7].reading) == ("g", 1, True)
        assert rows[7].late == timedelta(0)
    last = await say(store, "c", partition=3)
    rows = {row.partition: row for row in await progress(log)}
    assert (rows[3].newest, rows[3].late, rows[3].reading) == (last, timedelta.max, False)
    await forget_group(log, "g")
    assert await progress(log) == []
