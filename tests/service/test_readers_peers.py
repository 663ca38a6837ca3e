"""``trunkline unit scan`` against other people's cars: every scenario of elmulator, and doip-server; own environment."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.peers import NotInstalled, diag
from tests.service.test_unit_life import OPTIONS, Gateway, folder, living, until
from tests.service.test_unit_life import gateway as gateway_link
from trunkline.ports import free_port
from vehicle_gateway.diag.scan import FaultScan

__all__ = ["folder", "gateway_link"]

SERVICES = """\
common_services:
  TesterPresent: {request: "regex:^(0x)?3E(00|80)$", responses: ["0x7E00"]}
specific_services:
  ReadDTC: {request: "regex:^(0x)?1902[0-9A-F]{2}$", responses: ["0x5902FF0301002F", "0x5902FF0301002F04200008", "0x5902FF", "0x5902FF0301"]}
  Severity: {request: "regex:^(0x)?1942[0-9A-F]{6}$", responses: ["0x594233FFFF0480030100 2F"]}
  Extended: {request: "regex:^(0x)?1906030100[0-9A-F]{2}$", responses: ["0x59060301002F0107"]}
""".replace("0100 2F", "01002F")


@pytest.fixture(scope="session")
def peers() -> Path:
    """Their programs."""
    try:
        return diag()
    except NotInstalled as cause:
        if os.environ.get("CI"):
            pytest.fail(f"peers not installed: {cause}")
        pytest.skip(f"peers not installed: {cause}")


def scan(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = warm.run("unit", "scan", *arguments, "--json", environment={})
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@contextmanager
def elmulator(peers: Path, scenario: str, *more: str) -> Iterator[str]:
    program = [peers / "elmulator", "serve", scenario, "--port", "0", *more]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        try:
            yield f"tcp://127.0.0.1:{int(running.stdout.readline().split()[1])}"
        finally:
            running.kill()


@pytest.mark.parametrize(
    ("scenario", "exit_code", "outcome", "codes"),
    [
        ("no_codes_basic", 0, "complete", []),
        ("chunked_stream", 0, "complete", []),
        ("headers_off_echo_on", 0, "complete", []),
        ("p0301_basic", 0, "complete", ["P0301"]),
        ("p0420_basic", 0, "complete", ["P0420"]),
        ("malformed", 1, "partial", []),
        ("adapter_disconnect", 2, "error", []),
    ],
)
@pytest.mark.parametrize("more", [(), ("--split", "1,2,5", "--echo", "on")])
def test_every_scenario_of_elmulator(
    peers: Path, scenario: str, exit_code: int, outcome: str, codes: list[str], more: Sequence[str]
) -> None:
    with elmulator(peers, scenario, *more) as address:
        ended, said = scan("--elm", address)
    assert (ended, said["outcome"]) == (exit_code, outcome)
    assert [code["code"] for ecu in said["ecus"] for code in ecu["codes"]] == codes
    assert outcome == "complete" or not any(ecu["answered"] for ecu in said["ecus"])


def test_no_scenario_of_elmulator_is_left_out(peers: Path) -> None:
    program = [peers / "python", "-c", "from elmulator._bundled import BUNDLED; print(*sorted(BUNDLED))"]
    told = subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()
    assert told == sorted(
        ["no_codes_basic", "chunked_stream", "headers_off_echo_on", "p0301_basic", "p0420_basic", "malformed", "adapter_disconnect"]
    )  # fmt: skip


@pytest.fixture
def gateway(peers: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    (tmp_path / "gateway.yaml").write_text(
        f"gateway:\n  name: Test\n  network: {{host: 127.0.0.1, port: {port}, max_connections: 5, timeout: 30}}\n"
        "  protocol: {version: 0x02, inverse_version: 0xFD}\n  ecus: [ecu.yaml]\n", "utf-8"
    )  # fmt: skip
    (tmp_path / "ecu.yaml").write_text(
        "ecu:\n  name: Engine\n  target_address: 0x1000\n  functional_address: 0x1FFF\n  tester_addresses: [0x0E00]\n"
        "  uds_services: {service_files: [svc.yaml]}\n", "utf-8"
    )  # fmt: skip
    (tmp_path / "svc.yaml").write_text(SERVICES, "utf-8")
    log = tmp_path / "log"
    with log.open("w") as out, subprocess.Popen(
        [peers / "python", "-u", "-m", "doip_server.main", "--gateway-config", "gateway.yaml"], cwd=tmp_path, stdout=out, stderr=out
    ) as running:  # fmt: skip
        try:
            while "ready to accept" not in log.read_text("utf-8"):
                assert running.poll() is None, log.read_text("utf-8")
                time.sleep(0.01)
            yield f"127.0.0.1:{port}"
        finally:
            running.kill()


def test_doip_server_read_by_uds(gateway: str) -> None:
    ended, first = scan("--doip", gateway)
    assert (ended, first["outcome"], first["source"]) == (0, "complete", "uds")
    assert first["ecus"][0]["codes"] == [
        {"code": "P0301", "status": "confirmed", "ftb": "00", "status_byte": 0x2F, "severity": "check_immediately", "occurrence": 7}
    ]  # fmt: skip
    _, second = scan("--doip", gateway)
    assert [code["code"] for code in second["ecus"][0]["codes"]] == ["P0301", "P0420"]
    ended, third = scan("--doip", gateway)
    assert (ended, third["ecus"][0]["codes"], third["readiness"]["incomplete"]) == (0, [], [])


def test_an_ecu_that_is_not_there_makes_it_partial(gateway: str) -> None:
    ended, said = scan("--doip", gateway, "--ecu", "0x1000", "--ecu", "0x1001")
    assert (ended, said["outcome"]) == (1, "partial")
    assert [(ecu["id"], ecu["answered"]) for ecu in said["ecus"]] == [("1000", True), ("1001", False)]


def test_nothing_there_is_an_error() -> None:
    port = free_port()
    assert scan("--doip", f"127.0.0.1:{port}")[0] == 2
    assert scan("--elm", f"tcp://127.0.0.1:{port}")[0] == 2


@pytest.mark.broker
async def test_a_running_unit_s_scan_reaches_the_broker_and_waits_for_its_acknowledgement(
    peers: Path, folder: Path, gateway_link: Gateway
) -> None:
    with elmulator(peers, "p0301_basic") as address:
        async with living(folder, replace(OPTIONS, elm=address)) as unit:
            unit.vehicle.change(ignition_on=True)
            (told,) = await until(lambda: gateway_link.told("dtc"))
            assert await gateway_link.ask("scan") | {"cmd": ""} == {
                "cmd": "", "outcome": "done", "code": "asked", "may_have_opened": False, "data": {}
            }  # fmt: skip
            _, again = await until(lambda: gateway_link.told("dtc")[1:] and gateway_link.told("dtc"))
            await until(lambda: len(unit.outbox) == 0)
    first, second = FaultScan.model_validate(told.d), FaultScan.model_validate(again.d)
    assert [code.code for ecu in first.ecus for code in ecu.codes] == ["P0301"]
    assert (first.boot, first.drive_cycle, first.seq, second.seq) == (unit.boot, 1, 1, 2)
