"""What a car needs is the base install alone: its unit runs in an environment that has nothing else."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.journey.stand import Cast, Stand, finish, ready_to_open
from trunkline.processes import Child, plain_environment

ROOT = Path(__file__).parents[2]


def base_distributions() -> dict[str, Distribution]:
    """The project's base dependencies and all that they need, as installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    found: dict[str, Distribution] = {}
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name not in found:
            found[name] = distribution(name)
            needs = [Requirement(text) for text in found[name].requires or []]
            waiting += [one for one in needs if _applies(one, wanted.extras)]
    return found


def _applies(needed: Requirement, extras: set[str]) -> bool:
    """Whether it is needed on this machine, by what was asked for with these extras."""
    return needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras or {""})


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment with the base dependencies and our packages, linked from here."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for one in base_distributions().values():
        for file in one.files or []:
            top = file.parts[0]
            if top in {"..", "__pycache__"} or (site / top).exists():
                continue
            (site / top).symlink_to(Path(str(one.locate_file(top))))
    for package in ("keys", "vehicle_gateway", "vehicle_unit", "trunkline", "spine"):
        (site / package).symlink_to(ROOT / package)
    return folder / "bin" / "python"


def test_the_servers_libraries_are_not_there(bare: Path) -> None:
    for module in ("fastapi", "redis", "uvicorn", "aiohttp", "jinja2", "pytest"):
        done = subprocess.run([str(bare), "-c", f"import {module}"], capture_output=True, check=False)
        assert done.returncode != 0, module


def test_it_makes_the_keys_of_a_unit(bare: Path, tmp_path: Path) -> None:
    command = [str(bare), "-m", "trunkline", "unit", "init", "--dir", str(tmp_path / "fresh"), "--json"]
    done = subprocess.run(command, capture_output=True, check=True, env=plain_environment({}), cwd=tmp_path)
    assert json.loads(done.stdout)


async def test_its_unit_opens_for_a_delivery(stand: Stand, cast: Cast, bare: Path) -> None:
    options = ("--dir", str(stand.unit_folder()), *stand.unit_options())
    await stand.kill("unit-car")
    stand.stage.children["unit-car"] = await stand.by_hand(
        Child.start, "unit-car", [str(bare), "-m", "trunkline", "unit", *options],
        log=stand.directory / "logs" / "unit-car.log", environment=plain_environment({}), cwd=stand.directory,
    )  # fmt: skip
    try:
        await stand.car_comes_to("latched")
        delivery, token = await ready_to_open(cast, "bare")
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
        await finish(cast, delivery)
    finally:
        await stand.kill("unit-car")
        await stand.start_again("unit-car")
