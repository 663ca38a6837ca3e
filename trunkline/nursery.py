"""A process that has the house's code in memory, and from which the processes of a stage are forked.

Reading and building the code costs each of our processes one to three seconds of a processor; forked from one that has
done it, a process is there in hundredths of a second and shares that memory with its siblings. For what runs many of
our processes on one machine: the demo, journeys, chaos runs. An installation starts its three processes by themselves.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from trunkline.processes import Child, ChildFailed, plain_environment

_READY_WITHIN: Final = 180.0
"""Seconds for reading all the code on a machine that is busy."""
_MESSAGE: Final = 1 << 20
_STATUS: Final = struct.Struct("i")
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15

_WARM: Final = (
    "trunkline.cli",
    "trunkline.app",
    "trunkline.at_the_broker",
    "trunkline.case_watch",
    "trunkline.listening",
    "trunkline.upkeep",
    "trunkline.desk",
    "trunkline.run",
    "trunkline.trust",
    "vehicle_unit.unit",
    "vehicle_unit.provisioning",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What serve, work, gateway, a unit and most commands read; whatever else one needs, it reads by itself."""


class Forked:
    """A process that a nursery brought up: what ``Child`` needs of ``subprocess.Popen``."""

    def __init__(self, pid: int, told: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._told = told
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code once it has ended (minus the signal that ended it), else None."""
        with self._lock:
            if self.returncode is None and select.select([self._told], [], [], 0)[0]:
                said = os.read(self._told, _STATUS.size)
                os.close(self._told)
                # No word at all: its nursery was killed, and with it went everybody in it.
                self.returncode = _STATUS.unpack(said)[0] if said else -signal.SIGKILL
            return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, waited for; raises ``subprocess.TimeoutExpired``."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = 0.001
        while (code := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(pause)
            pause = min(pause * 2, 0.02)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The other end of it: asks for processes. It and all its children end with whoever opened it."""

    def __init__(self, *, log: Path | None = None) -> None:
        """Start it; it reads the code while others go on, and the first question waits for that."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(_READY_WITHIN)
        self._log, self._control, self._lock = log, ours, threading.Lock()
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        with its, log.open("ab") if log else contextlib.nullcontext() as sink:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "trunkline.nursery", str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=sink or sys.__stderr__,
                stderr=sink or sys.__stderr__,
                pass_fds=[its.fileno()],
                env=plain_environment({}),
                start_new_session=True,
            )

    def fork(
        self,
        words: Sequence[str],
        *,
        files: tuple[int, int, int],
        environment: Mapping[str, str],
        cwd: Path | None = None,
        module: str = "trunkline",
    ) -> Forked:
        """A process of ``python -m MODULE WORDS`` on these standard files. Raises ``ChildFailed`` without a nursery."""
        where = str(cwd or Path.cwd())
        asked = {"module": module, "words": list(words), "environment": dict(environment), "cwd": where}
        told, tells = os.pipe()
        try:
            with self._lock:
                socket.send_fds(self._control, [json.dumps(asked).encode()], [*files, tells])
                answer = self._control.recv(_MESSAGE)
        except OSError as cause:
            os.close(told)
            raise ChildFailed(f"no process from the nursery: {self._end()}") from cause
        finally:
            os.close(tells)
        if not answer:
            os.close(told)
            raise ChildFailed(f"the nursery has ended: {self._end()}")
        return Forked(int(answer), told)

    def child(self, name: str, *words: str, log: Path, environment: Mapping[str, str]) -> Child:
        """A service: no standard input, output goes to ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        sink = log.open("ab")
        try:
            with Path(os.devnull).open("rb") as nothing:
                files = (nothing.fileno(), sink.fileno(), sink.fileno())
                return Child(name, self.fork(words, files=files, environment=environment), log, sink)
        except BaseException:
            sink.close()
            raise

    def run(
        self,
        words: Sequence[str],
        *,
        environment: Mapping[str, str],
        stdin: str | None = None,
        cwd: Path | None = None,
        seconds: float = 60.0,
    ) -> "subprocess.CompletedProcess[str]":
        """A command to its end, and what it said; raises ``subprocess.TimeoutExpired``."""
        with _file(stdin or "") as given, _file() as said, _file() as errors:
            files = (given.fileno(), said.fileno(), errors.fileno())
            child = self.fork(words, files=files, environment=environment, cwd=cwd)
            try:
                code = child.wait(seconds)
            finally:
                child.kill()
                child.wait()
            return subprocess.CompletedProcess(["trunkline", *words], code, _text(said), _text(errors))

    def close(self) -> None:
        """End it, and with it whoever is still in it."""
        self._control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self) -> str:
        return self._log.read_text("utf-8", "replace")[-2000:] if self._log else "see above"


def _file(content: str = "") -> IO[bytes]:
    """A file without a name: unlike a pipe it takes everything, and nobody has to read along."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever asked for it closes it
    file.write(content.encode())
    file.seek(0)
    return file


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def keep(control: socket.socket) -> str:
    """Fork whoever is asked for. In such a process: its module; in the nursery, once whoever asked has gone: nothing."""
    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    telling: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _tell_of_the_dead(telling)
        if control.fileno() not in ready:
            continue
        asked, files, _, _ = socket.recv_fds(control, _MESSAGE, 4)
        if not asked:
            return ""
        nursery = os.getpid()
        if pid := os.fork():
            telling[pid] = files[3]
            for file in files[:3]:
                os.close(file)
            control.send(str(pid).encode())
            continue
        control.detach()
        wanted = json.loads(asked)
        _become(wanted, files, nursery)
        return str(wanted["module"])


def _tell_of_the_dead(telling: dict[int, int]) -> None:
    while telling:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        tells = telling.pop(pid)
        with contextlib.suppress(BrokenPipeError):  # nobody wants to know
            os.write(tells, _STATUS.pack(os.waitstatus_to_exitcode(status)))
        os.close(tells)


def _become(asked: Any, files: list[int], nursery: int) -> None:  # noqa: ANN401 - JSON
    """What ``exec`` would have done: nothing of the nursery stays but its code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != nursery:  # it ended before this was said
        os._exit(1)
    libc.prctl(_PR_SET_NAME, f"trunkline {' '.join(asked['words'][:1])}".encode())
    for number, file in enumerate(files[:3]):
        os.dup2(file, number)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(asked["cwd"])
    os.environ.clear()  # noqa: TID251 - the new process's environment is made here
    os.environ.update(asked["environment"])  # noqa: TID251
    unbuffered = bool(asked["environment"].get("PYTHONUNBUFFERED"))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _writer(1, "strict", unbuffered=unbuffered)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _writer(2, "backslashreplace", unbuffered=unbuffered)  # type: ignore[misc]
    sys.argv = [asked["module"], *asked["words"]]


def _writer(number: int, errors: str, *, unbuffered: bool) -> Any:  # noqa: ANN401 - a TextIOWrapper
    file = open(number, "w", encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
    file.reconfigure(line_buffering=number == 2 or file.isatty(), write_through=unbuffered)
    return file


def main() -> None:
    """``python -m trunkline.nursery FILE_DESCRIPTOR``."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in _WARM:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what a collector touches in a child would be copied
    if module := keep(control):
        os._exit(_lived(module))


def _lived(module: str) -> int:
    """Its exit code. It ends without taking apart, object by object, what is its nursery's."""
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
        code = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return (code or 0) & 0xFF


if __name__ == "__main__":
    main()
