"""``scan_to_case``: scans a second from the unit's bytes to cases in the store, against a bare loop of one ``change`` each.

Judged is like against like: one loop that parses, translates, puts through the policy and commits vehicle and cases,
and one loop that commits a small subject per scan, in the same process at the same store, which syncs every commit.
Beside it, not judged: the whole chain as it runs (the gateway's batches on disk, a real reader of the log, all partitions
side by side), and as many bare loops as there are partitions. Who goes first changes from round to round.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final

from maintenance.counting import Counting
from maintenance.intake import Intake
from maintenance.limits import MaintenanceLimits
from maintenance.memory import subject_of
from maintenance.service import Cases
from maintenance.starting import Starting, plain_promise
from spine.clock import SystemClock
from spine.dead_letters import DeadLetters
from spine.facts.vehicle import UnitScan
from spine.house import init_house, open_house
from spine.ids import ALPHABET, UnitId, VehicleId, partition_of
from spine.ingest import Incoming, Verdict, ingest
from spine.limits import SpineLimits
from spine.log import Log, Tail
from spine.readers import Reader, Received
from spine.store import Change, Saved, Store, Write
from spine.valkey import Valkey
from tests.bench.line import Line
from tests.service.valkeys import Server
from trunkline.collector import keep_what_was_loaded
from vehicle_gateway import link
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.parse import Parsed, parse
from vehicle_gateway.translate import Car, translate
from vehicle_gateway.wire import up

NAME: Final = "scan_to_case"
BAR: Final = 0.5

PARTITIONS: Final = 8
VEHICLES: Final = 64
SCANS: Final = 32
"""Of each vehicle in each round; every eighth names a fault, so that cases open, close and open again."""
ROUNDS: Final = 5
_CODES: Final = ("P0301", "P0420", "P0128", "C1234")


class _Uncounted(Counting):
    async def count(self, *names: str) -> None:
        """Nothing is watched here."""


@dataclass(frozen=True)
class Round:
    """Scans or changes a second."""

    ours: float
    bare: float
    chain: float
    bare_side_by_side: float
    cases: int


async def measure() -> Line:
    """The ratio is the median of the rounds' ratios."""
    folder = Path(tempfile.mkdtemp(prefix="tl-bench-"))
    server = Server(folder)
    server.start()
    keep_what_was_loaded()  # as each of our processes does
    try:
        rounds = [await _round(server, number) for number in range(1, ROUNDS + 1)]
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
    ratios = [each.ours / each.bare for each in rounds]
    seen: dict[str, Any] = {
        "scans_per_s": round(median(each.ours for each in rounds)),
        "bare_per_s": round(median(each.bare for each in rounds)),
        "chain_per_s": round(median(each.chain for each in rounds)),
        "bare_side_by_side_per_s": round(median(each.bare_side_by_side for each in rounds)),
        "scans": VEHICLES * SCANS,
        "cases_opened": rounds[-1].cases,
        "rounds": [round(each, 2) for each in ratios],
    }
    return Line.judged(NAME, median(ratios), BAR, "higher", seen=seen)


async def _round(server: Server, number: int) -> Round:
    valkey = Valkey.at(server.url)
    try:
        store = await _empty(server, valkey)
        if number % 2:
            ours = await _loop(store, number)
            bare = await _bare(store, loops=1)
        else:
            bare = await _bare(store, loops=1)
            ours = await _loop(store, number)
        side_by_side = await _bare(store, loops=PARTITIONS)
        chain, cases = await _chain(await _empty(server, valkey), number)
        sys.stderr.write(f"round {number}: {ours:.0f} scans/s, bare {bare:.0f} changes/s\n")
        return Round(ours, bare, chain, side_by_side, cases)
    finally:
        await valkey.close()


async def _empty(server: Server, valkey: Valkey) -> Store:
    with server.door() as door:
        door.flushall()
    await init_house(valkey, PARTITIONS)
    return Store(valkey, await open_house(valkey))


def _intake(store: Store) -> Intake:
    limits, dead = MaintenanceLimits(), DeadLetters(store.valkey, store.house)
    rules = Starting(limits.cases, plain_promise(limits.cases))
    return Intake(Cases(store, SystemClock(), limits), rules, {}, dead, _Uncounted())


async def _loop(store: Store, number: int) -> float:
    """One scan after the other."""
    intake, cars, now, limits = _intake(store), dict[VehicleId, Car](), datetime.now(UTC), GatewayLimits()
    messages = _messages(number)
    started = time.perf_counter()
    for n, message in enumerate(messages):
        (fact,) = _translated(message, cars, now, limits).facts
        assert isinstance(fact, UnitScan)
        await intake.scan(fact, f"{n + 1}-0", None)
    rate = len(messages) / (time.perf_counter() - started)
    for vehicle in _vehicles():
        assert (await store.load(subject_of(vehicle))).version == SCANS
    return rate


def _translated(
    message: link.Incoming, cars: dict[VehicleId, Car], now: datetime, limits: GatewayLimits
) -> Incoming:
    parsed = parse(message)
    assert isinstance(parsed, Parsed)
    vehicle = VehicleId("veh_" + parsed.unit[3:])
    car = cars.setdefault(vehicle, Car())
    return translate(parsed, vehicle, car, now, retained=False, heard_every=limits.heard_every)


async def _chain(store: Store, number: int) -> tuple[float, int]:
    clock, done, intake = SystemClock(), asyncio.Event(), _intake(store)
    log = Log(store.valkey, store.house)
    tail = Tail(log)
    left = VEHICLES * SCANS

    async def react(received: Received) -> None:
        nonlocal left
        assert isinstance(received.fact, UnitScan)
        await intake.scan(received.fact, received.position, received.ack)
        left -= 1
        if not left:
            done.set()

    kinds = frozenset({"unit.scan"})
    reader = Reader(store, log, tail, "maintenance", react, kinds=kinds, limits=SpineLimits(), clock=clock)
    messages = _messages(number)
    running = [asyncio.create_task(tail.run()), asyncio.create_task(reader.run())]
    try:
        await tail.ready()
        for partition in range(PARTITIONS):
            await reader.leases.wait((partition, "maintenance"))
        started = time.perf_counter()
        await _gateway(store, messages)
        await done.wait()
        took = time.perf_counter() - started
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task
    every = [entry for p in range(PARTITIONS) for entry in await log.read(p, limit=100_000)]
    opened = sum(entry.kind == "case.opened" for entry in every)
    assert opened >= VEHICLES // 2
    for vehicle in _vehicles():
        assert (await store.load(subject_of(vehicle))).version >= SCANS
    return VEHICLES * SCANS / took, opened


async def _gateway(store: Store, messages: list[link.Incoming]) -> None:
    """What the gateway does with each message, in its batches."""
    limits, cars, now = GatewayLimits(), dict[VehicleId, Car](), datetime.now(UTC)
    for start in range(0, len(messages), limits.batch):
        by_partition: dict[int, list[Incoming]] = {}
        for message in messages[start : start + limits.batch]:
            entry = _translated(message, cars, now, limits)
            by_partition.setdefault(partition_of(entry.vehicle), []).append(entry)
        saved = await asyncio.gather(
            *(ingest(store, one, all_, now=now) for one, all_ in by_partition.items())
        )
        assert all(verdict is Verdict.NEW for verdicts in saved for verdict in verdicts)


async def _bare(store: Store, *, loops: int) -> float:
    """Each loop: load a subject, write it, commit."""

    async def loop(part: int) -> None:
        for number in range(SCANS):
            for vehicle in _vehicles()[part::loops]:
                subject, body = f"bare_{vehicle[4:]}", json.dumps({"scan": number})

                def decide(_: Mapping[str, Saved], subject: str = subject, body: str = body) -> Change:
                    return Change({subject: Write("kept", body)})

                await store.change([subject], decide)

    started = time.perf_counter()
    await asyncio.gather(*(loop(part) for part in range(loops)))
    return VEHICLES * SCANS / (time.perf_counter() - started)


def _vehicles() -> list[VehicleId]:
    return [VehicleId(f"veh_{ALPHABET[n % PARTITIONS]}{n:015d}") for n in range(VEHICLES)]


def _messages(boot: int) -> list[link.Incoming]:
    """Every vehicle in turn, one scan a drive; in each unit's order."""
    began = datetime.now(UTC) - timedelta(days=SCANS)
    return [
        _message(vehicle, n, boot, seq, began + timedelta(days=seq))
        for seq in range(1, SCANS + 1)
        for n, vehicle in enumerate(_vehicles())
    ]


def _message(vehicle: VehicleId, n: int, boot: int, seq: int, at: datetime) -> link.Incoming:
    sick = (seq + n) % 8 == 0
    codes = [{"code": _CODES[n % len(_CODES)], "status": "confirmed", "status_byte": 8}] if sick else []
    scan = {
        "boot": boot, "seq": seq, "scan_id": f"{boot}-{n}-{seq}", "at": at.isoformat(), "source": "obd",
        "drive_cycle": seq, "odometer_m": 84_000_000 + seq, "outcome": "complete", "mil": sick,
        "readiness": {"supported": ["misfire", "fuel", "catalyst", "oxygen"], "incomplete": []},
        "since_clear": {"warmups": 90, "km": 900},
        "ecus": [{"id": "7E8", "answered": True, "codes": codes}, {"id": "7E9", "answered": True, "codes": []}],
        "raw": "4100be3fa813" * 8,
    }  # fmt: skip
    envelope = {
        "id": f"01890a5d-ac96-7{boot:03x}-8000-{n * 10_000 + seq:012x}", "boot": boot, "seq": seq,
        "ts": at.isoformat(), "mono": seq, "v": 1, "d": scan,
    }  # fmt: skip
    topic = up(partition_of(vehicle), UnitId("vu_" + vehicle[4:]), "dtc")
    return link.Incoming(
        topic=topic,
        payload=json.dumps(envelope, separators=(",", ":")).encode(),
        qos=1,
        retain=False,
        generation=1,
        mid=1,
    )
