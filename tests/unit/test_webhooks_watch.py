"""The watch over many deadlines ends what is too late, and nothing else."""

import asyncio

import pytest

from webhooks.watch import Watch


async def test_what_takes_too_long_is_ended() -> None:
    watch, never = Watch(), asyncio.Event()
    with pytest.raises(TimeoutError), watch.within(0.01):
        await never.wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "nothing is left of it"
    with watch.within(10):
        await asyncio.sleep(0)
    watch.close()


async def test_who_ends_the_task_still_ends_it() -> None:
    watch, never, there = Watch(), asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        with watch.within(10):
            there.set()
            await never.wait()

    task = asyncio.create_task(waits())
    await there.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    watch.close()


async def test_ended_by_both_it_is_cancelled() -> None:
    watch, never = Watch(), asyncio.Event()

    async def waits() -> None:
        bound = watch.within(10)
        with bound:
            bound.over()
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await never.wait()

    task = asyncio.create_task(waits())
    with pytest.raises(asyncio.CancelledError):
        await task
    watch.close()


async def test_an_error_of_its_own_comes_out() -> None:
    watch = Watch()
    with pytest.raises(ValueError, match="mine"), watch.within(10):
        raise ValueError("mine")
    watch.close()


async def test_one_inside_the_other() -> None:
    watch, never = Watch(), asyncio.Event()
    with watch.within(10), pytest.raises(TimeoutError), watch.within(0.01):
        await never.wait()
    watch.close()


async def test_only_a_task_is_bounded() -> None:
    with pytest.raises(RuntimeError):
        await asyncio.wait_for(_outside(), 5)


async def _outside() -> None:
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def no_task() -> None:
        try:
            with Watch().within(1):
                pass
        except RuntimeError as why:
            told.set_exception(why)

    asyncio.get_running_loop().call_soon(no_task)
    await told
