"""One kill of each process in the middle of a delivery, on an installation of its own: the short form of `make chaos`."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline.embedded import mosquitto_binary

ROOT = Path(__file__).resolve().parents[2]


def test_whatever_is_killed_nothing_opens_twice_and_nothing_is_lost() -> None:
    if mosquitto_binary() is None:
        missing = "mosquitto is missing (Debian package: mosquitto)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    seed = random.SystemRandom().randrange(1 << 31)
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--runs", "6", "--seed", str(seed)],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}"
