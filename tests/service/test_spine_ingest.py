"""Ingest: verdicts of the window and the known ids against an independent model; state only moves forward."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine.dead_letters import DeadLetters
from spine.facts.vehicle import UnitReceipt
from spine.house import House
from spine.ids import UnitId, VehicleId
from spine.ingest import Incoming, Verdict, car_state, forget_car_state, ingest
from spine.keyspace import Keyspace
from spine.log import Log
from spine.store import Split, Store
from spine.valkey import Valkey
from tests.service.conftest import MORNING

pytestmark = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)
CAR, UNIT = VehicleId("veh_7aaaaaaaaaaaaaaa"), UnitId("vu_7aaaaaaaaaaaaaaa")


def message(
    boot: int, seq: int, text: str = "", *, dedupe: str | None = None, unit: UnitId = UNIT, **more
) -> Incoming:
    fact = UnitReceipt(at=MORNING, vehicle=CAR, unit=unit, receipt=text)
    return Incoming(CAR, unit, boot, seq, dedupe, [fact], **more)


class Model:
    """The rule in words, kept as plain sets: nothing shared with the bitmap."""

    def __init__(self) -> None:
        self.boot, self.taken, self.known = -1, set(), {}

    def judge(self, boot: int, seq: int, dedupe: str | None, now: int) -> Verdict:
        verdict = Verdict.NEW
        if boot < self.boot:
            verdict = Verdict.BEHIND
        elif boot > self.boot:
            self.boot, self.taken = boot, set()
        elif seq in self.taken and seq > max(self.taken) - 1024:
            return Verdict.DUPLICATE
        elif self.taken and seq <= max(self.taken) - 1024:
            verdict = Verdict.STALE
        if verdict is Verdict.NEW:
            self.taken.add(seq)
        if dedupe is not None:
            if now - self.known.get(dedupe, -1e9) < 7 * 24:
                return Verdict.DUPLICATE
            if verdict is Verdict.NEW:
                self.known[dedupe] = now
        return verdict


near = st.integers(1, 40)
far = st.one_of(near, st.integers(1, 5000), st.sampled_from([1023, 1024, 1025, 2047, 2048, 2049, 2**53 - 1]))
steps = st.lists(
    st.tuples(st.integers(0, 3), far, st.none() | st.sampled_from("abcdef"), st.integers(0, 60)), max_size=60
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, batch=st.integers(1, 20))
async def test_verdicts_are_those_of_the_model(store: Store, log: Log, steps, batch: int) -> None:
    unit = UnitId(await _fresh(store))
    model, hour, before = Model(), 0, len(await log.read(7, limit=100_000))
    expected, found, texts = [], [], []
    for start in range(0, len(steps), batch):
        hour += steps[start][3]
        items = []
        for n, (boot, seq, dedupe, _) in enumerate(steps[start : start + batch]):
            items.append(message(boot, seq, str(start + n), dedupe=dedupe, unit=unit))
            expected.append(model.judge(boot, seq, dedupe, hour))
            if expected[-1] is Verdict.NEW:
                texts.append(str(start + n))
        found += await ingest(store, 7, items, now=MORNING + timedelta(hours=hour))
    assert found == expected
    entries = (await log.read(7, limit=100_000))[before:]
    assert [entry.fact.receipt for entry in entries] == texts


async def _fresh(store: Store) -> str:
    n = await store.valkey.ask("INCR", "tl:{p7}:test-unit")
    return f"vu_7{n:015d}"


async def test_units_of_one_batch_do_not_mix(store: Store, log: Log) -> None:
    others = [UnitId(f"vu_7{n:015d}") for n in range(50)]
    items = [message(1, seq, f"{unit}/{seq}", unit=unit) for seq in (1, 2, 1) for unit in others]
    verdicts = await ingest(store, 7, items, now=MORNING)
    assert verdicts == [Verdict.NEW] * 100 + [Verdict.DUPLICATE] * 50
    assert len(await log.read(7)) == 100


async def test_state_moves_forward_only(store: Store) -> None:
    async def say(boot: int, seq: int, unit: UnitId = UNIT, **fields: str) -> None:
        item = Incoming(CAR, unit, boot, seq, state=fields, wants_window=False)
        await ingest(store, 7, [item], now=MORNING)

    await say(5, 7, lid="open", lock="on")
    await say(5, 6, lid="shut", door="shut with a space")
    assert await car_state(store, CAR) == {"lid": "open", "lock": "on", "door": "shut with a space"}
    await say(4, 99, lid="old boot")
    await say(5, 0, heard="later", lid="no number")
    assert (await car_state(store, CAR))["lid"] == "no number"
    await say(5, 6, lid="late")
    await say(6, 1, lock="off")
    assert await car_state(store, CAR) == {
        "lid": "no number", "lock": "off", "door": "shut with a space", "heard": "later",
    }  # fmt: skip
    await say(1, 1, UnitId("vu_7bbbbbbbbbbbbbbb"), lid="new unit")
    assert (await car_state(store, CAR))["lid"] == "new unit"
    await say(1, 2, UnitId("vu_7bbbbbbbbbbbbbbb"), lid="")
    assert (await car_state(store, CAR))["lid"] == ""
    await forget_car_state(store, CAR, ["lid", "door"])
    assert await car_state(store, CAR) == {"lock": "off", "heard": "later"}
    await forget_car_state(store, CAR)
    assert await car_state(store, CAR) == {}


said = st.tuples(
    st.integers(0, 2), st.integers(0, 4), st.dictionaries(st.sampled_from("abc"), st.text("xyz ", max_size=3))
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(said, max_size=12), batch=st.integers(1, 12))
async def test_a_batch_leaves_the_state_that_its_messages_leave_one_by_one(
    store: Store, words, batch: int
) -> None:
    cars = []
    for size in (1, batch):
        unit = UnitId(await _fresh(store))
        car = VehicleId(unit.replace("vu_", "veh_"))
        items = [
            Incoming(car, unit, boot, seq, state=fields, wants_window=False) for boot, seq, fields in words
        ]
        for start in range(0, len(items), size):
            await ingest(store, 7, items[start : start + size], now=MORNING)
        cars.append(await store.valkey.ask("HGETALL", Keyspace(store.valkey.prefix).car(7, car)))
    one_by_one, at_once = (dict(zip(row[::2], row[1::2], strict=True)) for row in cars)
    one_by_one.pop("@unit", None)
    at_once.pop("@unit", None)
    assert at_once == one_by_one


async def test_what_is_not_new_moves_no_state(store: Store) -> None:
    await ingest(store, 7, [message(2, 5, dedupe="a", state={"x": "1"})], now=MORNING)
    again = [
        message(2, 5, state={"x": "2"}),
        message(2, 6, dedupe="a", state={"x": "3"}),
        message(1, 9, state={"x": "4"}),
    ]
    assert await ingest(store, 7, again, now=MORNING) == ["duplicate", "duplicate", "behind"]
    assert await car_state(store, CAR) == {"x": "1"}


async def test_another_partition_is_a_mistake_and_changes_nothing(store: Store, log: Log) -> None:
    with pytest.raises(Split):
        await ingest(store, 3, [message(1, 1)], now=MORNING)
    wrong = message(1, 2, unit=UnitId("vu_3aaaaaaaaaaaaaaa"))
    with pytest.raises(Split):
        await ingest(store, 7, [message(1, 1), wrong], now=MORNING)
    assert await log.read(7) == []
    assert await ingest(store, 7, [], now=MORNING) == []


async def test_a_known_car_costs_less_than_a_kilobyte(store: Store) -> None:
    for seq in range(1, 1500):
        await ingest(store, 7, [message(1, seq, dedupe=str(seq) if seq < 20 else None)], now=MORNING)
    usage = [await _usage(store, f"tl:{{p7}}:{part}:{UNIT}") for part in ("window", "known")]
    assert sum(usage) < 1024, usage


async def _usage(store: Store, key: str) -> int:
    return int(await store.valkey._routed(key, ("MEMORY", "USAGE", key)))


async def test_dead_letters_are_kept_as_they_came(valkey: Valkey, house: House) -> None:
    letters = DeadLetters(valkey, house)
    raw = bytes(range(256))
    await letters.put(7, "tl/1/07/vu_7/up/sig", raw, "json", detail="line 1")
    await letters.put(99, "x", b"", "topic")
    assert await letters.count() == 2
    (found,) = await letters.page(7)
    assert (found.source, found.reason, found.payload, found.detail) == (
        "tl/1/07/vu_7/up/sig",
        "json",
        raw,
        "line 1",
    )
    assert await letters.page(7, after=found.position) == []
    await letters.forget(found.at + timedelta(days=2), timedelta(days=1))
    assert await letters.count() == 0
