"""What the webhook benchmarks stand on: one store, one sink, and senders that drain the same backlog in turn.

Every sender is one process, 64 requests in flight at most, at the priority that process `work` gives itself, on the
same Valkey (``appendfsync always``, as ours must have it; emptied before each), to the same sink, 32 addresses there.
"""

import atexit
import ctypes
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from redis import Redis

from tests.bench import webhooks_sink
from trunkline.embedded import start_valkey
from trunkline.ports import free_port
from trunkline.processes import Child
from trunkline.run import let_others_first

DELIVERIES: Final = 20_000
AT_ONCE: Final = 64
BYTES: Final = 400
ADDRESSES: Final = 32
_HERE: Final = Path(__file__).parent
_PATIENCE: Final = 120.0
_LOOK: Final = 0.05
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class NoPeer(Exception):
    """A peer could not be installed or did not run; the message says why."""


@dataclass(frozen=True)
class Contestant:
    """A sender. ``fill``: the command that queues; ``work``: the one that sends until it is ended.

    In their words stand ``{store}``, ``{sink}`` (ports) and ``{count}``.
    """

    name: str
    work: Sequence[str]
    fill: Sequence[str] = ()
    folder: Path = _HERE
    check: Sequence[str] = ()
    """A command that fails where what was sent is not recorded as sent."""


@dataclass(frozen=True)
class Drained:
    """Deliveries a second from the first to arrive to the last; processor time of each, of the sending process."""

    name: str
    per_s: float
    cpu_us: float
    store_us: float
    sink_us: float
    again: int

    def __str__(self) -> str:
        more = f", {self.again} twice" if self.again else ""
        costs = f"{self.cpu_us:.0f} us each, store {self.store_us:.0f}, sink {self.sink_us:.0f}"
        return f"{self.name} {self.per_s:.0f}/s ({costs}{more})"


@dataclass
class Stand:
    """The store and the sinks at work."""

    folder: Path
    store: Child
    sink: Child
    store_port: int
    sink_port: int
    environment: dict[str, str] = field(default_factory=dict)

    def start(
        self, name: str, words: Sequence[str], folder: Path, *, out: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a command at the priority of `work`; ``end`` it. ``out``: where its standard output goes."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                list(words), cwd=folder, env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
                stdout=out or log, stderr=log, preexec_fn=_as_work,  # noqa: PLW1509 - two calls into libc
                start_new_session=True,
            )  # fmt: skip

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that was started here, and what it started: they are a session of their own."""
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(8)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _command(self, contestant: Contestant, words: Sequence[str], count: int) -> subprocess.Popen[bytes]:
        said = [word.format(store=self.store_port, sink=self.sink_port, count=count) for word in words]
        return self.start(contestant.name, said, contestant.folder)

    def run(self, contestant: Contestant, words: Sequence[str], count: int) -> None:
        """Run one of its commands to its end. Raises ``NoPeer``."""
        process = self._command(contestant, words, count)
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            self.end(process)
        if code != 0:
            raise NoPeer(f"{contestant.name}: {code}\n{self.tail(contestant)}")

    def tail(self, contestant: Contestant) -> str:
        """The end of what it said."""
        return (self.folder / f"{contestant.name}.log").read_text("utf-8", "replace")[-1500:]

    def drained(self, contestant: Contestant, count: int = DELIVERIES) -> Drained:
        """Fill its queue, start it, and watch the sink until everything has arrived. Raises ``NoPeer``."""
        with Redis(port=self.store_port) as door:
            door.flushall()
        if contestant.fill:
            self.run(contestant, contestant.fill, count)
        webhooks_sink.ask(self.sink_port, forget=True)
        process = self._command(contestant, contestant.work, count)
        try:
            found = self._watched(contestant, process, count)
        finally:
            self.end(process)
        if contestant.check:
            self.run(contestant, contestant.check, count)
        return found

    def _watched(self, contestant: Contestant, process: subprocess.Popen[bytes], count: int) -> Drained:
        until = time.monotonic() + _PATIENCE
        began: tuple[int, float, float, float] | None = None
        while True:
            seen = webhooks_sink.ask(self.sink_port)
            now = (seen["unique"], _cpu(process.pid), _cpu(self.store.process.pid), seen["cpu"])
            if seen["unique"] and began is None:
                began = now
            if seen["unique"] >= count and began is not None:
                break
            if time.monotonic() > until or (process.poll() is not None and seen["unique"] < count):
                raise NoPeer(f"{contestant.name}: {seen} of {count}\n{self.tail(contestant)}")
            time.sleep(_LOOK)
        if seen["signed"] != seen["unique"] + seen["again"] or seen["bytes"] < BYTES * count:
            raise NoPeer(f"{contestant.name} sent something else: {seen}")
        parts = max(1, now[0] - began[0])
        cpu, store, sink = ((now[n] - began[n]) / parts * 1e6 for n in (1, 2, 3))
        per_s = (count - 1) / (seen["last"] - seen["first"])
        return Drained(contestant.name, per_s, cpu, store, sink, seen["again"])


@contextmanager
def standing() -> Iterator[Stand]:
    """The store and a sink, for as long as it is held."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as name:
        folder, port = Path(name), free_port()
        store = start_valkey(folder / "store", port, log=folder / "store.log")
        sink = start_sink(folder)
        try:
            sink_port = port_of(sink)
            environment = {"BENCH_STORE": str(port), "BENCH_SINK": str(sink_port)}
            yield Stand(folder, store, sink, port, sink_port, environment)
        finally:
            sink.stop()
            store.stop()


def start_sink(folder: Path, *, slow: float = 0.0) -> Child:
    """A sink in a process of its own; ``slow``: seconds until it answers."""
    log = folder / f"sink-{slow}.log"
    command = [sys.executable, "-m", "tests.bench.webhooks_sink", "--slow", str(slow)]
    return Child.start("sink", command, log=log, cwd=_HERE.parents[1])


def port_of(sink: Child) -> int:
    """Where it listens; waits for it. Raises ``ChildFailed``."""
    sink.wait_for_line("\n")
    return int(sink.tail())


def ours(transport: str = "sockets") -> Contestant:
    """The engine as process `work` runs it."""
    module = [sys.executable, "-m", "tests.bench.webhooks_ours", "--transport", transport]
    return Contestant(
        f"ours-{transport}",
        [*module, "send"],
        [*module, "fill", "{count}"],
        _HERE.parents[1],
        [*module, "check", "{count}"],
    )


def raw_aiohttp() -> Contestant:
    """A bare loop: 64 requests at once, nothing kept, nothing tried again."""
    return Contestant("raw-aiohttp", [sys.executable, "webhooks_peers.py", "raw", "{count}"])


@functools.cache
def taskiq() -> Contestant:
    """taskiq-redis's stream broker and aiohttp, in an environment of its own. Raises ``NoPeer``."""
    folder = _temporary("taskiq")
    _install([sys.executable, "-m", "venv", str(folder)], folder)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _install([*pip, "-r", str(_HERE / "webhooks_taskiq.txt")], folder)
    shutil.copy(_HERE / "webhooks_peers.py", folder)
    worker = [str(folder / "bin" / "taskiq"), "worker", "webhooks_peers:broker", "--workers", "1"]
    most = ["--max-async-tasks", str(AT_ONCE), "--max-prefetch", str(AT_ONCE), "--log-level", "WARNING"]
    fill = [str(folder / "bin" / "python"), "webhooks_peers.py", "fill", "{count}"]
    return Contestant("taskiq", [*worker, *most], fill, folder)


@functools.cache
def bullmq() -> Contestant:
    """BullMQ and undici, in a folder of their own. Raises ``NoPeer``."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NoPeer(f"{program} is not installed")
    folder = _temporary("bullmq")
    for file in (_HERE / "webhooks_npm").iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    _install(["npm", "ci", "--silent", "--no-audit", "--no-fund"], folder)
    command = ["node", "deliver.mjs"]
    ports = ["{store}", "{sink}", "{count}"]
    return Contestant("bullmq", [*command, "work", *ports], [*command, "fill", *ports], folder)


def _temporary(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"tl-bench-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _install(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as failed:
        raise NoPeer(f"{command[0]}: {type(failed).__name__}") from failed
    if done.returncode:
        raise NoPeer(f"{' '.join(command[:3])}: {(done.stderr or done.stdout).strip()[-500:]}")


def _as_work() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # also where we are killed
    let_others_first()


def _cpu(pid: int) -> float:
    """Processor seconds of a process and its children so far."""
    total = 0.0
    for each in [pid, *_children(pid)]:
        try:
            fields = Path(f"/proc/{each}/stat").read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def _children(pid: int) -> list[int]:
    try:
        found = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]
    except OSError:
        return []
    return found + [grand for each in found for grand in _children(each)]
