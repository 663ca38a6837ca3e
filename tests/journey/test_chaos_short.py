"""One kill of each process in the middle of a delivery, on an installation of its own: the short form of `make chaos`."""

import os
import random

import pytest

from tests.chaos.__main__ import one_stage
from tests.chaos.run import VICTIMS
from trunkline.embedded import mosquitto_binary


def test_whatever_is_killed_nothing_opens_twice_and_nothing_is_lost() -> None:
    if mosquitto_binary() is None:
        missing = "mosquitto is missing (Debian package: mosquitto)"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    seed = random.SystemRandom().randrange(1 << 31)
    wrong = one_stage(range(len(VICTIMS)), seed, victims=VICTIMS, keep=False, as_json=False)
    assert not wrong, f"seed {seed}: what was wrong stands on stderr"
