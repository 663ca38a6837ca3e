"""A car that lost its memory of used keys, in the whole house: no key from before opens, the next one does."""

import json

from keys.car.evidence import Roots, verify_file
from spine.facts.keys import MemoryLost
from spine.ids import partition_of
from spine.log import Log
from tests.journey.stand import Cast, Stand, finish, ready_to_open, until
from trunkline.desk import desk
from trunkline.play import Refused
from trunkline.settings import Settings
from vehicle_unit.record import SLOTS


async def test_no_key_from_before_opens_and_the_next_one_does(stand: Stand, cast: Cast) -> None:
    used, first = await ready_to_open(cast, "used")
    assert (await cast.courier.open(used, first))["outcome"] == "opened"
    await finish(cast, used)
    waiting, second = await ready_to_open(cast, "waiting")
    await stand.kill("unit-car")
    for slot in SLOTS:
        (stand.unit_folder() / slot).unlink()
    await stand.start_again("unit-car")
    await stand.car_comes_to("latched")
    await until(lambda: _told(stand), "the car says that it has begun anew")
    for delivery, token in ((used, first), (waiting, second)):
        try:
            answer = await cast.courier.open(delivery, token)
        except Refused as refused:  # whichever layer says no: the boot stays shut
            answer = {"outcome": str(refused)}
        assert answer["outcome"] != "opened"
    assert (await stand.car())["lock"] == "latched"
    delivery, third = await ready_to_open(cast, "after")
    assert (await cast.courier.open(delivery, third))["outcome"] == "opened"
    await finish(cast, delivery)
    for each in (used, delivery):
        document = json.dumps(await cast.carrier.evidence(each)).encode()
        report = verify_file(document, Roots.load(stand.directory / "roots"))
        assert report.verified, [check for check in report.checks if not check.ok]


async def _told(stand: Stand) -> bool:
    """Whether the receipt of a record begun anew was verified."""
    async with desk(Settings(data_dir=stand.directory)) as opened:
        log = Log(opened.valkey, opened.house)
        entries = log.entries(partition_of(stand.known.vehicle), mentioning=[stand.known.unit])
        return any([isinstance(entry.fact, MemoryLost) async for entry in entries])
