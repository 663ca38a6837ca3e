"""Under CI nothing is skipped for want of a package: such a skip is a failure there."""

import os
from collections.abc import Generator

import pytest

from tests.softhsm import hsm

__all__ = ["hsm"]  # a fixture, found here by name

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
