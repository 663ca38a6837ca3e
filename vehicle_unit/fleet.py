"""Many simulated units in one process, to load a server: real links, real keys, memory that is not synced."""

import asyncio
import logging
import resource
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from vehicle_unit import provisioning
from vehicle_unit.disk import Disk, MemoryDisk
from vehicle_unit.provisioning import IDENTITY, Identity
from vehicle_unit.record import RecordStore
from vehicle_unit.unit import Unit, UnitOptions
from vehicle_unit.vehicle import LID

_log = logging.getLogger("trunkline.vehicle_unit")


def prepare(folder: Path, count: int) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Make ``count`` units in sub-folders; gives each folder with the request that enrols it."""
    for number in range(count):
        place = folder / f"unit-{number:05d}"
        yield place, provisioning.init(place)


def enrolled(folder: Path) -> Sequence[Path]:
    """The sub-folders that hold an enrolled unit."""
    return sorted(path.parent for path in folder.glob(f"*/{IDENTITY}"))


class Fleet:
    """Units of one folder, their files written but never synced.

    With ``memory`` nothing is written at all: each such run needs units enrolled for it, because a receipt
    chain that begins anew looks like a cloned unit to the server.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        options: UnitOptions | None = None,
        *,
        memory: bool = False,
        starts_a_second: float = 50,
        signals_every: timedelta | None = None,
    ) -> None:
        self._folders = folders
        self._options = replace(options or UnitOptions(), durable=False, control=False)
        self._memory = memory
        self._pause = 1 / starts_a_second
        self._signals_every = signals_every
        self.units: list[Unit] = []

    @property
    def connected(self) -> int:
        """How many are on the air now."""
        return sum(unit.link.connected for unit in self.units)

    async def run(self) -> None:
        """Start all, a few a second, and keep them running until cancelled."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each unit holds a socket and five files
        async with asyncio.TaskGroup() as tasks:
            for folder in self._folders:
                unit = Unit(Identity.load(folder), self._options, disk=self._disk())
                self.units.append(unit)
                tasks.create_task(unit.run(), name=f"unit-{unit.identity.unit}")
                if self._signals_every is not None:
                    tasks.create_task(self._report(unit, self._signals_every.total_seconds()))
                await asyncio.sleep(self._pause)
            _log.info("fleet.started", extra={"units": len(self.units)})

    def _disk(self) -> Disk | None:
        if not self._memory:
            return None
        disk = MemoryDisk()
        RecordStore(disk).provision()
        return disk

    async def _report(self, unit: Unit, every: float) -> None:
        """A car that has something to say: its lid's state, again and again."""
        while True:
            await asyncio.sleep(every)
            unit.uplink.signals({LID: unit.vehicle.lid_up}, full=False)
