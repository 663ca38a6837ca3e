"""Worn pads and other conditions without a code: a case like a code's, that does not flap."""

import pytest

from maintenance import memory
from maintenance.states import TriggerState
from spine.facts.maintenance import AppointmentDone
from spine.facts.vehicle import SignalChanged
from spine.ids import AppointmentId, GarageId, SlotId
from tests.service.maintenance_house import (
    CAR,
    DAY,
    HOUR,
    MaintenanceHouse,
    garage,
    garage_house,
    house_of_people,
)

__all__ = ["garage", "house_of_people"]
pytestmark = pytest.mark.valkey
T = TriggerState
PADS = "Vehicle.Chassis.Axle.Row1.Wheel.{}.Brake.PadWear"
FLUID = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Brake.IsFluidLevelLow"


async def says(garage: MaintenanceHouse, path: str, value: bool | float | str | None) -> None:
    await garage.people.append(SignalChanged(at=garage.now, vehicle=CAR, path=path, value=value))
    await garage.settle()


async def test_a_car_reports_that_its_brake_pads_are_worn(garage: MaintenanceHouse) -> None:
    await garage.wants_calls()
    await says(garage, PADS.format("Left"), 89)
    assert await garage.kinds() == []
    await says(garage, PADS.format("Left"), 91)
    read = await garage.read("brakes")
    assert (read.state, read.body.severity, read.body.codes) == (T.OFFERED, "medium", ("VSS-PADWEAR",))
    await says(garage, PADS.format("Right"), 95)
    assert (await garage.kinds()).count("case.opened") == 1
    await says(garage, PADS.format("Right"), 100)
    read = await garage.read("brakes")
    assert (read.state, read.body.severity, read.body.severity_source) == (T.QUEUED, "high", "rule:condition")
    await garage.again()


async def test_only_new_pads_mend_it_and_only_after_a_while(garage: MaintenanceHouse) -> None:
    await says(garage, PADS.format("Left"), 95)
    await says(garage, PADS.format("Left"), 60)
    assert (await garage.read("brakes")).open
    await says(garage, PADS.format("Left"), 3)
    await garage.later(23 * HOUR)
    assert (await garage.read("brakes")).open
    await garage.later(HOUR)
    assert await garage.state("brakes") is T.ENDED
    assert memory.read(await garage.store.load(memory.subject_of(CAR))).conditions == {}
    await garage.again()


async def test_healthy_fluid_proves_nothing_about_the_pads_of_the_same_wheel(
    garage: MaintenanceHouse,
) -> None:
    await says(garage, PADS.format("Left"), 100)
    await says(garage, FLUID, True)
    await says(garage, FLUID, False)
    await garage.later(2 * DAY)
    read = await garage.read("brakes")
    assert read.open
    assert read.body.codes == ("VSS-PADWEAR", "VSS-ISFLUIDLEVELLOW")
    await says(garage, PADS.format("Left"), 3)
    await garage.later(DAY)
    assert await garage.state("brakes") is T.ENDED
    await garage.again()


async def test_a_flag_that_flaps_all_day_is_one_case_that_stays_open(garage: MaintenanceHouse) -> None:
    for _ in range(30):
        await says(garage, FLUID, True)
        await garage.later(HOUR)
        await says(garage, FLUID, False)
        await garage.later(HOUR)
    assert [one for one in await garage.kinds() if one.startswith("case.")] == ["case.opened"]
    await garage.later(DAY)
    assert await garage.state("brakes") is T.ENDED


async def test_a_timer_that_another_process_answered_is_answered_again_here(garage: MaintenanceHouse) -> None:
    """One process reads the signals, the other has the timers: what the second remembers is outdated."""
    other = garage_house(garage.people)
    for _ in range(2):
        await says(garage, PADS.format("Left"), 95)
        await says(garage, PADS.format("Left"), 3)
        garage.clock.advance(DAY)
        await other.desk.timers()["flt"](await garage.store.load(memory.subject_of(CAR)))
        await garage.settle()
        assert await garage.state("brakes") is T.ENDED
    await garage.again()


async def test_after_the_garage_has_finished_healthy_is_believed_at_once(garage: MaintenanceHouse) -> None:
    await says(garage, FLUID, True)
    case = (await garage.read("brakes")).id
    garage.clock.advance(DAY)
    done = AppointmentDone(
        at=garage.now, appointment=AppointmentId(f"apt_{case[4:]}.1"), case=case, vehicle=CAR,
        garage=GarageId("gar_1aaaaaaaaaaaaaaa"), slot=SlotId("slt_1aaaaaaaaaaaaaaa.1.1904288400"), start=garage.now,
        sequence=0,
    )  # fmt: skip
    await garage.people.append(done)
    await garage.settle()
    garage.clock.advance(HOUR)
    await says(garage, FLUID, False)
    assert await garage.state("brakes") is T.ENDED
    await garage.again()


async def test_signals_and_scans_do_not_hide_each_other(garage: MaintenanceHouse) -> None:
    await garage.scan("P0301")
    garage.clock.advance(HOUR)
    await says(garage, FLUID, True)
    await garage.scan("P0301", "P0420", at=(garage.now - HOUR / 2).isoformat(), boot=None, seq=None)
    assert await garage.state("emissions") is T.OFFERED
    for _ in range(3):
        garage.clock.advance(DAY)
        await garage.scan()
    assert await garage.state("ignition") is T.ENDED
    assert (await garage.read("brakes")).open
    await garage.again()


@pytest.mark.parametrize("value", [None, "yes", 1.5, -3, 10**9])
async def test_nonsense_is_no_condition(garage: MaintenanceHouse, value: float | str | None) -> None:
    await says(garage, FLUID, value)
    await says(garage, "Vehicle.Speed", 90)
    assert await garage.kinds() == []


OIL = "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemaining"
BATTERY = "Vehicle.LowVoltageBattery.CurrentVoltage"


async def test_oil_that_has_to_be_changed_soon(garage: MaintenanceHouse) -> None:
    days = 86_400
    await says(garage, OIL, 15 * days)
    assert await garage.kinds() == []
    await says(garage, OIL, 14 * days)
    await says(garage, OIL, -3 * days)
    read = await garage.read("service")
    assert (read.state, read.body.severity, read.body.codes) == (T.OFFERED, "medium", ("VSS-LIFEREMAINING",))
    await says(garage, OIL, 59 * days)
    await garage.later(2 * DAY)
    assert (await garage.read("service")).open, "that is no fresh oil"
    await says(garage, OIL, 360 * days)
    await garage.later(DAY)
    assert await garage.state("service") is T.ENDED
    assert (await garage.kinds()).count("case.opened") == 1
    await garage.again()


async def test_a_battery_that_stays_low_and_none_that_only_starts_an_engine(garage: MaintenanceHouse) -> None:
    for volts in (12.6, 9.4, 14.1):
        await says(garage, BATTERY, volts)
    await garage.later(DAY)
    assert await garage.kinds() == []
    assert memory.read(await garage.store.load(memory.subject_of(CAR))).conditions == {}
    await says(garage, BATTERY, 11.7)
    await garage.later(HOUR)
    await says(garage, BATTERY, 11.5)
    assert await garage.kinds() == []
    await garage.later(HOUR)  # nothing more is heard: the car sleeps
    read = await garage.read("electrical")
    assert (read.body.severity, read.body.codes) == ("high", ("VSS-CURRENTVOLTAGE",))
    await says(garage, BATTERY, 12.1)
    await garage.later(2 * DAY)
    assert (await garage.read("electrical")).open, "between the bounds it stays as it was"
    await says(garage, BATTERY, 13.9)
    await garage.later(12 * HOUR)
    await says(garage, BATTERY, 9.8)  # the engine is started
    await says(garage, BATTERY, 14.0)
    await garage.later(12 * HOUR)
    assert await garage.state("electrical") is T.ENDED
    assert (await garage.kinds()).count("case.opened") == 1
    await garage.again()


async def test_a_healing_battery_that_falls_again_is_the_same_case(garage: MaintenanceHouse) -> None:
    await says(garage, BATTERY, 11.2)
    await garage.later(2 * HOUR)
    await says(garage, BATTERY, 13.9)
    await garage.later(20 * HOUR)
    await says(garage, BATTERY, 11.6)
    await garage.later(10 * HOUR)
    assert (await garage.read("electrical")).open
    await says(garage, BATTERY, 13.9)
    await garage.later(DAY)
    assert await garage.state("electrical") is T.ENDED
    assert [one for one in await garage.kinds() if one.startswith("case.")] == ["case.opened", "case.closed"]
    await garage.again()


@pytest.mark.parametrize("value", [None, True, "low", 0.0, 3.1])
async def test_no_reading_of_a_battery_that_nothing_could_run_on(
    garage: MaintenanceHouse, value: float | str | None
) -> None:
    await says(garage, BATTERY, value)
    await says(garage, "Vehicle.Powertrain.TractionBattery.CurrentVoltage", 9.0)
    await garage.later(DAY)
    assert await garage.kinds() == []
