"""How a unit comes to its identity: two keys made here that never leave, a request out, certificates in."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keys.car.jws import Alg, Form, SigningKey, sign
from keys.car.trust import BadTrust, TrustedKeys

ENROL: Final = Form("tl-enrol+jwt", Alg.ED25519, "kid", 2048)
RENEW: Final = Form("tl-renew+jwt", Alg.ED25519, "kid", 2048)
_IDENTITY: Final = "identity.json"
_MTLS_KEY: Final = "mtls.key"
_NEXT_MTLS_KEY: Final = "mtls.key.next"
_RECEIPT_KEY: Final = "receipt.key"


class NotProvisioned(Exception):
    """The folder does not hold what a unit needs to run; the message says what to do."""


class BadAnswer(Exception):
    """What was to be installed is not an enrolment answer for the keys in this folder."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Certificates(_Closed):
    """PEM: connection, receipts, and the two authorities."""

    mtls: str
    receipt: str
    ca: str
    broker_ca: str


class BrokerAddress(_Closed):
    """Where the unit connects; ``tls``: with its certificate."""

    host: str
    port: Annotated[int, Field(ge=1, le=65_535)]
    tls: bool = True


class Identity(_Closed):
    """What ``trunkline vehicle enrol`` answers and the unit keeps."""

    v: Literal[1]
    unit: Annotated[str, Field(pattern=r"^vu_[0-9a-hjkmnp-tv-z]{16}$")]
    vehicle: str
    shard: Annotated[int, Field(ge=0, le=255)]
    certificates: Certificates = Field(repr=False)
    service_keys: dict[str, Any]
    broker: BrokerAddress
    mqtt_password: str | None = Field(None, repr=False)


@dataclass(frozen=True, slots=True)
class Provisioned:
    """An installed unit: who it is, its receipts' key, whom it trusts, and its files for the connection."""

    identity: Identity
    receipt_key: SigningKey = field(repr=False)
    trust: TrustedKeys
    folder: Path

    @property
    def ca_file(self) -> Path:
        """The authority of the broker's certificate."""
        return self.folder / "broker-ca.pem"

    @property
    def certificate_file(self) -> Path:
        """The connection's certificate."""
        return self.folder / "mtls.pem"

    @property
    def key_file(self) -> Path:
        """The connection's private key."""
        return self.folder / _MTLS_KEY

    def expires_at(self) -> datetime:
        """When the connection's certificate ends."""
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes()).not_valid_after_utc

    def begins_at(self) -> datetime:
        """When the connection's certificate began."""
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes()).not_valid_before_utc


def init(folder: Path) -> dict[str, Any]:
    """Make both keys where they are missing and give the request for ``trunkline vehicle enrol``.

    Run again it gives a new request for the same keys; keys are never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / _MTLS_KEY).exists():
        _keep_key(folder / _MTLS_KEY, ec.generate_private_key(ec.SECP256R1()))
    if not (folder / _RECEIPT_KEY).exists():
        _keep_key(folder / _RECEIPT_KEY, Ed25519PrivateKey.generate())
    mtls = _request(_mtls_key(folder / _MTLS_KEY))
    receipt_key = _receipt_key(folder)
    receipt = _request(receipt_key)
    claims = {
        "mtls_csr_sha256": _digest(mtls),
        "receipt_csr_sha256": _digest(receipt),
        "iat": int(datetime.now(UTC).timestamp()),  # noqa: TID251 - a request made by hand, at the car
    }
    proof = sign(claims, form=ENROL, key=SigningKey.of(receipt_key))
    return {"v": 1, "mtls_csr": _pem(mtls), "receipt_csr": _pem(receipt), "proof": proof}


def install(folder: Path, answer: Mapping[str, Any]) -> Identity:
    """Keep an enrolment answer, whole or not at all. Raises ``BadAnswer``."""
    try:
        identity = Identity.model_validate(dict(answer))
        TrustedKeys.from_jwks(identity.service_keys)
    except (ValidationError, BadTrust) as cause:
        raise BadAnswer("this is not an answer of `trunkline vehicle enrol`") from cause
    _fits(identity.certificates.mtls, _mtls_key(folder / _MTLS_KEY), identity.unit)
    _fits(identity.certificates.receipt, _receipt_key(folder), identity.unit)
    _keep_certificates(folder, identity.certificates)
    _replace(folder / _IDENTITY, identity.model_dump_json(indent=1).encode())
    return identity


def load(folder: Path) -> Provisioned:
    """The identity of an installed unit. Raises ``NotProvisioned``."""
    try:
        identity = Identity.model_validate_json((folder / _IDENTITY).read_bytes())
        _finish_renewal(folder)
        trust = TrustedKeys.from_jwks(identity.service_keys)
        key = SigningKey.of(_receipt_key(folder))
    except FileNotFoundError as cause:
        raise NotProvisioned(
            f"{folder} is not enrolled: `trunkline unit init`, `vehicle enrol`, `unit install`"
        ) from cause
    except (ValidationError, BadTrust) as cause:
        raise NotProvisioned(f"{folder / _IDENTITY} is not readable") from cause
    return Provisioned(identity, key, trust, folder)


def renewal_request(unit: Provisioned, *, iat: int) -> dict[str, str]:
    """``data`` of ``up/req/cert``: a request for a fresh mTLS key, signed over by the receipt key."""
    path = unit.folder / _NEXT_MTLS_KEY
    if not path.exists():
        _keep_key(path, ec.generate_private_key(ec.SECP256R1()))
    request = _request(_mtls_key(path))
    claims = {"csr_sha256": _digest(request), "unit": unit.identity.unit, "iat": iat}
    return {"csr": _pem(request), "proof": sign(claims, form=RENEW, key=unit.receipt_key)}


def take_renewal(unit: Provisioned, certificates: Mapping[str, Any]) -> None:
    """Keep renewed certificates; the next connection uses them. Raises ``BadAnswer``.

    The same answer again changes nothing: the certificate then fits the key that is in use.
    """
    try:
        renewed = Certificates.model_validate(dict(certificates))
    except ValidationError as cause:
        raise BadAnswer("these are not certificates") from cause
    name = unit.identity.unit
    _fits(renewed.receipt, _receipt_key(unit.folder), name)
    following = unit.folder / _NEXT_MTLS_KEY
    if following.exists() and _is_for(renewed.mtls, _mtls_key(following)):
        _fits(renewed.mtls, _mtls_key(following), name)
        # The new pair is whole before the key in use is replaced; after a crash `load` finishes the step.
        _keep_certificates(unit.folder, renewed)
        _finish_renewal(unit.folder)
        return
    _fits(renewed.mtls, _mtls_key(unit.folder / _MTLS_KEY), name)
    _keep_certificates(unit.folder, renewed)


def _finish_renewal(folder: Path) -> None:
    """Put the next key in place where the certificate is already for it (a crash may have come between)."""
    following = folder / _NEXT_MTLS_KEY
    if not following.exists():
        return
    if _is_for((folder / "mtls.pem").read_text("utf-8"), _mtls_key(following)):
        following.replace(folder / _MTLS_KEY)


def _keep_certificates(folder: Path, certificates: Certificates) -> None:
    _replace(folder / "broker-ca.pem", certificates.broker_ca.encode())
    _replace(folder / "vehicle-ca.pem", certificates.ca.encode())
    _replace(folder / "receipt.pem", certificates.receipt.encode())
    _replace(folder / "mtls.pem", certificates.mtls.encode())


def _fits(pem: str, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey, unit: str) -> None:
    certificate = _certificate(pem)
    names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [unit] or not _is_for(pem, key):
        raise BadAnswer("a certificate is not for this unit's key")


def _is_for(pem: str, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> bool:
    def spki(public: Any) -> bytes:  # noqa: ANN401 - any public key
        encoded: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return encoded

    return spki(_certificate(pem).public_key()) == spki(key.public_key())


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as cause:
        raise BadAnswer("a certificate cannot be read") from cause


def _request(key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> x509.CertificateSigningRequest:
    # The unit's name is drawn at enrolment, so the request carries none worth keeping.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "trunkline unit")])
    algorithm = None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    return x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, algorithm)


def _pem(request: x509.CertificateSigningRequest) -> str:
    return request.public_bytes(Encoding.PEM).decode()


def _digest(request: x509.CertificateSigningRequest) -> str:
    return hashlib.sha256(request.public_bytes(Encoding.DER)).hexdigest()


def _mtls_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotProvisioned(f"{path} is not a P-256 key")
    return key


def _receipt_key(folder: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key((folder / _RECEIPT_KEY).read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise NotProvisioned(f"{folder / _RECEIPT_KEY} is not an Ed25519 key")
    return key


def _keep_key(path: Path, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
    _replace(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
