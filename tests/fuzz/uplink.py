"""Hostile units: random and mutated messages over the real broker into the gateway, every one accounted for."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from spine.clock import SystemClock
from spine.dead_letters import DeadLetters
from spine.ids import UnitId
from spine.ingest import Verdict
from spine.limits import SpineLimits
from spine.log import Log, Tail
from spine.store import Change, Store, Write
from tests.fuzz.mutate import flipped_token, mutated
from tests.service.brokers import Mosquitto
from tests.service.gateway_scene import FAST, Car, PlainSigner, enrol, envelope, running, until
from vehicle_gateway import intake
from vehicle_gateway.duty import Equipment
from vehicle_gateway.gateway import Gateway
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import NO_SUBSCRIBERS, Incoming, Link
from vehicle_gateway.parse import Poison, Reason, parse
from vehicle_gateway.wire import Result, up

LIMITS: Final = GatewayLimits(
    unit_rate=1e9, unit_burst=1e9, store_retry=timedelta(milliseconds=20), gap=timedelta(days=1)
)
SPINE: Final = SpineLimits(dead_letters=1_000_000)
ANYTHING: Final = "svc_anything"
"""An account that may publish anywhere: what a broker without ACL, or a stolen service account, lets through."""

TOKEN: Final = "eyJhbGciOiJFZDI1NTE5IiwidHlwIjoidGwtcmVjZWlwdCtqd3QifQ.eyJuIjoxfQ." + "A" * 86
GOOD: Final[dict[str, Any]] = {
    "state": {"presence": "online", "boot": 1, "ts": "2030-05-06T09:00:00Z"},
    "sig": {"full": False, "values": {"Vehicle.Body.Trunk.Rear.IsOpen": True, "Vehicle.Speed": 1.5}},
    "tel": {"values": {"Vehicle.CurrentLocation.Latitude": 57.7, "Vehicle.CurrentLocation.Longitude": 11.9}},
    "dtc": {"scan_id": "s1", "ecus": [{"id": "7E8", "codes": [{"code": "P0301", "status": 8}]}]},
    "res": {"cmd": "cmd_0123456789abcdef.1", "outcome": "done", "code": "opened", "data": {"receipts": 3}},
    "evt/receipt": {"n": 1, "receipt": TOKEN},
    "evt/door": {"open": True},
    "evt/crash": {"position": {"lat": 1.5, "lon": 2.5}},
    "evt/pair": {"hash": "0" * 64, "expires_at": "2030-05-06T09:10:00Z"},
    "evt/left_open": {},
    "evt/unknown": {},
    "req/cert": {"nonce": "", "data": {"csr": "x", "proof": TOKEN}},
    "req/revocations": {"nonce": "", "data": {}},
    "req/x": {},
}


@dataclass
class Tally:
    """What became of every message. ``expected``: reasons foretold from the bytes alone."""

    sent: int = 0
    not_allowed: int = 0
    nobody: int = 0
    expected: Counter[str] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def delivered(self) -> int:
        """What the broker gave to the gateway."""
        return self.sent - self.not_allowed - self.nobody

    @property
    def accounted(self) -> int:
        """Taken, known already, too old or parked; a result nobody asked for is both ingested and parked."""
        answers = self.parked[Reason.COMMAND.value]
        return sum(self.verdicts.values()) + sum(self.parked.values()) - answers

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"sent {self.sent}, refused by the broker's ACL {self.not_allowed}, nobody's topic {self.nobody}",
            f"delivered {self.delivered}, accounted for {self.accounted}",
            "ingested: " + ", ".join(f"{name} {n}" for name, n in self.verdicts.most_common()),
            f"parked {sum(self.parked.values())}: "
            + ", ".join(f"{name} {n}" for name, n in self.parked.most_common()),
        ]


@dataclass
class Hostile:
    """A gateway, cars that misbehave, one of them in quarantine, and somebody who may publish anywhere."""

    store: Store
    tail: Tail
    cars: Sequence[Car]
    quarantined: Car
    anywhere: Link
    dice: random.Random
    tally: Tally = field(default_factory=Tally)
    _last: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    async def send(self, messages: int, *, at_once: int = 200) -> None:
        """Publish so many; counts what the broker says of each."""
        left = messages
        while left > 0:
            batch = [self._one() for _ in range(min(left, at_once))]
            codes = await asyncio.gather(*batch)
            self.tally.sent += len(codes)
            self.tally.not_allowed += sum(code >= 0x80 for code in codes)
            self.tally.nobody += sum(code == NO_SUBSCRIBERS for code in codes)
            left -= len(codes)

    def _one(self) -> "asyncio.Future[int]":
        dice = self.dice
        name = dice.choice(list(GOOD))
        car = self.quarantined if dice.random() < 0.03 else dice.choice(self.cars)
        retain = dice.random() < 0.03
        roll = dice.random()
        if roll < 0.05 and car.unit in self._last:
            topic, payload = self._last[car.unit]  # the very same again
        else:
            payload = self._payload(name, car)
            topic = up(car.shard, car.unit, name)
        if retain and not payload:
            payload = b" "  # an empty retained message only erases the broker's copy
        if roll > 0.9:
            topic = self._elsewhere(topic, car)
            return self._publish(self.anywhere, topic, payload, retain=retain)
        if roll > 0.87:
            other = dice.choice(self.cars)
            topic = up(other.shard, other.unit, name)  # another unit's: refused by the ACL
            if other.unit != car.unit:
                return car.link.send(topic, payload, retain=retain)
        self._last[car.unit] = (topic, payload)
        return self._publish(car.link, topic, payload, retain=retain)

    def _publish(self, link: Link, topic: str, payload: bytes, *, retain: bool) -> "asyncio.Future[int]":
        reason = self._reason(topic, payload, retain=retain)
        correlation = self.dice.randbytes(self.dice.randrange(40)) if self.dice.random() < 0.1 else None
        back = self.dice.choice(("tl/1/00/x/dn/cmd", "x")) if self.dice.random() < 0.05 else None
        sent = link.send(topic, payload, retain=retain, correlation=correlation, response_topic=back)

        def note(done: "asyncio.Future[int]") -> None:
            if reason is not None and done.result() == 0:
                self.tally.expected[reason] += 1

        sent.add_done_callback(note)
        return sent

    def _payload(self, name: str, car: Car) -> bytes:
        dice = self.dice
        d = json.loads(json.dumps(GOOD[name]))
        if name == "evt/receipt":
            d = {"n": dice.randrange(1, 50), "receipt": flipped_token(dice, TOKEN)}
        if name == "res" and dice.random() < 0.5:
            d["cmd"] = f"cmd_{dice.choice(self.cars).unit[3:]}.{dice.choice(('gap.1.1', '1.open', '1'))}"
        if name == "state":
            d["boot"] = dice.choice((0, 1, 1, 2, 3))
            good = json.dumps(d).encode()
        else:
            if dice.random() < 0.001:
                car.boot, car.seq = car.boot + dice.choice((1, 1, 1_000_000)), 0
            boot = dice.choice((0, 1, car.boot - 1)) if dice.random() < 0.05 else car.boot
            seq = dice.choice((0, 2**53)) if dice.random() < 0.01 else self._number(car)
            good = envelope(d, boot=boot, seq=seq)
        return good if dice.random() < 0.25 else mutated(dice, good)

    def _number(self, car: Car) -> int:
        car.seq += 1
        return max(1, car.seq + self.dice.choice((0, 0, 0, 0, -1, -5, -1_000, -2_000, 3)))

    def _elsewhere(self, topic: str, car: Car) -> str:
        dice, parts = self.dice, topic.split("/")
        at = dice.randrange(2, len(parts))
        parts[at] = dice.choice(
            ("", "00", "zz", "up", "down", "é", "x" * 200, "vu_0000000000000000", "vu_" + "z" * 16, car.unit[:-1], "state",
             "evt", "cmd", "veh_0123456789abcdef", "A" * 40)
        )  # fmt: skip
        return "/".join(parts)

    def _reason(self, topic: str, payload: bytes, *, retain: bool) -> str | None:
        """Why it must be parked; None where it must be taken."""
        marked = retain and not topic.endswith("/up/state")
        found = parse(Incoming(topic, payload, 1, marked, 1, 1))
        if isinstance(found, Poison):
            return found.reason.value
        known = {car.unit: car for car in (*self.cars, self.quarantined)}
        car = known.get(found.unit)
        if car is None or car.shard != found.shard:
            return Reason.IDENTITY.value
        if car is self.quarantined:
            return Reason.UNIT.value
        return Reason.COMMAND.value if isinstance(found.content, Result) else None

    async def settle(self, *, seconds: float = 60) -> None:
        """Until the gateway has done with everything it was given."""
        dead = DeadLetters(self.store.valkey, self.store.house)
        wanted = self.tally.delivered

        async def done() -> bool:
            self.tally.parked = Counter({"": await dead.count()})
            answers = self.tally.expected[Reason.COMMAND.value]
            return sum(self.tally.verdicts.values()) + self.tally.parked[""] - answers >= wanted

        with contextlib.suppress(TimeoutError):
            await until(done, seconds=seconds)
        self.tally.parked = await self._reasons(dead)

    async def _reasons(self, dead: DeadLetters) -> Counter[str]:
        found: Counter[str] = Counter()
        for partition in range(self.store.house.partitions):
            after = "0-0"
            while letters := await dead.page(partition, after=after, limit=1_000):
                found.update(letter.reason for letter in letters)
                after = letters[-1].position
        return found

    async def still_works(self) -> bool:
        """A good message of a good car is taken and acknowledged after all that."""
        car = self.cars[0]
        car.boot = 2**53 - 1
        car.seq = 2**52
        seq = await car.say("evt/tow", {})
        await car.until(lambda one: seq in one.acked)
        return True


@contextlib.asynccontextmanager
async def hostile(store: Store, mosquitto: Mosquitto, *, seed: int, cars: int = 6) -> AsyncIterator[Hostile]:
    """The scene: a real broker and store, the gateway in this process."""
    acl = mosquitto.directory / "acl"
    acl.write_text(acl.read_text() + f"\nuser {ANYTHING}\ntopic readwrite #\n")
    made = [Car(mosquitto, *await enrol(store)) for _ in range(cars + 1)]
    quarantined = made.pop()
    await _quarantine(store, quarantined.unit)
    anywhere = Link(
        mosquitto.add_account(ANYTHING), client_id=ANYTHING, on_message=lambda _: None, limits=FAST
    )
    tail = Tail(Log(store.valkey, store.house), limits=SPINE)
    kit = Equipment(
        store, tail, SystemClock(), mosquitto.service(), PlainSigner(),
        limits=LIMITS, spine_limits=SPINE, link_limits=FAST,
    )  # fmt: skip
    gateway = Gateway(kit)
    scene = Hostile(store, tail, made, quarantined, anywhere, random.Random(seed))
    honest = intake.ingest

    async def counted(*args: Any, **more: Any) -> list[Verdict]:
        verdicts = await honest(*args, **more)
        scene.tally.verdicts.update(verdict.value for verdict in verdicts)
        return verdicts

    intake.ingest = counted
    try:
        async with running(
            tail.run(), gateway.run(), anywhere.run(), *(car.link.run() for car in (*made, quarantined))
        ):
            async with asyncio.timeout(15):
                await gateway.wait_connected()
                for link in (anywhere, *(car.link for car in (*made, quarantined))):
                    await link.wait_connected()
            yield scene
    finally:
        intake.ingest = honest


async def _quarantine(store: Store, unit: UnitId) -> None:
    await store.change([unit], lambda saved: Change({unit: Write("quarantined", saved[unit].body)}))
