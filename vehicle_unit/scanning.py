"""When the unit reads fault codes: at ignition on, as often as set, and when asked; never two at once."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from vehicle_unit.clock import UnitClock
from vehicle_unit.disk import Disk
from vehicle_unit.envelope import message_id
from vehicle_unit.options import UnitOptions
from vehicle_unit.vehicle import Vehicle

IGNITION: Final = "Vehicle.LowVoltageSystemState"
FILE: Final = "drive_cycles"

_log = logging.getLogger("trunkline.vehicle_unit")


class Scanner:
    """``say`` takes each scan as a document. Counts drive cycles (ignition on) in the unit's memory."""

    def __init__(
        self,
        disk: Disk,
        *,
        options: UnitOptions,
        boot: int,
        clock: UnitClock,
        vehicle: Vehicle,
        say: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._disk = disk
        self._options = options
        self._boot = boot
        self._clock = clock
        self._vehicle = vehicle
        self._say = say
        self._scans = 0
        self._wanted = asyncio.Event()
        text = (disk.read(FILE) or b"").decode("ascii", "replace")
        self._cycle = int(text) if text.isascii() and text.isdigit() else 0

    @property
    def able(self) -> bool:
        """Whether there is anything to read through."""
        return bool(self._options.elm or self._options.doip)

    def ask(self) -> bool:
        """A scan soon; those asked for while one runs become one. False: this unit cannot."""
        if self.able:
            self._wanted.set()
        return self.able

    def ignition_on(self) -> None:
        """A drive cycle begins. A lost counter begins anew: one too low costs a case's closing a drive."""
        if not self.able:
            return
        self._cycle += 1
        try:
            self._disk.replace(FILE, str(self._cycle).encode())
        except OSError:
            _log.exception("scan.cycle_not_kept")
        self.ask()

    async def run(self) -> None:
        """Until cancelled."""
        every = self._options.scan_every
        while True:
            try:
                async with asyncio.timeout(None if every is None else every.total_seconds()):
                    await self._wanted.wait()
            except TimeoutError:
                if not self._vehicle.ignition_on:
                    continue
            self._wanted.clear()
            try:
                self._say(await self._scan())
            except Exception:  # noqa: BLE001  # a reader that fails must not stop the unit
                _log.exception("scan.failed")

    async def _scan(self) -> Mapping[str, Any]:
        from vehicle_unit.readers.findings import Heading
        from vehicle_unit.readers.source import Source

        options, now = self._options, self._clock.now()
        self._scans += 1
        heading = Heading(
            boot=self._boot,
            seq=self._scans,
            scan_id=message_id(int(now.timestamp() * 1000)),
            at=now,
            drive_cycle=self._cycle,
        )
        source = Source.of(elm=options.elm, doip=options.doip, ecus=options.ecus, limits=options.readers)
        found = await asyncio.to_thread(source.scan, heading, options.readers, self._clock.uptime)
        _log.info("scan.done", extra={"outcome": found.outcome, "ecus": len(found.ecus)})
        return found.document()
