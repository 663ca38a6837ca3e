"""Where a unit's memory lies: a few small files, written so that a power cut tells old from new."""

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

    def replace(self, name: str, data: bytes) -> None:
        """The file is ``data`` and durable on return; a power cut leaves the former or the new one."""


class FolderDisk:
    """Files of mode 0600 in one folder. ``durable=False`` skips fsync: for simulated fleets only."""

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder
        self._durable = durable
        self._open: dict[str, int] = {}

    def read(self, name: str) -> bytes | None:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        os.pwrite(self._file(name), data, 0)

    def append(self, name: str, data: bytes) -> None:
        file = self._file(name)
        os.lseek(file, 0, os.SEEK_END)
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]

    def sync(self, name: str) -> None:
        if self._durable:
            os.fdatasync(self._file(name))

    def replace(self, name: str, data: bytes) -> None:
        self._forget(name)
        self._forget(f"{name}.new")
        fresh = self._folder / f"{name}.new"
        fresh.unlink(missing_ok=True)
        self.append(f"{name}.new", data)
        self.sync(f"{name}.new")
        self._forget(f"{name}.new")
        fresh.replace(self._folder / name)
        self._sync_folder()

    def close(self) -> None:
        """Let go of the files."""
        for name in list(self._open):
            self._forget(name)

    def _file(self, name: str) -> int:
        if name not in self._open:
            path = self._folder / name
            new = not path.exists()
            self._open[name] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if new:
                self._sync_folder()
        return self._open[name]

    def _forget(self, name: str) -> None:
        if name in self._open:
            os.close(self._open.pop(name))

    def _sync_folder(self) -> None:
        if self._durable:
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


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

    def replace(self, name: str, data: bytes) -> None:
        self._files[name] = bytearray(data)
