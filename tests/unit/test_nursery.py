"""The nursery: processes forked from one that has the code are processes like others, and none outlives it."""

import base64
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import warm
from trunkline.nursery import Forked, Nursery
from trunkline.ports import free_port
from trunkline.processes import ChildFailed, plain_environment, python_command

STATES = ("states", "delivery", "--json")
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def environment(**more: str) -> Mapping[str, str]:
    return plain_environment({"TRUNKLINE_STORE_URL": f"redis://127.0.0.1:{free_port()}/0", **more})


def sleeper(nursery: Nursery, folder: Path) -> Forked:
    """A receiver of webhooks, which stays for ever: it is there and listens."""
    # In a folder of its own: elsewhere another test's demo may be writing its settings just now.
    with Path(os.devnull).open("r+b") as nothing, tempfile.NamedTemporaryFile(dir=folder) as said:
        files = (nothing.fileno(), nothing.fileno(), said.fileno())
        words = ("webhooks", "listen", "--port", "0", "--secret", SECRET)
        child = nursery.fork(words, files=files, environment=environment(), cwd=folder)
        end = time.monotonic() + 60
        while b"listening on" not in (words_said := Path(said.name).read_bytes()):
            assert child.poll() is None, words_said
            assert time.monotonic() < end, words_said
            time.sleep(0.01)
        return child


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def until_gone(pid: int) -> None:
    end = time.monotonic() + 60
    while not gone(pid):
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.01)


def test_a_command_says_what_it_says_by_itself(tmp_path: Path) -> None:
    alone = subprocess.run(
        python_command(*STATES),
        env=dict(environment(TRUNKLINE_DATA_DIR=str(tmp_path))),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    forked = warm.run(*STATES, environment={"TRUNKLINE_DATA_DIR": str(tmp_path)})
    assert (forked.returncode, forked.stdout, forked.stderr) == (0, alone.stdout, alone.stderr)
    usage = warm.run("states", "no such machine", environment={})
    assert usage.returncode == 64


def test_it_has_its_own_environment_folder_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    run = warm.nursery().run
    told = run(("settings", "--json"), environment=environment(TRUNKLINE_LISTEN_PORT="4711"), cwd=tmp_path)
    assert json.loads(told.stdout)["listen_port"] == 4711
    other = run(("settings", "--json"), environment=environment(), cwd=tmp_path)
    assert json.loads(other.stdout)["listen_port"] != 4711, "nothing stays of a process before"
    made = run(("unit", "init", "--dir", "here/car", "--json"), environment=environment(), cwd=tmp_path)
    assert (tmp_path / "here" / "car").is_dir(), made.stderr
    no = run(
        ("unit", "install", "-", "--dir", "here/car"), environment=environment(), stdin="{", cwd=tmp_path
    )
    assert no.returncode == 2
    assert "not JSON" in no.stderr


def test_how_it_ended_is_told(tmp_path: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        child = sleeper(warm.nursery(), tmp_path)
        assert child.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.01)
        child.send_signal(number)
        assert child.wait(60) in {-number, 0, 128 + number}
        assert child.poll() == child.wait(0)
        child.kill()  # nobody: what has ended gets no signal, whoever has its number now
        assert gone(child.pid)


def test_many_threads_may_ask_at_once() -> None:
    with ThreadPoolExecutor(8) as threads:
        done = list(
            threads.map(
                lambda n: warm.run("settings", "--json", environment={"TRUNKLINE_LISTEN_PORT": str(n)}),
                range(4000, 4016),
            )
        )
    assert [json.loads(one.stdout)["listen_port"] for one in done] == list(range(4000, 4016))


def test_nobody_outlives_it_and_without_it_nobody_comes(tmp_path: Path) -> None:
    with Nursery(log=tmp_path / "log") as nursery:
        threads = Path(f"/proc/{nursery._process.pid}/task")
        child, killed = sleeper(nursery, tmp_path), sleeper(nursery, tmp_path)
        assert len(list(threads.iterdir())) == 1, "a process with threads must not be forked"
        killed.kill()
        assert killed.wait(60) == -signal.SIGKILL
    until_gone(child.pid)
    assert child.wait(60) == -signal.SIGKILL, "nobody is left to say how"
    with Nursery(log=tmp_path / "log") as nursery:
        child = sleeper(nursery, tmp_path)
        nursery._process.kill()
        until_gone(child.pid)
        with pytest.raises(ChildFailed, match="nursery"):
            nursery.run(STATES, environment=environment())
