"""How many streams are open at once: each listener's, all together, and none that has ended."""

from collections.abc import AsyncGenerator

import pytest

from spine.open_streams import OpenStreams, TooManyStreams


async def endless(closed: list[str]) -> AsyncGenerator[str, None]:
    try:
        while True:
            yield "event"
    finally:
        closed.append("closed")


async def test_one_listener_has_so_many_and_all_together_so_many() -> None:
    closed: list[str] = []
    streams = OpenStreams(each=2, total=3)
    open_ = [streams.counted(who, endless(closed)) for who in ("ann", "ann", "bob")]
    for who, one in zip(("ann", "ann", "bob"), open_, strict=True):
        streams.check(who)
        assert await anext(one) == "event"
    for who in ("ann", "cyd"):
        with pytest.raises(TooManyStreams):
            streams.check(who)
    # Let in before the others were open: it ends with its first event.
    assert [one async for one in streams.counted("ann", endless(closed))] == []
    await open_[0].aclose()  # type: ignore[attr-defined]
    assert closed == ["closed"], "what it was made from has ended with it"
    streams.check("ann")
    streams.check("cyd")
    for one in open_[1:]:
        await one.aclose()  # type: ignore[attr-defined]
    assert streams.count == 0
