"""Take a unit in, replace it, retire its vehicle: proven keys become certificates and an identity."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import BaseModel, ConfigDict, ValidationError

from spine.clock import Clock
from spine.facts.vehicle import UnitReplaced, VehicleEnrolled, VehicleRetired
from spine.ids import ALPHABET, UnitId, VehicleId, new_id, partition_of
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.pki import Pki
from vehicle_gateway.possession import ENROL, binding, jwk_of, mtls_request, receipt_request, thumbprint
from vehicle_gateway.registry import NoSuchVehicle, UnitBody, VehicleBody
from vehicle_gateway.states import UNIT, VEHICLE, UnitState, VehicleState, step

_RECEIPT_KEY: Final = "rky"
"""Subject that a receipt key takes: the same key cannot become two units, a second try finds the first."""


class BadRequest(Problem):
    """The enrolment request does not have the form that `trunkline unit init` prints."""

    code: ClassVar[str] = "enrolment.bad_request"
    kind: ClassVar[Kind] = Kind.INVALID


class Request(BaseModel):
    """What a unit prints: two certificate requests (PEM) and the receipt key's signature over both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    mtls_csr: str
    receipt_csr: str
    proof: str


class Passwords(Protocol):
    """Where a broker without certificates keeps its accounts."""

    def set(self, account: str, password: str) -> None: ...

    def drop(self, account: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Handout:
    """What every enrolled unit is told besides its certificates.

    ``service_keys``: JWKS of the keys it shall trust, each with ``purpose``. ``bundle``: signatures of the trust
    bundle in force, whose roots it shall believe from then on. ``passwords``: set where units
    sign in at the broker by password (the demo without Mosquitto).
    """

    service_keys: Mapping[str, Any]
    broker_host: str
    broker_port: int
    broker_tls: bool = True
    bundle: Sequence[str] | None = None
    passwords: Passwords | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Proven:
    """A request whose sender was proven to hold both private keys."""

    mtls: ec.EllipticCurvePublicKey
    receipt: Ed25519PublicKey


class Enrolment:
    """Runs where the vehicle CA is: the operator's command line."""

    def __init__(self, store: Store, clock: Clock, limits: GatewayLimits, pki: Pki, handout: Handout) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._pki = pki
        self._handout = handout
        self._partitions = store.house.partitions

    async def enrol(self, request: str | bytes) -> dict[str, Any]:
        """Make a vehicle and its unit; gives what the unit installs. The same keys again: the same unit.

        Raises ``NoPossession``, and ``BadRequest`` also where these keys' unit was replaced or retired.
        """
        now = self._clock.now()
        proven = self._check(request, now)
        partition = int.from_bytes(_digest(proven.receipt)[:4], "big") % self._partitions
        vehicle, unit = VehicleId(new_id("veh", partition)), UnitId(new_id("vu", partition))
        shard = self._draw_shard(partition)
        body = self._body(proven, unit, vehicle, shard, now)
        fact = VehicleEnrolled(at=now, vehicle=vehicle, unit=unit, shard=shard)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[_key_subject(proven.receipt, partition)].version:
                return None
            about = VehicleBody(unit=unit, shard=shard, enrolled_at=now)
            return Change(
                {
                    _key_subject(proven.receipt, partition): Write("taken", f'{{"unit":"{unit}"}}'),
                    vehicle: Write(step(VEHICLE, VehicleState.NEW, fact), about.model_dump_json()),
                    unit: Write(step(UNIT, UnitState.NEW, fact), body.model_dump_json()),
                },
                [fact],
            )

        return await self._take(proven, partition, [vehicle, unit], decide)

    async def replace(self, vehicle: VehicleId, request: str | bytes) -> dict[str, Any]:
        """Give the vehicle a new unit, which inherits its shard; the former one is refused from now on.

        Raises ``NoSuchVehicle``, ``NotInThisState``, ``BadRequest``, ``NoPossession``.
        """
        now = self._clock.now()
        proven = self._check(request, now)
        known = _vehicle(await self._store.load(vehicle))
        partition = partition_of(vehicle)
        unit, former = UnitId(new_id("vu", partition)), known.unit
        body = self._body(proven, unit, vehicle, known.shard, now)
        fact = UnitReplaced(at=now, vehicle=vehicle, unit=unit, former=former)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[_key_subject(proven.receipt, partition)].version:
                return None
            about = _vehicle(saved[vehicle]).model_copy(update={"unit": unit})
            return Change(
                {
                    _key_subject(proven.receipt, partition): Write("taken", f'{{"unit":"{unit}"}}'),
                    vehicle: Write(
                        step(VEHICLE, VehicleState(saved[vehicle].state), fact), about.model_dump_json()
                    ),
                    former: Write(step(UNIT, UnitState(saved[former].state), fact), saved[former].body),
                    unit: Write(step(UNIT, UnitState.NEW, fact), body.model_dump_json()),
                },
                [fact],
            )

        answer = await self._take(proven, partition, [vehicle, former, unit], decide)
        if answer["vehicle"] != vehicle:
            raise BadRequest("the unit with these keys is in another vehicle: make new keys in the unit")
        if answer["unit"] != former:
            await self._disown(former, now)
        return answer

    async def retire(self, vehicle: VehicleId) -> None:
        """End a vehicle: its unit is refused and its certificates are listed. Again: nothing more happens.

        Raises ``NoSuchVehicle``.
        """
        now = self._clock.now()
        unit = _vehicle(await self._store.load(vehicle)).unit
        fact = VehicleRetired(at=now, vehicle=vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[vehicle].state == VehicleState.RETIRED:
                return None
            return Change(
                {
                    vehicle: Write(
                        step(VEHICLE, VehicleState(saved[vehicle].state), fact), saved[vehicle].body
                    ),
                    unit: Write(step(UNIT, UnitState(saved[unit].state), fact), saved[unit].body),
                },
                [fact],
            )

        await self._store.change([vehicle, unit], decide)
        await self._disown(unit, now)

    async def _take(
        self,
        proven: Proven,
        partition: int,
        subjects: Sequence[str],
        decide: Callable[[Mapping[str, Saved]], Change | None],
    ) -> dict[str, Any]:
        """Commit, and answer for the unit these keys have now (this one, or the first try's)."""
        marker = _key_subject(proven.receipt, partition)
        await self._store.change([marker, *subjects], decide)
        taken = (await self._store.load(marker)).body
        unit = UnitId(_Taken.model_validate_json(taken).unit)
        saved = await self._store.load(unit)
        if saved.state not in {UnitState.ACTIVE, UnitState.QUARANTINED}:
            raise BadRequest(f"the unit with these keys is {saved.state}: make new keys in the unit")
        return self._answer(unit, UnitBody.model_validate_json(saved.body))

    def _check(self, request: str | bytes, now: datetime) -> Proven:
        if len(request) > self._limits.request_bytes:
            raise BadRequest("the request is too large")
        try:
            asked = Request.model_validate_json(request)
        except ValidationError as cause:
            raise BadRequest("the request has another form") from cause
        mtls, mtls_key = mtls_request(asked.mtls_csr)
        receipt, receipt_key = receipt_request(asked.receipt_csr)
        says = {"mtls_csr_sha256": mtls.digest, "receipt_csr_sha256": receipt.digest}
        binding(asked.proof, ENROL, receipt_key, says=says, now=now, limits=self._limits)
        return Proven(mtls_key, receipt_key)

    def _draw_shard(self, partition: int) -> int:
        """0 to 255 with ``shard mod P`` = the partition (vehicle protocol, "Topics")."""
        return secrets.choice(range(partition, 256, self._partitions))

    def _body(self, proven: Proven, unit: UnitId, vehicle: VehicleId, shard: int, now: datetime) -> UnitBody:
        mtls = self._pki.mtls(unit, proven.mtls, now)
        receipts = self._pki.receipts(unit, proven.receipt, now)
        return UnitBody(
            vehicle=vehicle,
            shard=shard,
            receipt_jwk=jwk_of(proven.receipt),
            mtls=pem_of(mtls),
            receipts=pem_of(receipts),
            until=mtls.not_valid_after_utc,
        )

    def _answer(self, unit: UnitId, body: UnitBody) -> dict[str, Any]:
        handout = self._handout
        answer: dict[str, Any] = {
            "v": 1,
            "unit": unit,
            "vehicle": body.vehicle,
            "shard": body.shard,
            "certificates": certificates(body, self._pki),
            "service_keys": dict(handout.service_keys),
            "broker": {
                "host": handout.broker_host,
                "port": handout.broker_port,
                "tls": handout.broker_tls,
            },
        }
        if handout.bundle is not None:
            answer["bundle"] = list(handout.bundle)
        if handout.passwords is not None:
            password = secrets.token_urlsafe(24)
            handout.passwords.set(unit, password)
            answer["mqtt_password"] = password
        return answer

    async def _disown(self, unit: UnitId, now: datetime) -> None:
        """Make the broker refuse it too, at its next reload."""
        body = UnitBody.model_validate_json((await self._store.load(unit)).body)
        serials = [
            x509.load_pem_x509_certificate(pem.encode()).serial_number for pem in (body.mtls, body.receipts)
        ]
        self._pki.revoke(serials, now)
        if self._handout.passwords is not None:
            self._handout.passwords.drop(unit)


class _Taken(BaseModel):
    unit: str


def certificates(body: UnitBody, pki: Pki) -> dict[str, str]:
    """The member ``certificates`` of an enrolment answer, and of a renewal's ``cfg`` command."""
    return {
        "mtls": body.mtls,
        "receipt": body.receipts,
        "ca": pki.ca_pem,
        "broker_ca": pki.broker_ca_pem,
    }


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _vehicle(saved: Saved) -> VehicleBody:
    if not saved.version:
        raise NoSuchVehicle(saved.id)
    return VehicleBody.model_validate_json(saved.body)


def _digest(key: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(thumbprint(key).encode()).digest()


def _key_subject(key: Ed25519PublicKey, partition: int) -> str:
    rest = int.from_bytes(_digest(key)[4:16], "big")
    body = "".join(ALPHABET[(rest >> (5 * place)) & 31] for place in range(15))
    return f"{_RECEIPT_KEY}_{ALPHABET[partition]}{body}"
