"""One life cut off at a random call, several disks that may be left of it, and what the unit makes of each."""

import random
from typing import Final

from keys.car.window import Standing
from tests.crash.life import KEYS, Broken, Life, World, provisioned
from tests.crash.platter import Platter, PowerCut
from tests.crash.signatures import verified
from vehicle_unit.lock import Lock
from vehicle_unit.record import NotWritten

DISKS: Final = 4
"""Disks drawn from each cut: each is one run."""
VERIFIED: Final = 10
"""Of so many lives one has all its signatures verified, by us and by joserfc; the chain is followed in all."""
_FAULTS: Final = 0.02
_LONGEST_LIFE: Final = 80
_LONGEST_START: Final = 24
"""Calls of the operating system within which the power goes."""


async def play(seed: int) -> int:
    """The number of runs. Raises ``Broken`` where an invariant of keys.md 3.8 does not hold."""
    rng = random.Random(seed)
    faults = _FAULTS if seed % 4 == 0 else 0.0
    platter, world = provisioned(seed), World()
    platter.cut, platter.faults = rng.randrange(_LONGEST_LIFE), faults
    await _live(platter, world, rng, steps=rng.randrange(3, 16))
    after = world
    for _ in range(DISKS):
        after = world.copy()
        await _recover(platter, after, rng, faults)
    if seed % VERIFIED == 0:
        for token in after.said.values():
            verified(token)
    return DISKS


async def _live(platter: Platter, world: World, rng: random.Random, *, steps: int) -> None:
    """Until the power goes, the disk fails at start, or nothing more happens."""
    life: Life | None = None
    try:
        life = Life(platter, world)
        for _ in range(steps):
            await life.step(rng)
    except PowerCut:
        pass
    except (OSError, NotWritten):
        if not platter.faults:
            raise
    finally:
        if life is not None:
            life.end()


async def _recover(platter: Platter, world: World, rng: random.Random, faults: float) -> None:
    """Start again, as a rule with another cut in it; in the end no number opens that has opened before."""
    for _ in range(rng.randrange(3)):
        platter = platter.without_power(cut=rng.randrange(_LONGEST_START), faults=faults)
        await _live(platter, world, rng, steps=rng.randrange(3))
    platter = platter.without_power()
    life = Life(platter, world)
    _shut(life)
    life.bring_list()
    for seq in range(1, KEYS + 1):
        await _present(life, seq)
    life.end()
    Life(platter, world).end()  # whose checks see what the last life left


async def _present(life: Life, seq: int) -> None:
    """A key whose number is unused opens, where the list in the car counts; any other does not."""
    record, listed = life.unit.record.current, life.unit.revocations.current is not None
    assert record is not None
    unused = record.window.standing(seq) is Standing.UNUSED
    before = life.world.opened[seq]
    code = await life.present(seq, by_command=False)
    if (life.world.opened[seq] - before, code == "opened") != (
        (1, True) if unused and listed else (0, False)
    ):
        raise Broken(f"number {seq}, unused {unused}, list {listed}: {code}")
    _shut(life)


def _shut(life: Life) -> None:
    """The person shuts the lid; whatever was before, the boot is locked then."""
    motor, vehicle = life.unit.motor, life.world.vehicle
    if life.unit.latch.state is Lock.RELEASED:
        motor.lift()
    if vehicle.lid_up:
        motor.shut()
    if life.unit.latch.state is not Lock.LATCHED or not vehicle.locked:
        raise Broken(f"shut, and not locked: {life.unit.latch.state}")
