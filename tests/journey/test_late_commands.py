"""What reaches a car too late is not done: a few tries here, a thousand in ``make chaos ARGS='--late 1000'``."""

from tests.chaos.late import late
from tests.journey.stand import Cast, Stand, finish, ready_to_open
from tests.journey.straight import Straight


async def test_a_late_command_is_never_executed(stand: Stand, cast: Cast) -> None:
    delivery, token = await ready_to_open(cast, "late-commands")
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight:
        assert await late(stand, cast, straight, delivery, token, tries=40) == []
        assert await straight.openings(delivery) == 0
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened", "the key is still unused"
        await finish(cast, delivery)
        assert await straight.openings(delivery) == 1
