"""What runs in a car needs the base dependencies alone: everything else is taken away and it still works."""

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]


def closure(name: str) -> set[str]:
    """The distributions that ``name`` needs without extras, transitively."""
    found: set[str] = set()
    wanted = [Requirement(name)]
    while wanted:
        one = wanted.pop()
        if one.name.lower() in found:
            continue
        found.add(one.name.lower())
        for text in metadata.requires(one.name) or []:
            need = Requirement(text)
            extras = one.extras or {""}
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in extras):
                wanted.append(need)
    return found - {name}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with links to the base dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("base")
    for name in closure("trunkline"):
        distribution = metadata.distribution(name)
        for file in distribution.files or []:
            top = file.parts[0]
            if top in {"..", "__pycache__"} or (folder / top).exists():
                continue
            (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder


def run(base: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path[:0] = [{str(base)!r}, {str(ROOT)!r}]; sys.argv = ['trunkline', *{arguments!r}]; from trunkline.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_no_server_library_is_in_the_base() -> None:
    assert not closure("trunkline") & {
        "fastapi",
        "redis",
        "uvicorn",
        "aiohttp",
        "jinja2",
        "pydantic-settings",
    }


def test_a_unit_makes_its_keys(base: Path, tmp_path: Path) -> None:
    done = run(base, "unit", "init", "--dir", str(tmp_path / "unit"), "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"v", "mtls_csr", "receipt_csr", "proof"}


def test_the_running_unit_needs_nothing_more(base: Path) -> None:
    program = f"import sys; sys.path[:0] = [{str(base)!r}, {str(ROOT)!r}]; import vehicle_unit.unit, vehicle_unit.fleet, keys.car.evidence; print('loaded')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "loaded", done.stderr


def test_evidence_is_verified(base: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text("{}", "utf-8")
    done = run(base, "evidence", "verify", str(tmp_path / "evidence.json"), "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["verdict"] == "broken"


def test_other_commands_name_the_extra(base: Path) -> None:
    done = run(base, "serve")
    assert done.returncode == 64
    assert "trunkline[server]" in done.stderr
