"""``python -m tests.timing``: how long refusals take, and whether that tells a stranger anything (keys.md 3.8, 8).

Two tables. The first: refusals of all kinds leave a real unit a fixed 25 ms after arrival. The second, without
that delay: a refusal at step 7 takes as long whatever the numbers used, the list, the clock and the car are.
Each case is measured against the same unit left alone, one after the other in random order; what is said of
a difference of medians is its bootstrap interval, and Mann and Whitney's probability that both are alike.
"""

import argparse
import asyncio
import gc
import logging
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table

from keys.car.jwk import b64
from keys.car.verify import Presented
from tests.unit.unit_rig import DELIVERY, T0, FakeTime, identity, key_token, proof_of, revocations
from vehicle_unit.clock import SystemTime
from vehicle_unit.disk import MemoryDisk
from vehicle_unit.limits import UnitLimits
from vehicle_unit.record import RecordStore
from vehicle_unit.unit import Unit, UnitOptions

FIXED: Final = 0.025
_ALIKE: Final = 0.001
"""Where it is less likely than this that two cases are alike, and their medians differ by more than ``_MATTERS``,
they count as different: with so many cases a smaller one would be met by chance."""
_MATTERS: Final = 0.02
_DRAWN: Final = 400
"""Resamplings of the bootstrap."""


class _Uptime(FakeTime):
    """Wall time stands still, the boot-time clock is the machine's: the delay is real."""

    def uptime(self) -> float:
        return SystemTime().uptime()


@dataclass(frozen=True)
class Case:
    """What is different about the unit, or about what is presented to it."""

    name: str
    prepare: Callable[[Unit], object] = lambda _: None
    seq: int = 1


SECRETS: Final = (
    Case("left alone"),
    Case("number used", lambda unit: _use(unit, 1)),
    Case("200 numbers used", lambda unit: [_use(unit, seq) for seq in range(2, 202)]),
    Case("below the floor", lambda unit: unit.revocations.take(revocations(2, min_seq=50))),
    Case("this key revoked", lambda unit: unit.revocations.take(revocations(2, dead=(_jti(1),)))),
    Case(
        "64 keys revoked",
        lambda unit: unit.revocations.take(revocations(2, dead=tuple(map(_jti, range(64))))),
    ),
    Case("no list", lambda unit: setattr(unit.revocations, "_held", None)),
    Case("amnesia", lambda unit: setattr(unit.record, "current", None)),
    Case("clock behind", lambda unit: unit.clock.hear(T0 + 50_000)),
    Case("driving", lambda unit: unit.vehicle.change(speed_kmh=50.0, parked=False, ignition_on=True)),
    Case("blocked by owner", lambda unit: setattr(unit.vehicle, "blocked", True)),
    Case("lid up", lambda unit: unit.motor.force()),
)


def unit_of(folder: Path, *, refusal_time: timedelta, time: FakeTime) -> Unit:
    """A unit in memory with a list."""
    disk = MemoryDisk()
    RecordStore(disk).provision()
    limits = UnitLimits(link_burst=10**6, refusal_time=refusal_time, receipts_kept=10**6)
    options = UnitOptions(lifts_after=None, shuts_after=None, limits=limits)
    unit = Unit(identity(folder), options, disk=disk, time=time)
    unit.clock.prove(int(time.now), drawn=time.up)
    unit.start()
    unit.revocations.take(revocations())
    return unit


def wrong_proofs(challenge: str) -> dict[str, Presented]:
    """What a stranger may bring, from nonsense to a stolen key with a proof made for something else."""
    good = key_token(1)
    middle = good[:-30] + ("A" if good[-30] != "A" else "B") + good[-29:]
    return {
        "nonsense": Presented("nonsense", "nonsense"),
        "2,048 bytes of it": Presented("x" * 2_048, "y" * 2_048),
        "signature spoiled": Presented(middle, proof_of(good, challenge)),
        "another car's key": Presented(key_token(1, unit="vu_zzzzzzzzzzzzzzzz"), proof_of(good, challenge)),
        "proof of another challenge": Presented(good, proof_of(good, "A" * 43)),
        "proof of another key": Presented(good, proof_of(key_token(2), challenge)),
    }


async def fixed(folder: Path, each: int) -> dict[str, list[float]]:
    """Milliseconds from arrival to the answer, in turn of every kind of refusal without possession."""
    unit = unit_of(folder, refusal_time=timedelta(seconds=FIXED), time=_Uptime())
    took: dict[str, list[float]] = {}
    answers = set()
    for _ in range(each):
        for name in wrong_proofs("A" * 43):
            presented = wrong_proofs(unit.openings.challenge(DELIVERY).data["challenge"])[name]
            arrived = unit.clock.uptime()
            began = time.perf_counter()
            answer = await unit.openings.present(
                presented, link=DELIVERY, command="cmd_0123456789abcdef.1", arrived=arrived
            )
            took.setdefault(name, []).append((time.perf_counter() - began) * 1000)
            answers.add(repr(answer))
    unit.latch.stop()
    if len(answers) != 1:
        raise AssertionError(f"refusals differ: {answers}")
    return took


async def at_step_7(folder: Path, each: int, seed: int) -> dict[str, list[float]]:
    """Milliseconds of a refusal at step 7 (a wrong proof for a right key) without the delay, by what is secret."""
    units = {}
    for case in SECRETS:
        units[case.name] = unit_of(folder, refusal_time=timedelta(0), time=FakeTime())
        case.prepare(units[case.name])
    order, took = random.Random(seed), {name: list[float]() for name in units}
    gc.collect()
    gc.disable()
    try:
        for _ in range(each):
            for name in order.sample(list(units), len(units)):
                unit = units[name]
                token = key_token(1)
                unit.openings.challenge(DELIVERY)
                presented = Presented(token, proof_of(token, "A" * 43))
                began = time.perf_counter()
                answer = await unit.openings.present(
                    presented, link=DELIVERY, command="cmd_0123456789abcdef.1", arrived=0.0
                )
                took[name].append((time.perf_counter() - began) * 1000)
                if answer.code != "refused":
                    raise AssertionError(answer.code)
    finally:
        gc.enable()
        for unit in units.values():
            unit.latch.stop()
    return took


def alike(these: Sequence[float], those: Sequence[float]) -> float:
    """Mann and Whitney's two-sided probability of such ranks where both are alike (normal approximation)."""
    ranked = sorted((value, which) for which, values in ((0, these), (1, those)) for value in values)
    ranks = sum(rank for rank, (_, which) in enumerate(ranked, start=1) if which == 0)
    a, b = len(these), len(those)
    u = ranks - a * (a + 1) / 2
    deviation = math.sqrt(a * b * (a + b + 1) / 12)
    return math.erfc(abs(u - a * b / 2) / deviation / math.sqrt(2))


def interval(these: Sequence[float], those: Sequence[float], seed: int) -> tuple[float, float]:
    """The 99 % bootstrap interval of the difference of medians."""
    rng = random.Random(seed)
    drawn = sorted(
        median(rng.choices(these, k=len(these))) - median(rng.choices(those, k=len(those)))
        for _ in range(_DRAWN)
    )
    return drawn[_DRAWN // 200], drawn[-_DRAWN // 200 - 1]


def differs(these: Sequence[float], those: Sequence[float]) -> bool:
    """Whether a stranger could tell them apart, and by more than a fiftieth."""
    apart = abs(median(these) - median(those))
    return alike(these, those) < _ALIKE and apart > _MATTERS * median(those)


def main() -> int:
    """Measure; 0 where no case can be told from the others."""
    parser = argparse.ArgumentParser(prog="python -m tests.timing", description=__doc__)
    parser.add_argument("--each", type=int, default=2_000, help="refusals at step 7 of each case")
    parser.add_argument("--fixed", type=int, default=60, help="refusals with the delay of each kind")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    console = Console(width=120)
    with tempfile.TemporaryDirectory(prefix="tl-timing-") as folder:
        late = asyncio.run(fixed(Path(folder), given.fixed))
        bare = asyncio.run(at_step_7(Path(folder), given.each, given.seed))
    table = Table("refused for", "least ms", "median ms", title="with the delay: 25 ms after arrival")
    for name, values in late.items():
        table.add_row(name, f"{min(values):.3f}", f"{median(values):.3f}")
    console.print(table)
    early = [name for name, values in late.items() if min(values) < FIXED * 1000]
    table = Table(
        "state", "median us", "difference, 99 % interval us", "alike p", "told apart", title="at step 7"
    )
    alone = bare["left alone"]
    told = [name for name, values in bare.items() if differs(values, alone)]
    for name, values in bare.items():
        low, high = interval(values, alone, given.seed)
        chance = f"{alike(values, alone):.3f}" if values is not alone else "-"
        table.add_row(
            name, f"{median(values) * 1000:.1f}", f"{low * 1000:+.1f} to {high * 1000:+.1f}", chance,
            "YES" if name in told else "no",
        )  # fmt: skip
    console.print(table)
    for name in early:
        sys.stderr.write(f"left before its time: {name}\n")
    return 1 if early or told else 0


def _use(unit: Unit, seq: int) -> None:
    assert unit.record.current is not None
    unit.record.advance(window=unit.record.current.window.mark(seq))


def _jti(seq: int) -> str:
    return b64(seq.to_bytes(16, "big"))


if __name__ == "__main__":
    raise SystemExit(main())
