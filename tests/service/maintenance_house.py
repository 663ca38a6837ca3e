"""Cases on the real store with the real people; the gateway and the car are played, and the log is read by hand."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from maintenance import desk_index, memory
from maintenance.choosing import Wish
from maintenance.composition import Maintenance, build
from maintenance.limits import MaintenanceLimits
from maintenance.lists import places
from maintenance.model import Read
from maintenance.reactions import KINDS
from maintenance.states import TriggerState
from spine.counters import Counters
from spine.facts import Fact
from spine.facts.vehicle import UnitScan
from spine.ids import CaseId, PersonId, UnitId, VehicleId
from spine.log import Entry, Log
from spine.readers import Received
from tests.service.conftest import SetClock
from tests.service.people_house import CAR, Mortal, PeopleHouse, house_of_people

PHONE = "+31612345678"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass
class MaintenanceHouse:
    """``settle`` reads the log on; ``later`` moves the clock and fires what is due."""

    desk: Maintenance
    people: PeopleHouse
    store: Mortal
    log: Log
    clock: SetClock
    owner: PersonId = field(default_factory=lambda: PersonId(""))
    heard: dict[int, str] = field(default_factory=dict)
    seen: list[Entry] = field(default_factory=list)
    scans: int = 0
    cycle: int = 10

    @property
    def now(self) -> Any:
        return self.clock.now()

    async def furnish(self) -> None:
        """A car that its owner has claimed."""
        self.owner = await self.people.owner("owner@example.org")
        await self.settle()

    async def wants_calls(self, *, on: bool = True, **more: Any) -> None:
        """The owner turns calls on or off."""
        wish = Wish(on=on, phone=PHONE, **more)
        await self.desk.choosing.choose(self.owner, CAR, wish)
        await self.settle()

    async def scan(self, *codes: str, vehicle: VehicleId = CAR, settle: bool = True, **more: Any) -> UnitScan:
        """The car says these codes, confirmed (or with ``status``), in a new drive cycle; none: clean and proven."""
        self.scans += 1
        self.cycle += 1
        status = more.pop("status", "confirmed")
        raw = {
            "boot": 1, "seq": self.scans, "scan_id": f"scan{self.scans}", "at": self.now.isoformat(), "source": "obd",
            "drive_cycle": self.cycle, "odometer_m": 84_000_000 + self.scans, "outcome": "complete", "mil": bool(codes),
            "readiness": {"supported": ["fuel", "misfire"], "incomplete": []}, "since_clear": {"warmups": 90, "km": 900},
            "ecus": [{"id": "7E8", "answered": True, "codes": [{"code": one, "status": status} for one in codes]}],
            **more,
        }  # fmt: skip
        fact = UnitScan(at=self.now, vehicle=vehicle, unit=UnitId("vu_" + vehicle[4:]), scan=raw)
        await self.people.append(fact)
        if settle:
            await self.settle()
        return fact

    async def settle(self) -> list[str]:
        """Hand every new fact to every reader until nothing is new; the kinds in the order read."""
        kinds: list[str] = []
        while True:
            await self.people.settle()
            entries = [e for p in range(8) for e in await self.log.read(p, self.heard.get(p, "0-0"))]
            if not entries:
                return kinds
            for entry in entries:
                await self.react(entry)
                self.heard[entry.partition] = entry.position
                self.seen.append(entry)
                kinds.append(entry.kind)

    async def react(self, entry: Entry) -> None:
        await self.desk.index.place([*places(entry), *desk_index.places(entry)])
        if entry.kind in KINDS:
            await self.desk.reactions.handle(Received(entry.partition, entry.position, entry.fact, None))

    async def again(self) -> None:
        """Read the whole log a second time: nothing may change."""
        await self.settle()
        before = await self.people.everything()
        for entry in list(self.seen):
            await self.react(entry)
        after = await self.people.everything()
        changed = [line for line in after.splitlines() if line not in before.splitlines()]
        assert not changed, changed

    async def fire(self) -> None:
        """Fire what is due until nothing is."""
        for _ in range(20):
            rows = await self.people.subjects()
            timers = self.desk.timers()
            due = [
                one
                for one in rows.values()
                if one.wake_at and one.wake_at <= self.now and one.id.split("_")[0] in timers
            ]
            for one in due:
                await timers[one.id.split("_")[0]](one)
            await self.settle()
            after = await self.people.subjects()
            if not [one for one in due if after[one.id] == one]:
                return
        raise AssertionError("timers do not come to rest")

    async def later(self, by: timedelta) -> None:
        self.clock.advance(by)
        await self.fire()

    async def read(self, system: str, n: int = 1, vehicle: VehicleId = CAR) -> Read:
        return await self.desk.cases.read(memory.case_of(vehicle, system, n))

    async def state(self, system: str, n: int = 1) -> TriggerState:
        return (await self.read(system, n)).state

    async def kinds(self, case: CaseId | None = None) -> list[str]:
        """Kinds of the cases' own facts so far."""
        return [
            one.kind
            for one in await self.facts()
            if one.kind.split(".")[0] in {"case", "trigger"} and case in {None, getattr(one, "case", None)}
        ]

    async def facts(self) -> list[Fact]:
        return await self.people.facts()

    async def counted(self) -> dict[str, int]:
        return await Counters(self.store.valkey).all("maintenance")


def garage_house(house: PeopleHouse, limits: MaintenanceLimits | None = None) -> MaintenanceHouse:
    """The house with rules of one's own."""
    desk = build(house.store, clock=house.clock, limits=limits or MaintenanceLimits(), people=house.people)
    return MaintenanceHouse(desk, house, house.store, house.log, house.clock)


@pytest.fixture
async def garage(house_of_people: PeopleHouse) -> MaintenanceHouse:
    """A house with a claimed car."""
    house = garage_house(house_of_people)
    await house.furnish()
    return house


__all__ = ["CAR", "DAY", "HOUR", "PHONE", "MaintenanceHouse", "garage", "garage_house", "house_of_people"]
