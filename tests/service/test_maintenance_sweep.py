"""The sweep: nothing to say about a thousand histories played through the store, and a word on each thing made wrong."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from maintenance import memory
from maintenance.appointments import appointment_of
from maintenance.cases import CaseState
from maintenance.desk_index import DESK, QUEUE
from maintenance.lists import ALL, OPEN
from spine.ids import DeliveryId, VehicleId
from spine.store import Change, Write
from tests.maintenance_model import Oracle, drawn, scan_of
from tests.service.maintenance_house import CAR, DAY, HOUR, MaintenanceHouse, garage, house_of_people

__all__ = ["garage", "house_of_people"]
pytestmark = pytest.mark.valkey
SYSTEM = "emissions"
HISTORIES = "TRUNKLINE_TEST_HISTORIES"
"""In the environment: how many; ``make chaos CHAOS=histories`` sets it."""
OVER = appointment_of(memory.case_of(CAR, SYSTEM, 1), 1)


async def found(garage: MaintenanceHouse, vehicle: VehicleId = CAR) -> list[str]:
    sweeping = garage.desk.sweeping
    return await sweeping.of(vehicle, await sweeping.queued(), garage.now)


@pytest.mark.parametrize("seed", range(int(os.environ.get(HISTORIES, "12"))))
async def test_random_histories_in_the_store_agree_with_the_second_model(
    garage: MaintenanceHouse, seed: int
) -> None:
    """The same histories the pure policy is tried on; here with commits, timers, lists, and the log read twice."""
    await garage.wants_calls()
    oracle, warmups = Oracle(), 100
    for day, said in enumerate(drawn(seed, 40)):
        oracle.day(said)
        warmups += 1
        whole = scan_of(said, day, warmups)
        garage.clock.advance(DAY)
        if whole is not None:
            await garage.scan(
                **{**whole, "vehicle": CAR, "at": garage.now.isoformat(), "boot": 1, "seq": day + 1}
            )
        await garage.fire()
        cases = memory.read(await garage.store.load(memory.subject_of(CAR))).vehicle.cases.get(SYSTEM, ())
        assert any(one.state is not CaseState.CLOSED for one in cases) == oracle.open, (seed, day, said)
        assert await found(garage) == []
    opened = (await garage.kinds()).count("case.opened")
    assert opened == oracle.triggers
    await garage.again()


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"state": "scheduled"}, "nobody looks after it"),
        ({"state": "booked"}, "nobody looks after it"),
        (
            {"state": "booked", "trigger": {"since": "2030-05-06T09:00:00Z", "appointment": OVER}},
            "nobody looks after it",
        ),
        ({"state": "ended"}, "its trigger is ended"),
        ({"state": "new"}, "is nowhere"),
        ({"codes": ["P0999"]}, "other codes"),
        ({"severity": "low"}, "other severity"),
    ],
)
async def test_whatever_is_wrong_is_said(garage: MaintenanceHouse, broken: dict[str, Any], says: str) -> None:
    await garage.scan("P0420")
    assert await found(garage) == []
    name = memory.case_of(CAR, SYSTEM, 1)
    saved = await garage.store.load(name)
    body = json.loads(saved.body) | {key: value for key, value in broken.items() if key != "state"}
    state = broken.get("state", saved.state)
    await garage.store.change([name], lambda _: Change({name: Write(state, json.dumps(body))}))
    assert any(says in one for one in await found(garage))


def _without(known: memory.Memory) -> memory.Memory:
    return replace(known, vehicle=replace(known.vehicle, cases={}))


def _twice(known: memory.Memory) -> memory.Memory:
    (one,) = known.vehicle.cases[SYSTEM]
    return replace(known, vehicle=replace(known.vehicle, cases={SYSTEM: (one, replace(one, n=2))}))


@pytest.mark.parametrize(("breaks", "says"), [(_without, "in no open case"), (_twice, "2 open cases")])
async def test_a_fault_is_in_exactly_one_open_case(
    garage: MaintenanceHouse, breaks: Callable[[memory.Memory], memory.Memory], says: str
) -> None:
    await garage.scan("P0420")
    subject = memory.subject_of(CAR)
    known = breaks(memory.read(await garage.store.load(subject)))
    await garage.store.change([subject], lambda _: Change({subject: memory.write(known)}))
    assert any(says in one for one in await found(garage))


async def test_what_is_overdue_or_missing_on_the_list_is_said_after_a_while(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan("P0217")
    name = memory.case_of(CAR, "fuel_air", 1)
    await garage.desk.index.remove(QUEUE, DESK, name)
    assert await found(garage) == []
    garage.clock.advance(HOUR)
    wrong = await found(garage)
    assert any("not on the agents' list" in one for one in wrong)
    assert any("its time passed" in one for one in wrong)
    assert len(await garage.desk.sweeping.sweep([CAR])) == 2
    await garage.desk.sweeping.note(1, 2)
    await garage.fire()
    garage.clock.advance(timedelta(minutes=6))
    assert not any("its time passed" in one for one in await found(garage))


async def test_what_cannot_be_read_is_counted_and_the_turn_goes_on(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan("P0217")
    await garage.desk.index.remove(QUEUE, DESK, memory.case_of(CAR, "fuel_air", 1))
    garage.clock.advance(HOUR)
    broken = VehicleId("veh_1aaaaaaaaaaaaaaa")
    subject = memory.subject_of(broken)
    await garage.store.change([subject], lambda _: Change({subject: Write("kept", "[1")}))
    found = await garage.desk.sweeping.sweep([broken, CAR])
    assert found[0] == f"{broken}: cannot be read (ValueError)"
    assert len(found) == 3


async def test_help_that_no_agent_is_given_is_said(garage: MaintenanceHouse) -> None:
    delivery = DeliveryId("dlv_1aaaaaaaaaaaaaaa")
    asked = await garage.desk.desk.help.ask("cou_3xxxxxxxxxxxxxxx", delivery, CAR, by="courier")
    await garage.settle()
    sweeping = garage.desk.sweeping
    assert await sweeping.help(await sweeping.begin()) == []
    await garage.desk.index.remove(QUEUE, DESK, asked.id)
    garage.clock.advance(HOUR)
    assert f"{asked.id}: queued, and not on the agents' list" in await sweeping.help(await sweeping.begin())
    assert (await garage.desk.index.page(OPEN, ALL)).members == [asked.id]
