"""A real Mosquitto with our configuration: who gets in, what each may read and write, who can be kicked off."""

import asyncio
import contextlib
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.service.brokers import Mosquitto
from vehicle_gateway.dial import secured
from vehicle_gateway.enrol import pem_of
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import NOT_AUTHORIZED, Broker, Incoming, Link, LinkLimits
from vehicle_gateway.pki import ORGANISATION, Pki
from vehicle_gateway.wire import down, up

pytestmark = pytest.mark.broker

ME, OTHER = "vu_0000000000000001", "vu_0000000000000002"
FAST = LinkLimits(
    connect_timeout=timedelta(seconds=3),
    retry_first=timedelta(milliseconds=20),
    retry_longest=timedelta(milliseconds=100),
)


@dataclass
class Client:
    """A connection and what came over it; everything is acknowledged."""

    broker: Broker
    client_id: str
    got: list[Incoming] = field(default_factory=list)
    ups: int = 0
    downs: int = 0
    wanted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.arrived = asyncio.Event()
        self.link = Link(
            self.broker,
            client_id=self.client_id,
            session_expiry=60,
            on_message=self._take,
            on_up=self._up,
            on_down=self._down,
            limits=FAST,
        )

    def _take(self, message: Incoming) -> None:
        self.got.append(message)
        self.link.acknowledge(message)
        self.arrived.set()

    async def _up(self, present: bool) -> None:
        self.ups += 1
        if self.wanted:
            await self.link.subscribe(self.wanted, retain_as_published=True)

    def _down(self) -> None:
        self.downs += 1

    async def next(self) -> Incoming:
        async with asyncio.timeout(60):
            while not self.got:
                self.arrived.clear()
                await self.arrived.wait()
        return self.got.pop(0)


@contextlib.asynccontextmanager
async def connected(broker: Broker, client_id: str, **wanted: int) -> AsyncIterator[Client]:
    client = Client(broker, client_id, wanted=wanted)
    run = asyncio.create_task(client.link.run())
    try:
        async with asyncio.timeout(60):
            await client.link.wait_connected()
        yield client
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


def keep_key(path: Path, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


async def refused(broker: Broker, client_id: str) -> None:
    """It never gets a connection, however often it tries."""
    link = Link(broker, client_id=client_id, on_message=lambda _m: None, limits=FAST)
    run = asyncio.create_task(link.run())
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await link.wait_connected()
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def test_messages_go_both_ways_and_nothing_else_does(mosquitto: Mosquitto, tmp_path: Path) -> None:
    gateway_way, car_way = mosquitto.service(), mosquitto.certificate(ME, tmp_path)
    async with (
        connected(gateway_way, "tl-gw", **{"tl/1/+/+/up/#": 1}) as gateway,
        connected(car_way, ME, **{f"tl/1/+/{ME}/dn/#": 1}) as car,
    ):
        assert await car.link.publish(up(8, ME, "sig"), b"{}") == 0
        assert (await gateway.next()).topic == up(8, ME, "sig")
        assert await gateway.link.publish(down(8, ME, "cmd"), b"{}", expiry=30) == 0
        assert (await car.next()).topic == down(8, ME, "cmd")
        for topic in (
            up(8, OTHER, "sig"),
            down(8, ME, "cmd"),
            down(8, OTHER, "cmd"),
            "tl/1/08/x",
            "$SYS/x",
            "a",
        ):
            assert await car.link.publish(topic, b"{}") == NOT_AUTHORIZED, topic
        for topic in (up(8, ME, "sig"), "tl/1/08/x"):
            assert await gateway.link.publish(topic, b"{}") == NOT_AUTHORIZED, topic


async def test_a_unit_hears_nothing_of_another(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """SUBSCRIBE is granted whatever the ACL says: only delivery counts."""
    car_way = mosquitto.certificate(OTHER, tmp_path)
    async with (
        connected(mosquitto.service(), "tl-gw") as gateway,
        connected(car_way, OTHER, **{"#": 1, f"tl/1/+/{ME}/dn/#": 1, f"tl/1/+/{OTHER}/dn/#": 1}) as spy,
    ):
        await gateway.link.publish(down(8, ME, "cmd"), b"secret", retain=True)
        await gateway.link.publish(down(9, OTHER, "cmd"), b"mine")
        assert (await spy.next()).payload == b"mine"
        assert {message.payload for message in spy.got} <= {b"mine"}, (
            "once per subscription, none of the other"
        )


@pytest.mark.parametrize(
    "name",
    [
        [(NameOID.COMMON_NAME, "svc_gateway")],
        [(NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, "svc_gateway")],
    ],
)
async def test_a_certificate_named_like_a_service_gets_nothing(
    mosquitto: Mosquitto, tmp_path: Path, name: list[tuple[x509.ObjectIdentifier, str]]
) -> None:
    """Our code never asks the CA for it; even if it did, TLS refuses it for the CA's own constraints."""
    ca = x509.load_pem_x509_certificate((mosquitto.pki / "vehicle-ca.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((mosquitto.pki / "vehicle-ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid, value) for oid, value in name]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    (tmp_path / "f.crt").write_text(pem_of(forged))
    keep_key(tmp_path / "f.key", key)
    await refused(mosquitto.vehicle(tmp_path / "f.crt", tmp_path / "f.key"), "tl-gw")
    async with connected(mosquitto.certificate(ME, tmp_path), ME):
        pass  # and a unit of the same authority comes in


async def test_a_unit_cannot_kick_another_off_by_its_client_id(mosquitto: Mosquitto, tmp_path: Path) -> None:
    car_way, other_way = mosquitto.certificate(ME, tmp_path), mosquitto.certificate(OTHER, tmp_path)
    async with connected(car_way, ME, **{f"tl/1/+/{ME}/dn/#": 1}) as car:
        async with connected(other_way, ME), connected(mosquitto.service(), "tl-gw") as gateway:
            await gateway.link.publish(down(8, ME, "cmd"), b"still here")
            assert (await car.next()).payload == b"still here"
        assert (car.ups, car.downs) == (1, 0)


async def test_who_has_no_connection_certificate_stays_out(mosquitto: Mosquitto, tmp_path: Path) -> None:
    nobody = mosquitto.vehicle(tmp_path / "none.crt", tmp_path / "none.key")
    await refused(Broker(nobody.host, nobody.port), ME)
    receipt_key = Ed25519PrivateKey.generate()
    authority = Pki.open(mosquitto.pki, GatewayLimits())
    (tmp_path / "r.crt").write_text(
        pem_of(authority.receipts(ME, receipt_key.public_key(), datetime.now(UTC)))
    )
    keep_key(tmp_path / "r.key", receipt_key)
    await refused(mosquitto.vehicle(tmp_path / "r.crt", tmp_path / "r.key"), ME)
    await refused(Broker("127.0.0.1", mosquitto.service_port, username="svc_gateway", password="wrong"), "x")
    await refused(Broker("127.0.0.1", mosquitto.service_port), "x")


async def test_a_revoked_certificate_stays_out_after_a_reload(mosquitto: Mosquitto, tmp_path: Path) -> None:
    way = mosquitto.certificate(ME, tmp_path)
    async with connected(way, ME):
        pass
    certificate = x509.load_pem_x509_certificate((tmp_path / f"{ME}.crt").read_bytes())
    Pki.open(mosquitto.pki, GatewayLimits()).revoke([certificate.serial_number], datetime.now(UTC))
    mosquitto.stop()
    mosquitto.start()
    await refused(way, ME)
    async with connected(mosquitto.certificate(OTHER, tmp_path), OTHER):
        pass


async def test_a_unit_with_a_password_has_the_same_topics(mosquitto: Mosquitto) -> None:
    """The demo without certificates: one account per unit on the loopback listener."""
    way = mosquitto.add_account(ME)
    async with connected(way, ME) as car:
        assert await car.link.publish(up(8, ME, "sig"), b"{}") in {0, 0x10}
        assert await car.link.publish(up(8, OTHER, "sig"), b"{}") == NOT_AUTHORIZED


def test_tls_is_at_least_1_2(mosquitto: Mosquitto, tmp_path: Path) -> None:
    tls = mosquitto.certificate(ME, tmp_path).tls
    assert tls is not None
    context = secured(tls)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2, "ours"
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would refuse by itself

    def version(most: ssl.TLSVersion) -> str | None:
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, most
        with (
            socket.create_connection(("127.0.0.1", mosquitto.vehicle_port), 30) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            return wrapped.version()

    assert version(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is what this is about
        with pytest.raises(ssl.SSLError, match=r"(?i)version"):
            version(ssl.TLSVersion.TLSv1_1)
