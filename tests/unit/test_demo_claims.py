"""The demo's owner types the car's code when it has come, however long a slow machine takes to bring it."""

from types import SimpleNamespace
from typing import Any

import pytest

from people.limits import PeopleLimits
from trunkline import demo
from trunkline.play import Refused


class Late:
    """An owner whose car's code reaches the server after so many tries."""

    def __init__(self, tries: int) -> None:
        self.left, self.tried = tries, 0

    async def claim(self, code: str) -> str:
        self.tried += 1
        if self.tried > PeopleLimits().claims_per_person:
            raise Refused(429, {"code": "too_many"})
        if self.tried < self.left:
            raise Refused(422, {"code": "car.code_refused"})
        return f"veh_of_{code}"


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(demo, "asyncio", SimpleNamespace(sleep=sleep))
    return found


async def test_a_code_that_comes_late_is_tried_as_often_as_a_person_may(waited: list[float]) -> None:
    owner: Any = Late(PeopleLimits().claims_per_person)
    assert await demo.claimed(owner, "c") == "veh_of_c"
    assert sum(waited) > 25, "seconds that a slow machine has"
    assert waited[0] < 0.1, "a quick one is not kept waiting"


async def test_one_that_never_comes_is_refused_as_what_it_is(waited: list[float]) -> None:
    owner: Any = Late(100)
    with pytest.raises(Refused) as told:
        await demo.claimed(owner, "c")
    assert told.value.status == 422, "not for having been tried too often"
