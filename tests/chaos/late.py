"""Commands for a car that is out of reach past their expiry: none may ever be executed."""

import asyncio

from tests.journey.stand import Cast, Stand
from tests.journey.straight import Straight
from vehicle_gateway.commands import CommandView
from vehicle_gateway.states import CommandState
from vehicle_gateway.wire import Op

_AT_ONCE = 50
_LIFE = 1.0


async def late(
    stand: Stand, cast: Cast, straight: Straight, link: str, token: str, *, tries: int
) -> list[str]:
    """Try ``tries`` times; what was executed or answered all the same is told, and must be nothing.

    Each is a good key with a good proof over a challenge that the car gave, so that nothing but its age is
    wrong; a few other commands are among them.
    """
    proof = await cast.courier.prove(link, token)
    await stand.car(mode="no_coverage")
    await stand.car_comes_to("latched", connected=False)
    commands = []
    for start in range(0, tries, _AT_ONCE):
        count = min(_AT_ONCE, tries - start)
        wanted = [
            straight.send(Op.FLASH, {}, ttl=_LIFE) if n % 10 == 9
            else straight.send(Op.PRESENT, {"delivery": link, "key": token, "proof": proof}, ttl=_LIFE)
            for n in range(count)
        ]  # fmt: skip
        commands += await asyncio.gather(*wanted)
    views: list[CommandView] = [await straight.end(one, seconds=60) for one in commands]
    await stand.car(mode="awake")
    await stand.car_comes_to("latched")
    await _hears_again(straight)  # comes after everything that may have waited for the car
    executed = (stand.unit_folder() / "executed.log").read_text("utf-8")
    wrong = [f"{one.id} is {one.state} {one.code}" for one in views if one.state in _ANSWERED]
    return wrong + [f"{one} was executed" for one in commands if one in executed]


async def _hears_again(straight: Straight) -> None:
    """Until the car has answered a command made now; on a busy machine the first may come too late itself."""
    async with asyncio.timeout(120):
        while (await straight.ask(Op.CHALLENGE, {"delivery": "after"})).state is not CommandState.DONE:
            pass


_ANSWERED = {CommandState.DONE, CommandState.REFUSED, CommandState.RECEIVED}
