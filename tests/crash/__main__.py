"""``make crash``: many lives of a unit cut off at random; one line at the end, exit 1 where an invariant broke."""

import argparse
import asyncio
import logging
import random
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from tests.crash.life import Broken
from tests.crash.run import DISKS, play
from tests.crash.signatures import remember_signatures

_LOT = 100
"""Lives that a process plays before it reports."""
_TOLD = 10_000
"""Runs after which a line says how far it is."""


def main() -> int:
    """Play it; 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="crash-injected runs, in all")
    parser.add_argument("--seed", type=int, default=None, help="the same runs again")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, default=None, help="one life by its number, with its traceback")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if given.only is not None:
        print(f"{asyncio.run(play(given.only))} runs, nothing found")
        return 0
    seed = random.SystemRandom().randrange(2**31) if given.seed is None else given.seed
    began, runs, found = time.monotonic(), 0, list[str]()
    print(f"seed {seed}", flush=True)
    lots = _lots(seed, -(-given.runs // DISKS))
    with ProcessPoolExecutor(given.processes, initializer=_begin) as pool:
        for told in pool.map(_lot, lots):
            runs, found = runs + told[0], found + told[1]
            if runs // _TOLD > (runs - told[0]) // _TOLD:
                sys.stderr.write(f"{runs} runs, {len(found)} found\n")
    for each in found[:20]:
        print(f"FOUND {each}")
    took = time.monotonic() - began
    print(f"{runs} crash-injected runs in {took:.0f} s: {len(found) or 'nothing'} found", flush=True)
    return 1 if found else 0


def _lots(seed: int, lives: int) -> Iterator[list[int]]:
    numbers = iter(range(seed, seed + lives))
    while lot := list(islice(numbers, _LOT)):
        yield lot


def _lot(numbers: list[int]) -> tuple[int, list[str]]:
    return asyncio.run(_play(numbers))


def _begin() -> None:
    logging.disable(logging.CRITICAL)
    remember_signatures()


async def _play(numbers: list[int]) -> tuple[int, list[str]]:
    runs, found = 0, []
    for number in numbers:
        try:
            runs += await play(number)
        except (Exception, Broken) as broken:  # whatever it is, it is found
            where = traceback.extract_tb(broken.__traceback__)[-1]
            found.append(f"--only {number}: {type(broken).__name__}: {broken} ({where.name})")
    return runs, found


if __name__ == "__main__":
    raise SystemExit(main())
