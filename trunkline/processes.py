"""Child processes: started in order, watched, stopped by pid, never left behind."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar, Protocol

from spine.problems import Kind, Problem

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ChildFailed(Problem):
    """A process of ours ended or did not become ready; the message carries the end of its log."""

    code: ClassVar[str] = "process.failed"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


def _die_with_parent() -> None:
    # A supervisor that is killed outright must not leave a store or a broker behind (measured: wrappers do).
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def listening(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


class Running(Protocol):
    """A process: what ``subprocess`` started, or a nursery."""

    pid: int

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Child:
    """One process with its log file."""

    name: str
    process: Running
    log: Path
    _sink: IO[bytes] = field(repr=False)

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> "Child":
        """Start it with no standard input; output goes to ``log``. It ends when the thread that started it does."""
        log.parent.mkdir(parents=True, exist_ok=True)
        sink = log.open("ab")
        process = subprocess.Popen(  # noqa: S603 - the commands are our own
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            cwd=cwd,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread at this point
            start_new_session=True,
        )
        return cls(name, process, log, sink)

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def tail(self, characters: int = 2000) -> str:
        """The end of its log, for a person."""
        return self.log.read_text("utf-8", "replace")[-characters:] if self.log.exists() else ""

    def wait_for_port(self, port: int, seconds: float = 15.0) -> None:
        """Return when it listens; raise ``ChildFailed`` when it ended or takes too long."""
        until = time.monotonic() + seconds
        while not listening(port):
            if not self.running or time.monotonic() > until:
                raise ChildFailed(f"{self.name} did not start:\n{self.tail()}")
            time.sleep(0.02)

    def wait_for_line(self, text: str, *, since: int = 0, seconds: float = 60.0) -> None:
        """Return when its log holds ``text`` after byte ``since``."""
        until = time.monotonic() + seconds
        while text.encode() not in self.log.read_bytes()[since:]:
            if not self.running or time.monotonic() > until:
                raise ChildFailed(f"{self.name} did not become ready:\n{self.tail()}")
            time.sleep(0.02)

    def stop(self, *, seconds: float = 8.0) -> None:
        """Ask it to end; kill it if it does not."""
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._sink.close()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait()
        self._sink.close()


class Children:
    """A group of processes, stopped in the opposite order of their start, whatever happens."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def add(self, child: Child) -> Child:
        """Take a started child into the group."""
        self._children.append(child)
        return child

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            child.stop()

    def ended(self) -> list[Child]:
        """Those that no longer run."""
        return [child for child in self._children if not child.running]


def python_command(*arguments: str) -> list[str]:
    """Our own command line in a child of the same interpreter."""
    return [sys.executable, "-m", "trunkline", *arguments]


def plain_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment a child gets: ours without other TRUNKLINE_ settings, plus ``extra``."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRUNKLINE_")}  # noqa: TID251
    return {**inherited, "PYTHONUNBUFFERED": "1", **extra}
