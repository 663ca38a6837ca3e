"""The store: one commit saves everything or nothing, on one server and on a cluster."""

import asyncio
import json
from collections import Counter
from datetime import timedelta

import pytest

from spine.facts.people import CarrierEnrolled
from spine.facts.vehicle import CommandCreated
from spine.ids import CarrierId, CommandId, UnitId, VehicleId
from spine.keyspace import Keyspace
from spine.problems import Kind, Problem
from spine.store import (
    Change,
    Elsewhere,
    Once,
    OtherBody,
    Saved,
    Split,
    Store,
    Write,
)
from tests.service.conftest import MORNING

pytestmark = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)

DLV, CMD = "dlv_7k3maaaaaaaaaaaa", "cmd_7k3maaaaaaaaaaaa.1"
CAR = CarrierId("car_7aaaaaaaaaaaaaaa")


class TooLate(Problem):
    code = "too_late"
    kind = Kind.CONFLICT


def enrolled(carrier: str = CAR) -> CarrierEnrolled:
    return CarrierEnrolled(at=MORNING, carrier=CarrierId(carrier))


async def facts(store: Store, partition: int = 7) -> list[dict[str, object]]:
    rows = await store.valkey.ask("XRANGE", Keyspace("tl").log(partition), "-", "+")
    return [json.loads(fields[1]) for _, fields in rows]


async def test_a_change_saves_subjects_facts_and_timers_together(store: Store) -> None:
    wake = MORNING + timedelta(minutes=5)
    created = CommandCreated(
        at=MORNING, vehicle=VehicleId("veh_7aaaaaaaaaaaaaaa"), unit=UnitId("vu_7aaaaaaaaaaaaaaa"),
        command=CommandId(CMD), op="open", expires_at=wake,
    )  # fmt: skip
    outcome = await store.change(
        [DLV, CMD],
        lambda _: Change(
            {DLV: Write("opening", '{"a":1}', wake), CMD: Write("created", "{}")}, [created, enrolled()]
        ),
    )
    assert outcome.saved == await store.load_many([DLV, CMD])
    assert outcome.saved[DLV] == Saved(DLV, 1, "opening", '{"a":1}', wake)
    assert len(outcome.positions) == 2
    assert [f["kind"] for f in await facts(store)] == ["command.created", "carrier.enrolled"]
    due = await store.valkey.ask("ZRANGE", Keyspace("tl").due(7, "dlv"), 0, -1, "WITHSCORES")
    assert due == [DLV, str(int(wake.timestamp() * 1000))]
    await store.change([DLV], lambda s: Change({DLV: Write("open", s[DLV].body)}))
    assert await store.valkey.ask("ZCARD", Keyspace("tl").due(7, "dlv")) == 0


async def test_of_two_hundred_at_once_one_wins_and_one_fact_is_written(store: Store) -> None:
    other = Store(store.valkey, store.house)  # as from another process: no turns shared

    def decide(saved: dict[str, Saved]) -> Change:
        if saved[DLV].state != "new":
            raise TooLate
        return Change({DLV: Write("approved", "{}")}, [enrolled()])

    async def approve(n: int) -> str:
        try:
            return (await (store if n % 2 else other).change([DLV], decide)).saved[DLV].state
        except TooLate:
            return "too late"

    assert Counter(await asyncio.gather(*(approve(n) for n in range(200)))) == {
        "approved": 1,
        "too late": 199,
    }
    assert len(await facts(store)) == 1


async def test_rivals_of_several_processes_all_count(store: Store) -> None:
    rivals = [Store(store.valkey, store.house) for _ in range(8)]

    def add(saved: dict[str, Saved]) -> Change:
        return Change({DLV: Write("counted", str(int(saved[DLV].body.strip("{}") or 0) + 1))})

    await asyncio.gather(*(rival.change([DLV], add) for rival in rivals for _ in range(10)))
    assert (await store.load(DLV)).body == "80"
    assert (await store.load(DLV)).version == 80


async def test_a_subject_that_is_only_read_is_guarded_too(store: Store) -> None:
    seen = []

    def decide(saved: dict[str, Saved]) -> Change:
        seen.append(saved[CMD].state)
        return Change({DLV: Write("x", "{}")})

    load = store._load

    async def overtaken_meanwhile(*args):
        loaded = await load(*args)
        await Store(store.valkey, store.house).change([CMD], lambda _: Change({CMD: Write("sent", "{}")}))
        return loaded

    store._load = overtaken_meanwhile  # type: ignore[method-assign]
    await store.change([DLV, CMD], decide)
    assert seen == ["new", "sent"]


async def test_the_same_message_is_taken_once_and_answered_alike(store: Store) -> None:
    once = Once("orders.car_7", "id-1", "hash-a")
    first = await store.change(
        [DLV], lambda _: Change({DLV: Write("a", "{}")}, [enrolled()], "two\nlines"), once=once
    )
    again = await store.change([DLV], lambda _: pytest.fail("decided twice"), once=once)
    assert (first.seen, again.seen, again.changed) == (False, True, False)
    assert again.answer == "two\nlines"
    assert again.saved == first.saved
    assert len(await facts(store)) == 1
    with pytest.raises(OtherBody):
        await store.change([DLV], lambda _: None, once=Once("orders.car_7", "id-1", "hash-b"))
    with pytest.raises(OtherBody):
        await store.change([CMD], lambda _: None, once=Once("orders.car_7", "id-1", "hash-b"))


async def test_the_same_message_at_once_is_taken_once(store: Store) -> None:
    stores = [Store(store.valkey, store.house) for _ in range(10)]
    once = Once("orders", "id-1")
    outcomes = await asyncio.gather(
        *(
            each.change(
                [f"dlv_7{n}aaaaaaaaaaaaaa"],
                lambda s: Change({k: Write("a", "{}") for k in s}, [enrolled()], "it"),
                once=once,
            )
            for n, each in enumerate(stores)
        )
    )
    assert sorted(o.seen for o in outcomes) == [False] + [True] * 9
    assert {o.answer for o in outcomes} == {"it"}
    assert len(await facts(store)) == 1


async def test_what_has_ended_keeps_state_and_version_but_no_body(store: Store) -> None:
    secret = json.dumps({"name": "Ada"})
    await store.change([DLV], lambda _: Change({DLV: Write("a", secret, MORNING)}))
    outcome = await store.change(
        [DLV], lambda _: Change({DLV: Write("ended", secret, ended=True)}, [enrolled()])
    )
    saved = await store.load(DLV)
    assert saved == outcome.saved[DLV] == Saved(DLV, 2, "ended", "{}", None, ended=True)
    assert await store.valkey.ask("ZCARD", Keyspace("tl").due(7, "dlv")) == 0
    assert await store.valkey.ask("ZRANGE", Keyspace("tl").ended(7), 0, -1) == [DLV]
    assert "Ada" not in str(await store.valkey.ask("HGETALL", Keyspace("tl").subject(7, DLV)))


async def test_nothing_to_do_changes_nothing(store: Store) -> None:
    outcome = await store.change([DLV], lambda _: None)
    assert not outcome.changed
    assert (await store.load(DLV)).version == 0


async def test_several_partitions_in_one_change_are_a_mistake(store: Store) -> None:
    with pytest.raises(Split):
        await store.change([DLV, "dlv_1aaaaaaaaaaaaaaa"], lambda _: None)
    with pytest.raises(Split):
        await store.change([DLV], lambda _: Change({}, [enrolled("car_1aaaaaaaaaaaaaaa")]))
    with pytest.raises(Split):
        await store.change([DLV], lambda _: Change({CMD: Write("a", "{}")}))
    assert await facts(store) == []


async def test_an_id_from_elsewhere_is_not_found(store: Store) -> None:
    assert (await store.load("dlv_zaaaaaaaaaaaaaaa")).version == 0
    assert (await store.load("no id at all")).version == 0
    with pytest.raises(Elsewhere):
        await store.change(["dlv_zaaaaaaaaaaaaaaa"], lambda _: None)


async def test_new_ids_lie_in_this_house(store: Store) -> None:
    drawn = [await store.draw("per") for _ in range(100)]
    assert {store._partition(each) for each in drawn} <= set(range(8))
    assert len(set(drawn)) == 100


async def test_loading_many_spans_partitions(store: Store) -> None:
    ids = [f"dlv_{p}aaaaaaaaaaaaaaa" for p in range(8)]
    for each in ids:
        await store.change([each], lambda s: Change({k: Write("a", k) for k in s}))
    assert {k: v.body for k, v in (await store.load_many(ids)).items()} == {k: k for k in ids}
    assert await store.load_many([]) == {}


async def test_a_map_of_the_cluster_that_has_aged_is_learned_anew(store: Store) -> None:
    if not store.valkey.cluster:
        return
    await store.change([DLV], lambda _: Change({DLV: Write("a", "{}")}))
    aged = store.valkey._slots
    addresses = [address for _, _, address in aged]
    store.valkey._slots = [
        (first, last, moved)
        for (first, last, _), moved in zip(aged, addresses[1:] + addresses[:1], strict=True)
    ]
    assert (await store.load(DLV)).state == "a"
    await store.change([DLV], lambda _: Change({DLV: Write("b", "{}")}))
    assert store.valkey._slots == aged
