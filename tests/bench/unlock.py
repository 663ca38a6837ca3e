"""``unlock_roundtrip``: from the courier's tap to the answer ``opened``, against a bare MQTT request-response."""

import asyncio
import os
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.bench.line import Line, percentile
from tests.bench.phone import Phone
from tests.bench.stand import Asking, Stand
from trunkline.demo import POSITION, Cast, Timeline, introduce
from trunkline.play import Api, Refused

NAME: Final = "unlock_roundtrip"
BAR: Final = 10.0
BAR_P99: Final = 15.0

ROUNDS: Final = 6
OPENINGS: Final = 20
"""A round; its first ones, with everything cold, are not counted."""
AT_ONCE: Final = 5
COLD: Final = 5
_NEWS: Final = 0.2
"""Seconds after an end in which its news has gone out."""
PAUSE: Final = 0.5
"""Seconds between the challenge and the tap, in which a courier looks for the boot: nothing is warm by then.
The peer's round trip is one after a pause as long: a processor that has slept takes three times as long for all."""
HOT: Final = 250
"""Round trips of the peer without a pause after each round, only to tell what they take."""


class NotOpened(Exception):
    """An opening of the benchmark did not open: a speed of refusals is none."""


async def measure() -> Line:
    """Rounds of openings, each opening followed by one round trip of the peer in the same circumstances.

    The ratio is the median of the rounds' ratios of medians; that of the 99th percentiles is of all rounds
    together: a round alone has too few openings.
    """
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder, Stand(Path(folder) / "data") as stand:
        async with Api(stand.url) as api:
            cast = await introduce(stand, api, Timeline())
            _hurry(stand)
            ours, theirs, hot, disk = [], [], list[float](), list[float]()
            with stand.asking() as asking:
                await _openings(stand, cast, asking, COLD)
                for number in range(ROUNDS):
                    mine, bare = await _openings(stand, cast, asking, OPENINGS)
                    ours.append(mine)
                    theirs.append(bare)
                    hot += asking.trips(HOT)
                    disk += _disk(Path(folder) / "probe")
                    sys.stderr.write(
                        f"round {number + 1}: opened p50 {median(mine):.2f} ms, most {max(mine):.2f} ms; "
                        f"bare p50 {median(bare):.2f} ms, most {max(bare):.2f} ms\n"
                    )
    return _line(ours, theirs, hot, disk)


def _line(ours: list[list[float]], theirs: list[list[float]], hot: list[float], disk: list[float]) -> Line:
    ratios = [median(mine) / median(bare) for mine, bare in zip(ours, theirs, strict=True)]
    mine, bare = list(chain(*ours)), list(chain(*theirs))
    p99 = percentile(mine, 0.99), percentile(bare, 0.99)
    seen: dict[str, Any] = {
        "opened_p50_ms": round(median(mine), 2),
        "opened_p99_ms": round(p99[0], 2),
        "bare_p50_ms": round(median(bare), 3),
        "bare_p99_ms": round(p99[1], 2),
        "bare_without_pause_p50_ms": round(median(hot), 3),
        "disk_p50_ms": round(median(disk), 3),
        "load": round(os.getloadavg()[0], 1),
        "openings": len(mine),
        "rounds": [round(each, 2) for each in ratios],
    }
    return Line.judged(NAME, median(ratios), BAR, "lower", p99=(p99[0] / p99[1], BAR_P99), seen=seen)


def _disk(path: Path) -> list[float]:
    """Milliseconds of durable writes in the same folder: an opening waits for four, the peer for none."""
    took = []
    with path.open("wb", buffering=0) as file:
        for _ in range(20):
            started = time.perf_counter()
            file.write(b"x" * 300)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - started) * 1000)
    return took


def _hurry(stand: Stand) -> None:
    """The person at the boot lifts and shuts the lid at once, so that the next opening can follow."""
    stand.children.pop("unit-car").stop()
    where = f"{POSITION[0]},{POSITION[1]}"
    options = ("--position", where, "--lifts-after", "0.05", "--shuts-after", "0.05")
    stand.start_unit(options=options)


async def _openings(stand: Stand, cast: Cast, asking: Asking, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of ``count`` openings, each of a delivery of its own, and of a bare round trip after each."""
    took, bare = list[float](), list[float]()
    while len(took) < count:
        some = min(AT_ONCE, count - len(took))
        ready = await asyncio.gather(
            *(_arrived(cast, f"bench-{time.monotonic_ns()}-{n}") for n in range(some))
        )
        for delivery, token in ready:
            took.append(await _opened(stand, cast, delivery, token))
            _, measured = asking.trips(2, pause=PAUSE)
            bare.append(measured)
    return took, bare


async def _arrived(cast: Cast, reference: str) -> tuple[str, str]:
    """A delivery whose courier stands in front of the car with its key."""
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference=reference)
    await _approve(cast, delivery)
    await cast.carrier.wait_for(delivery, {"keyed"})
    token = await cast.courier.key(delivery)
    await cast.courier.arrive(delivery)
    return delivery, token


async def _approve(cast: Cast, delivery: str) -> None:
    """By the owner's session: reading 200 mails is not what is measured."""
    owner, path = cast.owner, f"/v1/owner/deliveries/{delivery}"
    for _ in range(400):
        try:
            seen = await owner.view(delivery)
        except Refused as refused:
            if refused.status != 404:
                raise
        else:
            if seen["question"] is not None:
                answer = {"decision": "approve", "shown": seen["question"]["shown"]}
                await owner.api.call("POST", f"{path}/decision", answer, token=owner.token)
                return
        await asyncio.sleep(0.02)
    raise NotOpened(f"{delivery} was never asked for")


async def _opened(stand: Stand, cast: Cast, delivery: str, token: str) -> float:
    """Milliseconds from the tap to ``opened``; the proof was made before."""
    proof = await cast.courier.prove(delivery, token)
    phone = Phone(stand.url, cast.courier.token)
    await asyncio.sleep(PAUSE)
    try:
        started = time.perf_counter()
        status, answer = phone.post(
            f"/v1/courier/jobs/{delivery}/open", {"proof": proof, "position": cast.courier.here}
        )
        took = (time.perf_counter() - started) * 1000
    finally:
        phone.close()
    if status != 200 or answer["outcome"] != "opened":
        raise NotOpened(f"{status} {answer}")
    await _settled(cast, delivery)
    return took


async def _settled(cast: Cast, delivery: str) -> None:
    """Shut, locked and done with: nothing of it is at work when the next one is measured."""
    await cast.carrier.wait_for(delivery, {"closed"})
    await cast.courier.post(delivery, "done")
    await cast.carrier.wait_for(delivery, {"delivered"})
    await asyncio.sleep(_NEWS)
