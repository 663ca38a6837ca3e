"""Other people's programs that tests compare us with, each installed once beside the environment of the tests.

``python -m tests.peers`` installs them all: `make test` begins with it, beside the first tests.
"""

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

DIAG: Final = ("elmulator==0.3.2", "doip-server==2026.6.14.post116")
"""An ELM327 and a DoIP gateway."""
CENTERS: Final = ("botocore==1.44.8", "twilio==9.13.0")
"""Some 90 MB that nothing of ours needs to run."""


class NotInstalled(Exception):
    """The package index could not be reached, or said no."""


def diag() -> Path:
    """The folder of their commands. Raises ``NotInstalled``."""
    return _installed("peers-diag", DIAG, _environment) / "bin"


def centers() -> Path:
    """The folder of their packages, to be put on a path. Raises ``NotInstalled``."""
    return _installed("peers-centers", CENTERS, lambda folder: ["install", "--target", str(folder)])


def _environment(folder: Path) -> list[str]:
    venv.create(folder)  # our own pip installs into it: another would have to be unpacked first
    return ["--python", str(folder / "bin" / "python"), "install"]


def _installed(name: str, pinned: Sequence[str], prepared: Callable[[Path], list[str]]) -> Path:
    folder = Path(sys.prefix) / name
    mark = folder / "installed"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one run share it
        if mark.exists() and mark.read_text("utf-8").split() == list(pinned):
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        try:
            where = prepared(folder)
            # What is compiled when it is read: thousands of modules, of which a few are.
            command = [*pip, *where, "-q", "--no-compile", *pinned]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as cause:
            raise NotInstalled(f"{name}: {cause}") from cause
        mark.write_text("\n".join(pinned), "utf-8")
    return folder


if __name__ == "__main__":
    diag()
    centers()
