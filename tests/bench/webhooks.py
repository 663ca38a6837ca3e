"""``webhooks_vs_taskiq``, ``webhooks_vs_bullmq``, ``webhooks_cpu_vs_raw_aiohttp``, ``webhooks_fairness``.

The first three drain the same 20,000 deliveries (tests/bench/webhooks_stand.py); a line is the median of three rounds'
ratios, and who goes first changes from round to round. The last one is about waiting: what 1,000 deliveries to an
address that takes two seconds each, queued before, do to everybody else's.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

import uvloop

from tests.bench import webhooks_sink
from tests.bench.line import Better, Line
from tests.bench.webhooks_fairness import Latency, rounds_of
from tests.bench.webhooks_stand import (
    AT_ONCE,
    BYTES,
    DELIVERIES,
    Contestant,
    Drained,
    Stand,
    bullmq,
    ours,
    raw_aiohttp,
    standing,
    taskiq,
)

TASKIQ: Final = "webhooks_vs_taskiq"
TASKIQ_BAR: Final = 3.0
BULLMQ: Final = "webhooks_vs_bullmq"
BULLMQ_BAR: Final = 1.0
CPU: Final = "webhooks_cpu_vs_raw_aiohttp"
CPU_BAR: Final = 1.5
FAIRNESS: Final = "webhooks_fairness"
FAIRNESS_BAR: Final = 1.1
FAIRNESS_BAR_P99: Final = 1.5

ROUNDS: Final = 3
FEWER: Final = 4_000
"""Deliveries of the rounds that follow one which took longer than ``_LONG`` seconds."""
_LONG: Final = 75.0


async def vs_taskiq() -> Line:
    """Deliveries a second, ours over taskiq-redis with aiohttp."""
    return await asyncio.to_thread(_drains, TASKIQ, taskiq, TASKIQ_BAR, "higher", _rate)


async def vs_bullmq() -> Line:
    """Deliveries a second, ours over BullMQ with undici."""
    return await asyncio.to_thread(_drains, BULLMQ, bullmq, BULLMQ_BAR, "higher", _rate)


async def cpu_vs_raw_aiohttp() -> Line:
    """Processor time of a delivery in the sending process, ours over a bare aiohttp loop's."""
    return await asyncio.to_thread(_drains, CPU, raw_aiohttp, CPU_BAR, "lower", _cpu)


async def fairness() -> Line:
    """From queued to arrived at the fast addresses, with a slow address's backlog before them over without."""
    calm, busy = await asyncio.to_thread(rounds_of)

    def middle(of: list[Latency], share: Callable[[Latency], float]) -> float:
        return median(share(each) for each in of)

    def ratio(share: Callable[[Latency], float]) -> float:
        return median(share(one) / share(other) for one, other in zip(busy, calm, strict=True))

    seen = {
        "p50_ms_without": round(middle(calm, lambda each: each.p50), 2),
        "p50_ms_with": round(middle(busy, lambda each: each.p50), 2),
        "p99_ms_without": round(middle(calm, lambda each: each.p99), 2),
        "p99_ms_with": round(middle(busy, lambda each: each.p99), 2),
        "rounds": [round(one.p50 / other.p50, 2) for one, other in zip(busy, calm, strict=True)],
        "rounds_p99": [round(one.p99 / other.p99, 2) for one, other in zip(busy, calm, strict=True)],
        "slow_arrived": [each.slow for each in busy],
    }
    p99 = (ratio(lambda each: each.p99), FAIRNESS_BAR_P99)
    return Line.judged(FAIRNESS, ratio(lambda each: each.p50), FAIRNESS_BAR, "lower", p99=p99, seen=seen)


def _rate(drained: Drained) -> float:
    return drained.per_s


def _cpu(drained: Drained) -> float:
    return drained.cpu_us


def _drains(
    name: str, peer: Callable[[], Contestant], bar: float, better: Better, figure: Callable[[Drained], float]
) -> Line:
    with standing() as stand:
        most = uvloop.run(webhooks_sink.ceiling(stand.sink_port))
        pairs, counts = _rounds(stand, ours(), peer())
    ratios = [figure(mine) / figure(other) for mine, other in pairs]
    fastest = max(each.per_s for pair in pairs for each in pair)
    seen: dict[str, Any] = {
        "ours_per_s": round(median(mine.per_s for mine, _ in pairs)),
        "peer_per_s": round(median(other.per_s for _, other in pairs)),
        "ours_cpu_us": round(median(mine.cpu_us for mine, _ in pairs), 1),
        "peer_cpu_us": round(median(other.cpu_us for _, other in pairs), 1),
        "ours_store_cpu_us": round(median(mine.store_us for mine, _ in pairs), 1),
        "peer_store_cpu_us": round(median(other.store_us for _, other in pairs), 1),
        "rounds": [round(each, 2) for each in ratios],
        "deliveries": counts,
        "bytes": BYTES,
        "at_once": AT_ONCE,
        "twice": [mine.again for mine, _ in pairs],
        "store": "one Valkey for both, appendfsync always",
        "sink_ceiling_per_s": round(most),
        "sink_used": round(fastest / most, 2),
    }
    return Line.judged(name, median(ratios), bar, better, seen=seen)


def _rounds(
    stand: Stand, mine: Contestant, other: Contestant
) -> tuple[list[tuple[Drained, Drained]], list[int]]:
    """Back to back, three times; fewer deliveries where the machine is too slow for all of them."""
    pairs: list[tuple[Drained, Drained]] = []
    counts: list[int] = []
    count = DELIVERIES
    for number in range(ROUNDS):
        began = time.monotonic()
        turn = [mine, other] if number % 2 == 0 else [other, mine]
        found = {each.name: stand.drained(each, count) for each in turn}
        pairs.append((found[mine.name], found[other.name]))
        counts.append(count)
        sys.stderr.write(f"round {number + 1}: {found[mine.name]}, {found[other.name]}\n")
        if time.monotonic() - began > _LONG:
            count = FEWER
    return pairs, counts
