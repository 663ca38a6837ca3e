"""A sender is killed while it sends, again and again: nothing is lost, and what comes twice has the same id."""

import asyncio
import multiprocessing
from collections import Counter
from datetime import timedelta
from multiprocessing.process import BaseProcess

from aiohttp import web

from spine.clock import SystemClock
from spine.house import House, open_house
from spine.limits import SpineLimits
from spine.store import Store
from spine.timers import Timers
from spine.valkey import Valkey
from tests.service.conftest import until
from tests.service.test_webhooks_engine import CARRIER, Office, Sink, compose, make_office, sink
from webhooks.envelope import wire_id
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.messages import Outgoing, message_id
from webhooks.sender import HttpSender
from webhooks.states import State

__all__ = ["sink"]

SHORT = timedelta(milliseconds=500)
LIMITS = WebhooksLimits(
    connect_timeout=SHORT,
    total_timeout=SHORT,
    lease_margin=timedelta(milliseconds=200),
    busy_wait=timedelta(milliseconds=20),
)
QUICK = SpineLimits(lease=SHORT, lease_poll=timedelta(milliseconds=50), timer_poll=timedelta(milliseconds=10))
MESSAGES = 60
IN_FLIGHT = LIMITS.in_flight_per_address


def work(url: str) -> None:
    """What the worker process does: timers and the engine, until it is killed."""
    asyncio.run(_work(url))


async def _work(url: str) -> None:
    valkey = Valkey.at(url)
    store = Store(valkey, await open_house(valkey))
    clock = SystemClock()
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, LIMITS)
        await Timers(store, {"msg": office.engine.on_due}, clock=clock, limits=QUICK).run()


def start(url: str) -> BaseProcess:
    worker = multiprocessing.get_context("spawn").Process(target=work, args=(url,), daemon=True)
    worker.start()
    return worker


async def test_nothing_is_lost_when_senders_are_killed(
    store: Store, valkey_url: str, house: House, sink: Sink
) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.02)  # time on the wire, so that a kill finds tries there
        return web.Response(status=204)

    sink.answer = slowly
    clock = SystemClock()
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, LIMITS)
        queued = await queue(office, sink)
    kills = 0
    for share in (0.25, 0.5, 0.75):
        worker = start(valkey_url)
        await until(lambda share=share: arrived(sink) >= share * MESSAGES, within=30)
        worker.kill()
        await asyncio.to_thread(worker.join)
        kills += 1
    worker = start(valkey_url)
    await until(lambda: arrived(sink) == MESSAGES, within=30)
    await until(lambda: settled(office, queued), within=30)
    worker.kill()
    await asyncio.to_thread(worker.join)

    times = Counter(sink.ids)
    assert set(times) == {wire_id(message) for message in queued}
    assert sum(times.values()) - MESSAGES <= kills * IN_FLIGHT
    rows = Counter[str]()
    for message in queued:
        view = await office.engine.view(message)
        assert view.state is State.DELIVERED
        assert view.kept is not None
        rows.update(row.outcome for row in view.kept.attempts)
    assert rows["accepted"] == MESSAGES
    assert rows["interrupted"], "the kills met tries on the wire"


def arrived(sink: Sink) -> int:
    return len(set(sink.ids))


async def queue(office: Office, sink: Sink) -> list[str]:
    endpoint, _ = await office.endpoints.add(CARRIER, sink.url)
    now = office.clock.now()
    queued = [message_id(f"dlv_{n % 8}k3m9qxd4hwe2a5t", f"n{n}", endpoint.id) for n in range(MESSAGES)]
    for message in queued:
        await office.engine.queue(
            Outgoing(
                id=message,
                type="delivery.opened",
                at=now,
                expires_at=now + timedelta(hours=1),
                reference={"delivery": "dlv_7k3m9qxd4hwe2a5t"},
                endpoint=endpoint.id,
            )
        )
    return queued


async def settled(office: Office, queued: list[str]) -> bool:
    found = await office.store.load_many(queued)
    return all(each.state != State.PENDING for each in found.values())
