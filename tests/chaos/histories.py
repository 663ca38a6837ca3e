"""``make chaos CHAOS=histories``: random histories of a car through the store, against a second model of the rules.

The suite plays a dozen of them so and a thousand through the pure policy. Here as many as are asked for (default 1,000)
go through commits, timers and lists, with the log read twice and the sweep after every day: triggers = real faults, and
no closed case with a fault that is there.
"""

import argparse
import os
import sys

import pytest

from tests.service.test_maintenance_sweep import HISTORIES

_TEST = (
    "tests/service/test_maintenance_sweep.py::test_random_histories_in_the_store_agree_with_the_second_model"
)


def main() -> int:
    """Exit code 1 on a violation, with its seed."""
    parser = argparse.ArgumentParser(prog="make chaos CHAOS=histories", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    asked = parser.parse_args()
    os.environ[HISTORIES] = str(asked.histories)
    return int(pytest.main(["-q", "--no-header", "--dist=worksteal", _TEST]))


if __name__ == "__main__":
    sys.exit(main())
