"""The vehicle CA and the broker's certificate: made once, in a directory; then certificates for unit ids."""

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spine.problems import Kind, Problem
from vehicle_gateway.broker_config import SERVICE
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.wire import UNIT

RECEIPT_USE: Final = x509.ObjectIdentifier("2.25.230495812768349120394858712930485761")
"""Extended key usage of receipt certificates: with it (critical) no TLS library takes one for a client."""

ORGANISATION: Final = "Trunkline unit"
"""First part of every unit's name: the CA's constraints allow no other, and no service's name (rule 11)."""

VEHICLE_CA: Final = "vehicle-ca"
BROKER_CA: Final = "broker-ca"
BROKER: Final = "broker"
CRL: Final = "vehicle-ca.crl"


class NotAUnit(Problem):
    """The vehicle CA signs unit ids and nothing else (rule 11)."""

    code: ClassVar[str] = "certificate.not_a_unit"
    kind: ClassVar[Kind] = Kind.INVALID


class NoAuthority(Problem):
    """The directory holds no readable CA: it was not made here, or its files are not ours to read."""

    code: ClassVar[str] = "certificate.no_authority"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


# Mosquitto knows accounts by name alone, on whatever listener: TLS itself shall refuse a service's name.
_UNITS_ONLY: Final = x509.NameConstraints(
    permitted_subtrees=[
        x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)]))
    ],
    excluded_subtrees=[
        x509.DirectoryName(
            x509.Name(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
                    x509.NameAttribute(NameOID.COMMON_NAME, SERVICE),
                ]
            )
        )
    ],
)


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def make(directory: Path, *, hosts: Sequence[str], now: datetime, limits: GatewayLimits) -> None:
    """Make both CAs, the broker's certificate for ``hosts`` and an empty CRL; what is there stays."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (directory / f"{VEHICLE_CA}.key").exists():
        return
    for name, title, bounds in (
        (BROKER_CA, "Trunkline broker CA", None),
        (VEHICLE_CA, "Trunkline vehicle CA", _UNITS_ONLY),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        _save(directory, name, _self_signed(title, key, now, limits, bounds), key)
    authority = _read(directory, BROKER_CA)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(authority, _cn(hosts[0]), key.public_key(), now, limits.broker_certificate_life, limits)
        .add_extension(x509.SubjectAlternativeName([_name_of(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    _save(directory, BROKER, certificate, key)
    Pki.open(directory, limits).revoke((), now)


class Pki:
    """The vehicle CA at work. Its private key stays in the directory (0600) and in this process."""

    def __init__(self, directory: Path, limits: GatewayLimits, authority: _Authority) -> None:
        self._directory = directory
        self._limits = limits
        self._authority = authority

    @classmethod
    def open(cls, directory: Path, limits: GatewayLimits) -> Self:
        """Read what ``make`` left. Raises ``NoAuthority``."""
        return cls(directory, limits, _read(directory, VEHICLE_CA))

    @property
    def ca_pem(self) -> str:
        """The vehicle CA's certificate: root of the units' two certificates."""
        return _pem(self._authority.certificate)

    @property
    def broker_ca_pem(self) -> str:
        """Whom a unit trusts to be its broker."""
        return (self._directory / f"{BROKER_CA}.crt").read_text()

    def mtls(self, unit: str, key: ec.EllipticCurvePublicKey, now: datetime) -> x509.Certificate:
        """The certificate a unit connects with: CN is the unit id, client authentication only."""
        return self._sign(unit, key, now, ExtendedKeyUsageOID.CLIENT_AUTH, critical=False)

    def receipts(self, unit: str, key: Ed25519PublicKey, now: datetime) -> x509.Certificate:
        """The certificate behind a unit's receipts: signatures, never a connection."""
        return self._sign(unit, key, now, RECEIPT_USE, critical=True, part="receipts")

    def revoke(self, serials: Iterable[int], now: datetime) -> None:
        """Add serial numbers to the CRL beside the CA and sign it anew; the broker reads it when told to."""
        path = self._directory / CRL
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._authority.certificate.subject)
            .last_update(now - self._limits.backdate)
            .next_update(now + self._limits.crl_life)
        )
        listed = set()
        if path.exists():
            for entry in x509.load_pem_x509_crl(path.read_bytes()):
                builder = builder.add_revoked_certificate(entry)
                listed.add(entry.serial_number)
        for serial in set(serials) - listed:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            )
        crl = builder.sign(self._authority.key, hashes.SHA256())
        _write(path, crl.public_bytes(serialization.Encoding.PEM), mode=0o644)

    def _sign(
        self,
        unit: str,
        key: ec.EllipticCurvePublicKey | Ed25519PublicKey,
        now: datetime,
        usage: x509.ObjectIdentifier,
        *,
        critical: bool,
        part: str | None = None,
    ) -> x509.Certificate:
        if not UNIT.fullmatch(unit):
            raise NotAUnit("the vehicle CA signs unit ids only")
        name = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)]
        if part is not None:
            name.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, part))
        name += _cn(unit)
        return (
            _builder(self._authority, name, key, now, self._limits.unit_certificate_life, self._limits)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=critical)
            .sign(self._authority.key, hashes.SHA256())
        )


def in_last_third(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether renewal is due: the last third of its life, or after it."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return now >= certificate.not_valid_after_utc - life / 3


def _read(directory: Path, name: str) -> _Authority:
    try:
        key = serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), password=None)
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())
    except (OSError, ValueError) as cause:
        raise NoAuthority(f"no {name} in {directory.name}") from cause
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NoAuthority(f"{name} is not a P-256 key")
    return _Authority(certificate, key)


def _self_signed(
    title: str,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    limits: GatewayLimits,
    bounds: x509.NameConstraints | None,
) -> x509.Certificate:
    name = x509.Name(_cn(title))
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - limits.backdate)
        .not_valid_after(now + limits.ca_life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if bounds is not None:
        builder = builder.add_extension(bounds, critical=True)
    return builder.sign(key, hashes.SHA256())


def _builder(
    authority: _Authority,
    subject: list[x509.NameAttribute[str]],
    key: ec.EllipticCurvePublicKey | Ed25519PublicKey,
    now: datetime,
    life: timedelta,
    limits: GatewayLimits,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - limits.backdate)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
    )


def _cn(value: str) -> list[x509.NameAttribute[str]]:
    return [x509.NameAttribute(NameOID.COMMON_NAME, value)]


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name_of(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _save(directory: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write(directory / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(directory / f"{name}.key", private, mode=0o600)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace the file whole: a reader sees the old one or the new one, never half of it."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
