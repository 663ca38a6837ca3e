"""Long files first, so that both workers end together; and under CI nothing is skipped for want of a package."""

import fcntl
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.softhsm import hsm

__all__ = ["hsm"]  # a fixture, found here by name

# What pytest makes of a test file is kept beside it also where Python itself may write nothing: half of a start.
sys.dont_write_bytecode = False

# How long one example takes says how busy the machine is: of a property that holds it makes one that "fails sometimes".
settings.register_profile(
    "unhurried", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

LONG = (
    "journey/test_pages_desk.py",
    "journey/test_pages_courier.py",
    "journey/test_pages_owner.py",
    "journey/test_pages_owner_whole.py",
    "journey/test_pages_stage.py",
    "journey/test_fault_to_appointment.py",
    "journey/test_pages_passkeys.py",
    "journey/test_ends.py",
    "journey/test_chaos_short.py",
    "journey/test_chaos_faults_short.py",
    "journey/test_demo_fault.py",
    "journey/test_trust.py",
    "journey/test_readme_by_hand.py",
    "journey/",
    "service/test_hostile_api.py",
    "service/test_readers_peers.py",
    "service/test_compose_runs.py",
    "service/test_webhooks_killed.py",
    "service/test_link_session.py",
    "service/test_gateway_",
    "service/test_operator_pages.py",
    "service/test_webhooks_far_ends.py",
    "service/test_centers_vendors.py",
    "service/test_spine_",
    "unit/test_unit_local.py",
    "unit/test_keys_owner.py",
    "unit/test_second_",
    "unit/test_cli_",
    "service/",
)
"""Files and folders by what they take, the longest first; whatever is not named comes last, in its own order."""

PACKAGES = ("mosquitto", "chromium", "softhsm2", "nodejs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    reason = str(report.longrepr)
    if report.skipped and os.environ.get("CI") == "true" and any(name in reason for name in PACKAGES):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and under CI that is a failure: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The first time, workers read the tests one after the other: the second finds what the first made of them."""
    if any(Path(__file__).with_name("unit").glob("__pycache__/*-pytest-*.pyc")):
        return (yield)
    with Path(__file__).open() as here:
        fcntl.flock(here, fcntl.LOCK_EX)
        return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Only where files are handed out whole: journeys to one worker, if there is more than one."""
    if config.getvalue("dist") != "loadscope":
        return None
    from tests.scheduling import JourneysApart  # without xdist there is nothing to import it from

    return JourneysApart(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes the next file when it has done one: a long one at the end would leave the other worker idle."""

    def place(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        return next((n for n, named in enumerate(LONG) if file.startswith(named)), len(LONG))

    items.sort(key=place)
