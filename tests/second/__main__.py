"""``make second``: the two verifiers against one another for as many presentations as you like."""

import argparse
from collections import Counter

from tests.second.compare import disagreements, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="make second", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="how many presentations")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same presentations")
    asked = parser.parse_args()
    results = run(asked.cases, asked.seed)
    for outcome, count in Counter(result.ours["outcome"] for result in results).most_common():
        print(f"{count:8} {outcome}")
    wrong = disagreements(results)
    for one in wrong[:20]:
        print(one)
    print(f"{len(wrong)} disagreements in {len(results)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
