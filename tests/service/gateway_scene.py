"""A gateway with a real broker and store in this process, cars that are plain MQTT clients, and what each saw."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spine.clock import Clock, SystemClock
from spine.dead_letters import DeadLetter, DeadLetters
from spine.facts.vehicle import VehicleEnrolled
from spine.ids import UnitId, VehicleId, new_id
from spine.limits import SpineLimits
from spine.log import Log, Tail
from spine.store import Change, Store, Write
from tests.service.brokers import Mosquitto
from vehicle_gateway.duty import Equipment
from vehicle_gateway.gateway import Gateway
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Incoming, Link, LinkLimits
from vehicle_gateway.possession import jwk_of
from vehicle_gateway.registry import UnitBody, VehicleBody
from vehicle_gateway.wire import up

FAST = LinkLimits(
    retry_first=timedelta(milliseconds=20),
    retry_longest=timedelta(milliseconds=100),
    connect_timeout=timedelta(seconds=3),
)
SPINE = SpineLimits(
    lease=timedelta(seconds=1), lease_poll=timedelta(milliseconds=50), held_poll=timedelta(milliseconds=20)
)


def message_id() -> str:
    """A random UUID with version 7's marks."""
    drawn = bytearray(secrets.token_bytes(16))
    drawn[6] = 0x70 | drawn[6] & 0x0F
    drawn[8] = 0x80 | drawn[8] & 0x3F
    return str(UUID(bytes=bytes(drawn)))


def envelope(d: Mapping[str, Any], *, boot: int = 1, seq: int = 0, id_: str | None = None) -> bytes:
    return json.dumps(
        {"id": id_ or message_id(), "boot": boot, "seq": seq, "ts": "2030-05-06T09:00:00Z", "mono": 5, "v": 1, "d": d}
    ).encode()  # fmt: skip


class PlainSigner:
    """Signs nothing: the payload of ``dn/cmd`` shows the claims."""

    def sign(self, claims: Mapping[str, Any]) -> str:
        return json.dumps(claims)


async def enrol(store: Store, *, partition: int | None = None) -> tuple[VehicleId, UnitId, int]:
    """A vehicle and its unit, without certificates: what the gateway knows of them."""
    partition = secrets.randbelow(store.house.partitions) if partition is None else partition
    vehicle, unit = VehicleId(new_id("veh", partition)), UnitId(new_id("vu", partition))
    shard = secrets.choice(range(partition, 256, store.house.partitions))
    now = datetime.fromisoformat("2030-05-06T09:00:00+00:00")
    key = jwk_of(Ed25519PrivateKey.generate().public_key())
    fact = VehicleEnrolled(at=now, vehicle=vehicle, unit=unit, shard=shard)
    body = UnitBody(vehicle=vehicle, shard=shard, receipt_jwk=key, mtls="", receipts="", until=now)
    about = VehicleBody(unit=unit, shard=shard, enrolled_at=now)
    await store.change(
        [vehicle, unit],
        lambda _saved: Change(
            {
                vehicle: Write("enrolled", about.model_dump_json()),
                unit: Write("active", body.model_dump_json()),
            },
            [fact],
        ),
    )
    return vehicle, unit, shard


@dataclass
class Car:
    """An MQTT client with a unit's account. What comes down is kept by the topic's last part."""

    mosquitto: Mosquitto
    vehicle: VehicleId
    unit: UnitId
    shard: int
    boot: int = 1
    seq: int = 0
    heard: dict[str, list[Any]] = field(default_factory=dict)
    on_command: Callable[["Car", dict[str, Any]], None] | None = None

    def __post_init__(self) -> None:
        self.link = Link(
            self.mosquitto.add_account(self.unit),
            client_id=self.unit,
            session_expiry=600,
            on_message=self._take,
            on_up=self._subscribe,
            limits=FAST,
        )
        self._news = asyncio.Event()

    async def _subscribe(self, _present: bool) -> None:
        await self.link.subscribe({f"tl/1/+/{self.unit}/dn/#": 1})

    def _take(self, message: Incoming) -> None:
        name = str(message.topic).rpartition("/")[2]
        said = json.loads(message.payload) if name not in {"rev", "fresh"} else message.payload.decode()
        self.heard.setdefault(name, []).append(said)
        self.link.acknowledge(message)
        self._news.set()
        if name == "cmd" and self.on_command is not None:
            self.on_command(self, json.loads(said["cmd"]))

    async def say(self, name: str, d: Mapping[str, Any], **more: Any) -> int:
        """Publish under the next number; gives it. Not waited for: the gateway may be away."""
        ordered = name.split("/", 1)[0] in {"evt", "dtc", "sig", "res"}
        if ordered:
            self.seq += 1
        seq = more.pop("seq", self.seq if ordered else 0)
        payload = envelope(d, boot=more.pop("boot", self.boot), seq=seq, id_=more.pop("id_", None))
        await self.publish(name, payload, **more)
        return seq

    async def publish(
        self, name: str, payload: bytes, *, shard: int | None = None, retain: bool = False
    ) -> int:
        return await self.link.publish(
            up(self.shard if shard is None else shard, self.unit, name), payload, retain=retain
        )

    async def until(self, reached: Callable[["Car"], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached(self):
                self._news.clear()
                await self._news.wait()

    @property
    def acked(self) -> set[int]:
        return {seq for ack in self.heard.get("ack", []) if ack["boot"] == self.boot for seq in ack["seqs"]}

    @property
    def errors(self) -> list[tuple[int, str]]:
        return [(err["seq"], err["code"]) for err in self.heard.get("err", [])]


@dataclass
class Scene:
    store: Store
    tail: Tail
    mosquitto: Mosquitto
    gateway: Gateway
    limits: GatewayLimits

    @property
    def log(self) -> Log:
        return self.tail.log

    @contextlib.asynccontextmanager
    async def car(self, **more: Any) -> AsyncIterator[Car]:
        """A connected car."""
        car = Car(self.mosquitto, *await enrol(self.store), **more)
        async with running(car.link.run()):
            async with asyncio.timeout(60):
                await car.link.wait_connected()
            yield car

    async def facts(self, car: Car, *kinds: str) -> list[Any]:
        """The car's facts so far, of some kinds."""
        partition = (await self.store.load(car.unit)) and self.partition(car)
        entries = await self.log.read(partition, limit=100_000)
        about = {car.vehicle, car.unit}
        return [
            entry.fact
            for entry in entries
            if getattr(entry.fact, "vehicle", None) in about and (not kinds or entry.kind in kinds)
        ]

    def partition(self, car: Car) -> int:
        return car.shard % self.store.house.partitions

    async def letters(self) -> list[DeadLetter]:
        dead = DeadLetters(self.store.valkey, self.store.house)
        found = []
        for partition in range(self.store.house.partitions):
            found += await dead.page(partition, limit=10_000)
        return found


@contextlib.asynccontextmanager
async def running(*works: Any) -> AsyncIterator[None]:
    """Run these beside the test; a failure of one is the test's."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@contextlib.asynccontextmanager
async def a_gateway(
    store: Store, mosquitto: Mosquitto, *, clock: Clock | None = None, limits: GatewayLimits | None = None
) -> AsyncIterator[Scene]:
    limits = limits or GatewayLimits(
        store_retry=timedelta(milliseconds=20),
        store_retry_most=timedelta(milliseconds=100),
        cars_back_within=timedelta(seconds=2),
    )
    tail = Tail(Log(store.valkey, store.house), limits=SPINE)
    kit = Equipment(
        store,
        tail,
        clock or SystemClock(),
        mosquitto.service(),
        PlainSigner(),
        limits=limits,
        spine_limits=SPINE,
        link_limits=FAST,
    )
    gateway = Gateway(kit)
    async with running(tail.run(), gateway.run()):
        async with asyncio.timeout(60):
            await gateway.wait_connected()
        # What a connection begins with, in the background: a list that is raised meanwhile would leave twice.
        await until(lambda: not {"lists", "bundles"} & {task.get_name() for task in asyncio.all_tasks()})
        yield Scene(store, tail, mosquitto, gateway, limits)


async def until(reached: Callable[[], Any], *, seconds: float = 60) -> None:
    """Wait for a condition (a call that gives a truth value, or an awaitable of one)."""
    async with asyncio.timeout(seconds):
        while True:
            found = reached()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)
