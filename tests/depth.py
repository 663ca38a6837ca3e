"""How deep the tests' searches go: a little in every run, ten times as deep with ``make deep`` (DEPTH=100: a hundred)."""

import os
import random
from typing import Final

DEPTH: Final = int(os.environ.get("TESTS_DEPTH", "1"))


def deep(number: int) -> int:
    """So many examples in a short search, and as many times more as this run is deeper."""
    return number * DEPTH


def spots(length: int, one_in: int) -> range:
    """Places of something so long: another share of them in each short run, all of them in a deep one."""
    return range(length) if one_in <= DEPTH else range(random.randrange(one_in), length, one_in)
