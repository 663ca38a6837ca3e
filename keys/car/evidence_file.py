"""The form of an evidence file, and the roots from outside that it is judged by."""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID
from pydantic import Field, ValidationError

from keys.car.claims import Claims, DeliveryText, Millis, UnitText
from keys.car.jws import Unacceptable, read_json
from keys.car.trust import BadTrust, TrustedKeys

FORM: Final = "trunkline-evidence/1"
VEHICLE_CA_FILE: Final = "vehicle-ca.pem"
SERVICE_KEYS_FILE: Final = "service-keys.json"
_DEPTH: Final = 12


X509_FAULTS: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidSignature,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.UnsupportedGeneralNameType,
    CryptographyDeprecationWarning,
)
"""What ``cryptography`` raises on certificates of arbitrary bytes, some of it only when a part is read."""


class NotEvidence(Exception):
    """The bytes are not an evidence file."""


class BadRoots(Exception):
    """The roots given cannot be used; nothing can be judged by them."""


class Arrived(Claims):
    """A unit's receipt, and when the service had it (Unix milliseconds; the service's word)."""

    receipt: str
    arrived: Millis


class EvidenceFile(Claims):
    """What happened in one delivery. Signed: records, receipts, proofs, certificates, checkpoint.

    ``facts`` and arrival times are the service's word and are checked against what is signed. ``authorities``
    and ``jwks`` only show that a file agrees with itself; trust comes from roots given from outside.
    """

    form: Literal["trunkline-evidence/1"]
    delivery: DeliveryText
    vehicle: str
    unit: UnitText
    made_at: Millis
    approvals: list[str]
    keys: list[str]
    proofs: list[str]
    receipts: list[Arrived]
    certificates: list[str]
    authorities: list[str]
    jwks: dict[str, Any]
    facts: list[dict[str, Any]]
    checkpoint: Annotated[str, Field(max_length=2048)] | None

    @classmethod
    def read(cls, data: bytes) -> Self:
        """The file of these bytes. Raises ``NotEvidence``."""
        try:
            return cls.model_validate(read_json(data, depth=_DEPTH))
        except (Unacceptable, ValidationError) as cause:
            raise NotEvidence("not an evidence file of form 1") from cause


def _certificates(pem: str) -> list[x509.Certificate]:
    """Certificates of PEM text; what the library only warns about (a serial below 1) is refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)
        return x509.load_pem_x509_certificates(pem.encode())


@dataclass(frozen=True, slots=True)
class Roots:
    """Whom to believe: vehicle CA certificates and the service's public keys, from outside the file."""

    authorities: tuple[x509.Certificate, ...]
    trust: TrustedKeys

    @classmethod
    def of(cls, authorities: str, jwks: Mapping[str, Any]) -> Self:
        """Roots of PEM text (one certificate or several) and a JWKS. Raises ``BadRoots``."""
        try:
            return cls(tuple(_certificates(authorities)), TrustedKeys.from_jwks(jwks))
        except (*X509_FAULTS, BadTrust) as cause:
            raise BadRoots("the roots are not certificates and a JWKS of ours") from cause

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Roots of a folder with ``vehicle-ca.pem`` and ``service-keys.json``. Raises ``BadRoots``."""
        try:
            authorities = (folder / VEHICLE_CA_FILE).read_text("utf-8")
            jwks = json.loads((folder / SERVICE_KEYS_FILE).read_bytes())
        except (OSError, ValueError) as cause:
            raise BadRoots(f"{folder} does not hold {VEHICLE_CA_FILE} and {SERVICE_KEYS_FILE}") from cause
        if not isinstance(jwks, dict):
            raise BadRoots(f"{SERVICE_KEYS_FILE} is not a JWKS")
        return cls.of(authorities, jwks)


@dataclass(frozen=True, slots=True)
class ReceiptCertificate:
    """What counts in a unit's receipt certificate: whose it is, which key, and from when to when."""

    unit: str
    key: Ed25519PublicKey
    not_before: datetime
    not_after: datetime
    certificate: x509.Certificate

    @classmethod
    def read(cls, pem: str) -> Self:
        """One certificate in exactly the PEM form we write, so that no byte of it is without meaning.

        Raises ``NotEvidence``.
        """
        try:
            (certificate,) = _certificates(pem)
            # The parser passes over bits called unused at the end of a signature: ours has none.
            whole = certificate.public_bytes(Encoding.DER).endswith(b"\x00" + certificate.signature)
            same = whole and certificate.public_bytes(Encoding.PEM) == pem.encode()
            names = [name.value for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
            key = certificate.public_key()
            since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        except X509_FAULTS as cause:
            raise NotEvidence("not a certificate") from cause
        if not same:
            raise NotEvidence("not the canonical form of a certificate")
        if not isinstance(key, Ed25519PublicKey) or len(names) != 1:
            raise NotEvidence("not the certificate of a unit's receipt key")
        return cls(str(names[0]), key, since, until, certificate)

    def issued_by(self, authority: x509.Certificate) -> bool:
        """Whether a certificate authority signed it."""
        try:
            constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
            self.certificate.verify_directly_issued_by(authority)
        except X509_FAULTS:
            return False
        return constraints.ca
