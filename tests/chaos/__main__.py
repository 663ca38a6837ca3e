"""``make chaos``: many runs on one stage (or several side by side); a table at the end, exit 1 on a violation."""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.chaos.late import late
from tests.chaos.ledger import Ledger
from tests.chaos.run import VICTIMS, Run, drawn, patient, play, revive
from tests.journey.sink import Sink
from tests.journey.stand import Stand, ready_to_open
from tests.journey.straight import Straight
from trunkline.desk import desk
from trunkline.settings import Settings


async def chaos(
    stand: Stand, numbers: range, seed: int, *, victims: Sequence[str], say: Any
) -> tuple[list[Run], Ledger]:
    """Play these runs one after the other; ``say`` gets a line for each."""
    unit_log = stand.directory / "logs" / "unit-car.log"
    ledger = Ledger(stand.known.unit, stand.unit_folder(), unit_log)
    runs: list[Run] = []
    async with stand.cast(patient(stand)) as cast, Sink.of(cast.carrier.api, cast.carrier.token) as sink:
        for number in numbers:
            run = drawn(number, seed, victims=victims)
            try:
                await play(run, stand, cast, sink, ledger)
            except asyncio.CancelledError:  # Ctrl-C: what was played is told
                await revive(run, stand)
                if not runs:
                    raise
                break
            runs.append(run)
            say(f"{run} in {run.took:.1f} s" + "".join(f"\n    VIOLATION {why}" for why in run.wrong))
        before = len(ledger.wrong)
        if sink.forged:
            ledger.wrong.append(f"{sink.forged} webhooks did not verify")
        async with desk(Settings(data_dir=stand.directory)) as opened:
            await ledger.read_on(opened)
            await ledger.check_whole(opened)
        for why in ledger.wrong[before:]:
            runs[-1].wrong.append(why)
            say(f"    VIOLATION {why}")
    return runs, ledger


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None, help="repeats the same kills (default: a new one)")
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument(
        "--victim", action="append", choices=VICTIMS, help="only these (default: all in turn)"
    )
    parser.add_argument("--stages", type=int, default=1, help="installations side by side")
    parser.add_argument(
        "--late", type=int, default=0, help="instead of runs: so many commands that come too late"
    )
    parser.add_argument("--keep", action="store_true", help="leave the folder with its logs")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout at the end")
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if asked.seed is None else asked.seed
    if asked.late:
        return _too_late(asked.late)
    if asked.stages > 1:
        return _side_by_side(asked.runs, seed, asked.stages, asked.victim or VICTIMS)
    numbers = range(asked.first, asked.first + asked.runs)
    return one_stage(numbers, seed, victims=asked.victim or VICTIMS, keep=asked.keep, as_json=asked.json)


def one_stage(numbers: range, seed: int, *, victims: Sequence[str], keep: bool, as_json: bool) -> int:
    """Play these runs on an installation of their own; 1 on a violation."""
    folder = Path(tempfile.mkdtemp(prefix="tl-chaos-"))
    console = Console(stderr=True, highlight=False)
    console.print(
        f"seed {seed}, runs {numbers.start} to {numbers.stop - 1}, data in {folder}", soft_wrap=True
    )
    stand, began = Stand(folder), time.monotonic()
    stand.start()
    try:
        runs, ledger = asyncio.run(
            chaos(
                stand,
                numbers,
                seed,
                victims=victims,
                say=partial(console.print, markup=False, soft_wrap=True),
            )
        )
    finally:
        stand.stop()
    took = time.monotonic() - began
    bad = [run for run in runs if run.wrong]
    console.print(_table(runs))
    console.print(
        f"{len(runs)} runs, {ledger.facts} facts, {len(bad)} with violations, {took:.0f} s, seed {seed}"
    )
    if as_json:
        print(json.dumps({"seed": seed, "runs": [vars(run) for run in runs], "seconds": took}))
    if bad or keep:
        console.print(f"the folder stays: {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder)
    return 1 if bad else 0


def _too_late(tries: int) -> int:
    """A car out of reach, and commands that it must not execute when it is back."""
    folder = Path(tempfile.mkdtemp(prefix="tl-late-"))
    stand, began = Stand(folder), time.monotonic()
    stand.start()
    try:
        wrong = asyncio.run(_late(stand, tries))
    finally:
        stand.stop()
    for why in wrong:
        print(f"VIOLATION {why}", file=sys.stderr)
    took = time.monotonic() - began
    print(f"{tries} late commands, {len(wrong)} executed or answered, {took:.0f} s", file=sys.stderr)
    shutil.rmtree(folder)
    return 1 if wrong else 0


async def _late(stand: Stand, tries: int) -> list[str]:
    async with stand.cast() as cast, Straight.of(stand, cast.vehicle, cast.unit) as straight:
        delivery, token = await ready_to_open(cast, "late")
        wrong = await late(stand, cast, straight, delivery, token, tries=tries)
        opened = await straight.openings(delivery)
        return wrong + ([f"opened {opened} times"] if opened else [])


def _table(runs: list[Run]) -> Table:
    table = Table("victim", "runs", "at the tap", "how they ended", "violations", "median s", "longest s")
    for victim in dict.fromkeys(run.victim for run in runs):
        own = [run for run in runs if run.victim == victim]
        ended = ", ".join(f"{state} {n}" for state, n in Counter(run.state for run in own).most_common())
        times = sorted(run.took for run in own)
        table.add_row(
            victim, str(len(own)), str(sum(run.moment != "order" for run in own)), ended,
            str(sum(len(run.wrong) for run in own)), f"{times[len(times) // 2]:.1f}", f"{times[-1]:.1f}",
        )  # fmt: skip
    return table


def _side_by_side(runs: int, seed: int, stages: int, victims: Sequence[str]) -> int:
    """Each stage in a process of its own, with its share of the runs."""
    share = -(-runs // stages)
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", "--seed", str(seed), "--first", str(first),
             "--runs", str(min(share, runs - first)), *(f"--victim={one}" for one in victims)]
        )
        for first in range(0, runs, share)
    ]  # fmt: skip
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main())
