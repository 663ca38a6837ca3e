"""Ports for processes that are about to be started."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline import ports
from trunkline.ports import NoPort, free_port


def test_none_is_one_that_an_outgoing_connection_may_be_given() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split())
    found = [free_port() for _ in range(200)]
    assert not [port for port in found if low <= port <= high or port < 1_024]
    assert len(set(found)) == 200, "each is named once"


def test_two_processes_look_in_different_places() -> None:
    ask = "from trunkline.ports import free_port; print(*(free_port() for _ in range(100)))"
    others = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    assert not {free_port() for _ in range(100)} & set(map(int, others.split()))


def test_one_that_is_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "range").write_text("13001\t60999\n", "ascii")
    monkeypatch.setattr(ports, "_TOLD", tmp_path / "range")
    port = free_port()
    asked = port - 12_000 - os.getpid() * ports._STRIDE
    with socket.create_server(("127.0.0.1", port)):
        monkeypatch.setattr(ports, "_asked", iter(range(asked, asked + 100_000)))
        assert 12_000 <= free_port() <= 13_000
        monkeypatch.setattr(ports, "_asked", iter([asked] * 2_000))
        with pytest.raises(NoPort):
            free_port()


def test_it_works_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ports, "_TOLD", tmp_path / "none")
    assert 12_000 <= free_port() < 32_768
