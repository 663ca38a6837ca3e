"""The rounds of ``webhooks_fairness``: how long fast addresses wait, with and without a slow one's backlog before them."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from redis import Redis

from tests.bench import webhooks_sink
from tests.bench.line import percentile
from tests.bench.webhooks_stand import NoPeer, Stand, ours, port_of, standing, start_sink

ROUNDS: Final = 5
DELIVERIES: Final = 2_000
"""To fast addresses, in each measurement."""
RATE: Final = 250.0
"""Of them a second: far below what the engine can do, so that waiting for each other is not what is measured."""
BACKLOG: Final = 1_000
SLOW: Final = 2.0
"""Seconds until the slow address answers."""
_PATIENCE: Final = 120.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from queued to arrived; ``slow``: how many arrived at the slow address meanwhile."""

    p50: float
    p99: float
    slow: int


def rounds_of() -> tuple[list[Latency], list[Latency]]:
    """Without and with the backlog, in turn; who goes first changes from round to round."""
    calm: list[Latency] = []
    busy: list[Latency] = []
    with standing() as stand:
        slow = start_sink(stand.folder, slow=SLOW)
        try:
            stand.environment["BENCH_SLOW"] = str(port_of(slow))
            for number in range(ROUNDS):
                for backlog in (0, BACKLOG) if number % 2 == 0 else (BACKLOG, 0):
                    (busy if backlog else calm).append(_measured(stand, backlog))
                sys.stderr.write(f"round {number + 1}: without {calm[-1]}, with {busy[-1]}\n")
        finally:
            slow.stop()
    return calm, busy


def _measured(stand: Stand, backlog: int) -> Latency:
    with Redis(port=stand.store_port) as door:
        door.flushall()
    slow_port = int(stand.environment["BENCH_SLOW"])
    for port in (stand.sink_port, slow_port):
        webhooks_sink.ask(port, forget=True)
    contestant = ours()
    out = stand.folder / "took.json"
    command = [
        sys.executable,
        "-m",
        "tests.bench.webhooks_ours",
        "pace",
        str(DELIVERIES),
        str(RATE),
        str(backlog),
    ]
    with out.open("wb") as sink:
        process = stand.start(contestant.name, command, contestant.folder, out=sink)
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            stand.end(process)
    if code != 0:
        raise NoPeer(f"{contestant.name}: {code}\n{stand.tail(contestant)}")
    took: list[float] = json.loads(Path(out).read_text("utf-8"))
    return Latency(percentile(took, 0.5), percentile(took, 0.99), webhooks_sink.ask(slow_port)["unique"])
