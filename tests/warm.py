"""Commands and services as processes of their own, forked from one that every test of this process shares.

What a process does is the same as after ``python -m trunkline``; that it starts so is shown by the tests that start it
so: docker-compose.yml's services, the README by hand, the demo, the base install.
"""

import atexit
import functools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from trunkline.nursery import Forked, Nursery
from trunkline.processes import plain_environment

Done = subprocess.CompletedProcess[str]


@functools.cache
def nursery() -> Nursery:
    """This process's own; it ends with it."""
    made = Nursery()
    atexit.register(made.close)
    return made


def run(
    *words: str, environment: Mapping[str, str], stdin: str | None = None, cwd: Path | None = None
) -> Done:
    """``trunkline WORDS`` with these settings in its environment, to its end."""
    return nursery().run(words, environment=plain_environment(environment), stdin=stdin, cwd=cwd)


def start(module: str, *words: str, said: int | None = None) -> Forked:
    """``python -m MODULE WORDS``, which is left alone; what it says goes to the file ``said``."""
    with Path(os.devnull).open("r+b") as nothing:
        null = nothing.fileno()
        files = (null, null if said is None else said, null)
        return nursery().fork(words, files=files, environment=plain_environment({}), module=module)
