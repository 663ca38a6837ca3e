"""The vehicle CA signs unit ids and nothing else, for the two uses there are."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vehicle_gateway import pki
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.pki import NoAuthority, NotAUnit, Pki, in_last_third

NOW = datetime(2030, 5, 6, 9, tzinfo=UTC)
LIMITS = GatewayLimits()
UNIT = "vu_0123456789abcdef"
P256 = ec.derive_private_key(7, ec.SECP256R1()).public_key()
ED = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    pki.make(directory, hosts=["broker.example", "127.0.0.1"], now=NOW, limits=LIMITS)
    return directory


@pytest.fixture(scope="module")
def authority(made: Path) -> Pki:
    return Pki.open(made, LIMITS)


@pytest.mark.parametrize(
    "name", ["svc_gateway", "vu_0123456789abcde", "vu_0123456789abcdefg", "VU_0123456789ABCDEF", "vu_0123456789abcdei", UNIT + "\n", "", "veh_0123456789abcdef", "vu_+/#456789abcdef"]
)  # fmt: skip
def test_only_unit_ids_are_signed(authority: Pki, name: str) -> None:
    with pytest.raises(NotAUnit):
        authority.mtls(name, P256, NOW)
    with pytest.raises(NotAUnit):
        authority.receipts(name, ED, NOW)


def test_the_connection_s_certificate_is_a_client_s(authority: Pki) -> None:
    certificate = authority.mtls(UNIT, P256, NOW)
    assert [a.value for a in certificate.subject] == [pki.ORGANISATION, UNIT]
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_after_utc == NOW + LIMITS.unit_certificate_life
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem.encode()))


def test_the_receipts_certificate_is_no_client_s(authority: Pki) -> None:
    certificate = authority.receipts(UNIT, ED, NOW)
    names = certificate.subject
    assert names.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == UNIT
    assert names.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value == "receipts"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [pki.RECEIPT_USE]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem.encode()))


def test_private_keys_are_ours_alone_and_making_again_changes_nothing(made: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    assert set(before) == {"vehicle-ca.key", "vehicle-ca.crt", "vehicle-ca.crl", "broker-ca.key", "broker-ca.crt", "broker.key", "broker.crt"}  # fmt: skip
    for path in made.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pki.make(made, hosts=["elsewhere.example"], now=NOW + timedelta(days=1), limits=LIMITS)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_the_broker_s_certificate_names_its_hosts(made: Path) -> None:
    certificate = x509.load_pem_x509_certificate((made / "broker.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    certificate.verify_directly_issued_by(
        x509.load_pem_x509_certificate((made / "broker-ca.crt").read_bytes())
    )


def test_the_list_of_revoked_certificates_grows_and_names_each_once(tmp_path: Path) -> None:
    pki.make(tmp_path, hosts=["127.0.0.1"], now=NOW, limits=LIMITS)
    authority = Pki.open(tmp_path, LIMITS)
    first, second = (authority.mtls(UNIT, P256, NOW).serial_number for _ in range(2))
    authority.revoke([first], NOW)
    authority.revoke([first, second], NOW + timedelta(days=1))
    crl = x509.load_pem_x509_crl((tmp_path / "vehicle-ca.crl").read_bytes())
    assert sorted(entry.serial_number for entry in crl) == sorted([first, second])
    ca = x509.load_pem_x509_certificate(authority.ca_pem.encode())
    assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    found = crl.get_revoked_certificate_by_serial_number(first)
    assert found is not None
    assert found.revocation_date_utc == NOW


def test_renewal_is_due_in_the_last_third(authority: Pki) -> None:
    certificate = authority.mtls(UNIT, P256, NOW)
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    due = certificate.not_valid_after_utc - life / 3
    assert not in_last_third(certificate, NOW)
    assert not in_last_third(certificate, due - timedelta(seconds=1))
    assert in_last_third(certificate, due)
    assert in_last_third(certificate, certificate.not_valid_after_utc + timedelta(days=400))


@pytest.mark.parametrize(
    "content", [None, b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_a_directory_without_an_authority_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "vehicle-ca.key").write_bytes(content)
    with pytest.raises(NoAuthority):
        Pki.open(tmp_path, LIMITS)
