"""Cases in the store: opened, made more urgent, closed and opened again by scans; each reaction read twice."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from maintenance import calls as choice
from maintenance import memory
from maintenance.limits import CaseLimits, MaintenanceLimits
from maintenance.lists import ALL, IN_STATE, OF_CAR, OPEN
from maintenance.model import Read
from maintenance.service import Turn
from maintenance.states import TriggerState
from spine.dead_letters import DeadLetters
from spine.store import Change
from tests.service.maintenance_house import (
    CAR,
    DAY,
    HOUR,
    MaintenanceHouse,
    PeopleHouse,
    garage,
    garage_house,
    house_of_people,
)

__all__ = ["garage", "house_of_people"]
pytestmark = pytest.mark.valkey
T = TriggerState
LOW, MEDIUM, HIGH, CRITICAL = "P0440", "P0420", "P0301", "P0217"
"""Codes of four severities; low and medium are of one system, ``emissions``."""


async def test_without_the_owners_wish_every_severity_starts_offered(garage: MaintenanceHouse) -> None:
    await garage.scan(MEDIUM, HIGH, CRITICAL)
    for system, severity in (("emissions", "medium"), ("ignition", "high"), ("fuel_air", "critical")):
        read = await garage.read(system)
        assert (read.state, read.body.severity) == (T.OFFERED, severity)
        assert read.body.odometer_m == 84_000_001
    assert await garage.desk.index.count(OF_CAR, CAR) == 3
    await garage.again()


async def test_with_it_severity_decides_where_a_trigger_starts(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(LOW, HIGH, CRITICAL)
    assert await garage.state("emissions") is T.OFFERED
    critical, high = await garage.read("fuel_air"), await garage.read("ignition")
    assert critical.state is high.state is T.QUEUED
    assert critical.body.trigger.claim_by == garage.now + timedelta(minutes=2)
    assert high.body.trigger.claim_by == garage.now + timedelta(minutes=30)
    queue = await garage.desk.index.page(IN_STATE, T.QUEUED.value)
    assert queue.members == [critical.id, high.id]
    await garage.again()


async def test_medium_goes_to_an_agent_when_it_was_not_taken_in_72_hours(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(MEDIUM)
    await garage.later(71 * HOUR)
    assert await garage.state("emissions") is T.OFFERED
    await garage.later(HOUR)
    assert await garage.state("emissions") is T.QUEUED
    low = await garage.scan(LOW, MEDIUM)
    assert low.scan
    assert await garage.state("emissions") is T.QUEUED
    await garage.again()


async def test_a_low_one_is_never_dialled(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(LOW)
    await garage.later(100 * DAY)
    assert await garage.state("emissions") is T.OFFERED
    assert (await garage.read("emissions")).body.trigger.due is None


async def test_a_critical_one_without_calls_is_told_every_day(garage: MaintenanceHouse) -> None:
    await garage.scan(CRITICAL)
    for day in range(1, 4):
        await garage.later(DAY)
        assert (await garage.read("fuel_air")).body.trigger.told == day
    assert (await garage.kinds()).count("trigger.offered") == 4
    assert (await garage.counted())["told_again"] == 3


async def test_more_urgent_moves_an_offered_case_to_the_agents(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan("P0171")  # fuel_air, medium
    assert await garage.state("fuel_air") is T.OFFERED
    await garage.scan("P0171", CRITICAL)
    read = await garage.read("fuel_air")
    assert (read.state, read.body.severity, read.body.codes) == (T.QUEUED, "critical", ("P0171", CRITICAL))
    assert "case.reprioritised" in await garage.kinds()
    await garage.again()


async def test_the_choice_moves_what_is_open_both_ways(garage: MaintenanceHouse) -> None:
    await garage.scan(HIGH)
    await garage.wants_calls()
    assert await garage.state("ignition") is T.QUEUED
    await garage.wants_calls(on=False)
    assert await garage.state("ignition") is T.OFFERED
    await garage.again()


async def test_clean_scans_close_and_what_comes_back_goes_on_where_it_stood(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(HIGH)
    since = (await garage.read("ignition")).body.trigger.since
    for _ in range(3):
        garage.clock.advance(DAY)
        await garage.scan()
    read = await garage.read("ignition")
    assert (read.state, read.body.trigger.was) == (T.ENDED, T.QUEUED)
    assert await garage.desk.index.count(OPEN, ALL) == 0
    assert await garage.desk.index.count(IN_STATE, T.QUEUED.value) == 0
    garage.clock.advance(DAY)
    await garage.scan(HIGH)
    read = await garage.read("ignition")
    assert (read.state, read.body.trigger.since, read.body.trigger.was) == (T.QUEUED, since, None)
    assert (await garage.kinds()).count("case.opened") == 1
    for _ in range(3):
        garage.clock.advance(DAY)
        await garage.scan()
    assert (await garage.read("ignition")).body.trigger.was is T.QUEUED
    await garage.again()


async def test_nobody_claims_in_time_and_that_is_counted_once(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(CRITICAL)
    await garage.later(timedelta(minutes=2))
    await garage.later(HOUR)
    assert (await garage.counted())["breaches:critical"] == 1
    assert (await garage.kinds()).count("trigger.breached") == 1
    assert await garage.state("fuel_air") is T.QUEUED


async def test_a_rule_in_mode_monitor_counts_and_calls_nobody(house_of_people: PeopleHouse) -> None:
    limits = MaintenanceLimits(cases=CaseLimits(queue="monitor", medium_queue="monitor", repeat="off"))
    house = garage_house(house_of_people, limits)
    await house.furnish()
    await house.wants_calls()
    await house.scan(HIGH, MEDIUM, CRITICAL)
    await house.later(72 * HOUR)
    assert {await house.state(system) for system in ("ignition", "emissions", "fuel_air")} == {T.OFFERED}
    counted = await house.counted()
    assert counted["monitor:queue"] == 2
    assert counted["monitor:medium_queue"] == 1


async def test_a_sale_takes_the_choice_back_and_nobody_is_called_any_more(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(HIGH)
    garage.clock.advance(HOUR)
    await garage.people.people.cars.release(CAR, by=garage.owner, now=garage.now)
    await garage.settle()
    assert await garage.desk.choosing.of(CAR) is None
    assert await garage.state("ignition") is T.OFFERED
    assert "+316" not in await garage.people.everything()
    garage.clock.advance(HOUR)
    garage.owner = await garage.people.owner("next@example.org", "WXYZ6789")
    await garage.wants_calls()
    assert await garage.state("ignition") is T.QUEUED
    await garage.again()
    assert choice.may_call(await garage.desk.choosing.of(CAR))


async def test_a_sale_erases_cases_that_the_policy_has_forgotten(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(HIGH)
    name = (await garage.read("ignition")).id
    await garage.desk.cases.change(name, lambda read, _: Turn(read.body.but(note="a rattle")))
    subject = memory.subject_of(CAR)
    known = memory.read(await garage.store.load(subject))
    (one,) = known.vehicle.cases["ignition"]
    later = replace(known.vehicle, cases={"ignition": (replace(one, n=2),)})
    write = memory.write(replace(known, vehicle=later))
    await garage.store.change([subject], lambda _: Change({subject: write}))
    garage.clock.advance(HOUR)
    await garage.people.people.cars.release(CAR, by=garage.owner, now=garage.now)
    await garage.settle()
    assert (await garage.read("ignition")).body.note == ""


async def test_what_cannot_be_read_is_parked_and_holds_nothing_up(garage: MaintenanceHouse) -> None:
    dead = DeadLetters(garage.store.valkey, garage.store.house)
    await garage.scan(HIGH, outcome="wonderful")
    assert await dead.count() == 1
    half = [{"code": "P0301", "status": "confirmed"}, {"code": "no code", "status": "?"}]
    await garage.scan(ecus=[{"id": "7E8", "answered": True, "codes": half}])
    assert await garage.state("ignition") is T.OFFERED
    assert await dead.count() == 2
    assert (await garage.counted())["scans_parked"] == 2


async def test_an_absurd_scan_is_cut_and_closes_nothing(garage: MaintenanceHouse) -> None:
    await garage.scan(*(f"P1{n:03d}" for n in range(600)))
    known = memory.read(await garage.store.load(memory.subject_of(CAR))).vehicle
    assert len(known.faults) == 300
    for n in range(3, 10):
        await garage.scan(
            *(f"P{n % 4}{n}{k:02d}" for k in range(100)), *(f"B1{n}{k:02d}" for k in range(100))
        )
    saved = await garage.store.load(memory.subject_of(CAR))
    assert len(memory.read(saved).vehicle.faults) <= 1000
    assert len(saved.body) < 200_000


async def test_codes_beyond_what_is_remembered_are_parked_once(house_of_people: PeopleHouse) -> None:
    garage = garage_house(house_of_people, MaintenanceLimits(cases=CaseLimits(faults_kept=10)))
    await garage.furnish()
    dead = DeadLetters(garage.store.valkey, garage.store.house)
    await garage.scan(*(f"P1{n:03d}" for n in range(10)))
    assert await dead.count() == 0
    await garage.scan(*(f"P1{n:03d}" for n in range(12)))
    assert await dead.count() == 1
    await garage.again()
    assert await dead.count() == 1
    assert (await garage.counted())["scans_parked"] == 1


async def test_what_an_agent_raised_is_not_taken_back_by_the_next_scan(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await garage.scan(MEDIUM)
    name = (await garage.read("emissions")).id
    await garage.desk.cases.change(
        name, lambda read, _: Turn(read.body.but(severity="critical", raised="critical"))
    )
    garage.clock.advance(HOUR)
    await garage.scan(MEDIUM, LOW)
    assert (await garage.read("emissions")).body.severity == "critical"
    sweeping = garage.desk.sweeping
    assert await sweeping.of(CAR, None, garage.now) == []


async def test_a_clock_that_is_years_ahead_hides_no_later_scan(garage: MaintenanceHouse) -> None:
    await garage.scan(HIGH, at="2099-01-01T00:00:00Z")
    assert (await garage.read("ignition")).body.opened_at == garage.now
    garage.clock.advance(HOUR)
    await garage.scan(HIGH, CRITICAL, boot=None, seq=None)
    assert await garage.state("fuel_air") is T.OFFERED


async def test_what_is_remembered_of_a_case_is_what_reading_it_again_gives(garage: MaintenanceHouse) -> None:
    """So that no scan is judged by what the store does not have."""
    await garage.wants_calls()
    dice = random.Random(7)
    remembered = garage.desk.intake._remembered
    compared = 0
    for _ in range(60):
        await garage.scan(
            *dice.sample(["P0301", "P0420", "C1234", "P0128", "U0100"], dice.choice([0, 0, 0, 1, 2]))
        )
        for name, (saved, read) in list(remembered._reads.items()):
            there = await garage.store.load(name)
            if there == saved:  # nobody else has changed it since
                assert read == Read.of(there)
                assert read is not None
                assert read.body.model_dump_json(exclude_none=True) == there.body
                compared += 1
    assert compared > 100
