"""A provisioned unit on a real Mosquitto, over mutual TLS: what it says, hears, keeps and says again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from keys.car.receipt import verify_chain
from tests.service.brokers import Mosquitto
from tests.unit.unit_rig import DELIVERY, UNIT, command, jwks, key_token, news, proof_of, revocations
from vehicle_gateway import pki
from vehicle_gateway.enrol import pem_of
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Incoming, Link, LinkLimits
from vehicle_gateway.possession import RENEW, binding, mtls_request, receipt_request
from vehicle_gateway.wire import Envelope, State, down
from vehicle_unit import control, fleet, provisioning
from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import Lock
from vehicle_unit.pairing import code_hash
from vehicle_unit.presence import Mode
from vehicle_unit.provisioning import Identity, NotProvisioned
from vehicle_unit.unit import Unit, UnitOptions

pytestmark = pytest.mark.broker
MS = timedelta(milliseconds=1)
LINK = LinkLimits(retry_first=20 * MS, retry_longest=50 * MS, steady_after=0 * MS)
OPTIONS = UnitOptions(lifts_after=10 * MS, shuts_after=10 * MS, link=LINK, control=False)


def now() -> float:
    return datetime.now(UTC).timestamp()


async def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (found := condition()):  # noqa: ASYNC110  # the condition is what we wait for
            await asyncio.sleep(0.002)
    return found


def answer_for(request: dict[str, Any], broker: Mosquitto, unit: str = UNIT) -> dict[str, Any]:
    """What enrolment would answer."""
    ca = pki.Pki.open(broker.pki, GatewayLimits())
    _, mtls = mtls_request(request["mtls_csr"])
    _, receipt = receipt_request(request["receipt_csr"])
    when = datetime.now(UTC)
    return {
        "v": 1,
        "unit": unit,
        "vehicle": "veh_0123456789abcdef",
        "shard": 0,
        "certificates": {
            "mtls": pem_of(ca.mtls(unit, mtls, when)),
            "receipt": pem_of(ca.receipts(unit, receipt, when)),
            "ca": ca.ca_pem,
            "broker_ca": ca.broker_ca_pem,
        },
        "service_keys": jwks(),
        "broker": {"host": "localhost", "port": broker.vehicle_port, "tls": True},
    }


@pytest.fixture
def folder(tmp_path: Path, mosquitto: Mosquitto) -> Path:
    made = tmp_path / "unit"
    provisioning.install(made, answer_for(provisioning.init(made), mosquitto))
    return made


@dataclass
class Gateway:
    """The other end: hears everything, acknowledges when told, asks the unit."""

    link: Link
    unit: str = UNIT
    acks: bool = True
    heard: list[Incoming] = field(default_factory=list)
    n: int = 0

    def on_message(self, message: Incoming) -> None:
        self.heard.append(message)
        self.link.acknowledge(message)
        if self.acks and not message.topic.endswith("/up/state") and self.unit in message.topic:
            told = Envelope.model_validate_json(message.payload)
            if told.seq:
                ack = json.dumps({"boot": told.boot, "seqs": [told.seq]}).encode()
                self.link.send(down(0, self.unit, "ack"), ack, qos=0, expiry=60)

    def told(self, name: str) -> list[Envelope]:
        wanted = f"/up/{name}"
        return [Envelope.model_validate_json(m.payload) for m in self.heard if m.topic.endswith(wanted)]

    def states(self) -> list[State]:
        return [State.model_validate_json(m.payload) for m in self.heard if m.topic.endswith("/up/state")]

    async def ask(self, op: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
        self.n += 1
        token = command(op, args, n=self.n, at=now(), unit=self.unit)
        name = f"cmd_0123456789abcdef.{self.n}.{op}"
        payload = json.dumps({"cmd": token}).encode()
        await self.link.publish(down(0, self.unit, "cmd"), payload, expiry=30, correlation=name.encode())
        found = await until(lambda: [e.d for e in self.told("res") if e.d["cmd"] == name])
        return found[0]

    async def open(self, seq: int = 1) -> dict[str, Any]:
        told = (await self.ask("challenge", {"delivery": DELIVERY}))["data"]
        token = key_token(seq, at=now())
        args = {"delivery": DELIVERY, "key": token, "proof": proof_of(token, told["challenge"])}
        if told["fresh"]:
            args["fresh"] = news(told["challenge"], at=now())
        return await self.ask("present", args)

    async def send_list(self, version: int = 1, **more: Any) -> None:
        signed = revocations(version, at=now(), **more).encode()
        await self.link.publish(down(0, self.unit, "rev"), signed, retain=True)


@pytest.fixture
async def gateway(mosquitto: Mosquitto) -> AsyncIterator[Gateway]:
    made: Gateway

    def on_message(message: Incoming) -> None:
        made.on_message(message)

    async def on_up(present: bool) -> None:
        await made.link.subscribe({"tl/1/+/+/up/#": 1})

    link = Link(
        mosquitto.service(), client_id="svc_gateway", on_message=on_message, on_up=on_up,
        session_expiry=600, limits=LINK,
    )  # fmt: skip
    made = Gateway(link)
    async with running(link.run()):
        await asyncio.wait_for(link.wait_connected(), 60)
        yield made


@asynccontextmanager
async def running(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError), outcome


@asynccontextmanager
async def living(folder: Path, options: UnitOptions = OPTIONS) -> AsyncIterator[Unit]:
    unit = Unit(Identity.load(folder), options)
    async with running(unit.run()):
        await asyncio.wait_for(unit.link.wait_connected(), 60)
        yield unit


def outs(folder: Path, gateway: Gateway) -> list[str]:
    key = Identity.load(folder).receipt_key.private.public_key()
    seen = {e.d["n"]: e.d["receipt"] for e in gateway.told("evt/receipt")}
    return [c.out for c in verify_chain([seen[n] for n in sorted(seen)], key=key, unit=UNIT)]


async def test_a_delivery_opens_and_locks_the_boot(folder: Path, gateway: Gateway) -> None:
    await gateway.send_list()
    async with living(folder) as unit:
        await until(lambda: unit.revocations.current)
        answer = await gateway.open()
        assert (answer["outcome"], answer["code"]) == ("done", "opened")
        topics = [m.topic.split("/up/")[1] for m in gateway.heard]
        assert topics.index("evt/receipt") < len(topics) - 1 - topics[::-1].index("res")  # receipts go first
        await until(lambda: len(gateway.told("evt/receipt")) == 5)
        assert outs(folder, gateway) == ["revoked", "consumed", "opened", "closed", "locked"]
        await until(lambda: len(unit.outbox) == 0)
        assert not unit.receipts.pending()
        used = await gateway.open(1)
        assert used["code"] == "already_used"


async def test_says_who_it_is_and_how_it_stands(folder: Path, gateway: Gateway) -> None:
    async with living(folder) as unit:
        await until(lambda: gateway.told("sig") and gateway.told("req/revocations"))
        (snapshot, *_) = gateway.told("sig")
        assert snapshot.d["full"] is True
        assert snapshot.d["values"]["Vehicle.Body.Trunk.Rear.IsLocked"] is True
        assert [s.presence for s in gateway.states()] == ["online"]
        assert gateway.states()[0].boot == unit.boot == 1
    async with living(folder) as unit:
        assert unit.boot == 2


async def test_unacknowledged_goes_out_again_and_after_a_restart_under_the_new_boot(
    folder: Path, gateway: Gateway
) -> None:
    gateway.acks = False
    await gateway.send_list()
    async with living(folder) as unit:
        await until(lambda: gateway.told("evt/receipt"))
        unit.link.leave(abruptly=True)
        unit.link.come_back()
        await until(lambda: len(gateway.told("evt/receipt")) == 2)
        first, again = gateway.told("evt/receipt")
        assert (first.id, first.boot, first.seq) == (again.id, again.boot, again.seq)
    gateway.acks = True
    async with living(folder) as unit:
        last = (await until(lambda: gateway.told("evt/receipt")[2:]))[0]
        assert (last.id, last.boot) == (first.id, 2)
        await until(lambda: not unit.receipts.pending())


async def test_a_broker_that_comes_back_empty_loses_nothing(
    folder: Path, gateway: Gateway, mosquitto: Mosquitto
) -> None:
    async with living(folder) as unit:
        mosquitto.stop(kill=True)
        await until(lambda: not unit.link.connected)
        unit.uplink.event("crash", {"g": 9})
        for file in mosquitto.directory.glob("**/mosquitto.db"):
            file.unlink()
        mosquitto.start()
        await until(lambda: gateway.told("evt/crash"))
        await until(lambda: len(unit.outbox) == 0)


async def test_sleeps_wakes_dozes_and_vanishes(folder: Path, gateway: Gateway) -> None:
    limits = UnitLimits(will_delay=0 * MS, doze_every=300 * MS, doze_listen=100 * MS)
    async with living(folder, replace(OPTIONS, limits=limits)) as unit:
        await until(gateway.states)
        unit.presence.go(Mode.ASLEEP, wakes_in=300 * MS)
        asleep = await until(lambda: [s for s in gateway.states() if s.presence == "asleep"])
        assert asleep[0].wakes_at is not None
        await until(lambda: [s.presence for s in gateway.states()] == ["online", "asleep", "online"])
        unit.presence.go(Mode.DOZING)
        await until(lambda: not unit.link.connected)
        await until(lambda: [s.presence for s in gateway.states()].count("dozing") >= 2)
        answer = await gateway.ask("flash")  # waits in the session until it listens
        assert answer["outcome"] == "done"
        unit.presence.go(Mode.AWAKE)
        await until(lambda: unit.link.connected and gateway.states()[-1].presence == "online")
        unit.presence.go(Mode.NO_COVERAGE)
        await until(lambda: gateway.states()[-1].presence == "offline")
        assert gateway.states()[-1].boot == unit.boot


async def test_a_hand_on_the_car_and_a_claim_code(folder: Path, gateway: Gateway) -> None:
    async with living(folder, replace(OPTIONS, control=True)) as unit:
        await until((folder / control.SOCKET).exists)
        assert await control.ask(folder, {"pair": True}) == {"error": "ignition_off"}
        said = await control.ask(folder, {"ignition": True, "position": [52.5, 13.4], "pair": True})
        told = (await until(lambda: gateway.told("evt/pair")))[0]
        assert told.d["code_scrypt"] == code_hash(said["code"])
        assert len(said["code"]) == 8
        await until(
            lambda: any(
                e.d["values"].get("Vehicle.CurrentLocation.Latitude") == 52.5 for e in gateway.told("sig")
            )
        )
        assert (await control.ask(folder, {"lid": "force"}))["lock"] == "by_hand"
        assert (await control.ask(folder, {"lid": "shut"}))["lock"] == "latched"
        assert "error" in await control.ask(folder, {"nonsense": 1})
        await control.ask(folder, {"mode": "asleep", "wakes_in": 60})
        await until(lambda: not unit.link.connected)
    with pytest.raises(control.NotRunning):
        await control.ask(folder, {})


async def test_asks_for_new_certificates_and_takes_them(
    folder: Path, gateway: Gateway, mosquitto: Mosquitto
) -> None:
    eager = UnitLimits(renew_within=0.999999)
    async with living(folder, replace(OPTIONS, limits=eager)):
        asked = (await until(lambda: gateway.told("req/cert")))[0].d["data"]
        requested, _ = mtls_request(asked["csr"])
        key = Identity.load(folder).receipt_key.private.public_key()
        says = {"csr_sha256": requested.digest, "unit": UNIT}
        binding(asked["proof"], RENEW, key, says=says, now=datetime.now(UTC), limits=GatewayLimits())
        former = (folder / "mtls.pem").read_bytes()
        fresh = answer_for(provisioning.init(folder), mosquitto)["certificates"]
        assert (await gateway.ask("cfg", {"certificates": fresh}))["outcome"] == "done"
        after = (folder / "mtls.pem").read_bytes()
        assert after != former
        assert x509.load_pem_x509_certificate(after)
    async with living(folder):
        pass  # and connects with them


async def test_certificates_for_another_key_are_not_installed(
    folder: Path, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    other = answer_for(provisioning.init(tmp_path / "other"), mosquitto)
    with pytest.raises(NotProvisioned):
        provisioning.install(folder, other)
    with pytest.raises(NotProvisioned):
        Identity.load(tmp_path / "other")
    with pytest.raises(NotProvisioned):
        provisioning.install(folder, {"v": 1})


async def test_keys_are_made_once_and_only_the_owner_reads_them(folder: Path) -> None:
    before = [(folder / name).read_bytes() for name in ("mtls.key", "receipt.key")]
    provisioning.init(folder)
    assert [(folder / name).read_bytes() for name in ("mtls.key", "receipt.key")] == before
    assert all(
        (folder / name).stat().st_mode & 0o777 == 0o600 for name in ("mtls.key", "receipt.key", "unit.json")
    )


async def test_a_fleet_comes_on_the_air(tmp_path: Path, mosquitto: Mosquitto, gateway: Gateway) -> None:
    for number, (place, request) in enumerate(fleet.prepare(tmp_path / "fleet", 10)):
        provisioning.install(place, answer_for(request, mosquitto, f"vu_{number:016d}"))
    cars = fleet.Fleet(
        fleet.enrolled(tmp_path / "fleet"), OPTIONS, memory=True, starts_a_second=200, signals_every=50 * MS
    )
    async with running(cars.run()):
        await until(lambda: cars.connected == 10)
        await until(lambda: len(gateway.told("sig")) > 30)
        assert all(unit.latch.state is Lock.LATCHED for unit in cars.units)
