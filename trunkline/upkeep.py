"""What is done now and then in process `work`: archive the log, sign its checkpoints, compare both sides of claims."""

import asyncio
import logging
from typing import Final

from keys.checkpoints import Checkpoints
from keys.signing import SigningKeys
from spine.archive import Archive
from spine.ids import VehicleId
from spine.problems import Problem
from spine.segments import SegmentBroken
from trunkline.compose import Services
from trunkline.vehicle_list import ALL, VEHICLES

log = logging.getLogger("trunkline")

_PAGE: Final = 200


class Upkeep:
    """One process at a time takes a turn; a turn that fails is logged and the next one tries again."""

    def __init__(self, parts: Services, signing: SigningKeys) -> None:
        self._parts = parts
        self._base = parts.ground
        self._checkpoints = Checkpoints(self._base.store, signing)

    async def run(self) -> None:
        """Until cancelled."""
        every = self._base.settings.upkeep_every
        while True:
            try:
                if await self._base.expiring.put("upkeep", "turn", "taken", every, only_new=True):
                    await self.turn()
            except (Problem, SegmentBroken, OSError) as why:
                log.warning("upkeep.failed", extra={"reason": str(why)})
            await asyncio.sleep(every.total_seconds() / 4)

    async def turn(self) -> None:
        """Do everything once."""
        signed = await self._archive()
        mended = await self._sweep()
        log.info("upkeep.done", extra={"checkpoints": signed, "mended": mended})

    async def _archive(self) -> int:
        archive = Archive(self._base.log, self._base.settings.archive_dir)
        written = await archive.write()
        newest = {segment.partition: segment for segment in written}
        for partition, segment in newest.items():
            await self._checkpoints.sign(
                partition, position=segment.through, sha256=segment.sha256, now=self._base.clock.now()
            )
        return len(newest)

    async def _sweep(self) -> int:
        after: str | None = None
        mended = 0
        while True:
            page = await self._base.index.page(VEHICLES, ALL, after=after, limit=_PAGE)
            vehicles = [VehicleId(member) for member in page.members]
            mended += await self._parts.people.cars.sweep(vehicles, now=self._base.clock.now())
            if page.next is None:
                return mended
            after = page.next
