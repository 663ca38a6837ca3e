"""When a unit scans, and that each scan leaves as a document of ``up/dtc``."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from tests.unit.elm_car import ElmCar
from tests.unit.test_readers_elm import PATIENT, clean
from vehicle_gateway.diag.scan import FaultScan
from vehicle_unit.clock import SystemTime, UnitClock
from vehicle_unit.disk import MemoryDisk
from vehicle_unit.limits import UnitLimits
from vehicle_unit.options import UnitOptions
from vehicle_unit.scanning import Scanner
from vehicle_unit.vehicle import Vehicle


def scanner(
    disk: MemoryDisk, options: UnitOptions, said: "asyncio.Queue[Mapping[str, Any]]", vehicle: Vehicle
) -> Scanner:
    clock = UnitClock(SystemTime(), floor=0, limits=UnitLimits())
    return Scanner(disk, options=options, boot=5, clock=clock, vehicle=vehicle, say=said.put_nowait)


async def test_scans_at_ignition_on_and_when_asked_and_counts_drive_cycles_over_restarts() -> None:
    disk, said = MemoryDisk(), asyncio.Queue[Mapping[str, Any]]()
    with ElmCar(clean()) as car:
        for cycle in (1, 2):
            one = scanner(disk, UnitOptions(elm=car.address, readers=PATIENT), said, Vehicle())
            task = asyncio.create_task(one.run())
            one.ignition_on()
            first = FaultScan.model_validate(await asyncio.wait_for(said.get(), 60))
            assert one.ask()
            second = FaultScan.model_validate(await asyncio.wait_for(said.get(), 60))
            assert [(scan.drive_cycle, scan.seq, scan.outcome) for scan in (first, second)] == [
                (cycle, 1, "complete"),
                (cycle, 2, "complete"),
            ]
            assert first.scan_id != second.scan_id
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_scans_by_the_clock_with_ignition_on_and_goes_on_after_a_dead_adapter() -> None:
    said = asyncio.Queue[Mapping[str, Any]]()
    with ElmCar({}) as car:
        address = car.address
    options = UnitOptions(elm=address, readers=PATIENT, scan_every=timedelta(milliseconds=20))
    task = asyncio.create_task(scanner(MemoryDisk(), options, said, Vehicle(ignition_on=True)).run())
    outcomes = [(await asyncio.wait_for(said.get(), 60))["outcome"] for _ in range(2)]
    assert outcomes == ["error", "error"]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_unit_without_a_reader_says_so() -> None:
    one = scanner(MemoryDisk(), UnitOptions(), asyncio.Queue(), Vehicle())
    one.ignition_on()
    assert not one.ask()
