"""``ingest_durable``: messages a second that one gateway process saves and acknowledges, against bare paho.

Both find the same backlog in a session of theirs at the same broker and take all of it: we acknowledge after the
fsynced commit, the peer (MQTT 5, empty callback) at once.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from spine.ids import partition_of
from spine.keyspace import Keyspace
from spine.valkey import Valkey
from tests.bench.line import Line
from tests.bench.stand import Stand
from vehicle_gateway.wire import up

NAME: Final = "ingest_durable"
BAR: Final = 0.8

ROUNDS: Final = 5
UNITS: Final = 8
MESSAGES: Final = 20_000
"""A round; of 300 bytes each."""
BYTES: Final = 300
_LOOK: Final = 0.01
_PATIENCE: Final = 120.0


class NotTaken(Exception):
    """The gateway did not take the backlog in time, or not all of it."""


@dataclass(frozen=True)
class Drained:
    """Messages a second, and the processor's microseconds that each cost the consuming process."""

    rate: float
    cpu_us: float

    def __str__(self) -> str:
        return f"{self.rate:.0f} msg/s ({self.cpu_us:.0f} us each)"


async def measure() -> Line:
    """The ratio is the median of the rounds' ratios; who goes first changes from round to round."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder, Stand(Path(folder) / "data") as stand:
        units = [await asyncio.to_thread(_enrol, stand, number) for number in range(UNITS)]
        stand.children.pop("work").stop()
        ours: list[Drained] = []
        theirs: list[Drained] = []
        for number in range(ROUNDS):
            backlog = Path(folder) / "backlog"
            backlog.write_text("".join(_lines(units, boot=number + 1)), "utf-8")
            ours.append(await _gateway(stand, units, backlog, boot=number + 1))
            theirs.append(await asyncio.to_thread(_bare, stand, backlog))
            sys.stderr.write(f"round {number + 1}: {ours[-1]}, bare {theirs[-1]}\n")
    ratios = [mine.rate / bare.rate for mine, bare in zip(ours, theirs, strict=True)]
    seen: dict[str, Any] = {
        "durable_per_s": round(median(each.rate for each in ours)),
        "bare_per_s": round(median(each.rate for each in theirs)),
        "durable_cpu_us": round(median(each.cpu_us for each in ours), 1),
        "bare_cpu_us": round(median(each.cpu_us for each in theirs), 1),
        "messages": MESSAGES,
        "rounds": [round(each, 2) for each in ratios],
    }
    return Line.judged(NAME, median(ratios), BAR, "higher", seen=seen)


def _enrol(stand: Stand, number: int) -> tuple[int, str]:
    """Shard and id of a unit that the gateway knows; none of them runs."""
    request = stand.command("unit", "init", "--dir", str(stand.directory / "units" / str(number)))
    answer = stand.command("vehicle", "enrol", "-", stdin=json.dumps(request))
    return answer["shard"], answer["unit"]


def _lines(units: list[tuple[int, str]], *, boot: int) -> Iterator[str]:
    """Changed signals of all units in turn, in each unit's order; each tenth says that a lid moved."""
    for number in range(MESSAGES):
        shard, unit = units[number % len(units)]
        seq = number // len(units) + 1
        values: dict[str, Any] = {
            "Vehicle.Speed": number % 130,
            "Vehicle.TraveledDistance": 100_000 + number,
        }
        if seq % 10 == 0:
            values["Vehicle.Body.Trunk.Rear.IsOpen"] = seq % 20 == 0
        yield f"{up(shard, unit, 'sig')} {_message(boot, seq, number, values)}\n"


def _message(boot: int, seq: int, number: int, values: dict[str, Any]) -> str:
    document = {
        "id": f"01890a5d-ac96-7{boot:03x}-8000-{number:012x}",
        "boot": boot,
        "seq": seq,
        "ts": "2026-01-01T00:00:00.000Z",
        "mono": number,
        "v": 1,
        "d": {"full": False, "values": values},
        "pad": "",
    }
    missing = BYTES - len(json.dumps(document, separators=(",", ":")))
    return json.dumps({**document, "pad": "x" * max(0, missing)}, separators=(",", ":"))


async def _gateway(stand: Stand, units: list[tuple[int, str]], backlog: Path, *, boot: int) -> Drained:
    """From the first message that is durable to the last."""
    stand.children.pop("gateway").stop()
    await asyncio.to_thread(stand.peer, "flood", backlog)
    valkey = Valkey.at(f"redis://127.0.0.1:{stand.ports.store}/0")
    starting = asyncio.create_task(asyncio.to_thread(stand.start_service, "gateway"))
    try:
        started, first, spent, until = 0.0, 0, 0.0, time.perf_counter() + _PATIENCE
        while True:
            taken, now = await _taken(valkey, units, boot), time.perf_counter()
            if taken and not first:
                started, first, spent = now, taken, _cpu(stand)
            if taken == MESSAGES:
                count = MESSAGES - first
                return Drained(count / (now - started), (_cpu(stand) - spent) / count * 1e6)
            if now > until:
                raise NotTaken(f"{taken} of {MESSAGES}")
            await asyncio.sleep(_LOOK)
    finally:
        await starting
        await valkey.close()


async def _taken(valkey: Valkey, units: list[tuple[int, str]], boot: int) -> int:
    """How many of this boot's messages are saved: each unit's come in order."""
    keys = Keyspace(valkey.prefix)
    commands = [("HMGET", keys.at(partition_of(unit), "window", unit), "boot", "high") for _, unit in units]
    rows = await valkey.ask_all(commands)
    return sum(int(high) for of, high in rows if of is not None and int(of) == boot)


def _cpu(stand: Stand) -> float:
    """Processor seconds of the gateway so far."""
    child = stand.children.get("gateway")
    if child is None:
        return 0.0
    fields = Path(f"/proc/{child.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bare(stand: Stand, backlog: Path) -> Drained:
    """The peer, likewise."""
    stand.peer("book", account="count")
    stand.peer("flood", backlog)
    return Drained(*stand.peer("count", MESSAGES))
