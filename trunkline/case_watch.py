"""The sweep of cases in process `work`: every few minutes, one process at a time, over every vehicle there is."""

import asyncio
import logging
from typing import Final

from spine.ids import VehicleId
from spine.problems import Problem
from trunkline.compose import Services
from trunkline.vehicle_list import ALL, VEHICLES

log = logging.getLogger("trunkline")

_PAGE: Final = 200


class CaseWatch:
    """A turn that fails is logged, and the next one tries again."""

    def __init__(self, parts: Services) -> None:
        self._parts = parts
        self._base = parts.ground

    async def run(self) -> None:
        """Until cancelled."""
        every = self._base.settings.maintenance.cases.sweep_every
        while True:
            try:
                if await self._base.expiring.put("cases", "sweep", "taken", every, only_new=True):
                    await self.turn()
            except Problem as why:
                log.warning("sweep.failed", extra={"reason": str(why)})
            except Exception:
                log.exception("sweep.failed")
            await asyncio.sleep(every.total_seconds() / 4)

    async def turn(self) -> int:
        """Look at everything once; how many violations."""
        sweeping, seen, after = self._parts.maintenance.sweeping, 0, None
        held_against = await sweeping.begin()
        found = len(await sweeping.help(held_against))
        while True:
            page = await self._base.index.page(VEHICLES, ALL, after=after, limit=_PAGE)
            vehicles = [VehicleId(member) for member in page.members]
            seen, found = seen + len(vehicles), found + len(await sweeping.sweep(vehicles, held_against))
            after = page.next
            if after is None:
                await sweeping.note(seen, found)
                return found
