"""Each process killed once in the middle of a delivery: the short form of ``make chaos``."""

import random

from tests.chaos.ledger import Ledger
from tests.chaos.run import VICTIMS, drawn, patient, play
from tests.journey.sink import Sink
from tests.journey.stand import Stand
from trunkline.desk import desk
from trunkline.settings import Settings


async def test_whatever_is_killed_nothing_opens_twice_and_nothing_is_lost(stand: Stand) -> None:
    seed = random.SystemRandom().randrange(1 << 31)
    ledger = Ledger(stand.known.unit, stand.unit_folder(), stand.directory / "logs" / "unit-car.log")
    async with stand.cast(patient(stand)) as cast, Sink.of(cast.carrier.api, cast.carrier.token) as sink:
        async with desk(Settings(data_dir=stand.directory)) as opened:
            await ledger.read_on(opened)
        ledger.wrong.clear()  # other tests of this installation attack it on purpose
        for number in range(len(VICTIMS)):
            run = drawn(number, seed)
            await play(run, stand, cast, sink, ledger)
            assert not run.wrong, f"seed {seed}: {run}: {run.wrong}"
        assert sink.forged == 0
