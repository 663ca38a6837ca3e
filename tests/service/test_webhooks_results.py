"""Results are saved once and before anything is claimed, whatever of the store, the process or the address is gone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

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
from tests.service.test_webhooks_leases import PARTITION, Gate, Losing, at_once, turn
from tests.service.test_webhooks_rules import office, queue, states
from webhooks.envelope import wire_id
from webhooks.guard import Guard
from webhooks.sender import HttpSender
from webhooks.states import State

__all__ = ["office", "sink"]


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


async def test_after_it_stood_still_a_sender_hears_its_tries_before_it_claims(
    office: Office, sink: Sink
) -> None:
    """Stopped for longer than a lease, and going on: the answers have come, and nobody has read them yet."""
    gate = Gate(sink)
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending = office.engine._sending
    await turn(office)
    await eventually(lambda: len(gate.waiting) == 1)
    await office.store.valkey.ask(
        "ZADD", f"{office.engine._queues._base(PARTITION)}:l:{endpoint}", "XX", 1, one
    )
    office.clock.advance(LIMITS.lease)
    at_once(sending)
    sending._turned -= LIMITS.lease.total_seconds()
    seen = Watching(office)
    with seen:
        turning = asyncio.create_task(sending._keep_turning())
        try:
            await asyncio.sleep(0)
            gate.waiting[0].set_result(204)
            await eventually(lambda: stands(office, one, State.DELIVERED))
        finally:
            turning.cancel()
            await asyncio.wait([turning])
    assert seen.trips[0] == ["tl_q_settle"]
    assert sink.ids == [wire_id(one)]


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
