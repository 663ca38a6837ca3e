"""A code table of somebody's own: taken whole or not at all, and heard before our rules."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maintenance.code_table import FILE, BadTable, CodeTable, keep, kept, read_csv
from maintenance.scans import Code
from maintenance.severity import Severity, judge
from trunkline.processes import plain_environment

GOOD = "code,description,severity\nP0301,Cylinder one does not fire,critical\np1234,Something of ours,\n"


def test_what_was_imported_is_found_again(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(GOOD)
    keep(read_csv(tmp_path / "codes.csv"), tmp_path)
    table = kept(tmp_path)
    assert table.severities == {"P0301": Severity.CRITICAL}
    assert table.descriptions["P1234"] == "Something of ours"
    assert judge(Code(code="P0301", status="confirmed"), table.severities).source == "maker"
    assert judge(Code(code="P0301", status="confirmed", severity=0x20), table.severities).source == "vehicle"
    assert kept(tmp_path / "elsewhere") == CodeTable()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "columns"), ("code\nP0301\n", "columns"), ("code,description\n", "no rows"),
        ("code,description\nX0301,a\n", "line 2"), ("code,description\nP0301,a\nP0301,b\n", "line 3: P0301 stands twice"),
        ("code,description\nP0301,\n", "line 2"), ("code,description\nP0301," + "a" * 301 + "\n", "line 2"),
        ("code,description,severity\nP0301,a,urgent\n", "severity"), ('code,description\nP0301,"a\n', "CSV"),
        ("code,description\nP0301,a\x00b\n", "line 2"),
    ],
)  # fmt: skip
def test_a_bad_table_says_where_and_changes_nothing(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "codes.csv"
    file.write_text(text)
    with pytest.raises(BadTable, match=why):
        read_csv(file)
    file.write_bytes(b"code,description\nP0301,\xff\n")
    with pytest.raises(BadTable, match="UTF-8"):
        read_csv(file)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    for text in ("[]", "{", '{"P0301": 1}', '{"P0301": ["a", "urgent"]}'):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(BadTable, match="import the table again"):
            kept(tmp_path)


def test_the_commands_use_it(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(GOOD)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trunkline", "faults", *words, "--json"]
        environment = plain_environment({"TRUNKLINE_DATA_DIR": str(tmp_path)})
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    assert json.loads(run("import", str(tmp_path / "codes.csv")).stdout) == {"codes": 2, "with_severity": 1}
    told = json.loads(run("explain", "p0301", "--lang", "sv").stdout)
    assert (told["severity"], told["severity_source"]) == ("critical", "maker")
    assert told["description"] == "Cylinder one does not fire"
    (tmp_path / "codes.csv").write_text("nonsense")
    assert run("import", str(tmp_path / "codes.csv")).returncode == 2
    assert json.loads(run("explain", "p0301").stdout)["severity_source"] == "maker"
    assert run("explain", "p0301", "--lang", "fr").returncode == 64
    assert run("explain", "not a code").returncode == 2
