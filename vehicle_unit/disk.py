"""Where a unit's memory lies: a few small files, written so that a power cut tells old from new."""

import contextlib
import os
from pathlib import Path
from typing import Protocol


class Disk(Protocol):
    """What the unit needs of a file system. Unless synced, a write may be lost or torn by a power cut."""

    def read(self, name: str) -> bytes | None:
        """The whole file; None where there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` at the beginning of the file."""

    def append(self, name: str, data: bytes) -> None:
        """Put ``data`` at the end of the file."""

    def sync(self, name: str) -> None:
        """Return once all of the file is durable."""

    def settle(self, name: str, data: bytes) -> bytes | None:
        """``write``, ``sync``, and what then reads back where ``data`` was put."""

    def replace(self, name: str, data: bytes) -> None:
        """The file is ``data`` and durable on return; a power cut leaves the former or the new one."""


class Calls(Protocol):
    """The calls of the operating system that a folder's files are kept by, as ``os`` has them."""

    def open(self, path: str, flags: int, mode: int = 0o777) -> int: ...

    def close(self, fd: int) -> None: ...

    def fstat(self, fd: int) -> os.stat_result: ...

    def pread(self, fd: int, length: int, offset: int) -> bytes: ...

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int: ...

    def fdatasync(self, fd: int) -> None: ...

    def fsync(self, fd: int) -> None: ...

    def rename(self, old: str, new: str) -> None: ...

    def unlink(self, path: str) -> None: ...


class FolderDisk:
    """Files of mode 0600 in one folder. ``durable=False`` skips fsync: for simulated fleets only.

    ``calls``: the operating system's own, unless a test lets the power go between them.
    """

    def __init__(self, folder: Path, *, durable: bool = True, calls: Calls = os) -> None:
        self._folder = folder
        self._durable = durable
        self._calls = calls
        self._open: dict[str, int] = {}
        self._named: set[str] = set()

    def read(self, name: str) -> bytes | None:
        if name in self._open:
            return self._whole(self._open[name])
        try:
            file = self._calls.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return self._whole(file)
        finally:
            self._calls.close(file)

    def write(self, name: str, data: bytes) -> None:
        self._put(self._file(name), data, 0)

    def append(self, name: str, data: bytes) -> None:
        file = self._file(name)
        self._put(file, data, self._calls.fstat(file).st_size)

    def sync(self, name: str) -> None:
        if self._durable:
            self._calls.fdatasync(self._file(name))

    def settle(self, name: str, data: bytes) -> bytes | None:
        file, calls, size = self._file(name), self._calls, len(data)
        if (taken := calls.pwrite(file, data, 0)) < size:
            self._put(file, data[taken:], taken)
        if self._durable:
            calls.fdatasync(file)
        there = calls.pread(file, size, 0)
        return there if len(there) == size else self._read(file, size)

    def replace(self, name: str, data: bytes) -> None:
        fresh = f"{name}.new"
        self._forget(name)
        self._forget(fresh)
        with contextlib.suppress(FileNotFoundError):
            self._calls.unlink(self._path(fresh))
        self._put(self._opened(fresh), data, 0)
        if self._durable:
            self._calls.fdatasync(self._open[fresh])
        self._forget(fresh)
        self._named.discard(name)  # should the folder not be synced now, who writes the file next does it
        self._calls.rename(self._path(fresh), self._path(name))
        self._sync_folder()
        self._named.add(name)

    def close(self) -> None:
        """Let go of the files."""
        for name in list(self._open):
            self._forget(name)

    def _whole(self, file: int) -> bytes:
        return self._read(file, self._calls.fstat(file).st_size)

    def _read(self, file: int, size: int) -> bytes:
        data = self._calls.pread(file, size, 0)
        while len(data) < size and (more := self._calls.pread(file, size - len(data), len(data))):
            data += more
        return data

    def _put(self, file: int, data: bytes, offset: int) -> None:
        """All of it: the system may take less than it was given."""
        taken = self._calls.pwrite(file, data, offset) if data else 0
        while taken < len(data):
            taken += self._calls.pwrite(file, memoryview(data)[taken:], offset + taken)

    def _file(self, name: str) -> int:
        """The open file, its name durable: a former process may have made it and not come that far."""
        if name not in self._open:
            self._opened(name)
        if name not in self._named:
            self._sync_folder()
            self._named.add(name)
        return self._open[name]

    def _opened(self, name: str) -> int:
        file = self._calls.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._open[name] = file
        return file

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def _forget(self, name: str) -> None:
        if name in self._open:
            self._calls.close(self._open.pop(name))

    def _sync_folder(self) -> None:
        if self._durable:
            folder = self._calls.open(str(self._folder), os.O_RDONLY)
            try:
                self._calls.fsync(folder)
            finally:
                self._calls.close(folder)


class MemoryDisk:
    """Files that end with the process: for simulated fleets."""

    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}

    def read(self, name: str) -> bytes | None:
        data = self._files.get(name)
        return None if data is None else bytes(data)

    def write(self, name: str, data: bytes) -> None:
        self._files.setdefault(name, bytearray())[: len(data)] = data

    def append(self, name: str, data: bytes) -> None:
        self._files.setdefault(name, bytearray()).extend(data)

    def sync(self, name: str) -> None:
        """Memory is as durable as this process."""

    def settle(self, name: str, data: bytes) -> bytes | None:
        self.write(name, data)
        return bytes(self._files[name][: len(data)])

    def replace(self, name: str, data: bytes) -> None:
        self._files[name] = bytearray(data)
