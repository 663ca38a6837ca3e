"""A canary: a unit without a car that reports a made-up fault now and then, and proves it mended at once.

It goes the whole way of a real one: signed on by its certificate, through the broker and the gateway to the agents'
list. Whoever watches how long that takes learns of a broken link before a car does.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from vehicle_unit.clock import UnitClock
from vehicle_unit.disk import Disk
from vehicle_unit.envelope import message_id

CODE: Final = "VSS-CANARY"
FILE: Final = "canary"
_ECU: Final = "canary"
_CLEAN: Final = 3
"""Clean scans that close a case, each in a drive cycle of its own."""

_log = logging.getLogger("trunkline.vehicle_unit")


class Canary:
    """``say`` takes each scan as a document. Counts what it said in the unit's memory."""

    def __init__(
        self,
        disk: Disk,
        *,
        every: timedelta,
        boot: int,
        clock: UnitClock,
        say: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._disk = disk
        self._every = every
        self._boot = boot
        self._clock = clock
        self._say = say
        self._seq = 0
        text = (disk.read(FILE) or b"").decode("ascii", "replace")
        self._cycle = int(text) if text.isascii() and text.isdigit() else 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                self.sing()
            except Exception:  # noqa: BLE001  # what fails must not stop the unit
                _log.exception("canary.failed")
            await asyncio.sleep(self._every.total_seconds())

    def sing(self) -> None:
        """A fault, and then as many clean scans as prove it mended."""
        for n in range(_CLEAN + 1):
            self._say(self._scan(sick=n == 0))
        self._disk.replace(FILE, str(self._cycle).encode())
        _log.info("canary.sang", extra={"cycle": self._cycle})

    def _scan(self, *, sick: bool) -> Mapping[str, Any]:
        now = self._clock.now()
        self._cycle += 1
        self._seq += 1
        codes = [{"code": CODE, "status": "confirmed"}] if sick else []
        return {
            "boot": self._boot,
            "seq": self._seq,
            "scan_id": message_id(int(now.timestamp() * 1000)),
            "at": now.isoformat(),
            "source": "vss",
            "drive_cycle": self._cycle,
            "outcome": "complete",
            "ecus": [{"id": _ECU, "answered": True, "codes": codes}],
        }
