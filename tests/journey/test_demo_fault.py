"""``trunkline demo --fault --once`` on embedded defaults: a timeline, an invitation as its last line, exit 0."""

import re
import subprocess
from pathlib import Path

from icalendar import Calendar

from trunkline.ports import free_port
from trunkline.processes import plain_environment, python_command


def test_the_demo_of_a_fault_ends_with_an_invitation(tmp_path: Path) -> None:
    data = tmp_path / "demo"
    command = python_command("demo", "--fault", "--once", "--port", str(free_port()), "--data", str(data))
    done = subprocess.run(
        command, env=plain_environment({}), capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    event = Calendar.from_ical(Path(done.stdout.splitlines()[-1]).read_bytes()).walk("VEVENT")[0]
    assert re.fullmatch("[0-9a-f]{32}@[a-z0-9.]+", str(event["UID"])), "a name that tells nothing of the car"
    said = [line.split()[2] for line in done.stderr.splitlines() if " s  " in line]
    assert [one for one in said if one in {"car", "case", "mail", "garage"}][-1] == "case", done.stderr
    assert "closed" in done.stderr.splitlines()[-1]
