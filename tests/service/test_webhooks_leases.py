"""A lease is settled once and by its holder alone, an address' health is counted once, and nothing outlives its purge."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from spine.ids import EndpointId
from spine.store import Store, StoreDown
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.test_webhooks_engine import (
    CARRIER,
    LIMITS,
    Office,
    Sink,
    compose,
    eventually,
    make_office,
    sink,
)
from tests.service.test_webhooks_rules import office, queue, states
from webhooks.envelope import wire_id
from webhooks.guard import Guard
from webhooks.sender import HttpSender
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
    """ "back" takes its try away again: the next lease begins the same try, but is another lease."""
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending, queues, now = office.engine._sending, office.engine._queues, office.clock.now()
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    [lease] = sending._mine.values()
    back = sending._results  # the same lease, given back by who could not even begin
    back.add(sending._trying.stumbled(lease))
    office.clock.advance(timedelta(seconds=2))
    await turn(office)
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 2)
    assert now < office.clock.now()
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


# ---- results


async def test_a_try_counts_once_for_its_address_though_the_answer_was_lost(
    office: Office, sink: Sink, store: Store
) -> None:
    """Also where another sender changed the address' health before it was sent again."""
    sink.says(400)
    endpoint, _ = await office.address(sink.url)
    await queue(office, endpoint, "a", "b", "c")
    await turn(office)
    await office.engine.idle()
    with Losing(office), pytest.raises(StoreDown):
        await turn(office, claim=False)
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        other = make_office(store, office.clock, sender, {"delivery": compose})
        sink.says(200)
        await queue(other, endpoint, "d")
        await other.engine.sweep()
    while office.engine._sending._results.waiting:
        await turn(office, claim=False)
    health = (await office.engine.backlog(endpoint)).health
    assert (health.failed, health.taken) == (3, 1)


async def test_what_ends_after_a_lost_answer_counts_too(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    await queue(office, endpoint, "a")
    await turn(office)
    await office.engine.idle()
    with Losing(office), pytest.raises(StoreDown):
        await turn(office, claim=False)
    await queue(office, endpoint, "b", "c")
    await office.engine.sweep()
    assert (await office.engine.backlog(endpoint)).health.taken == 3


async def test_an_erased_address_is_not_written_again_by_a_late_result(
    office: Office, sink: Sink, valkey: Valkey
) -> None:
    gate = Gate(sink)
    first, _ = await office.address(sink.url)
    second, _ = await office.address(sink.url)
    await queue(office, first, "a")
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    gate.waiting[0].set_result(204)
    await office.engine.idle()
    await turn(office, claim=False)
    await queue(office, first, "b")
    await queue(office, second, "a")
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 3)
    for endpoint in (first, second):  # one whose health stands there, and one of which nothing was saved yet
        await office.endpoints.remove(endpoint, CARRIER)
    for waiting in gate.waiting[1:]:
        waiting.set_result(204)
    await office.engine.idle()
    while office.engine._sending._results.waiting:
        await turn(office, claim=False)
    assert await left_of(valkey, first, second) == []


async def left_of(valkey: Valkey, *endpoints: EndpointId) -> list[str]:
    """Keys of queues that name them."""
    bodies = [endpoint.removeprefix("ep_") for endpoint in endpoints]
    return [key for key in await valkey.ask("KEYS", "*:q:*") if any(body in key for body in bodies)]


async def test_results_are_saved_before_anything_is_claimed_after_an_outage(
    office: Office, sink: Sink
) -> None:
    """The leases ran out while the store was away: what was taken meanwhile is not sent once more."""
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending = office.engine._sending
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    with Losing(office), pytest.raises(StoreDown):
        await turn(office)
    sending._unsure = True
    gate.waiting[0].set_result(204)
    await office.engine.idle()
    seen = Watching(office)
    with seen:
        turning = asyncio.create_task(sending._keep_turning())
        try:
            await eventually(lambda: stands(office, one, State.DELIVERED))
        finally:
            turning.cancel()
            await asyncio.wait([turning])
    assert seen.trips[0] == ["tl_q_settle"], "a trip of its own, before anything goes back or is leased"
    assert sink.ids == [wire_id(one)]


async def stands(office: Office, message: str, state: State) -> bool:
    return (await office.engine.view(message)).state is state


class Watching:
    """What was asked of the store, trip by trip."""

    def __init__(self, office: Office) -> None:
        self._queues: Any = office.engine._queues
        self.trips: list[list[str]] = []

    def __enter__(self) -> "Watching":
        self._queues.run = self._run
        return self

    def __exit__(self, *_: object) -> None:
        del self._queues.run

    async def _run(self, calls: Sequence[Any]) -> list[Any]:
        self.trips.append([name for name, _, _ in calls])
        found: list[Any] = await type(self._queues).run(self._queues, calls)
        return found


async def test_nothing_is_claimed_while_results_are_left_over(
    store: Store, clock: SetClock, sink: Sink
) -> None:
    """After a long pause of the process more has its answer here than one trip saves, and every lease has run out."""
    limits = LIMITS.model_copy(update={"settle_most": 2})
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        endpoint, _ = await office.address(sink.url)
        ids = await queue(office, endpoint, *"abcdef")
        await turn(office)
        await office.engine.idle()
        leased = f"{office.engine._queues._base(PARTITION)}:l:{endpoint}"
        for message in ids:
            await store.valkey.ask("ZADD", leased, "XX", 1, message)
        clock.advance(limits.lease)
        while office.engine._sending._results.waiting:
            await turn(office)
            await office.engine.idle()
        assert await states(office, ids) == ["delivered"] * 6
        assert len(sink.got) == 6, "each was sent once"


async def test_after_a_long_wait_for_a_place_the_message_goes_back(
    store: Store, clock: SetClock, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of its lease is gone: a try now could outlast it, and be a second one beside another sender's."""
    limits = LIMITS.model_copy(update={"in_flight": 1, "claim_ahead": 95})
    gate = Gate(sink)
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        endpoint, _ = await office.address(sink.url)
        first, second = await queue(office, endpoint, "a", "b")
        await turn(office)
        await eventually(lambda: len(gate.waiting) == 1)
        assert len(office.engine._sending._mine) == 2, "leased, and without a place"
        loop, later = asyncio.get_running_loop(), limits.lease_margin.total_seconds() / 2 + 1
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + later)
        gate.waiting[0].set_result(204)
        await office.engine.idle()
        monkeypatch.undo()
        await turn(office, claim=False)
        assert await states(office, [first, second]) == ["delivered", "pending"]
        kept = (await office.engine.view(second)).kept
        assert kept is not None
        assert (kept.started, len(kept.attempts)) == (0, 0), "no try was used up"
        assert sink.ids == [wire_id(first)]
