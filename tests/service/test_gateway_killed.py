"""SIGKILLs under load: nothing that a unit may forget is lost, nothing stands in the log twice; a standby takes over."""

import asyncio
import contextlib
import os
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import IO, Any

import pytest

from spine.log import Log
from spine.store import Store
from tests import warm
from tests.service.brokers import Mosquitto
from tests.service.conftest import standstill
from tests.service.gateway_scene import Car, Scene, a_gateway, enrol, message_id, running, until
from tests.service.valkeys import Server
from trunkline.nursery import Forked

pytestmark = [pytest.mark.broker, pytest.mark.valkey]


@contextlib.asynccontextmanager
async def gateway_process(url: str, mosquitto: Mosquitto) -> AsyncIterator["Gateway"]:
    words = (url, str(mosquitto.service_port), mosquitto.passwords["svc_gateway"])
    with tempfile.TemporaryFile() as said:
        child = warm.start("tests.service.gateway_process", *words, said=said.fileno())
        try:
            yield Gateway(child, said)
        finally:
            child.kill()
            child.wait()


@dataclass(frozen=True)
class Gateway:
    """A gateway's process and what it says."""

    process: Forked
    said: IO[bytes]

    async def ready(self) -> None:
        await until(lambda: os.pread(self.said.fileno(), 100, 0) == b"ready\n", seconds=120)


@contextlib.asynccontextmanager
async def cars_of(store: Store, mosquitto: Mosquitto, count: int) -> AsyncIterator[list[Car]]:
    cars = [Car(mosquitto, *await enrol(store)) for _ in range(count)]
    async with running(*(car.link.run() for car in cars)):
        for car in cars:
            async with asyncio.timeout(60):
                await car.link.wait_connected()
        yield cars


class Outbox:
    """Sends every event until it is acknowledged, under the same number and id, as a unit does.

    It waits longer each time: on a busy machine what it sends again would else come faster than it can be taken.
    """

    def __init__(self, car: Car, count: int) -> None:
        self.car = car
        self.ids = {seq: message_id() for seq in range(1, count + 1)}

    async def run(self) -> None:
        wait = 0.25
        while missing := [seq for seq in self.ids if seq not in self.car.acked]:
            for seq in missing:
                with contextlib.suppress(Exception):  # the broker may be away
                    await self.car.say("evt/door", {"n": seq}, seq=seq, id_=self.ids[seq])
            with contextlib.suppress(TimeoutError):
                wait = min(2 * wait, 10)
                async with asyncio.timeout(wait):
                    await self.car.until(lambda c: set(self.ids) <= c.acked)


async def in_the_log(store: Store, cars: list[Car]) -> Counter[str]:
    found: Counter[str] = Counter()
    for partition in range(store.house.partitions):
        async for entry in Log(store.valkey, store.house).entries(partition):
            fact: Any = entry.fact
            if entry.kind == "unit.event":
                found[fact.event] += 1
    return found


async def once_each(store: Store, boxes: list[Outbox]) -> None:
    found = await in_the_log(store, [box.car for box in boxes])
    wanted = {event for box in boxes for event in box.ids.values()}
    assert wanted - set(found) == set(), "acknowledged and not in the log"
    assert [event for event, times in found.items() if times > 1] == []
    assert set(found) == wanted


async def test_a_killed_gateway_loses_nothing_and_doubles_nothing(
    store: Store, mosquitto: Mosquitto, valkey_url: str
) -> None:
    async with cars_of(store, mosquitto, 5) as cars:
        boxes = [Outbox(car, 300) for car in cars]
        sending = asyncio.gather(*(box.run() for box in boxes))
        for _ in range(3):
            async with gateway_process(valkey_url, mosquitto) as child:
                await child.ready()
                before = sum(len(car.acked) for car in cars)
                with contextlib.suppress(TimeoutError):
                    await until(
                        lambda b=before: sum(len(car.acked) for car in cars) > b + random.randrange(200),
                        seconds=3,
                    )
        async with gateway_process(valkey_url, mosquitto) as child:
            await child.ready()
            async with asyncio.timeout(120):
                await sending
    await once_each(store, boxes)


async def test_a_killed_broker_loses_nothing_that_the_outbox_still_has(
    store: Store, mosquitto: Mosquitto
) -> None:
    async with a_gateway(store, mosquitto), cars_of(store, mosquitto, 3) as cars:
        boxes = [Outbox(car, 300) for car in cars]
        sending = asyncio.gather(*(box.run() for box in boxes))
        for share in (100, 400):
            await until(lambda s=share: sum(len(car.acked) for car in cars) > s)
            mosquitto.stop(kill=True)
            mosquitto.start()
        async with asyncio.timeout(120):
            await sending
    await once_each(store, boxes)


async def test_a_killed_store_loses_nothing_that_was_acknowledged(
    store: Store, mosquitto: Mosquitto, valkey_server: Server
) -> None:
    async with a_gateway(store, mosquitto), cars_of(store, mosquitto, 3) as cars:
        boxes = [Outbox(car, 300) for car in cars]
        sending = asyncio.gather(*(box.run() for box in boxes))
        for share in (100, 400):
            await until(lambda s=share: sum(len(car.acked) for car in cars) > s)
            valkey_server.kill()
            valkey_server.start()
        async with asyncio.timeout(120):
            await sending
    await once_each(store, boxes)


async def test_a_standby_takes_over_with_the_same_client_id(
    store: Store, mosquitto: Mosquitto, valkey_url: str
) -> None:
    async with (
        gateway_process(valkey_url, mosquitto) as first,
        gateway_process(valkey_url, mosquitto) as second,
        cars_of(store, mosquitto, 1) as (car,),
    ):
        waits = [asyncio.ensure_future(child.ready()) for child in (first, second)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        on_duty = 0 if waits[0].done() else 1
        assert not waits[1 - on_duty].done(), "one at a time"
        seq = await car.say("evt/tow", {})
        await car.until(lambda c: seq in c.acked)
        (first, second)[on_duty].process.kill()
        seq = await car.say("evt/tow", {})  # into the session nobody reads now
        await waits[1 - on_duty]
        await car.until(lambda c: seq in c.acked)
        assert not car.errors


async def test_two_gateways_never_serve_at_once(store: Store, mosquitto: Mosquitto) -> None:
    """Longer than a lease lives without its holder. Who stands still for most of that does lose it."""
    served = True
    while served:
        async with standstill() as still, a_gateway(store, mosquitto) as scene:
            served = await _second_serves(scene, within=1.5)
            assert not served or still() > 0.5, "the lease was being kept"


async def _second_serves(scene: Scene, *, within: float) -> bool:
    from vehicle_gateway.gateway import Gateway

    other = Gateway(scene.gateway._kit)
    async with running(other.run()):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await other.wait_connected()
                return True
    return False
