"""Our side of the webhook benchmarks: the engine, put together and run as process `work` does it.

``fill COUNT`` adds 32 addresses, lets them answer their ping, and queues; ``send`` runs until it is ended; ``check COUNT``
fails unless every delivery stands as delivered. ``pace COUNT RATE SLOW`` queues COUNT deliveries for 50 fast addresses
at RATE a second and prints how long each took to arrive; SLOW deliveries for a slow address are queued before them.
Ports come as BENCH_STORE, BENCH_SINK, BENCH_SLOW.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from spine.clock import SystemClock
from spine.house import init_house, open_house
from spine.ids import EndpointId
from spine.store import Store
from spine.valkey import Valkey
from tests.bench import webhooks_sink
from tests.bench.webhooks_stand import ADDRESSES, BYTES
from trunkline.collector import keep_what_was_loaded
from webhooks.dispatch import Brief
from webhooks.endpoints import Endpoint, Endpoints, EndpointState
from webhooks.engine import Engine
from webhooks.envelope import News, encode, wire_id
from webhooks.guard import Guard
from webhooks.keyring import Keyring
from webhooks.limits import WebhooksLimits
from webhooks.mail import FileOutbox, Link, Mail
from webhooks.messages import Outgoing, message_id
from webhooks.sealing import Seal
from webhooks.sender import HttpSender
from webhooks.states import State

PARTITIONS: Final = 8
AT_ONCE: Final = 64
FAST: Final = 50
_DELIVERY: Final = "dlv_{}{:015d}"
_PADS: Final[dict[int, str]] = {}
_SHARDS: Final = "01234567"


@dataclass
class Office:
    """The engine and what it stands on."""

    engine: Engine
    endpoints: Endpoints
    store: Store
    sender: HttpSender
    clock: SystemClock

    async def added(self, urls: Sequence[str]) -> list[EndpointId]:
        """An address of its own subscriber for each URL, enabled. The engine must run."""
        subscribers = [_carrier(n) for n in range(len(urls))]
        made = [
            (await self.endpoints.add(subscriber, url))[0]
            for subscriber, url in zip(subscribers, urls, strict=True)
        ]
        for endpoint in made:
            await _until(partial(self._enabled, endpoint))
        return [endpoint.id for endpoint in made]

    async def _enabled(self, endpoint: Endpoint) -> bool:
        found = await self.endpoints.one(endpoint.id, endpoint.subscriber)
        return found.state is EndpointState.ENABLED

    async def queue(self, n: int, endpoint: EndpointId) -> str:
        """Queue one delivery; gives its id."""
        now = self.clock.now()
        delivery = _DELIVERY.format(_SHARDS[n % PARTITIONS], n)
        message = Outgoing(
            id=message_id(delivery, f"n{n}", endpoint),
            type="delivery.opened",
            at=now,
            expires_at=now + timedelta(hours=1),
            reference={"delivery": delivery},
            endpoint=endpoint,
        )
        await self.engine.queue(message)
        return message.id


def _carrier(n: int) -> str:
    """The subscriber of the nth address: in each partition as many."""
    return f"car_{_SHARDS[n % PARTITIONS]}{n:015d}"


async def _compose(brief: Brief) -> News:
    """400 bytes in all, as every sender has them."""
    delivery = brief.reference["delivery"]
    size = len(brief.message)
    if size not in _PADS:  # the same for every delivery, but for the length of its id
        bare = encode(
            brief.message, brief.type, brief.at, "/bench", News({"delivery": delivery, "pad": ""}, None, 1)
        )
        _PADS[size] = "x" * max(0, BYTES - len(bare))
    return News({"delivery": delivery, "pad": _PADS[size]}, None, 1)


async def _no_link(_: Link) -> str:
    raise AssertionError("no mail is sent here")


@asynccontextmanager
async def office(transport: str, *, fresh: bool = False) -> AsyncIterator[Office]:
    """As the composition root does it, with loopback allowed."""
    valkey = Valkey.at(f"redis://127.0.0.1:{os.environ['BENCH_STORE']}/0")
    if fresh:
        await init_house(valkey, PARTITIONS)
    store, clock = Store(valkey, await open_house(valkey)), SystemClock()
    limits = WebhooksLimits(in_flight=AT_ONCE, transport=transport)  # type: ignore[arg-type]
    guard = Guard(dev=True)
    endpoints = Endpoints(store, clock, limits, guard, Keyring(Seal(b"k" * 32)))
    async with HttpSender(limits, guard) as sender:
        mail = Mail(FileOutbox(Path("unused")), _no_link, sender="Trunkline <no-reply@example.org>")
        engine = Engine(
            store, clock, limits, {"delivery": _compose}, sender, mail, endpoints, source="/bench"
        )
        try:
            yield Office(engine, endpoints, store, sender, clock)
        finally:
            await engine.close()
            await valkey.close()


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    """The sender's loop beside the body."""
    sending = asyncio.create_task(engine.run("bench"))
    try:
        yield
    finally:
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending


async def _arrived(port: int, count: int) -> bool:
    seen = await asyncio.to_thread(webhooks_sink.ask, port)
    return int(seen["unique"]) >= count


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait, at most a minute. Raises ``TimeoutError``."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(0.02)


async def _fill(transport: str, count: int) -> None:
    sink = f"http://127.0.0.1:{os.environ['BENCH_SINK']}/hook/"
    async with office(transport, fresh=True) as here:
        async with running(here.engine):
            endpoints = await here.added([f"{sink}{n}" for n in range(ADDRESSES)])
        numbers = iter(range(count))

        async def one_of_many() -> None:
            for n in numbers:
                await here.queue(n, endpoints[n % ADDRESSES])

        await asyncio.gather(*(one_of_many() for _ in range(AT_ONCE)))


async def _send(transport: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with office(transport) as here, running(here.engine):
        keep_what_was_loaded()
        await stop.wait()
        sys.stderr.write(f"reused {here.sender.reused} of {here.sender.posts}\n")


async def _check(transport: str, count: int) -> None:
    async with office(transport) as here:
        waiting = rows = 0
        subscribers = [_carrier(n) for n in range(ADDRESSES)]
        for subscriber in subscribers:
            for endpoint in await here.endpoints.of(subscriber):
                load = await here.engine.backlog(endpoint.id)
                waiting += load.waiting + load.in_flight
                rows += len((await here.engine.attempts(endpoint.id, limit=100)).rows)
        if waiting or rows < min(count, 100):
            sys.exit(f"{waiting} of {count} are not settled; {rows} rows seen")
        last = here.endpoints.of(subscribers[(count - 1) % ADDRESSES])
        name = message_id(
            _DELIVERY.format(_SHARDS[(count - 1) % PARTITIONS], count - 1),
            f"n{count - 1}",
            (await last)[0].id,
        )
        if (await here.engine.view(name)).state is not State.DELIVERED:
            sys.exit("the last one is not delivered")


async def _pace(transport: str, count: int, rate: float, slow: int) -> None:
    port = int(os.environ["BENCH_SINK"])
    fast = [f"http://127.0.0.1:{port}/hook/{n}" for n in range(FAST)]
    hindrance = f"http://127.0.0.1:{os.environ['BENCH_SLOW']}/hook"
    async with office(transport, fresh=True) as here, running(here.engine):
        *endpoints, sluggish = await here.added([*fast, hindrance])
        keep_what_was_loaded()
        await asyncio.gather(*(here.queue(n, sluggish) for n in range(slow)))
        if slow:
            await _until(lambda: _arrived(int(os.environ["BENCH_SLOW"]), 2))
        queued: dict[str, float] = {}
        began = time.monotonic()
        queueing: set[asyncio.Task[Any]] = set()

        async def one(n: int) -> None:
            at = time.monotonic()
            queued[await here.queue(slow + n, endpoints[n % FAST])] = at

        for n in range(count):
            await asyncio.sleep(max(0.0, began + n / rate - time.monotonic()))
            task = asyncio.create_task(one(n))
            queueing.add(task)
            task.add_done_callback(queueing.discard)
        await asyncio.gather(*queueing)
        await _until(lambda: _arrived(port, count + FAST))
        arrived = await asyncio.to_thread(webhooks_sink.ask, port, "/arrivals")
    took = [(arrived[wire_id(name)] - at) * 1000 for name, at in queued.items()]
    print(json.dumps(took), flush=True)


def main() -> None:
    """Which part it plays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", default="sockets")
    parser.add_argument("part", choices=["fill", "send", "check", "pace"])
    parser.add_argument("numbers", nargs="*", type=float)
    asked = parser.parse_args()
    match asked.part:
        case "fill":
            uvloop.run(_fill(asked.transport, int(asked.numbers[0])))
        case "send":
            uvloop.run(_send(asked.transport))
        case "check":
            uvloop.run(_check(asked.transport, int(asked.numbers[0])))
        case _:
            count, rate, slow = asked.numbers
            uvloop.run(_pace(asked.transport, int(count), rate, int(slow)))


if __name__ == "__main__":
    main()
