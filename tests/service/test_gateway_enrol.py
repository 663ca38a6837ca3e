"""Enrolment, replacement, retirement and renewal, with the reference unit's own requests at the other end."""

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys.car.jws import SigningKey
from keys.signing import create_signing_keys
from spine.facts.vehicle import UnitAsked
from spine.ids import CommandId, UnitId, VehicleId, partition_of
from spine.log import Log
from spine.readers import Received
from spine.store import Store
from tests.service.conftest import SetClock
from tests.service.gateway_scene import message_id
from vehicle_gateway import pki
from vehicle_gateway.commands import CommandBody, Commands
from vehicle_gateway.enrol import BadRequest, Enrolment, Handout
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.pki import Pki
from vehicle_gateway.possession import NoPossession, jwk_of
from vehicle_gateway.registry import NoSuchUnit, NoSuchVehicle, UnitBody, Vehicles
from vehicle_gateway.renewal import Renewals
from vehicle_gateway.standing import Standing
from vehicle_gateway.states import NotInThisState, UnitState, VehicleState
from vehicle_gateway.wire import Op, Result
from vehicle_unit import provisioning

pytestmark = pytest.mark.valkey

LIMITS = GatewayLimits(proof_age=timedelta(days=36_500))  # the unit dates its request by the machine's clock


@dataclass
class Accounts:
    known: dict[str, str] = field(default_factory=dict)

    def set(self, account: str, password: str) -> None:
        self.known[account] = password

    def drop(self, account: str) -> None:
        self.known.pop(account, None)


@dataclass
class Office:
    """Where the operator enrols."""

    store: Store
    clock: SetClock
    folder: Path
    accounts: Accounts = field(default_factory=Accounts)

    def __post_init__(self) -> None:
        directory = self.folder / "pki"
        pki.make(directory, hosts=["localhost"], now=self.clock.now(), limits=LIMITS)
        self.pki = Pki.open(directory, LIMITS)
        jwks = create_signing_keys(self.folder / "keys")
        handout = Handout(jwks, "broker.example", 8883, passwords=self.accounts)
        self.enrolment = Enrolment(self.store, self.clock, LIMITS, self.pki, handout)
        self.vehicles = Vehicles(self.store)
        self.commands = Commands(self.store, self.clock, LIMITS)
        self.renewals = Renewals(self.store, self.clock, LIMITS, self.pki, self.commands)

    def request(self, name: str = "unit") -> str:
        return json.dumps(provisioning.init(self.folder / name))

    def revoked(self) -> set[int]:
        crl = x509.load_pem_x509_crl((self.folder / "pki" / "vehicle-ca.crl").read_bytes())
        return {entry.serial_number for entry in crl}

    async def facts(self, vehicle: VehicleId) -> list[str]:
        entries = await Log(self.store.valkey, self.store.house).read(partition_of(vehicle))
        return [entry.kind for entry in entries if getattr(entry.fact, "vehicle", None) == vehicle]


@pytest.fixture
def office(store: Store, clock: SetClock, tmp_path: Path) -> Office:
    return Office(store, clock, tmp_path)


async def test_the_unit_can_install_what_enrolment_answers(office: Office) -> None:
    answer = await office.enrolment.enrol(office.request())
    assert set(answer) == {"v", "unit", "vehicle", "shard", "certificates", "service_keys", "broker", "mqtt_password"}  # fmt: skip
    assert office.accounts.known == {answer["unit"]: answer["mqtt_password"]}
    vehicle = await office.vehicles.vehicle(answer["vehicle"])
    unit = await office.vehicles.unit(answer["unit"])
    assert (vehicle.state, unit.state) == (VehicleState.ENROLLED, UnitState.ACTIVE)
    assert vehicle.unit == unit.id
    assert vehicle.shard == unit.shard == answer["shard"]
    assert (
        answer["shard"] % office.store.house.partitions == partition_of(vehicle.id) == partition_of(unit.id)
    )
    assert await office.facts(vehicle.id) == ["vehicle.enrolled"]
    ca = x509.load_pem_x509_certificate(answer["certificates"]["ca"].encode())
    for part in ("mtls", "receipt"):
        certificate = x509.load_pem_x509_certificate(answer["certificates"][part].encode())
        certificate.verify_directly_issued_by(ca)
    provisioning.install(office.folder / "unit", answer)
    installed = provisioning.Identity.load(office.folder / "unit")
    assert installed.unit == unit.id
    key = await office.vehicles.receipt_key(unit.id)
    assert jwk_of(key) == installed.receipt_key.jwk
    assert await office.vehicles.receipt_key(UnitId("vu_0000000000000000")) is None


async def test_the_same_keys_are_the_same_unit(office: Office) -> None:
    first = await office.enrolment.enrol(office.request())
    again = await office.enrolment.enrol(office.request())
    assert (again["unit"], again["vehicle"], again["certificates"]) == (first["unit"], first["vehicle"], first["certificates"])  # fmt: skip
    assert await office.facts(first["vehicle"]) == ["vehicle.enrolled"]


async def test_two_units_are_two_vehicles(office: Office) -> None:
    first = await office.enrolment.enrol(office.request("one"))
    second = await office.enrolment.enrol(office.request("two"))
    assert first["vehicle"] != second["vehicle"]


def swapped(one: str, two: str, *members: str) -> str:
    request, other = json.loads(one), json.loads(two)
    return json.dumps(request | {member: other[member] for member in members})


async def test_a_request_that_proves_too_little_changes_nothing(office: Office) -> None:
    one, two = office.request("one"), office.request("two")
    stolen = [
        swapped(one, two, "mtls_csr"),
        swapped(one, two, "receipt_csr"),
        swapped(one, two, "proof"),
        swapped(one, two, "receipt_csr", "proof"),
        swapped(one, two, "mtls_csr", "proof"),
    ]
    for request in stolen:
        with pytest.raises(NoPossession):
            await office.enrolment.enrol(request)
    for request in ("", "{}", "[]", "{" * 5_000, json.dumps({**json.loads(one), "more": 1}), one + " " * 20_000, json.dumps({**json.loads(one), "v": 2})):  # fmt: skip
        with pytest.raises(BadRequest):
            await office.enrolment.enrol(request)
    entries = [await Log(office.store.valkey, office.store.house).read(p) for p in range(8)]
    assert not any(entries)
    assert office.accounts.known == {}


async def test_an_old_request_is_refused(store: Store, clock: SetClock, tmp_path: Path) -> None:
    office = Office(store, clock, tmp_path)
    strict = Enrolment(store, clock, GatewayLimits(), office.pki, Handout({}, "b", 1))
    with pytest.raises(NoPossession):
        await strict.enrol(office.request())  # the test's clock stands years away


async def test_a_replacement_inherits_the_shard_and_the_former_unit_is_refused(office: Office) -> None:
    first = await office.enrolment.enrol(office.request("one"))
    vehicle = first["vehicle"]
    request = office.request("two")
    second = await office.enrolment.replace(vehicle, request)
    again = await office.enrolment.replace(vehicle, request)
    assert again["unit"] == second["unit"] != first["unit"]
    assert (second["shard"], second["vehicle"]) == (first["shard"], vehicle)
    assert (await office.vehicles.vehicle(vehicle)).unit == second["unit"]
    assert (await office.vehicles.unit(first["unit"])).state is UnitState.REPLACED
    assert (await office.vehicles.unit(second["unit"])).state is UnitState.ACTIVE
    assert await office.vehicles.receipt_key(first["unit"]) is not None, "old receipts stay provable"
    assert set(office.accounts.known) == {second["unit"]}
    gone = x509.load_pem_x509_certificate(first["certificates"]["mtls"].encode())
    there = x509.load_pem_x509_certificate(second["certificates"]["mtls"].encode())
    assert gone.serial_number in office.revoked()
    assert there.serial_number not in office.revoked()
    assert await office.facts(vehicle) == ["vehicle.enrolled", "unit.replaced"]
    with pytest.raises(BadRequest):
        await office.enrolment.enrol(office.request("one"))


async def test_a_replacement_needs_a_living_vehicle_and_new_keys(office: Office) -> None:
    with pytest.raises(NoSuchVehicle):
        await office.enrolment.replace(VehicleId("veh_0000000000000000"), office.request())
    first = await office.enrolment.enrol(office.request("one"))
    await office.enrolment.retire(first["vehicle"])
    with pytest.raises(NotInThisState):
        await office.enrolment.replace(first["vehicle"], office.request("two"))


async def test_a_retired_vehicle_s_unit_is_refused_everywhere(office: Office) -> None:
    answer = await office.enrolment.enrol(office.request())
    for _ in range(2):
        await office.enrolment.retire(answer["vehicle"])
    assert (await office.vehicles.vehicle(answer["vehicle"])).state is VehicleState.RETIRED
    assert (await office.vehicles.unit(answer["unit"])).state is UnitState.RETIRED
    assert len(office.revoked()) == 2
    assert office.accounts.known == {}
    assert await office.facts(answer["vehicle"]) == ["vehicle.enrolled", "vehicle.retired"]
    with pytest.raises(BadRequest):
        await office.enrolment.enrol(office.request())


async def test_quarantine_and_release(office: Office) -> None:
    answer = await office.enrolment.enrol(office.request())
    standing, unit, now = Standing(office.store), answer["unit"], office.clock.now()
    with pytest.raises(NotInThisState):
        await standing.release(unit, now=now)
    for _ in range(2):
        await standing.quarantine(unit, reason="receipt_rejected", now=now)
    view = await office.vehicles.unit(unit)
    assert (view.state, view.reason) == (UnitState.QUARANTINED, "receipt_rejected")
    await standing.release(unit, now=now)
    assert (await office.vehicles.unit(unit)).state is UnitState.ACTIVE
    assert await office.facts(answer["vehicle"]) == ["vehicle.enrolled", "unit.quarantined", "unit.released"]
    nobody = UnitId("vu_0000000000000000")
    for call in (standing.release(nobody, now=now), standing.quarantine(nobody, reason="x", now=now)):
        with pytest.raises(NoSuchUnit):
            await call
    assert office.revoked() == set(), "quarantine may end: its certificate is not burnt"


# ---- renewal


@dataclass
class Car:
    office: Office
    unit: UnitId
    vehicle: VehicleId
    folder: Path

    @property
    def identity(self) -> provisioning.Identity:
        return provisioning.Identity.load(self.folder)

    def ask(self) -> dict[str, str]:
        """A request, each a second later than the last."""
        self.office.clock.advance(timedelta(seconds=1))
        return provisioning.renewal_request(self.identity, self.office.clock.now())

    def new_key(self) -> None:
        (self.folder / "mtls.key").unlink()
        provisioning.init(self.folder)

    async def send(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """Let the reaction meet the request (twice: a reader may); gives the certificates it answers."""
        fact = UnitAsked(at=self.office.clock.now(), vehicle=self.vehicle, unit=self.unit, name="cert", request=message_id(), data=data)  # fmt: skip
        for _ in range(2):
            await self.office.renewals.react(Received(partition_of(self.unit), "1-1", fact, None))
        saved = await self.office.store.load(f"cmd_{self.unit.removeprefix('vu_')}.cert.{fact.request}")
        if not saved.version:
            return None
        body = CommandBody.model_validate_json(saved.body)
        assert (body.op, body.unit) == (Op.CFG, self.unit)
        self.command = CommandId(saved.id)
        return body.args["certificates"]

    async def confirm(self) -> None:
        result = Result(cmd=self.command, outcome="done")
        await self.office.commands.answer(result, self.unit, now=self.office.clock.now())

    async def body(self) -> UnitBody:
        return UnitBody.model_validate_json((await self.office.store.load(self.unit)).body)


@pytest.fixture
async def car(office: Office) -> Car:
    answer = await office.enrolment.enrol(office.request("unit"))
    folder = office.folder / "unit"
    provisioning.install(folder, answer)
    return Car(office, answer["unit"], answer["vehicle"], folder)


def due(office: Office) -> None:
    office.clock.advance(LIMITS.unit_certificate_life * 2 / 3 + timedelta(hours=1))


async def test_certificates_renew_in_the_last_third(office: Office, car: Car) -> None:
    before = await car.body()
    assert await car.send(car.ask()) is None, "not yet"
    due(office)
    assert provisioning.life_left(car.folder, office.clock.now()) < 1 / 3
    certificates = await car.send(car.ask())
    assert certificates is not None
    after = await car.body()
    provisioning.check_certificates(car.folder, certificates)
    provisioning.store_certificates(car.folder, certificates)
    assert provisioning.life_left(car.folder, office.clock.now()) > 0.99
    assert after.mtls == certificates["mtls"] != before.mtls
    assert after.receipt_jwk == before.receipt_jwk
    receipt = x509.load_pem_x509_certificate(certificates["receipt"].encode())
    assert receipt.public_key() == before.receipt_key
    assert after.until == office.clock.now().replace(microsecond=0) + LIMITS.unit_certificate_life
    assert (await office.facts(car.vehicle)).count("unit.certified") == 1
    await car.confirm()
    assert await car.send(car.ask()) is None, "the new one is young"


async def test_an_answer_that_was_lost_is_given_again(office: Office, car: Car) -> None:
    due(office)
    first = await car.send(car.ask())
    again = await car.send(car.ask())
    assert first == again is not None
    assert (await office.facts(car.vehicle)).count("unit.certified") == 1
    car.new_key()  # the unit chose another key meanwhile
    other = await car.send(car.ask())
    assert other is not None
    assert other["mtls"] != first["mtls"]
    await car.confirm()
    car.new_key()
    assert await car.send(car.ask()) is None, "confirmed: not before its last third"


async def test_an_old_request_does_not_bring_an_old_key_back(office: Office, car: Car) -> None:
    due(office)
    old = car.ask()
    car.new_key()
    assert await car.send(car.ask()) is not None
    assert await car.send(old) is None
    await car.confirm()
    due(office)
    assert await car.send(old) is None
    assert await car.send(car.ask()) is not None


async def test_who_cannot_sign_with_the_receipt_key_gets_no_certificate(office: Office, car: Car) -> None:
    due(office)
    forged = replace(car.identity, receipt_key=SigningKey.of(Ed25519PrivateKey.generate()))
    good = car.ask()
    for data in (
        provisioning.renewal_request(forged, office.clock.now()),
        {"csr": good["csr"], "proof": "a.b.c"},
        {"csr": "", "proof": good["proof"]},
        {"csr": good["csr"]},
        {},
    ):
        assert await car.send(data) is None
    assert (await car.body()).renewal == ""


async def test_a_unit_in_quarantine_gets_no_certificate(office: Office, car: Car) -> None:
    due(office)
    await Standing(office.store).quarantine(car.unit, reason="x", now=office.clock.now())
    assert await car.send(car.ask()) is None


async def test_other_requests_are_left_to_others(office: Office, car: Car) -> None:
    fact = UnitAsked(
        at=office.clock.now(), vehicle=car.vehicle, unit=car.unit, name="trust", request=message_id()
    )
    await office.renewals.react(Received(partition_of(car.unit), "1-1", fact, None))
    assert await office.facts(car.vehicle) == ["vehicle.enrolled"]
