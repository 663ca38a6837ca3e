"""One kill of each process while units report faults: the short form of `make chaos CHAOS=faults`."""

import os
import random

import pytest

from tests.chaos.faults import play
from trunkline.embedded import mosquitto_binary


def test_whatever_is_killed_as_many_faults_come_out_as_went_in() -> None:
    if mosquitto_binary() is None:
        missing = "mosquitto is missing (Debian package: mosquitto)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    seed = random.SystemRandom().randrange(1 << 31)
    assert play(scans=60, units=2, seed=seed) == [], f"seed {seed}"
