"""Subscribers' streams on the real store: told once, in order, bounded, honest about what is gone."""

from datetime import timedelta

import pytest

from spine.streams import START, CursorMalformed, CursorTooOld, CursorUnknown, Kept, Streams
from spine.valkey import Valkey
from tests.service.conftest import SetClock

BOTH = ["one", "cluster"]
ME, OTHER = "car_3k7m9qxd4hwe2a5t", "per_5c2h8tq4n6w0rj3v"
KEPT = Kept(timedelta(days=30), 4)
DAY = timedelta(days=1)


class Desk:
    def __init__(self, valkey: Valkey, clock: SetClock) -> None:
        self.streams = Streams(valkey)
        self.clock = clock

    async def tell(self, called: str, *, owner: str = ME, ago: timedelta = timedelta()) -> str | None:
        now = self.clock.now()
        return await self.streams.add(owner, called, f'"{called}"', at=now - ago, now=now, kept=KEPT)

    async def read(self, after: str | None = None, *, owner: str = ME, limit: int = 10) -> list[str]:
        found = await self.streams.read(owner, after, limit=limit, now=self.clock.now(), kept=KEPT)
        return [one.reference.strip('"') for one in found.entries]


@pytest.fixture
def desk(valkey: Valkey, clock: SetClock) -> Desk:
    return Desk(valkey, clock)


@pytest.mark.parametrize("valkey", BOTH, indirect=True)
async def test_each_is_told_once_and_in_order(desk: Desk) -> None:
    first = await desk.tell("a")
    assert await desk.tell("a") is None
    second = await desk.tell("b")
    assert first is not None
    assert second is not None
    assert await desk.read() == ["a", "b"]
    assert await desk.read(first) == ["b"]
    assert await desk.read(second) == []
    assert await desk.read(limit=1) == ["a"]
    assert await desk.read(owner=OTHER) == []


async def test_ids_grow_though_the_clock_steps_back(desk: Desk) -> None:
    first = await desk.tell("a")
    desk.clock.advance(-DAY)
    await desk.tell("b")
    assert await desk.read(first) == ["b"]


async def test_what_is_too_old_goes_and_a_cursor_before_it_is_told_so(desk: Desk) -> None:
    first = await desk.tell("a")
    desk.clock.advance(20 * DAY)
    second = await desk.tell("b")
    desk.clock.advance(11 * DAY)
    assert await desk.read() == ["b"]
    assert await desk.read(first) == ["b"], "nothing is missing behind the last one that went"
    with pytest.raises(CursorTooOld) as refused:
        await desk.read(START)
    assert refused.value.members["begin"] == first
    desk.clock.advance(30 * DAY)
    assert await desk.read(second) == []
    with pytest.raises(CursorTooOld) as refused:
        await desk.read(first)
    assert refused.value.members["begin"] == second
    assert await desk.tell("a", ago=61 * DAY) is None, "read again from the log, it is too old to be told"


async def test_a_cursor_from_before_a_gap_is_refused(desk: Desk, valkey: Valkey) -> None:
    """A stream that nobody told anything for long ends with its key, untrimmed: what it held is missing all the same."""
    first = await desk.tell("a")
    second = await desk.tell("b")
    [stream] = await valkey.ask("KEYS", "*:told:*")
    await valkey.ask("DEL", stream)  # what the store does when its time is over
    await desk.tell("c")
    with pytest.raises(CursorTooOld) as refused:
        await desk.read(first)
    assert refused.value.members["begin"] == second
    assert await desk.read(second) == ["c"], "nothing is missing behind the last one that went"
    assert await desk.read() == ["c"]


async def test_it_is_bounded_in_length(desk: Desk) -> None:
    ids = [await desk.tell(name) for name in "abcdef"]
    assert await desk.read() == list("cdef")
    assert await desk.tell("a") is None, "dropped, but still known as told"
    with pytest.raises(CursorTooOld):
        await desk.read(ids[0])
    assert await desk.read(ids[1]) == list("cdef")


async def test_an_emptied_stream_remembers_where_it_was(desk: Desk) -> None:
    first, second = await desk.tell("a"), await desk.tell("b")
    await desk.streams._valkey.ask("DEL", desk.streams._of(ME)[0])  # as its expiry does
    assert await desk.read(second) == []
    with pytest.raises(CursorTooOld):
        await desk.read(first)


async def test_an_erased_stream_stays_erased(desk: Desk) -> None:
    await desk.tell("a")
    await desk.streams.erase(ME)
    await desk.streams.erase(ME)
    assert await desk.tell("b") is None
    assert await desk.read() == []


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "1",
        "1-",
        "-1",
        "1-1-1",
        "01-1",
        "1-01",
        "1 -1",
        "\u0661-1",
        "1" * 16 + "-1",
        "(1-1",
        "+",
        "1-1\n",
    ],
)
async def test_a_malformed_cursor(desk: Desk, cursor: str) -> None:
    with pytest.raises(CursorMalformed):
        await desk.read(cursor)


async def test_a_cursor_that_was_never_given(desk: Desk) -> None:
    with pytest.raises(CursorUnknown):
        await desk.read("999999999999999-0")
    first = await desk.tell("a")
    with pytest.raises(CursorUnknown) as refused:
        await desk.read("999999999999999-0")
    assert refused.value.members["begin"] == first


async def test_a_listener_hears_what_is_told(desk: Desk) -> None:
    line = await desk.streams.listen(ME)
    try:
        told = await desk.tell("a")
        rows = await line.read(START, count=10, block_ms=5_000)
        assert [row[0] for row in rows] == [told]
        assert told is not None
        assert await line.read(told, count=10, block_ms=1) == []
    finally:
        await line.close()
