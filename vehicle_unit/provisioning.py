"""How a unit gets its identity: its keys are made here and stay, certificates come from outside."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keys.car.bundle import Bundle, first_bundle
from keys.car.claims import UnitText
from keys.car.jws import Alg, Form, SigningKey, Unacceptable, sign
from keys.car.policy import Policy
from keys.car.trust import BadTrust, TrustedKeys
from vehicle_gateway.link import Broker, Tls
from vehicle_unit.boot import write_boot
from vehicle_unit.clock import SystemTime
from vehicle_unit.disk import FolderDisk
from vehicle_unit.record import RecordStore

_log = logging.getLogger("trunkline.vehicle_unit")

ENROL: Final = Form("tl-enrol+jwt", Alg.ED25519, "kid", 4096)
RENEW: Final = Form("tl-renew+jwt", Alg.ED25519, "kid", 4096)

MTLS_KEY: Final = "mtls.key"
RECEIPT_KEY: Final = "receipt.key"
IDENTITY: Final = "unit.json"
CERTIFICATES: Final = {
    "mtls": "mtls.pem",
    "receipt": "receipt.pem",
    "ca": "ca.pem",
    "broker_ca": "broker-ca.pem",
}


class NotProvisioned(Exception):
    """The folder does not hold a unit that was enrolled, or the answer to be installed is not for it."""


class _Certificates(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    mtls: str
    receipt: str
    ca: str
    broker_ca: str


class _Server(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    host: str
    port: Annotated[int, Field(ge=1, le=65_535)]
    tls: bool = True


class Enrolled(BaseModel):
    """What ``trunkline vehicle enrol`` answered."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    v: Literal[1] = 1
    unit: UnitText
    vehicle: str
    shard: Annotated[int, Field(ge=0, le=255)]
    certificates: _Certificates
    service_keys: dict[str, Any]
    bundle: list[str] | None = None
    """The trust bundle of that day, whose roots are believed from then on; None: enrolled before there were any."""
    broker: _Server
    mqtt_password: str | None = Field(None, repr=False)
    policy: Policy = Policy()


@dataclass(frozen=True)
class Identity:
    """Who a unit is, with the keys that never leave it."""

    folder: Path
    enrolled: Enrolled
    trust: TrustedKeys
    receipt_key: SigningKey
    mtls_key: EllipticCurvePrivateKey = field(repr=False)
    bundle: Bundle | None = None
    """As enrolment gave it."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a provisioned folder. Raises ``NotProvisioned``."""
        try:
            enrolled = Enrolled.model_validate_json((folder / IDENTITY).read_bytes())
            trust, bundle = _trust(enrolled)
            mtls = load_pem_private_key((folder / MTLS_KEY).read_bytes(), None)
            receipt = load_pem_private_key((folder / RECEIPT_KEY).read_bytes(), None)
        except (OSError, ValidationError, BadTrust, ValueError, Unacceptable) as cause:
            raise NotProvisioned(f"{folder} holds no enrolled unit: {type(cause).__name__}") from cause
        if not isinstance(mtls, EllipticCurvePrivateKey) or not isinstance(receipt, Ed25519PrivateKey):
            raise NotProvisioned("the keys are of another kind")
        return cls(folder, enrolled, trust, SigningKey.of(receipt), mtls, bundle)

    @property
    def unit(self) -> str:
        return self.enrolled.unit

    def broker(self) -> Broker:
        """Where to connect: by certificate, or by password where one was given."""
        server, password = self.enrolled.broker, self.enrolled.mqtt_password
        tls: Tls | None = None
        if server.tls:
            ca, own = self.folder / CERTIFICATES["broker_ca"], self.folder / CERTIFICATES["mtls"]
            tls = Tls(ca, own, self.folder / MTLS_KEY) if password is None else Tls(ca)
        username = self.unit if password is not None else None
        return Broker(server.host, server.port, tls, username, password)


def init(folder: Path) -> dict[str, Any]:
    """Make the mTLS key (P-256) and the receipt key (Ed25519) unless they exist; gives the request."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _keep_new(folder / MTLS_KEY, lambda: SigningKey.of(generate_private_key(SECP256R1())).pem())
    _keep_new(folder / RECEIPT_KEY, lambda: SigningKey.draw().pem())
    mtls = load_pem_private_key((folder / MTLS_KEY).read_bytes(), None)
    receipt = load_pem_private_key((folder / RECEIPT_KEY).read_bytes(), None)
    if not isinstance(mtls, EllipticCurvePrivateKey) or not isinstance(receipt, Ed25519PrivateKey):
        raise NotProvisioned("the keys are of another kind")
    mtls_csr, receipt_csr = _request(mtls), _request(receipt)
    claims = {
        "mtls_csr_sha256": _digest(mtls_csr),
        "receipt_csr_sha256": _digest(receipt_csr),
        "iat": int(SystemTime().wall()),
    }
    proof = sign(claims, form=ENROL, key=SigningKey.of(receipt))
    return {"v": 1, "mtls_csr": _pem(mtls_csr), "receipt_csr": _pem(receipt_csr), "proof": proof}


def install(folder: Path, answer: Mapping[str, Any]) -> Enrolled:
    """Store what enrolment answered, and the first record. Raises ``NotProvisioned``, changing nothing."""
    try:
        enrolled = Enrolled.model_validate(dict(answer))
        _trust(enrolled)
    except (ValidationError, BadTrust, Unacceptable) as cause:
        raise NotProvisioned("this is not an enrolment answer") from cause
    certificates = enrolled.certificates.model_dump()
    check_certificates(folder, certificates)
    disk = FolderDisk(folder)
    try:
        store_certificates(folder, certificates)
        disk.replace(IDENTITY, json.dumps(dict(answer)).encode())
        RecordStore(disk).provision()
        if disk.read("boot") is None:
            write_boot(disk, 0)
    finally:
        disk.close()
    return enrolled


def _trust(enrolled: Enrolled) -> tuple[TrustedKeys, Bundle | None]:
    """The pinned keys, and the bundle with its roots. Raises ``BadTrust`` or ``Unacceptable``."""
    pinned = TrustedKeys.from_jwks(enrolled.service_keys)
    return pinned, None if enrolled.bundle is None else first_bundle({"bundle": enrolled.bundle})


def check_certificates(folder: Path, certificates: Mapping[str, str]) -> None:
    """Whether they are for our own keys. Raises ``NotProvisioned``."""
    for name, file in (("mtls", MTLS_KEY), ("receipt", RECEIPT_KEY)):
        try:
            certificate = x509.load_pem_x509_certificate(certificates[name].encode())
            key = load_pem_private_key((folder / file).read_bytes(), None).public_key()
        except (OSError, KeyError, ValueError) as cause:
            raise NotProvisioned(f"the {name} certificate cannot be read") from cause
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if certificate.public_key().public_bytes(*form) != key.public_bytes(*form):
            raise NotProvisioned(f"the {name} certificate is for another key")


def store_certificates(folder: Path, certificates: Mapping[str, str]) -> None:
    """Replace the PEM files, each at once."""
    disk = FolderDisk(folder)
    for name, file in CERTIFICATES.items():
        if name in certificates:
            disk.replace(file, certificates[name].encode())


def life_left(folder: Path, now: datetime) -> float:
    """Which share of the mTLS certificate's life is still to come; 1 before it begins, 0 when it is over."""
    certificate = x509.load_pem_x509_certificate((folder / CERTIFICATES["mtls"]).read_bytes())
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return max(0.0, min(1.0, (end - now) / (end - start)))


def renewal_request(identity: Identity, now: datetime) -> dict[str, str]:
    """What ``up/req/cert`` says: a request for the same mTLS key, bound to this unit by the receipt key."""
    csr = _request(identity.mtls_key)
    claims = {"csr_sha256": _digest(csr), "unit": identity.unit, "iat": int(now.astimezone(UTC).timestamp())}
    return {"csr": _pem(csr), "proof": sign(claims, form=RENEW, key=identity.receipt_key)}


def _keep_new(path: Path, make: Callable[[], bytes]) -> None:
    """Write a private key once, readable by its owner only; an existing one stays."""
    disk = FolderDisk(path.parent)
    try:
        if disk.read(path.name) is None:
            disk.replace(path.name, make())
    finally:
        disk.close()


def _request(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trunkline unit")])
    )
    return builder.sign(key, SHA256() if isinstance(key, EllipticCurvePrivateKey) else None)


def _pem(csr: x509.CertificateSigningRequest) -> str:
    return csr.public_bytes(Encoding.PEM).decode()


def _digest(csr: x509.CertificateSigningRequest) -> str:
    """Lower-case hex SHA-256 of its DER."""
    return hashlib.sha256(csr.public_bytes(Encoding.DER)).hexdigest()
