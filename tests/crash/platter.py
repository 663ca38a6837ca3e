"""A file system that keeps only what was synced: the rest is lost, torn and reordered when the power goes.

It takes the place of ``os`` under the unit's real ``FolderDisk``. What POSIX does not promise it does not give:
a file's bytes are durable after ``fdatasync`` of it, a name after ``fsync`` of the folder, and of all else any
part may have reached the disk.
"""

import errno
import os
import random
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Final, Literal

FOLDER: Final = "/unit"
SECTOR: Final = 512
Tear = Literal["none", "all", "some", "sectors", "bytes"]
TEARS: Final[tuple[Tear, ...]] = ("none", "all", "some", "sectors", "bytes")
_TAKES_ANY: Final = 10**9


class PowerCut(BaseException):
    """The power went. Not an ``Exception``: no handler lives through it."""


@dataclass
class _File:
    """``durable``: surely on the disk; ``now``: as programs see it; ``writes``: what lies between them."""

    durable: bytes = b""
    now: bytearray = field(default_factory=bytearray)
    writes: list[tuple[int, bytes]] = field(default_factory=list)


class Platter:
    """``cut``: the power goes before this call (of those that write or sync). ``faults``: share that fail."""

    def __init__(self, seed: int, *, cut: int = _TAKES_ANY, faults: float = 0.0) -> None:
        self.cut = cut
        self.faults = faults
        self.calls = 0
        self._random = random.Random(seed)
        self._files: list[_File] = []
        self._names: dict[str, int] = {}
        self._durable_names: dict[str, int] = {}
        self._renamings: list[dict[str, int | None]] = []
        self._open: dict[int, int] = {}
        self._next = 3

    # ---- the calls of the operating system

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        name = path.removeprefix(FOLDER).strip("/")
        self._next += 1
        if not name:
            self._open[self._next] = -1
            return self._next
        if name not in self._names:
            if not flags & os.O_CREAT:
                raise FileNotFoundError(errno.ENOENT, "no such file", path)
            self._tick()
            self._may_fail(errno.ENOSPC)
            self._files.append(_File())
            self._rename({name: len(self._files) - 1})
        self._open[self._next] = self._names[name]
        return self._next

    def close(self, fd: int) -> None:
        del self._open[fd]

    def fstat(self, fd: int) -> Any:
        return SimpleNamespace(st_size=len(self._file(fd).now))

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return bytes(self._file(fd).now[offset : offset + length])

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        self._tick()
        data = bytes(data)
        if self._fails():
            data = data[: self._random.randrange(len(data) + 1)]  # a short write, or the disk is full
            self._put(self._file(fd), offset, data)
            if not data or self._random.random() < 0.5:
                raise OSError(errno.ENOSPC, "no space left")
            return len(data)
        self._put(self._file(fd), offset, data)
        return len(data)

    def fdatasync(self, fd: int) -> None:
        self._tick()
        file = self._file(fd)
        if self._fails():
            # as Linux does it: some of it was written, the rest counts as written and never is
            file.durable, file.writes = self._left(file, self._random.choice(TEARS)), []
            raise OSError(errno.EIO, "input/output error")
        file.durable, file.writes = bytes(file.now), []

    def fsync(self, fd: int) -> None:
        if self._open[fd] != -1:
            self.fdatasync(fd)
            return
        self._tick()
        self._may_fail(errno.EIO)
        self._durable_names, self._renamings = dict(self._names), []

    def rename(self, old: str, new: str) -> None:
        self._tick()
        self._may_fail(errno.EIO)
        old, new = (path.removeprefix(FOLDER).strip("/") for path in (old, new))
        self._rename({new: self._names[old], old: None})

    def unlink(self, path: str) -> None:
        name = path.removeprefix(FOLDER).strip("/")
        if name not in self._names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        self._tick()
        self._rename({name: None})

    # ---- what a test sees and does

    def size(self, name: str) -> int:
        """Bytes of a file; 0 where there is none."""
        return len(self._files[self._names[name]].now) if name in self._names else 0

    def without_power(self, *, cut: int = _TAKES_ANY, faults: float = 0.0) -> "Platter":
        """One of the disks that the next start may find, drawn at random."""
        tear = self._random.choice(TEARS)
        after = Platter(self._random.randrange(2**63), cut=cut, faults=faults)
        names = dict(self._durable_names)
        for change in self._some(self._renamings, tear):
            _apply(names, change)
        for name, number in names.items():
            data = self._left(self._files[number], tear)
            after._files.append(_File(data, bytearray(data)))
            after._names[name] = after._durable_names[name] = len(after._files) - 1
        return after

    # ---- inside

    def _file(self, fd: int) -> _File:
        return self._files[self._open[fd]]

    def _tick(self) -> None:
        if self.calls >= self.cut:
            raise PowerCut
        self.calls += 1

    def _fails(self) -> bool:
        return self.faults > 0 and self._random.random() < self.faults

    def _may_fail(self, why: int) -> None:
        if self._fails():
            raise OSError(why, os.strerror(why))

    def _put(self, file: _File, offset: int, data: bytes) -> None:
        if data:
            file.now = bytearray(_over(bytes(file.now), offset, data))
            file.writes.append((offset, data))

    def _rename(self, change: dict[str, int | None]) -> None:
        self._renamings.append(change)
        _apply(self._names, change)

    def _some(self, steps: list[Any], tear: Tear) -> list[Any]:
        if tear in {"none", "all"}:
            return steps if tear == "all" else []
        kept = [step for step in steps if self._random.random() < 0.5]
        self._random.shuffle(kept)
        return kept

    def _left(self, file: _File, tear: Tear) -> bytes:
        """The bytes after the cut: whole writes, sectors of them, or any bytes; zeros where a gap is left."""
        data = file.durable
        for offset, piece in self._some(self._pieces(file.writes, tear), tear):
            data = _over(data, offset, piece)
        if file.writes and tear != "none" and self._random.random() < 0.3:
            data = data.ljust(len(file.now), b"\0")  # the new length got there before the bytes
        return data

    def _pieces(self, writes: list[tuple[int, bytes]], tear: Tear) -> list[tuple[int, bytes]]:
        if tear not in {"sectors", "bytes"}:
            return writes
        pieces = []
        for offset, data in writes:
            ends = list(range(SECTOR - offset % SECTOR, len(data), SECTOR))
            if tear == "bytes" and len(data) > 1:
                ends += [self._random.randrange(1, len(data)) for _ in range(self._random.choice((1, 1, 3)))]
            bounds = [0, *sorted({end for end in ends if end < len(data)}), len(data)]
            pieces += [(offset + a, data[a:b]) for a, b in pairwise(bounds)]
        return pieces


def _over(data: bytes, offset: int, piece: bytes) -> bytes:
    return data[:offset].ljust(offset, b"\0") + piece + data[offset + len(piece) :]


def _apply(names: dict[str, int], change: dict[str, int | None]) -> None:
    for name, number in change.items():
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
