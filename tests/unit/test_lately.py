"""One look for all who ask at once, a new one after a while, and no mistake is kept."""

import asyncio
from datetime import timedelta

import pytest

from trunkline.lately import Lately


async def test_many_askers_are_one_look() -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return looks

    lately = Lately(look, age=timedelta(hours=1))
    assert set(await asyncio.gather(*(lately() for _ in range(50)))) == {1}
    always = Lately(look, age=timedelta())
    assert [await always(), await always()] == [2, 3]


async def test_what_failed_is_asked_again() -> None:
    said = iter([OSError("away"), None])

    async def look() -> str:
        if (problem := next(said)) is not None:
            raise problem
        return "here"

    lately = Lately(look, age=timedelta(hours=1))
    with pytest.raises(OSError, match="away"):
        await lately()
    assert await lately() == "here"
