"""The unit's files on a real folder, and on one that keeps nothing that was not synced."""

import errno
from pathlib import Path

import pytest

from tests.crash.platter import FOLDER, Platter, PowerCut
from vehicle_unit.disk import Disk, FolderDisk, MemoryDisk


def on(platter: Platter) -> FolderDisk:
    return FolderDisk(Path(FOLDER), calls=platter)


@pytest.mark.parametrize("kind", ["folder", "memory", "platter"])
def test_all_disks_do_the_same(kind: str, tmp_path: Path) -> None:
    disk: Disk = {"folder": FolderDisk(tmp_path), "memory": MemoryDisk(), "platter": on(Platter(1))}[kind]
    assert disk.read("a") is None
    disk.append("a", b"one")
    disk.append("a", b"two")
    disk.write("a", b"ON")
    assert disk.read("a") == b"ONetwo"
    disk.sync("a")
    disk.replace("a", b"three")
    disk.append("a", b"!")
    assert disk.read("a") == b"three!"
    assert disk.settle("a", b"TH") == b"TH"
    assert disk.read("a") == b"THree!"
    disk.replace("b", b"")
    assert disk.read("b") == b""


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    disk = FolderDisk(tmp_path)
    disk.append("a", b"x")
    disk.replace("b", b"x")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    disk.close()


@pytest.mark.parametrize("seed", range(40))
def test_what_was_synced_is_there_and_what_was_not_is_any_part(seed: int) -> None:
    platter = Platter(seed)
    disk = on(platter)
    disk.write("a", b"x" * 2_000)
    disk.sync("a")
    disk.write("a", b"y" * 2_000)
    disk.append("a", b"z" * 100)
    left = on(platter.without_power()).read("a")
    assert left is not None
    assert len(left) >= 2_000
    assert set(left[:2_000]) <= set(b"xy")
    assert set(left[2_000:]) <= set(b"z\0")


@pytest.mark.parametrize("seed", range(40))
def test_a_name_is_there_once_something_was_synced_in_it(seed: int) -> None:
    platter = Platter(seed)
    disk = on(platter)
    disk.append("a", b"x")
    disk.sync("a")
    assert on(platter.without_power()).read("a") == b"x"


@pytest.mark.parametrize("cut", range(12))
def test_replacing_leaves_the_former_or_the_new_one(cut: int) -> None:
    for seed in range(20):
        platter = Platter(seed)
        disk = on(platter)
        disk.replace("a", b"former")
        platter.cut = platter.calls + cut
        done = False
        try:
            disk.replace("a", b"new")
            done = True
        except PowerCut:
            pass
        assert on(platter.without_power()).read("a") in ({b"new"} if done else {b"former", b"new"})


class Stubborn(Platter):
    """Takes at most seven bytes at once; ``sick``: syncing the folder fails that often."""

    sick = 0

    def pwrite(self, fd: int, data: bytes | memoryview, offset: int) -> int:
        return super().pwrite(fd, bytes(data)[:7], offset)

    def fsync(self, fd: int) -> None:
        if self.sick:
            self.sick -= 1
            raise OSError(errno.EIO, "input/output error")
        super().fsync(fd)


def test_short_writes_are_gone_on_with() -> None:
    disk = on(Stubborn(1))
    disk.append("a", b"0123456789" * 5)
    disk.append("a", b"0123456789")
    disk.write("a", b"x" * 20)
    assert disk.read("a") == b"x" * 20 + b"0123456789" * 4


@pytest.mark.parametrize("seed", range(20))
class Sparing(Stubborn):
    """Gives a little at a time, too."""

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return super().pread(fd, min(length, 7), offset)


def test_what_is_settled_is_durable_and_read_back_whole() -> None:
    platter = Sparing(1)
    disk = on(platter)
    assert disk.settle("a", b"x" * 100) == b"x" * 100
    assert disk.settle("a", b"y" * 90) == b"y" * 90
    assert on(platter.without_power()).read("a") == b"y" * 90 + b"x" * 10


@pytest.mark.parametrize("seed", range(20))
def test_a_name_that_could_not_be_made_durable_is_tried_again(seed: int) -> None:
    platter = Stubborn(seed)
    disk = on(platter)
    platter.sick = 1
    with pytest.raises(OSError, match="input/output"):
        disk.append("a", b"x")
    disk.append("a", b"x")
    disk.sync("a")
    assert on(platter.without_power()).read("a") == b"x"
    platter.sick = 1
    with pytest.raises(OSError, match="input/output"):
        disk.replace("a", b"new")
    disk.append("a", b"!")
    disk.sync("a")
    assert on(platter.without_power()).read("a") == b"new!"


def test_a_name_of_a_process_that_was_killed_is_made_durable_by_the_next() -> None:
    for seed in range(20):
        platter = Platter(seed)
        platter.cut = 1  # made, and its folder not synced
        with pytest.raises(PowerCut):
            on(platter).append("a", b"x")
        platter.cut = 10**9  # the process was gone, not the power
        disk = on(platter)
        disk.append("a", b"x")
        disk.sync("a")
        assert on(platter.without_power()).read("a") == b"x"
