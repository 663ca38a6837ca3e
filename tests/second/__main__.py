"""``make second``: the two verifiers against one another for as many presentations as you like."""

import argparse
from collections import Counter
from math import ceil
from typing import Final

from tests.second.compare import disagreements, run

BATCH: Final = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="make second", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="how many presentations")
    parser.add_argument("--seed", default="1", help="the same seed makes the same presentations")
    asked = parser.parse_args()
    seen: Counter[str] = Counter()
    wrong = 0
    for batch in range(ceil(asked.cases / BATCH)):
        results = run(min(BATCH, asked.cases - batch * BATCH), f"{asked.seed}.{batch}")
        seen.update(result.ours["outcome"] for result in results)
        for one in disagreements(results):
            wrong += 1
            print(one)
    for outcome, count in seen.most_common():
        print(f"{count:8} {outcome}")
    print(f"{wrong} disagreements in {seen.total()}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
