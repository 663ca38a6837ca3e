"""The demo's own adapter and car, read by our reader: what it has is what is read, and nothing is what it says then."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from vehicle_gateway.diag.scan import FaultScan
from vehicle_unit.readers.findings import Heading
from vehicle_unit.readers.limits import ReaderLimits
from vehicle_unit.readers.source import Source
from vehicle_unit.simulated_elm import SimulatedElm

HEADING = Heading(boot=1, seq=1, scan_id="s1", at=datetime(2026, 11, 26, tzinfo=UTC), drive_cycle=1)


@pytest.fixture
def elm() -> Iterator[SimulatedElm]:
    made = SimulatedElm()
    yield made
    made.close()


def read(elm: SimulatedElm) -> FaultScan:
    return Source(elm=elm.address).scan(HEADING, ReaderLimits(), time.monotonic)


@pytest.mark.parametrize(
    "codes", [(), ("P0301",), ("P0301", "C0040", "U0100", "B1234"), tuple(f"P0{n:03X}" for n in range(1, 40))]
)
def test_what_it_has_is_what_is_read(elm: SimulatedElm, codes: tuple[str, ...]) -> None:
    elm.has(codes)
    found = read(elm)
    assert (found.outcome, found.mil) == ("complete", bool(codes))
    assert found.readiness is not None
    assert found.readiness.incomplete == []
    assert [one.code for ecu in found.ecus for one in ecu.codes] == list(codes)
    assert {one.status for ecu in found.ecus for one in ecu.codes} <= {"confirmed"}


def test_mended_it_is_clean_and_every_scan_is_counted(elm: SimulatedElm) -> None:
    elm.has(["P0301"])
    read(elm)
    elm.has([])
    assert read(elm).ecus[0].codes == []
    assert elm.scans == 2


@pytest.mark.parametrize("wrong", ["P030", "X0301", "P0301-1C", ""])
def test_what_is_no_code_is_refused(elm: SimulatedElm, wrong: str) -> None:
    with pytest.raises(ValueError):
        elm.has([wrong])
    assert read(elm).ecus[0].codes == []


def test_garbage_and_a_line_without_end_do_no_harm(elm: SimulatedElm) -> None:
    import socket

    host, port = elm.address.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as line:
        line.sendall(b"\xff\xfe" * 400)
    assert elm.says("ZZZZ") == b"NO DATA\r\r>"
    assert read(elm).outcome == "complete"
