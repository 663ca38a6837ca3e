"""Replaying a file of scans: what is printed, what a bad line does, and that nothing of the server is needed."""

import json
import subprocess
import sys
from pathlib import Path

from maintenance.replay import BadLine, case_id, play
from maintenance.rules import FaultRules

SCAN = {
    "vehicle": "veh_0aaaaaaaaaaaaaaa", "at": "2026-03-02T08:00:00Z", "outcome": "complete", "source": "obd",
    "ecus": [{"id": "7E8", "answered": True, "codes": [{"code": "P0301", "status": "confirmed"}]}],
}  # fmt: skip


def test_the_happenings_are_json_lines_and_a_bad_line_ends_with_two(tmp_path: Path) -> None:
    file = tmp_path / "scans.jsonl"
    file.write_text(f"nonsense\n\n{json.dumps(SCAN)}\n{json.dumps({**SCAN, 'at': 'never'})}\n")
    words = [sys.executable, "-m", "trunkline", "maintenance", "replay", str(file), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["kind"] for one in told] == ["case.opened", "trigger"]
    assert told[0] == {
        "kind": "case.opened", "at": "2026-03-02T08:00:00Z", "vehicle": "veh_0aaaaaaaaaaaaaaa", "codes": ["P0301"],
        "case": "cse_0aaaaaaaaaaaaaaa.ignition.1", "severity": "high", "severity_source": "rule:P0300-P0312",
        "why": "confirmed",
    }  # fmt: skip
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["line 1", "line 4"]
    assert "never" not in done.stderr


def test_a_vehicle_of_another_naming_has_always_the_same_case() -> None:
    assert case_id("WVW-1 x", "brakes", 2) == case_id("WVW-1 x", "brakes", 2) != case_id("WVW-2", "brakes", 2)


def test_hostile_lines_are_told_and_passed_over() -> None:
    lines = [
        "[]", "1", "null", '{"vehicle": 1}', "{" * 10_000, '"' + "x" * 2_000_000 + '"', "\ud800", "\x00",
        json.dumps({**SCAN, "drive_cycle": -1}), json.dumps({**SCAN, "ecus": [{"id": "7E8"}] * 65}),
        json.dumps({**SCAN, "outcome": "fine"}), json.dumps({**SCAN, "at": "2026-03-02T08:00:00"}),
    ]  # fmt: skip
    told = list(play(lines, FaultRules()))
    assert [isinstance(one, BadLine) for one in told] == [True] * len(lines)
