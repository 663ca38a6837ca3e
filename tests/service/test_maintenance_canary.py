"""The canary: a made-up fault goes the whole way, nobody sees it, and no car can sing in its place."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

import trunkline.metrics
import trunkline.problems
from maintenance.limits import CaseLimits, MaintenanceLimits
from maintenance.lists import ALL, IN_STATE, OPEN
from maintenance.memory import case_of
from maintenance.singing import Singing
from maintenance.states import TriggerState
from maintenance.sweeping import GAUGES
from spine.counters import Counters
from spine.readers import Received
from tests.service.maintenance_house import CAR, MaintenanceHouse, PeopleHouse, garage_house, house_of_people
from vehicle_unit.canary import CODE, Canary

__all__ = ["house_of_people"]
pytestmark = pytest.mark.valkey
EVERY = timedelta(minutes=5)


class Memory:
    """A unit's disk, in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def replace(self, name: str, content: bytes) -> None:
        self.files[name] = content


class UnitTime:
    """The unit's clock shows the house's time."""

    def __init__(self, house: MaintenanceHouse) -> None:
        self.house = house

    def now(self) -> datetime:
        now: datetime = self.house.now
        return now.astimezone(UTC)


async def sing(house: MaintenanceHouse, disk: Memory, boot: int, times: int = 1) -> None:
    said: list[Mapping[str, Any]] = []
    canary = Canary(disk, every=EVERY, boot=boot, clock=UnitTime(house), say=said.append)  # type: ignore[arg-type]
    for _ in range(times):
        canary.sing()
        for scan in said:
            await house.scan(**scan, settle=False)
        said.clear()
        house.clock.advance(timedelta(seconds=3))
        await house.settle()
        house.clock.advance(EVERY)


def canary_house(house: PeopleHouse, *canaries: str) -> MaintenanceHouse:
    return garage_house(house, MaintenanceLimits(cases=CaseLimits(canaries=canaries)))


async def test_each_song_goes_the_whole_way_and_is_gone_again(house_of_people: PeopleHouse) -> None:
    house, disk = canary_house(house_of_people, CAR), Memory()
    await sing(house, disk, 1, times=2)
    await sing(house, disk, 2)
    read = await house.read("canary")
    assert (read.state, read.body.what) == (TriggerState.ENDED, "canary")
    sent = [one for one in house.seen if one.kind == "canary.sent"]
    assert [one.fact.n for one in sent if hasattr(one.fact, "n")] == [1, 5, 1]
    assert [one for one in await house.kinds() if one.startswith("case.")] == [
        "case.opened", "case.closed", "case.reopened", "case.closed", "case.reopened", "case.closed",
    ]  # fmt: skip
    for name, owner in ((OPEN, ALL), (IN_STATE, TriggerState.QUEUED.value)):
        assert await house.desk.index.count(name, owner) == 0
    assert await house.desk.sweeping.sweep([CAR]) == []
    await house.again()

    counters = Counters(house.store.valkey)
    singing = Singing(house.store, house.clock, counters)
    for entry in [*sent, *sent]:
        await singing.handle(Received(entry.partition, entry.position, entry.fact, None))
    arrived = [one for one in await house.facts() if one.kind == "canary.arrived"]
    assert len(arrived) == 3
    assert (await counters.all(GAUGES))["canary_took_ms"] >= 3000


async def test_no_car_can_sing_in_its_place(house_of_people: PeopleHouse) -> None:
    house = canary_house(house_of_people)
    await house.furnish()
    await sing(house, Memory(), 1)
    await house.scan(CODE, "P0301")
    assert [one.kind for one in house.seen if one.kind in {"canary.sent", "case.opened"}] == ["case.opened"]
    assert (await house.read("ignition")).body.codes == ("P0301",)


async def test_metrics_say_it_to_operators_alone(house_of_people: PeopleHouse) -> None:
    from types import SimpleNamespace

    house = canary_house(house_of_people)
    await house.furnish()
    await house.scan("P0301", outcome="nonsense")
    await house.scan("P0217")
    await house.desk.sweeping.note(1, 0)
    ground = SimpleNamespace(
        valkey=house.store.valkey, house=house.store.house, clock=house.clock, index=house.desk.index
    )
    parts: Any = SimpleNamespace(ground=ground, people=house.people.people)
    text = await trunkline.metrics.text(parts)
    for line in (
        "trunkline_cases_open 1",
        'trunkline_cases{state="offered"} 1',
        'trunkline_case_events_total{what="scans_parked"} 1',
        "trunkline_dead_letters 1",
        "trunkline_sweep_violations 0",
        "trunkline_sweep_age_seconds 0",
        'trunkline_parked_entries{group="maintenance"} 0',
    ):
        assert any(one.startswith(line) for one in text.splitlines()), line
    app = FastAPI()
    router: APIRouter = trunkline.metrics.routes(parts)
    app.include_router(router)
    trunkline.problems.install(app)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        assert (await http.get("/metrics")).status_code == 401
        owner = await house.people.session(house.owner)
        assert (await http.get("/metrics", headers={"Authorization": f"Bearer {owner}"})).status_code == 401
    assert case_of(CAR, "fuel_air", 1) not in text
