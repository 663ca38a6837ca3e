"""``trunkline keys restored``: what has to be said after the store came back from a backup."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from trunkline.commands.exchange import AsJson, show

if TYPE_CHECKING:
    from trunkline.desk import Desk


def restored(as_json: AsJson = False) -> None:
    """After a restore and before `work` starts: leave out every number that may have been given since the backup."""
    show(asyncio.run(restored_cars()), as_json=as_json)


async def restored_cars() -> list[dict[str, Any]]:
    """Every car's last number before and after."""
    from trunkline.desk import desk

    async with desk() as opened:
        return await _every_car(opened)


async def _every_car(desk: "Desk") -> list[dict[str, Any]]:
    from keys.restored import Restored
    from spine.ids import VehicleId
    from spine.index import Index
    from trunkline.groups import rebuild_lists
    from trunkline.vehicle_list import ALL, VEHICLES
    from vehicle_gateway.registry import VehicleView

    await rebuild_lists(desk)  # a car that was enrolled just before the backup may not be listed yet
    index, keys = Index(desk.valkey, desk.house), Restored(desk.store, desk.settings.keys)
    told: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = await index.page(VEHICLES, ALL, after=after, limit=500)
        for member in page.members:
            saved = await desk.store.load(member)
            if saved.version and not saved.ended:
                unit = VehicleView.of(saved).unit
                told.append(asdict(await keys.jump(VehicleId(member), unit, now=desk.clock.now())))
        if page.next is None:
            return told
        after = page.next
