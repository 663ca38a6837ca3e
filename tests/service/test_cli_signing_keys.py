"""Who may sign what: a process starts with its own keys or not at all (keys.md 3.9)."""

from pathlib import Path

import pytest

from tests import warm
from trunkline.ports import free_port
from trunkline.processes import plain_environment


@pytest.fixture
def installed(tmp_path: Path, valkey_url: str) -> dict[str, str]:
    """An installation on the test's store."""
    values = {
        "TRUNKLINE_DATA_DIR": str(tmp_path),
        "TRUNKLINE_STORE_URL": valkey_url,
        "TRUNKLINE_LISTEN_PORT": str(free_port()),
        "TRUNKLINE_BROKER_PORT": str(free_port()),
    }
    done = warm.run("init", environment=values)
    assert done.returncode == 0, done.stderr
    return values


SIGNING, COMMAND = "TRUNKLINE_SIGNING_DIR", "TRUNKLINE_COMMAND_KEY_DIR"


@pytest.mark.parametrize(
    ("process", "given"),
    [
        ("serve", (SIGNING,)),
        ("serve", (COMMAND,)),
        ("serve", (SIGNING, COMMAND)),
        ("gateway", ()),
        ("gateway", (SIGNING,)),
        ("gateway", (SIGNING, COMMAND)),
        ("work", ()),
        ("work", (COMMAND,)),
        ("work", (SIGNING, COMMAND)),
    ],
)
def test_a_process_refuses_keys_that_are_not_its_own(
    process: str, given: tuple[str, ...], installed: dict[str, str], tmp_path: Path
) -> None:
    keys = {name: str(tmp_path / "keys") for name in given}
    done = warm.run(process, environment={**installed, **keys})
    assert done.returncode == 64, done.stderr
    assert "signing_dir" in done.stderr.lower() or "command_key_dir" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_the_api_starts_with_no_signing_key_in_reach(installed: dict[str, str], tmp_path: Path) -> None:
    for purpose in ("key", "fresh", "log", "cmd"):
        for file in (tmp_path / "keys" / purpose).iterdir():
            file.unlink()
    for file in (tmp_path / "pki").iterdir():
        file.unlink()
    child = warm.nursery().child(
        "api", "serve", log=tmp_path / "api.log", environment=plain_environment(installed)
    )
    try:
        child.wait_for_line("ready service='api'")
        child.wait_for_port(int(installed["TRUNKLINE_LISTEN_PORT"]))
    finally:
        child.stop()


@pytest.mark.parametrize("purpose", ["key", "fresh", "log"])
def test_work_does_not_start_without_each_of_its_keys(
    purpose: str, installed: dict[str, str], tmp_path: Path
) -> None:
    for file in (tmp_path / "keys" / purpose).iterdir():
        file.chmod(0o644)
    done = warm.run("work", environment={**installed, SIGNING: str(tmp_path / "keys")})
    assert done.returncode == 2
    assert "can be read by others" in done.stderr
