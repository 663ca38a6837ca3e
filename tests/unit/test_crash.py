"""The short form of ``make crash``: no number opens twice, whatever of the disk a power cut has left."""

import pytest

from keys.car.window import Standing
from tests.crash.life import Broken, Life, World, provisioned
from tests.crash.platter import PowerCut
from tests.crash.run import play


@pytest.mark.parametrize("seed", range(0, 300, 10))
async def test_no_invariant_breaks_over_power_cuts(seed: int) -> None:
    for number in range(seed, seed + 2):
        assert await play(number)


async def test_the_harness_sees_a_second_opening() -> None:
    """What it looks for it finds: a unit whose whole disk was put back opens once more."""
    world = World()
    life = Life(provisioned(7), world)
    life.bring_list()
    assert await life.present(1) == "opened"
    life.end()
    with pytest.raises(Broken, match="unused again"):
        Life(provisioned(7), World(opened=world.opened))


async def test_the_harness_sees_a_receipt_signed_twice() -> None:
    """The first one says something else than was signed as the first before."""
    life = Life(provisioned(7), World())
    life.world.consumed[1] = "something.else"
    life.bring_list()
    assert await life.present(1) == "opened"
    with pytest.raises(Broken, match="saying two things"):
        life.end()


async def test_a_cut_before_each_call_of_an_opening() -> None:
    """All points of one opening, one after the other, five disks each."""
    for cut in range(40):
        platter, world = provisioned(cut), World()
        platter.cut = cut
        try:
            life = Life(platter, world)
            life.bring_list()
            await life.present(1)
        except PowerCut:
            pass
        for _ in range(5):
            after = world.copy()
            again = Life(platter.without_power(), after)
            again.bring_list()
            unused = again.unit.record.current.window.standing(1) is Standing.UNUSED
            assert not (unused and world.opened[1])
            assert (await again.present(1) == "opened") == unused
            again.end()
