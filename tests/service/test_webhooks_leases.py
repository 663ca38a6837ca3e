"""A lease is settled once, and by its holder alone: no later lease of its message is ever taken for it."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from spine.store import StoreDown
from tests.service.test_webhooks_engine import (
    Office,
    Sink,
    eventually,
    sink,
)
from tests.service.test_webhooks_rules import office, queue, states
from webhooks.sending import Sending
from webhooks.states import State

__all__ = ["office", "sink"]

PARTITION = 3


class Gate:
    """A receiver whose requests wait, each by itself, until the test answers them."""

    def __init__(self, sink: Sink) -> None:
        self.waiting: list[asyncio.Future[int]] = []
        sink.answer = self._take

    async def _take(self, request: web.Request) -> web.StreamResponse:
        mine: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.waiting.append(mine)
        return web.Response(status=await mine)


def at_once(sending: Sending) -> None:
    """Every partition is asked with the next turn."""
    sending._due = dict.fromkeys(sending._due, 0.0)


async def turn(office: Office, *, claim: bool = True) -> None:
    at_once(office.engine._sending)
    await office.engine._sending._turn(claim=claim)


async def lose(office: Office) -> None:
    """Leases of this sender go back though it works on them, as they do once they have run out."""
    sending = office.engine._sending
    call = office.engine._queues.returning(PARTITION, sending.life, (), now=office.clock.now())
    await office.engine._queues.run([call])


async def ended(office: Office, count: int) -> None:
    """Wait until so many tries have their results here."""
    await eventually(lambda: len(office.engine._sending._results._ended) >= count)


# ---- leases


async def test_a_late_settle_of_a_lease_before_a_resend_settles_no_later_one(
    office: Office, sink: Sink
) -> None:
    """Withdrawn on the wire and sent again: tries are counted from one again, and so the leases must not be."""
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    assert await office.engine.withdraw(one)
    assert await office.engine.resend(one)
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 2)

    gate.waiting[0].set_result(204)
    await ended(office, 1)
    await turn(office, claim=False)
    view = await office.engine.view(one)
    assert view.state is State.PENDING, "what the first try came to says nothing of the second"
    assert view.kept is not None
    assert [row.outcome for row in view.kept.attempts] == ["dropped", "late"]

    gate.waiting[1].set_result(500)
    await ended(office, 1)
    await turn(office, claim=False)
    view = await office.engine.view(one)
    assert view.state is State.PENDING
    assert view.kept is not None
    assert [row.outcome for row in view.kept.attempts] == ["dropped", "late", "failed"]


async def test_a_late_settle_of_a_lease_before_a_give_back_settles_no_later_one(
    office: Office, sink: Sink
) -> None:
    """What is given back has used up no try: the next lease begins the same one again, and is another lease."""
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending, queues = office.engine._sending, office.engine._queues
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    [lease] = sending._mine.values()
    sending._results.add(sending._trying.stumbled(lease))
    office.clock.advance(timedelta(seconds=2))
    await turn(office)
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 2)
    assert (await queues.one(PARTITION, one)).n == 1  # type: ignore[union-attr]

    gate.waiting[0].set_result(204)
    await ended(office, 1)
    await turn(office, claim=False)
    assert (await office.engine.view(one)).state is State.PENDING
    gate.waiting[1].set_result(204)
    await ended(office, 1)
    await turn(office, claim=False)
    assert (await office.engine.view(one)).state is State.DELIVERED


async def test_a_message_leased_twice_loses_no_place(office: Office, sink: Sink) -> None:
    """Its first try still runs while it is leased again: each takes a place, and each gives its own back."""
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending = office.engine._sending
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    await lose(office)
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 2)
    assert sending._held == {True: 0, False: 2}
    for waiting in gate.waiting:
        waiting.set_result(204)
    await office.engine.idle()
    await turn(office, claim=False)
    assert (sending._held, sending._mine) == ({True: 0, False: 0}, {})
    assert await states(office, [one]) == ["delivered"]


async def test_a_lease_whose_answer_was_lost_goes_back_though_an_older_one_of_it_runs(
    office: Office, sink: Sink
) -> None:
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending, queues = office.engine._sending, office.engine._queues
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    await lose(office)
    with Losing(office):
        with pytest.raises(StoreDown):
            await turn(office)
        assert (await queues.one(PARTITION, one)).leased, "the store did it, and nobody here knows"  # type: ignore[union-attr]
    await sending._give_back_unknown()
    assert not (await queues.one(PARTITION, one)).leased  # type: ignore[union-attr]
    gate.waiting[0].set_result(204)


class Losing:
    """Answers of the store that are lost on their way: what was asked is done all the same."""

    def __init__(self, office: Office) -> None:
        self._queues: Any = office.engine._queues
        self.calls: list[str] = []

    def __enter__(self) -> "Losing":
        self._queues.run = self._run
        return self

    def __exit__(self, *_: object) -> None:
        del self._queues.run

    async def _run(self, calls: Sequence[Any]) -> list[Any]:
        self.calls += [name for name, _, _ in calls]
        await type(self._queues).run(self._queues, calls)
        raise StoreDown("the answer was lost")
