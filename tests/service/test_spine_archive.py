"""The log's past: chained, verified, trimmed only behind every reader and only when it is away; lists rebuilt."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spine.archive import Archive, ArchiveConflict
from spine.facts.people import CourierEnrolled
from spine.house import House
from spine.ids import CarrierId, CourierId
from spine.index import Index, Place
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.log import Entry, Log
from spine.parked import Parked
from spine.readers import Reader
from spine.replay import rebuild
from spine.segments import path_of
from spine.store import Change, Store, Write
from spine.valkey import Valkey
from tests.service.conftest import MORNING, SetClock, running, until

pytestmark = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)
KEYS = Keyspace("tl")
LATER = datetime.now(UTC) + timedelta(days=2)
LIMITS = SpineLimits.model_validate(
    {"lease": 120, "lease_poll": 0.03, "cursor_flush": 0.01, "held_poll": 0.02}
)


@pytest.fixture
def archive(log: Log, tmp_path: Path) -> Archive:
    return Archive(log, tmp_path / "archive")


async def say(store: Store, n: int, partition: int = 7) -> str:
    carrier = CarrierId(f"car_{partition:x}{n:015d}")
    fact = CourierEnrolled(
        at=MORNING, carrier=carrier, courier=CourierId(f"cou_{n % 8:x}{n:015d}"), jkt="\u2028\x85ü"
    )
    outcome = await store.change([carrier], lambda _: Change({carrier: Write("on", "{}")}, [fact]))
    return outcome.positions[0]


def number(entry: Entry) -> int:
    return int(entry.fact.subject[5:])


async def test_segments_hold_everything_in_a_chain(
    store: Store, log: Log, archive: Archive, tmp_path: Path
) -> None:
    for n in range(30):
        await say(store, n, partition=n % 3)
    assert [s.entries for s in await archive.write()] == [10, 10, 10]
    assert await archive.write() == []
    for n in range(30, 36):
        await say(store, n, partition=2)
    (second,) = await archive.write()
    assert (second.number, second.entries) == (2, 6)
    await say(store, 36, partition=2)
    report = await archive.verify()
    assert (report.problems, report.segments, report.archived, report.in_store) == ([], 4, 36, 1)
    seen = [number(e) async for e in archive.entries(2)]
    assert seen == [*range(2, 30, 3), *range(30, 37)]
    assert [e async for e in archive.entries(2)] == [e async for e in log.entries(2)]
    with gzip.open(path_of(tmp_path / "archive", 2, 2)) as lines:
        head, first, *_ = [json.loads(line) for line in lines]
    assert head["segment"] == 2
    assert json.loads(first["f"])["carrier"] == "car_2000000000000030"


async def test_any_change_to_the_archive_is_found(store: Store, archive: Archive, tmp_path: Path) -> None:
    for n in range(12):
        await say(store, n)
        if n % 4 == 3:
            await archive.write()
    folder = tmp_path / "archive"
    one, two, three = (path_of(folder, 7, n) for n in (1, 2, 3))
    whole = {path: path.read_bytes() for path in (one, two, three)}
    assert (await archive.verify()).problems == []

    def forged(path: Path) -> bytes:
        lines = gzip.decompress(whole[path]).decode().replace("car_7000000000000001", "car_7000000000000009")
        return gzip.compress(lines.encode(), mtime=0)

    wrecks = {
        "forged": {one: forged(one)},
        "missing in the middle": {two: None},
        "missing at the end": {three: None},
        "two swapped": {two: whole[three], three: whole[two]},
        "cut short": {three: whole[three][:-9]},
        "no archive at all": {one: None, two: None, three: None},
        "not ours": {one: gzip.compress(b"[]\n1\n")},
    }
    for flip in range(0, len(whole[two]), 17):
        wrecks[f"flipped {flip}"] = {
            two: whole[two][:flip] + bytes([whole[two][flip] ^ 1]) + whole[two][flip + 1 :]
        }
    for name, wreck in wrecks.items():
        for path, content in wreck.items():
            path.unlink() if content is None else path.write_bytes(content)
        assert (await archive.verify()).problems, name
        for path, content in whole.items():
            path.write_bytes(content)
    assert (await archive.verify()).problems == []


async def test_two_archives_of_one_log_are_refused(
    store: Store, log: Log, archive: Archive, tmp_path: Path
) -> None:
    await say(store, 1)
    await archive.write()
    await say(store, 2)
    other = tmp_path / "other"
    path_of(other, 7, 1).parent.mkdir(parents=True)
    path_of(other, 7, 1).write_bytes(
        gzip.compress(
            b'{"trunkline_log":1,"partition":7,"segment":1,"after":"0-0","before":""}\n{"p":"1-1","f":"{}"}\n'
        )
    )
    with pytest.raises(ArchiveConflict):
        await Archive(log, other).write()
    await archive.write()
    assert (await archive.verify()).problems == []


async def test_a_crash_before_the_store_knows_writes_the_segment_again(
    store: Store, valkey, archive: Archive
) -> None:
    await say(store, 1)
    await archive.write()
    await valkey.ask("DEL", KEYS.archived(7))  # as if the process had died after the rename
    await say(store, 2)
    (segment,) = await archive.write()
    assert (segment.number, segment.entries) == (1, 2)
    assert (await archive.verify()).problems == []


async def test_the_log_is_trimmed_behind_every_reader_and_only_when_archived(
    store: Store, log: Log, archive: Archive, valkey: Valkey
) -> None:
    positions = [await say(store, n) for n in range(10)]
    cursors = KEYS.cursors(7)
    assert await archive.trim(["a", "b"], before=LATER) == 0
    await archive.write()
    assert await archive.trim(["a", "b"], before=LATER) == 0  # neither has read
    await valkey.ask("HSET", cursors, "a", positions[7], "b", positions[4])
    assert await archive.trim(["a", "b", "never started"], before=LATER) == 0
    assert await archive.trim(["a"], before=MORNING - timedelta(days=9000)) == 0
    assert await archive.trim(["a"], before=LATER) == 5  # b is known to the store
    assert [number(e) for e in await log.read(7)] == [5, 6, 7, 8, 9]
    await valkey.ask("HSET", cursors, "b", positions[9], "a", positions[9])
    await say(store, 10)
    await valkey.ask("HSET", cursors, "a", "9999999999999-1", "b", "9999999999999-1")
    await valkey.ask("HSET", KEYS.held(7, "b"), positions[7], "{}")
    assert await archive.trim(["a", "b"], before=LATER) == 2
    await valkey.ask("DEL", KEYS.held(7, "b"))
    assert await archive.trim(["a", "b"], before=LATER) == 3
    assert [number(e) for e in await log.read(7)] == [10]  # not archived yet
    assert [number(e) async for e in archive.entries(7)] == list(range(11))
    assert [number(e) async for e in archive.entries(7, positions[3])] == list(range(4, 11))
    assert (await archive.verify()).problems == []


async def test_a_tombstone_stays_as_long_as_its_facts_can_be_read(
    store: Store, archive: Archive, valkey: Valkey
) -> None:
    await say(store, 1)
    subject = CarrierId("car_7000000000000001")
    await store.change([subject], lambda _: Change({subject: Write("gone", "{}", ended=True)}))
    await archive.write()
    await archive.trim(["a"], before=LATER)
    assert (await store.load(subject)).ended
    later = await say(store, 2)
    while later.split("-")[0] == (await say(store, 3)).split("-")[0]:
        pass  # facts of one millisecond are told apart by no clock
    await valkey.ask("HSET", KEYS.cursors(7), "a", later)
    await archive.write()
    assert await archive.trim(["a"], before=LATER) == 2
    assert (await store.load(subject)).version == 0
    assert await valkey.ask("ZCARD", KEYS.ended(7)) == 0


async def test_a_subject_that_came_back_is_not_buried(store: Store, archive: Archive, valkey: Valkey) -> None:
    subject = CarrierId("car_7000000000000001")
    await say(store, 1)
    await store.change([subject], lambda _: Change({subject: Write("gone", "{}", ended=True)}))
    await store.change([subject], lambda _: Change({subject: Write("back", '{"b":1}')}))
    saved = await store.load(subject)
    assert (saved.ended, saved.body, saved.version) == (False, '{"b":1}', 3)
    await valkey.ask("HSET", KEYS.cursors(7), "a", await say(store, 2))
    await archive.write()
    await archive.trim(["a"], before=LATER)
    assert (await store.load(subject)).state == "back"


def by_courier(entry: Entry):
    if isinstance(entry.fact, CourierEnrolled):
        yield Place("carriers", entry.fact.courier, entry.fact.carrier, float(number(entry)))


async def test_lists_are_rebuilt_from_archive_and_store(
    store: Store, log: Log, archive: Archive, valkey: Valkey, house: House, tail, clock: SetClock
) -> None:
    index = Index(valkey, house)
    reader = Reader(store, log, tail, "index", index.reaction(by_courier), limits=LIMITS, clock=clock)

    async def lists() -> dict[str, list[str]]:
        owners = [f"cou_{n % 8:x}{n:015d}" for n in range(45)]
        return {owner: (await index.page("carriers", owner)).members for owner in owners}

    async def known(count: int) -> bool:
        return sum(map(len, (await lists()).values())) == count

    async with running(reader.run()):
        for n in range(20):
            await say(store, n, partition=n % 8)
        await until(lambda: known(20))
        await archive.write()
        for n in range(20, 40):
            await say(store, n, partition=n % 8)
        await until(lambda: known(40))
        await until(lambda: _read_all(valkey, log))
        assert await archive.trim(["index"], before=LATER) == 20
        before = await lists()
        await index.put("carriers", "cou_0000000000000000", "car_made_up", 5.0)
        await index.remove("carriers", "cou_1000000000000001", "car_1000000000000001")
        args = {"group": "index", "names": ["carriers"], "projections": [by_courier], "limits": LIMITS}
        assert await rebuild(index, log, archive, **args) == 40
        assert await lists() == before
        assert await rebuild(index, log, None, **args) == 20
        assert await rebuild(index, log, archive, **args) == 40
        for n in range(40, 45):
            await say(store, n, partition=n % 8)
        await until(lambda: known(45))  # the reader goes on
    assert await Parked(valkey, house).list("index") == []


async def _read_all(valkey: Valkey, log: Log) -> bool:
    for partition in range(8):
        if await valkey.ask("HGET", KEYS.cursors(partition), "index") != await log.last(partition):
            return False
    return True
