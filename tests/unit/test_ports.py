"""Ports for processes that are about to be started."""

import itertools
import os
import socket
from pathlib import Path

import pytest

from trunkline import ports
from trunkline.ports import NoPort, free_port


def test_none_is_one_that_an_outgoing_connection_may_be_given() -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split())
    found = [free_port() for _ in range(200)]
    assert not [port for port in found if low <= port <= high or port < 1_024]
    assert len(set(found)) == 200, "each is named once"


@pytest.mark.parametrize("apart", range(1, 13))
def test_processes_beside_one_another_look_in_different_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, apart: int
) -> None:
    """Workers of one run are started one after the other; any two numbers at all may meet, one pair in a hundred."""
    monkeypatch.setattr(ports, "_TOLD", tmp_path / "none")
    found = []
    for number in (4_711, 4_711 + apart):
        monkeypatch.setattr(os, "getpid", lambda number=number: number)
        monkeypatch.setattr(ports, "_asked", itertools.count())
        found.append({free_port() for _ in range(100)})
    assert not found[0] & found[1]


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
