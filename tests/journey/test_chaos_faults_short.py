"""One kill of each process while units report faults: the short form of `make chaos CHAOS=faults`."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline.embedded import mosquitto_binary

ROOT = Path(__file__).resolve().parents[2]


def test_whatever_is_killed_as_many_faults_come_out_as_went_in() -> None:
    if mosquitto_binary() is None:
        missing = "mosquitto is missing (Debian package: mosquitto)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    seed = random.SystemRandom().randrange(1 << 31)
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.faults", "--scans", "100", "--units", "2", "--seed", str(seed)],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}"
