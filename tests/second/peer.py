"""The second verifier as a process: installed once by npm's ordinary client, fed JSON lines, asked nothing else."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

SOURCES: Final = Path(__file__).parent
INSTALLED: Final = SOURCES.parents[1] / "build" / "second"
OLDEST: Final = 20


class Missing(Exception):
    """The second verifier cannot run here; the text names what is missing."""


def installed() -> Path:
    """A folder with the verifier's sources and its one package. Raises ``Missing``."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is missing (Debian packages: nodejs npm)")
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").partition(".")[0]) < OLDEST:
        raise Missing(f"nodejs is older than {OLDEST} (Debian packages: nodejs npm)")
    files = sorted(path for path in SOURCES.iterdir() if path.suffix in {".js", ".json"})
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()
    folder = INSTALLED / digest[:16]
    if not folder.is_dir():
        _install(files, folder)
    return folder


def _install(files: Iterable[Path], folder: Path) -> None:
    """Beside its place and then moved there: tests of several processes may want it at once."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=INSTALLED))
    for path in files:
        shutil.copy(path, made)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(made)
        raise Missing(f"npm could not install jose for nodejs: {done.stderr.strip()[-300:]}")
    try:
        made.rename(folder)
    except OSError:
        shutil.rmtree(made)  # another process was first


class Peer:
    """The running process. ``with Peer() as peer: peer.send(case) ...; answers = peer.answers()``."""

    def __init__(self) -> None:
        folder = installed()
        self._told = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            ["node", "main.js"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=self._told,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._told.close()

    def send(self, case: dict[str, Any]) -> None:
        """Give it one case; it works while we go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"case": case}) + "\n")

    def answers(self) -> list[dict[str, Any]]:
        """What it made of all cases, in their order; it ends with that."""
        _, errors = self._process.communicate()
        assert self._process.returncode == 0, errors
        self._told.seek(0)
        return [json.loads(line) for line in self._told]


def ask(cases: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All answers to all cases."""
    with Peer() as peer:
        for case in cases:
            peer.send(case)
        return peer.answers()
