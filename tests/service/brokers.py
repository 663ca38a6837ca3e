"""A real Mosquitto per test, with the configuration we generate: the fixture ``mosquitto`` (conftest knows it)."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trunkline.ports import free_port
from vehicle_gateway import broker_config, pki
from vehicle_gateway.enrol import pem_of
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Broker, Tls

PASSWORD = "gateway-test-password"

_STRANGER = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"
"""CONNECT of MQTT 5 without a name, which is refused."""


@dataclass
class Mosquitto:
    """One broker process of ours on loopback: it can be stopped, killed, started again and told to reload."""

    directory: Path
    service_port: int
    vehicle_port: int
    process: subprocess.Popen[bytes] | None = None
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def conf(self) -> Path:
        return self.directory / "mosquitto.conf"

    def start(self) -> None:
        with (self.directory / "broker.log").open("ab") as log:
            self.process = subprocess.Popen([_binary(), "-c", str(self.conf)], stdout=log, stderr=log)
        _wait_for(self.service_port, self.process, self.directory / "broker.log")

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self.process.wait(10)
            self.process = None

    def reload(self) -> None:
        """The broker reads its accounts, ACL and CRL again, and has read them.

        A signal that comes while it reads is forgotten (it takes the mark of it down at the end), so the next one waits.
        """
        assert self.process is not None
        log, end = self.directory / "broker.log", time.monotonic() + 60
        before = log.read_bytes().count(b"Reloading config")
        while log.read_bytes().count(b"Reloading config") == before:
            assert time.monotonic() < end, "it does not read its files"
            self.process.send_signal(signal.SIGHUP)
            again = time.monotonic() + 2
            while log.read_bytes().count(b"Reloading config") == before and time.monotonic() < again:
                time.sleep(0.002)
        with socket.create_connection(("127.0.0.1", self.service_port), 60) as stranger:
            stranger.sendall(_STRANGER)
            stranger.recv(100)  # it has one thread: when it answers, it has read

    def service(self, account: str = broker_config.SERVICE) -> Broker:
        """How one of our own services, or a unit with a password, connects."""
        return Broker("127.0.0.1", self.service_port, username=account, password=self.passwords[account])

    def add_account(self, account: str, password: str = "unit-test-password") -> Broker:
        """An account on the service listener; the ACL's patterns hold for it as for a certificate's CN."""
        self.passwords[account] = password
        broker_config.set_passwords(self.directory / "passwd", {account: password})
        self.reload()
        return self.service(account)

    def vehicle(self, cert: Path, key: Path) -> Broker:
        """How a car connects: mutual TLS, nothing else."""
        tls = Tls(ca=self.pki / "broker-ca.crt", cert=cert, key=key)
        return Broker("localhost", self.vehicle_port, tls=tls)

    def certificate(self, unit: str, folder: Path) -> Broker:
        """Issue a certificate for ``unit`` and give its way to the broker."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = pki.Pki.open(self.pki, GatewayLimits()).mtls(unit, key.public_key(), datetime.now(UTC))
        cert_file, key_file = folder / f"{unit}.crt", folder / f"{unit}.key"
        cert_file.write_text(pem_of(issued))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return self.vehicle(cert_file, key_file)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker with both listeners. Missing: skipped by name here, a failure where CI=true."""
    if not _binary():
        missing = "the Debian package `mosquitto` is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    broker = prepare(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


def prepare(directory: Path) -> Mosquitto:
    """Certificates, accounts and configuration of a broker on two free ports; not started."""
    broker = Mosquitto(directory, free_port(), free_port(), passwords={broker_config.SERVICE: PASSWORD})
    pki.make(broker.pki, hosts=["localhost", "127.0.0.1"], now=datetime.now(UTC), limits=GatewayLimits())
    layout = broker_config.Layout(
        directory,
        broker.service_port,
        vehicles=broker_config.VehicleListener(broker.vehicle_port, broker.pki, bind="127.0.0.1", crl=True),
        # started as root it would become the account `mosquitto`, which may not read this folder
        user="root" if os.geteuid() == 0 else None,
    )
    broker_config.write(layout, broker.passwords)
    return broker


def _binary() -> str:
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.01)
    raise RuntimeError("mosquitto did not start: " + log.read_text()[-2000:])
