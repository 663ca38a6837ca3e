"""Long files first, so that both workers end together; and under CI nothing is skipped for want of a package."""

import os
import sys
from collections.abc import Generator

import pytest

from tests.softhsm import hsm

__all__ = ["hsm"]  # a fixture, found here by name

# What pytest makes of a test file is kept beside it also where Python itself may write nothing: half of a start.
sys.dont_write_bytecode = False

LONG = (
    "journey/test_chaos_short.py",
    "journey/test_chaos_faults_short.py",
    "journey/test_demo_fault.py",
    "journey/test_pages_desk.py",
    "service/test_hostile_api.py",
    "journey/test_pages_booking.py",
    "journey/test_readme_by_hand.py",
    "journey/test_trust.py",
    "service/test_compose_runs.py",
    "journey/test_fault_to_appointment.py",
    "service/test_webhooks_killed.py",
    "journey/",
    "service/test_link_session.py",
    "service/test_gateway_killed.py",
    "service/test_readers_peers.py",
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes the next file when it has done one: a long one at the end would leave the other worker idle."""

    def place(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        return next((n for n, named in enumerate(LONG) if file.startswith(named)), len(LONG))

    items.sort(key=place)
