"""Mosquitto's configuration, ACL and password file: written for a directory, checked for known traps."""

import base64
import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from spine.problems import Kind, Problem

SERVICE: Final = "svc_gateway"
"""The gateway's account on the service listener; names of service accounts begin with ``svc_`` (rule 11)."""

_ITERATIONS: Final = 10_000
_SALT_BYTES: Final = 12

ACL: Final = f"""\
# the gateway hears every unit and speaks to each
user {SERVICE}
topic read tl/1/+/+/up/#
topic write tl/1/+/+/dn/#
topic read $SYS/broker/#

# a unit: its own topics and nothing else; %u is its certificate's CN (or its password's user)
pattern write tl/1/+/%u/up/#
pattern read tl/1/+/%u/dn/#
"""


class BrokerMisconfigured(Problem):
    """The broker's configuration has a trap that was measured to lose messages or to let a stranger in."""

    code: ClassVar[str] = "broker.misconfigured"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class VehicleListener:
    """Mutual TLS for cars: port, and the files of the broker's own certificate and the vehicle CA."""

    port: int
    pki: Path
    bind: str = ""
    crl: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand. ``vehicles`` None: one loopback listener with a password per unit (the demo)."""

    directory: Path
    service_port: int
    service_bind: str = "127.0.0.1"
    vehicles: VehicleListener | None = None
    user: str | None = None
    """Mosquitto drops to this account when started as root; its own default is ``mosquitto``."""


def write(layout: Layout, passwords: Mapping[str, str]) -> Path:
    """Write configuration, ACL and password file (0600) for ``layout``; gives the configuration's path.

    ``passwords``: account to password, ``svc_...`` and, without a vehicle listener, unit ids. Accounts
    already in the file and not named here stay. Raises ``BrokerMisconfigured`` if its text fails the check.
    """
    layout.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (layout.directory / "db").mkdir(exist_ok=True, mode=0o700)
    _write(layout.directory / "acl", ACL)
    set_passwords(layout.directory / "passwd", passwords)
    path = layout.directory / "mosquitto.conf"
    text = text_of(layout)
    if wrong := problems(text):
        raise BrokerMisconfigured("; ".join(wrong))
    _write(path, text)
    return path


def text_of(layout: Layout) -> str:
    """The configuration as text; every line has its reason in rule 8 or 11."""
    where = layout.directory
    lines = [
        "# Written by trunkline. Mosquitto has no trailing comments: one would become part of the value.",
        "# per_listener_settings stays off on purpose: true drops what is queued for a unit that is away.",
        "# without this, and TCP_NODELAY in the client, a QoS 1 round trip costs 44 ms",
        "set_tcp_nodelay true",
        "persistence true",
        f"persistence_location {where}/db/",
        "# a crash of the broker loses what is newer than the last save; the default is 1800 s",
        "autosave_interval 5",
        "# by default message 1,001 for a unit that is away is dropped without a word",
        "max_queued_messages 100000",
        "max_queued_bytes 268435456",
        "max_inflight_messages 500",
        "max_packet_size 262144",
        "max_keepalive 300",
        "persistent_client_expiration 30d",
        "allow_anonymous false",
        "allow_zero_length_clientid false",
        "sys_interval 10",
        f"password_file {where}/passwd",
        f"acl_file {where}/acl",
    ]
    if layout.user is not None:
        lines.append(f"user {layout.user}")
    if layout.vehicles is not None:
        lines += _vehicle_listener(layout.vehicles)
    lines += ["", "# our own services", f"listener {layout.service_port} {layout.service_bind}".rstrip()]
    return "\n".join(lines) + "\n"


def _vehicle_listener(listener: VehicleListener) -> list[str]:
    return [
        "",
        "# cars: mutual TLS only; the certificate's CN is unit id, user name and client id",
        f"listener {listener.port} {listener.bind}".rstrip(),
        f"cafile {listener.pki}/vehicle-ca.crt",
        f"certfile {listener.pki}/broker.crt",
        f"keyfile {listener.pki}/broker.key",
        *([f"crlfile {listener.pki}/vehicle-ca.crl"] if listener.crl else []),
        "tls_version tlsv1.2",
        "require_certificate true",
        "use_identity_as_username true",
        "# without this any valid certificate can kick another car off by taking its client id",
        "use_username_as_clientid true",
    ]


def problems(text: str) -> list[str]:
    """What is wrong with a configuration: the traps of rule 11, each measured. Empty: none found."""
    everywhere, listeners = _sections(text)
    found = [
        f"trailing comment after {name}"
        for section in (everywhere, *listeners)
        for name, value in section.items()
        if " #" in value
    ]
    if any(section.get("per_listener_settings") == "true" for section in (everywhere, *listeners)):
        found.append("per_listener_settings true drops what is queued for units that are away")
    for name, wanted in (
        ("set_tcp_nodelay", "true"),
        ("allow_anonymous", "false"),
        ("persistence", "true"),
    ):
        if everywhere.get(name) != wanted:
            found.append(f"{name} must be {wanted}")
    found += [f"{name} is missing" for name in ("password_file", "acl_file") if not everywhere.get(name)]
    if _number(everywhere, "max_queued_messages", 1_000) < 10_000:
        found.append("max_queued_messages must be at least 10000")
    if not 0 < _number(everywhere, "autosave_interval", 1_800) <= 30:
        found.append("autosave_interval must be 1 to 30 s")
    if not listeners:
        found.append("there is no listener")
    for section in listeners:
        found += _listener_problems(section)
    return found


def _listener_problems(section: Mapping[str, str]) -> list[str]:
    where = f"listener {section['listener']}"
    if "certfile" not in section:
        named = section["listener"].split()
        return [] if len(named) > 1 else [f"{where}: passwords without TLS need a bind address"]
    return [
        f"{where}: {name} must be true"
        for name in ("require_certificate", "use_identity_as_username", "use_username_as_clientid")
        if section.get(name) != "true"
    ] + ([] if section.get("cafile") else [f"{where}: cafile is missing"])


def _sections(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """What stands before the first listener, and each listener with what follows it."""
    everywhere: dict[str, str] = {}
    listeners: list[dict[str, str]] = []
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        if not name or name.startswith("#"):
            continue
        if name == "listener":
            listeners.append({})
        (listeners[-1] if listeners else everywhere)[name] = value.strip()
    return everywhere, listeners


def _number(section: Mapping[str, str], name: str, default: int) -> int:
    value = section.get(name, str(default))
    return int(value) if value.isdecimal() else -1


# ---- passwords


def password_line(account: str, password: str, salt: bytes | None = None) -> str:
    """One line of a password file: PBKDF2-SHA512 in mosquitto_passwd's form ``$7$iterations$salt$hash``."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"{account}:$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def set_passwords(path: Path, passwords: Mapping[str, str]) -> None:
    """Add or replace accounts; the broker reads them at start and at SIGHUP."""
    lines = {line.split(":", 1)[0]: line for line in _lines(path)}
    lines |= {account: password_line(account, password) for account, password in passwords.items()}
    _write(path, "".join(f"{line}\n" for line in lines.values()))


def drop_passwords(path: Path, accounts: Iterable[str]) -> None:
    """Remove accounts: a retired unit's password opens nothing after the next SIGHUP."""
    gone = set(accounts)
    _write(path, "".join(f"{line}\n" for line in _lines(path) if line.split(":", 1)[0] not in gone))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
