"""Garages and cases on the real store: opened by hand, with a log that is read when asked."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from maintenance import composition
from maintenance.composition import Maintenance
from maintenance.garage_model import Details, Opening
from maintenance.limits import MaintenanceLimits
from maintenance.lists_garages import places
from maintenance.model import CaseBody, Read, Trigger
from maintenance.slots import Slot
from maintenance.states import AppointmentState, SlotState, TriggerState
from spine.facts.maintenance import CaseOpened, Level, TriggerOffered
from spine.ids import ALPHABET, CaseId, GarageId, SlotId, VehicleId
from spine.log import Entry
from spine.readers import Received
from spine.store import Change, Saved
from tests.service.conftest import SetClock
from tests.service.people_house import PeopleHouse

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def details(**more: Any) -> Details:
    hours = {
        day: (Opening(start="08:00", end="12:00"), Opening(start="13:00", end="17:00")) for day in WEEKDAYS
    }
    said = {"name": "Garage Noord", "address": "Kade 1, Utrecht", "mail": "noord@example.org", "hours": hours}
    return Details.model_validate({**said, **more})


@dataclass
class GarageHouse:
    parts: Maintenance
    people: PeopleHouse
    clock: SetClock
    read: dict[int, str] = field(default_factory=dict)
    seen: list[Entry] = field(default_factory=list)
    opened: int = 0

    @property
    def store(self) -> Any:
        return self.people.store

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def garage(self, *, fill: bool = True, **more: Any) -> GarageId:
        token = await self.parts.garages.make(details(**more), now=self.now)
        garage = GarageId(token.subject)
        await self.settle()
        if fill:
            await self.parts.capacity.fill(await self.parts.garages.read(garage))
            await self.settle()
        return garage

    async def case(
        self,
        severity: Level = "medium",
        *,
        vehicle: VehicleId | None = None,
        system: str = "brakes",
        offered: bool = True,
    ) -> CaseId:
        """An open case that its owner was offered."""
        self.opened += 1
        n = self.opened
        body = f"{ALPHABET[n % 8]}{n:015d}" if vehicle is None else vehicle[4:]
        vehicle = VehicleId(f"veh_{body}")
        case = CaseId(f"cse_{body}.{system}.{n}")
        about = CaseBody(
            vehicle=vehicle, system=system, n=n, severity=severity, codes=("C0035",), opened_at=self.now,
            odometer_m=81_000_000, trigger=Trigger(since=self.now),
        )  # fmt: skip
        facts = [
            CaseOpened(
                at=self.now, case=case, vehicle=vehicle, system=system, severity=severity, why="confirmed"
            ),
            TriggerOffered(at=self.now, case=case, vehicle=vehicle, why="opened"),
        ]
        write = self.parts.cases.written(TriggerState.NEW, about, facts, self.now)
        await self.store.change([case], lambda _: Change({case: write}, facts))
        return case

    async def free(self, garage: GarageId, most: int = 20) -> list[SlotId]:
        found = await self.parts.capacity.free(await self.parts.garages.read(garage), most=most)
        return [one.id for one in found]

    async def slot(self, slot: SlotId) -> Slot:
        return await self.parts.capacity.slot(slot)

    async def read_case(self, case: CaseId) -> Read:
        return await self.parts.cases.read(case)

    async def settle(self) -> list[str]:
        """Hand every new fact to the lists and the reaction until nothing is new; the kinds in the order read."""
        kinds: list[str] = []
        while True:
            await self.people.settle()
            new = [e for p in range(8) for e in await self.people.log.read(p, self.read.get(p, "0-0"))]
            if not new:
                return kinds
            for entry in new:
                self.read[entry.partition] = entry.position
                self.seen.append(entry)
                kinds.append(entry.kind)
                await self.react(entry)

    async def react(self, entry: Entry) -> None:
        await self.parts.index.place(places(entry))
        await self.parts.appointing.handle(entry.fact)
        await self.parts.reactions.handle(Received(entry.partition, entry.position, entry.fact, None))

    async def again(self) -> None:
        """Read the whole log a second time: nothing may change."""
        await self.settle()
        before = await self.people.everything()
        for entry in list(self.seen):
            await self.react(entry)
        assert await self.people.everything() == before

    async def fire(self) -> None:
        """Fire what is due, until nothing is."""
        handlers = self.parts.timers()
        for _ in range(20):
            rows = (await self.people.subjects()).values()
            due = [one for one in rows if one.wake_at and one.wake_at <= self.now and one.id[:3] in handlers]
            for one in due:
                await handlers[one.id[:3]](one)
            await self.settle()
            if not due:
                return
        raise AssertionError("timers do not come to rest")

    async def later(self, by: timedelta) -> None:
        self.clock.advance(by)
        await self.fire()

    async def sound(self) -> None:
        """What must hold at rest: every booked slot has one living appointment, and the reverse; one a case."""
        rows: dict[str, Saved] = await self.people.subjects()
        slots = {one: Slot.of(saved) for one, saved in rows.items() if one.startswith("slt_")}
        booked = {one: slot for one, slot in slots.items() if slot and slot.state is SlotState.BOOKED}
        living, past = {}, set()
        from maintenance.appointments import Appointment

        for one, saved in rows.items():
            found = Appointment.of(saved) if one.startswith("apt_") else None
            if found and found.living:
                living[one] = found
            elif found and found.state is not AppointmentState.CANCELLED:
                past.add(one)  # done or missed: its slot is over, and stays its own
        for one, slot in booked.items():
            if slot.body.appointment in past:
                continue
            assert slot.body.appointment in living, (one, "booked for nobody")
            assert living[slot.body.appointment].body.slot == one
        for one, saved in rows.items():
            read = Read.of(saved) if one.startswith("cse_") else None
            if read is not None and read.state is TriggerState.BOOKED:
                trigger = read.body.trigger
                assert trigger.appointment in living or saved.wake_at is not None, (
                    one,
                    "booked, for nothing",
                )
        cases = [one.body.case for one in living.values()]
        assert len(cases) == len(set(cases)), "a case with two appointments"
        for one, found in living.items():
            assert found.body.slot in booked, (one, "without its slot")
            read = await self.read_case(found.body.case)
            assert read.body.trigger.appointment == one


@pytest.fixture
async def garages(house_of_people: PeopleHouse, clock: SetClock) -> GarageHouse:
    parts = composition.build(
        house_of_people.store, clock=clock, limits=MaintenanceLimits(), people=house_of_people.people
    )
    return GarageHouse(parts, house_of_people, clock)


__all__ = ["GarageHouse", "details", "garages"]
