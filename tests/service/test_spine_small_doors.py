"""Expiring values, rates and lists for people."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spine.expiring import Expiring
from spine.house import House
from spine.index import BadCursor, Index
from spine.rates import Rates
from spine.valkey import Valkey
from tests.service.conftest import MORNING, until

pytestmark = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)
MINUTE = timedelta(minutes=1)
OWNER = "cou_3aaaaaaaaaaaaaaa"


async def test_a_value_is_there_until_it_ends(valkey: Valkey) -> None:
    expiring = Expiring(valkey)
    assert await expiring.put("session", "h1", "per_1", MINUTE)
    assert not await expiring.put("session", "h1", "per_2", MINUTE, only_new=True)
    assert await expiring.get("session", "h1") == "per_1"
    assert await expiring.get("other", "h1") is None
    await expiring.drop("session", "h1")
    assert await expiring.get("session", "h1") is None
    await expiring.put("session", "h2", "x", timedelta(milliseconds=20))

    async def gone() -> bool:
        return await expiring.get("session", "h2") is None

    await until(gone)


async def test_of_many_who_take_one_gets_it(valkey: Valkey) -> None:
    expiring = Expiring(valkey)
    await expiring.put("link", "h", "v", MINUTE)
    taken = await asyncio.gather(*(expiring.take("link", "h") for _ in range(20)))
    assert sorted(taken, key=str) == [None] * 19 + ["v"]


async def test_a_rate_is_a_sliding_window(valkey: Valkey) -> None:
    rates = Rates(valkey)
    allowed: list[float] = []
    for tenth in range(0, 3000, 7):
        now = MORNING + timedelta(seconds=tenth / 10)
        wait = await rates.take("mail", "per_1", limit=5, per=MINUTE, now=now)
        if wait == 0:
            allowed.append(tenth / 10)
        else:
            assert allowed[-5] + 60 - tenth / 10 <= wait < allowed[-5] + 60 - tenth / 10 + 1
    assert all(b - a >= 60 for a, b in zip(allowed, allowed[5:], strict=False))
    assert await rates.take("mail", "per_2", limit=5, per=MINUTE, now=MORNING) == 0


async def test_at_once_no_more_than_the_limit_pass(valkey: Valkey) -> None:
    rates = Rates(valkey)
    waits = await asyncio.gather(*(rates.take("x", "y", limit=3, per=MINUTE, now=MORNING) for _ in range(50)))
    assert waits.count(0) == 3
    assert set(waits) == {0, 60}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scores=st.dictionaries(st.sampled_from("abcdefghijklmnopq"), st.integers(0, 3)), limit=st.integers(1, 6)
)
async def test_pages_give_every_member_once_in_order(
    valkey: Valkey, house: House, scores: dict[str, int], limit: int
) -> None:
    index = Index(valkey, house)
    await index.clear("jobs")
    for member, score in scores.items():
        await index.put("jobs", OWNER, member, score)
    seen, after = [], None
    while True:
        page = await index.page("jobs", OWNER, after=after, limit=limit)
        seen += page.members
        after = page.next
        if after is None:
            break
        assert len(page.members) == limit
    assert seen == [m for m, _ in sorted(scores.items(), key=lambda i: (i[1], i[0]), reverse=True)]
    assert await index.count("jobs", OWNER) == len(scores)


async def test_a_removed_member_shifts_no_page(valkey: Valkey, house: House) -> None:
    index = Index(valkey, house)
    for n in range(6):
        await index.put("jobs", OWNER, f"m{n}", 1.5)
    first = await index.page("jobs", OWNER, limit=2)
    await index.remove("jobs", OWNER, "m4")  # the very one the cursor names
    await index.put("jobs", OWNER, "m9", 1.5)
    assert (await index.page("jobs", OWNER, after=first.next, limit=9)).members == ["m3", "m2", "m1", "m0"]
    assert (await index.page("jobs", "not an id", limit=9)).members == []


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "[]",
        "[1]",
        '["x","y"]',
        "[1,2]",
        '{"a":1}',
        "[[],[]]",
        "null",
        '["nan","x"]',
        '["1_0","x"]',
        '["(1","x"]',
    ],
)
async def test_a_made_up_cursor_is_refused(valkey: Valkey, house: House, after: str) -> None:
    with pytest.raises(BadCursor):
        await Index(valkey, house).page("jobs", OWNER, after=after)
