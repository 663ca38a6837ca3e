"""README, "A delivery by hand": every line as it stands there, in a folder with a running demo."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import warm
from trunkline.demo import Timeline, introduce
from trunkline.embedded import mosquitto_binary
from trunkline.play import Api
from trunkline.stage import Stage

README = Path(__file__).parents[2] / "README.md"
SECTION = re.compile(r"^## A delivery by hand$(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh$(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / ".trunkline", nursery=warm.nursery()) as stage:
        yield stage


async def introduced(stage: Stage) -> None:
    async with Api(stage.url) as api:
        await introduce(stage, api, Timeline())


@pytest.mark.skipif(mosquitto_binary() is None, reason="needs mosquitto")
def test_every_line_of_the_readme_works(stage: Stage, tmp_path: Path) -> None:
    asyncio.run(introduced(stage))
    section = SECTION.search(README.read_text("utf-8"))
    assert section
    commands = "".join(BLOCK.findall(section[1]))
    script = f"set -e -o pipefail\n{commands}"
    # The walk's `.venv/bin` is the folder of this very interpreter.
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=stage.environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"outcome":"opened"' in done.stdout
    assert done.stdout.endswith("verified\n")
