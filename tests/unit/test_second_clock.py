"""The unit's clock through days of true, false and set clocks: both verifiers read the same time from it."""

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from tests.second.draft import NOW
from tests.second.peer import Missing, ask, installed
from vehicle_unit.clock import UnitClock
from vehicle_unit.limits import UnitLimits


@dataclass
class Clocks:
    """The machine's two clocks, as a step says."""

    at: float = 0.0
    says: float = 0.0

    def wall(self) -> float:
        return self.says

    def uptime(self) -> float:
        return self.at


def story(rng: Random) -> dict[str, Any]:
    """Up to twelve steps; the wall clock is right, a little off, jumps or lies."""
    up, began, off, steps = rng.uniform(0, 1e5), NOW - rng.uniform(0, 1e5), 0.0, []
    start = up
    for _ in range(rng.randint(1, 12)):
        up += rng.choice([0, 0.5, 10, 600, 3_600, 86_400 * rng.random(), 86_400 * 3])
        off = rng.choice([off, off, 0, rng.uniform(-1, 1), rng.uniform(-200, 200), 1e7, -1e7])
        true = began + (up - start)
        step = {
            "up": up,
            "wall": true + off,
            "what": rng.choice(["read", "read", "prove", "prove", "hear", "floor"]),
        }
        if step["what"] != "read":
            step["iat"] = int(true) + rng.choice([0, 0, 0, -1, 59, 61, -59, -61, -4_000, 4_000])
            step["drawn"] = up - rng.choice([0, 0.2, 5, 29.9])
        steps.append(step)
    return {"action": "clock", "floor": int(began) - rng.choice([0, 5, 61, 86_400, -30]), "steps": steps}


def ours(case: dict[str, Any]) -> list[tuple[str, int, int]]:
    clocks = Clocks()
    clock: Any = UnitClock(clocks, floor=case["floor"], limits=UnitLimits())
    readings = []
    for step in case["steps"]:
        clocks.at, clocks.says = step["up"], step["wall"]
        match step["what"]:
            case "prove":
                clock.prove(step["iat"], drawn=step["drawn"])
            case "hear":
                clock.hear(step["iat"])
            case "floor":
                clock.raise_floor(step["iat"])
        reading = clock.read()
        readings.append((reading.state, reading.at - reading.u, reading.at + reading.u))
    return readings


def test_the_same_time_is_read() -> None:
    try:
        installed()
    except Missing as missing:
        pytest.skip(str(missing))
    rng = Random(5)
    cases = [story(rng) for _ in range(3_000)]
    states = set()
    for case, said in zip(cases, ask(cases), strict=True):
        for (state, earliest, latest), read in zip(ours(case), said["readings"], strict=True):
            assert read["state"] == state, case
            states.add(state)
            if (
                state != "unset"
            ):  # our uncertainty is half of an even distance: the latest may be a millisecond later
                assert read["earliest"] == earliest, case
                assert 0 <= latest - read["latest"] <= 1, case
    assert states == {"unset", "holdover", "synced"}
