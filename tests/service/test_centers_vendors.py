"""Amazon Connect and Twilio TaskRouter by what they publish themselves: botocore's model and the ``twilio`` package."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.peers import NotInstalled, centers


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What ``tests.vendor_models`` says with both packages on its path."""
    try:
        folder = centers()
    except NotInstalled as cause:
        if os.environ.get("CI"):
            pytest.fail(f"vendors' packages not installed: {cause}")
        pytest.skip(f"vendors' packages not installed: {cause}")
    program = [sys.executable, "-m", "tests.vendor_models", str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_aws_s_own_client_takes_our_request_and_says_what_went_wrong(found: Any) -> None:
    connect = found["connect"]
    assert connect["said"] == [
        "c-1",
        ["ServiceQuotaExceededException", False],
        ["InvalidParameterException", True],
    ]
    assert connect["found"] == "c-9", "our key in its name, and nothing alike"
    assert connect["too_long"] == []
    assert connect["unknown_is_refused"], "the model was looked at"


def test_what_goes_over_the_wire_to_aws(found: Any) -> None:
    first, full, later = found["connect"]["sent"]
    assert first["method"] == "PUT"
    assert first["url"].endswith("connect.eu-central-1.amazonaws.com/contact/task")
    assert first["body"]["ClientToken"] == "hnd_3k7m9qxd4hwe2a5t.brakes.1.1"
    attributes = full["body"]["Attributes"]
    assert sum(len(name) + len(value) for name, value in attributes.items()) <= 32_768
    assert isinstance(later["body"]["ScheduledTime"], int), "epoch seconds"
    assert "ScheduledTime" not in first["body"]


def test_twilio_s_own_package_builds_the_same_three_requests(found: Any) -> None:
    ours, theirs = found["twilio"]["ours"], found["twilio"]["theirs"]
    assert len(ours) == len(theirs) == 3
    for one, other in zip(ours, theirs, strict=True):
        assert (one["method"], one["url"], one["auth"]) == (other["method"], other["url"], other["auth"])
        assert one["data"] == {name: str(value) for name, value in other["data"].items()}
        params = {name: str(value) for name, value in other["params"].items()}
        assert one["params"] == params


def test_what_twilio_signs_and_nothing_else_is_believed(found: Any) -> None:
    assert found["twilio"]["signed"] == {"right": 300, "wrong": 0}
