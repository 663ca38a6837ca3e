"""How a busy sender keeps pace: places on the wire that are never idle, and health that is saved when it matters."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from aiohttp import web

from spine.store import Store
from tests.service.conftest import SetClock, running, until
from tests.service.test_webhooks_engine import LIMITS, Office, Sink, compose, make_office, sink
from tests.service.test_webhooks_leases import Gate, at_once
from tests.service.test_webhooks_rules import office, queue, states
from webhooks.connection import Outbox
from webhooks.guard import Guard
from webhooks.sender import HttpSender
from webhooks.sending import Sending

__all__ = ["office", "sink"]


async def test_no_more_than_may_is_on_the_wire_and_what_was_leased_ahead_follows(
    store: Store, clock: SetClock, sink: Sink
) -> None:
    limits = LIMITS.model_copy(update={"in_flight": 3, "claim_ahead": 4})
    gate = Gate(sink)
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        endpoint, _ = await office.address(sink.url)
        ids = await queue(office, endpoint, *"abcdefghi")
        sending = office.engine._sending
        for _ in range(
            sending._queues.partitions
        ):  # so little room is given to one partition after the other
            await sending._turn()
        await until(lambda: len(gate.waiting) == 3)
        assert (sending._lanes.taken, len(sending._lanes.ready), sending._held[False]) == (3, 4, 7)
        gate.waiting[0].set_result(204)
        await until(lambda: len(gate.waiting) == 4)
        assert (sending._lanes.taken, len(sending._lanes.ready)) == (3, 3), (
            "the next one took its place, without a trip"
        )
        for n in range(1, 7):
            await until(lambda n=n: len(gate.waiting) > n)  # type: ignore[misc]
            gate.waiting[n].set_result(204)
        await office.engine.idle()
        assert (sending._lanes.taken, len(sending._lanes.ready)) == (0, 0)
        sink.says(204)
        assert await office.engine.sweep() == 2
        assert await states(office, ids) == ["delivered"] * 9
        assert sending._held == {True: 0, False: 0}


async def test_a_lane_that_is_cut_off_gives_its_place_back(office: Office, sink: Sink) -> None:
    """Also one that had not begun: nothing of it ever ran."""
    Gate(sink)
    endpoint, _ = await office.address(sink.url)
    await queue(office, endpoint, "a", "b")
    sending = office.engine._sending
    await sending._turn()
    cut_off = list(sending._tries)
    for lane in cut_off:
        lane.cancel()
    await asyncio.wait(cut_off)
    await until(lambda: not sending._tries)
    assert sending._lanes.taken == 0


async def taken(office: Office, endpoint: str) -> int:
    return (await office.engine.backlog(endpoint)).health.taken  # type: ignore[arg-type]


async def turn(sending: Sending) -> None:
    at_once(sending)
    await sending._turn()


async def test_what_does_well_is_counted_together_while_others_are_on_the_wire(
    store: Store, clock: SetClock, sink: Sink
) -> None:
    patient = {"health_after": timedelta(hours=1), "total_timeout": timedelta(minutes=5)}
    limits = LIMITS.model_copy(update=patient)
    held: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    statuses = {"/well": 204}

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=await held if request.path == "/slow" else statuses[request.path])

    sink.answer = answer
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        well, _ = await office.address(f"{sink.url}/well")
        slow, _ = await office.address(f"{sink.url}/slow")
        sending = office.engine._sending
        await queue(office, slow, "a")
        await queue(office, well, "a")
        await turn(sending)
        for name in "bc":  # the first at once, what follows not while somebody is at work
            await until(lambda: sending._results.ended == 1)
            await queue(office, well, name)
            await turn(sending)  # saves what has ended, and begins this one
            assert await taken(office, well) == 1
        await until(lambda: sending._results.ended == 1)
        statuses["/well"] = 500
        await queue(office, well, "d")
        await turn(sending)
        await until(lambda: sending._results.ended == 1)
        await turn(sending)
        health = (await office.engine.backlog(well)).health
        assert (health.taken, health.failed) == (3, 1), "a failure is saved at once, with all before it"
        held.set_result(204)
        await office.engine.idle()
        await office.engine.sweep()
        assert await taken(office, slow) == 1, "with nobody at work, all is saved"


async def test_a_request_whose_connection_ended_before_it_left_is_sent_over_another(
    office: Office, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver ends a kept connection between our decision to use it and the write."""
    endpoint, _ = await office.address(sink.url)
    await queue(office, endpoint, "a")
    await office.engine.sweep()
    put, cut = Outbox.put, []

    def cutting(outbox: Outbox, transport: asyncio.Transport, request: bytes) -> None:
        put(outbox, transport, request)
        if not cut:
            cut.append(transport)
            transport.abort()

    monkeypatch.setattr(Outbox, "put", cutting)
    [one] = await queue(office, endpoint, "b")
    await office.engine.sweep()
    assert cut
    view = await office.engine.view(one)
    assert view.kept is not None
    assert ([row.outcome for row in view.kept.attempts], len(sink.got)) == (["accepted"], 2)


async def test_many_messages_to_few_places(store: Store, clock: SetClock, sink: Sink) -> None:
    limits = LIMITS.model_copy(update={"in_flight": 2, "claim_ahead": 3, "settle_most": 3})
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        endpoints = [(await office.address(f"{sink.url}/{n}"))[0] for n in range(3)]
        ids = [each for one in endpoints for each in await queue(office, one, *(f"n{n}" for n in range(20)))]
        async with running(office.engine.run()):
            await until(lambda: len(sink.got) == 60)
        await office.engine.close()
        assert await states(office, ids) == ["delivered"] * 60
        assert set(Counter(sink.ids).values()) == {3}, "each once to each address"
