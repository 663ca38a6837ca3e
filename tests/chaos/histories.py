"""``make chaos CHAOS=histories``: random histories of a car through the store, against a second model of the rules.

The suite plays a dozen of them so and a thousand through the pure policy. Here as many as are asked for (default 1,000)
go through commits, timers and lists, with the log read twice and the sweep after every day: triggers = real faults, and
no closed case with a fault that is there.
"""

import argparse
import os
import subprocess
import sys

from tests.maintenance_model import HISTORIES

_TEST = (
    "tests/service/test_maintenance_sweep.py::test_random_histories_in_the_store_agree_with_the_second_model"
)


def main() -> int:
    """Exit code 1 on a violation, with its seed."""
    parser = argparse.ArgumentParser(prog="make chaos CHAOS=histories", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    spread = ["-n", str(asked.workers), "--dist=worksteal"]
    program = [sys.executable, "-m", "pytest", "-q", "--no-header", *spread, _TEST]
    said = {**os.environ, HISTORIES: str(asked.histories)}
    return subprocess.run(program, env=said, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
