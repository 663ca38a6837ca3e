"""Look at an installation as an operator would: what is wrong, and how to mend it."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from spine.clock import SystemClock
from spine.dead_letters import DeadLetters
from spine.house import open_house
from spine.parked import Parked
from spine.problems import Problem
from spine.timers import LateTimers
from spine.valkey import Valkey
from trunkline.groups import GROUPS
from trunkline.installation import keys_directory
from trunkline.settings import Settings
from vehicle_gateway.broker_config import problems


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    seen: str
    mend: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Everything that can be looked at from this host. Changes nothing."""
    return [
        *_files(settings),
        *_certificates(settings),
        *_broker_configuration(settings),
        await _port("broker, service listener", settings.broker_host, settings.broker_port),
        await _port("broker, vehicle listener", settings.units_broker_host, settings.units_broker_port),
        await _port("api", settings.listen_host, settings.listen_port),
        *await _store(settings),
    ]


def _files(settings: Settings) -> list[Finding]:
    found = []
    for path in sorted(keys_directory(settings).rglob("*")):
        if path.is_file() and path.suffix in {".pem", ".key"}:
            private = not path.stat().st_mode & 0o077
            found.append(
                Finding(
                    f"key file {path.name}", private, oct(path.stat().st_mode & 0o777), f"chmod 600 {path}"
                )
            )
    if not found:
        found.append(Finding("keys", False, "none", "run `trunkline init`"))
    return found


def _certificates(settings: Settings) -> list[Finding]:
    now = SystemClock().now()
    found = []
    for path in sorted(settings.pki_dir.rglob("*.crt")) + sorted(settings.pki_dir.rglob("*.pem")):
        ends = _ends(path)
        if ends is not None:
            fine = ends - now > timedelta(days=30)
            found.append(
                Finding(
                    f"certificate {path.name}", fine, f"until {ends:%Y-%m-%d}", "renew it: docs/operations.md"
                )
            )
    return found


def _ends(path: Path) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except ValueError:
        return None


def _broker_configuration(settings: Settings) -> list[Finding]:
    path = settings.broker_dir / "mosquitto.conf"
    if not path.exists():
        return []
    wrong = problems(path.read_text("utf-8"))
    return [
        Finding(
            "mosquitto.conf", not wrong, "; ".join(wrong) or "no known trap", "run `trunkline init` again"
        )
    ]


async def _port(what: str, host: str, port: int) -> Finding:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3)
        writer.close()
    except (OSError, TimeoutError, ssl.SSLError) as why:
        return Finding(what, False, f"{host}:{port} {type(why).__name__}", "start it, or correct its setting")
    return Finding(what, True, f"{host}:{port} answers")


async def _store(settings: Settings) -> list[Finding]:
    valkey = Valkey.at(settings.store_url, cluster=settings.store_cluster)
    try:
        house = await open_house(valkey, allow_everysec=settings.allow_everysec)
        parked = sum([len(await Parked(valkey, house).list(group)) for group in GROUPS])
        late = len(await LateTimers(valkey, house).list())
        poison = await DeadLetters(valkey, house).count()
    except Problem as why:
        return [
            Finding("store", False, f"{why.code}: {why.detail}", "start it, or mend its settings as it says")
        ]
    finally:
        await valkey.close()
    return [
        Finding("store", True, f"{house.partitions} partitions, every commit is fsynced"),
        Finding("parked entries", parked == 0, str(parked), "`trunkline log parked`, then `retry` or `skip`"),
        Finding("late timers", late == 0, str(late), "the log of `work` says why they fail"),
        Finding("unreadable messages", poison == 0, str(poison), "`trunkline log poison` shows them"),
    ]
