"""Many cars in one process, as ``trunkline fleet`` runs them, whose owners read the claim code off the display.

Prints one JSON line: the codes, once every car is on the air. Ends when it is told to.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from trunkline.commands.cars import enrol_fleet
from trunkline.lines import start_logging
from vehicle_unit.fleet import Fleet, enrolled
from vehicle_unit.unit import UnitOptions


async def main(directory: Path, count: int) -> None:
    """Enrol what is missing, put all on the air, show a code in each, and stay."""
    await enrol_fleet(directory, count)
    soon = timedelta(seconds=1)
    fleet = Fleet(enrolled(directory)[:count], UnitOptions(lifts_after=soon, shuts_after=soon))
    running = asyncio.create_task(fleet.run())
    while fleet.connected < count and not running.done():  # noqa: ASYNC110  # a fleet has no such event
        await asyncio.sleep(0.2)
    codes = []
    for unit in fleet.units:
        unit.vehicle.change(ignition_on=True)
        codes.append(unit.pair())
        unit.vehicle.change(ignition_on=False)
        await asyncio.sleep(0)  # the links want to be heard meanwhile
    print(json.dumps(codes), flush=True)
    await running


if __name__ == "__main__":
    start_logging("WARNING")
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
