"""Look at an installation as an operator would: what is wrong, and how to mend it; whole or by parts."""

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from keys.car.bundle import first_bundle
from keys.car.jws import Unacceptable
from maintenance.sweeping import GAUGES
from spine.clock import SystemClock
from spine.counters import Counters
from spine.dead_letters import DeadLetters
from spine.house import House, open_house
from spine.keyspace import Keyspace
from spine.log import Log
from spine.parked import Parked
from spine.problems import Problem
from spine.progress import progress
from spine.timers import LateTimers
from spine.valkey import Valkey
from trunkline.groups import GROUPS
from trunkline.installation import keys_directory
from trunkline.settings import Settings
from trunkline.trust import TRUST_FILE
from vehicle_gateway.broker_config import problems
from vehicle_gateway.dispatch import GROUP as GATEWAY

PARTS: Final = ("files", "broker", "api", "store", "work", "gateway")
"""What can be looked at by itself, for health checks of single services."""

READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "work": tuple(group for group in GROUPS if group != GATEWAY),
    "gateway": (GATEWAY,),
}
_BEHIND: Final = timedelta(minutes=1)
_SWEPT_WITHIN: Final = 3_600
"""Seconds after which nobody sweeps any more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    seen: str
    mend: str = ""


async def examine(settings: Settings, only: Collection[str] = ()) -> list[Finding]:
    """Everything that can be looked at from this host, or ``only`` some parts of it. Changes nothing."""
    wanted = set(only) or set(PARTS)
    found: list[Finding] = []
    if "files" in wanted:
        found += [*_files(settings), *_certificates(settings), *_broker_configuration(settings)]
        found += trust_findings(settings)
    if "broker" in wanted:
        found += [
            await _port("broker, service listener", settings.broker_host, settings.broker_port),
            await _port("broker, vehicle listener", settings.units_broker_host, settings.units_broker_port),
        ]
    if "api" in wanted:
        found.append(await asyncio.to_thread(_api, settings))
    if wanted & {"store", "work", "gateway"}:
        found += await _store(settings, wanted)
    return found


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


def trust_findings(settings: Settings) -> list[Finding]:
    """When the trust bundle ends, and whether the roots lie with what they should guard."""
    path, folder = settings.roots_dir / TRUST_FILE, settings.root_keys_dir
    if not path.exists():
        return [Finding("trust bundle", False, "none", "`trunkline keys ceremony`: docs/operations.md")]
    try:
        claims = first_bundle(json.loads(path.read_bytes())).claims
    except (Unacceptable, ValueError):
        return [Finding("trust bundle", False, "damaged", f"take {path.name} from a backup")]
    ends = datetime.fromtimestamp(claims.exp, UTC)
    fine = ends - SystemClock().now() > timedelta(days=60)
    here = sorted(folder.glob("root-*"))
    closed = all(not root.stat().st_mode & 0o077 for root in here)
    where = f"{len(here)} of them on this host" if here else "none on this host"
    return [
        Finding(
            "trust bundle", fine, f"until {ends:%Y-%m-%d}", "`trunkline keys bundle make`, then publish it"
        ),
        Finding("trust roots", closed, where, f"chmod 600 {folder}/*"),
    ]


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


def _api(settings: Settings) -> Finding:
    """Whether it answers, and reaches the store."""
    url = f"http://{settings.listen_host}:{settings.listen_port}/healthz"
    mend = "start `trunkline serve`, or the store it waits for"
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return Finding("api", True, f"{url} answers {answer.status}")
    except OSError as why:
        return Finding("api", False, f"{url}: {why}", mend)


async def _store(settings: Settings, wanted: Collection[str]) -> list[Finding]:
    valkey = Valkey.at(settings.store_url, cluster=settings.store_cluster)
    try:
        house = await open_house(valkey, allow_everysec=settings.allow_everysec)
        found = await _contents(settings, valkey, house) if "store" in wanted else []
        for process, groups in READERS.items():
            if process in wanted:
                found += await _readers(valkey, house, process, groups)
    except Problem as why:
        return [
            Finding("store", False, f"{why.code}: {why.detail}", "start it, or mend its settings as it says")
        ]
    finally:
        await valkey.close()
    return found


def _canary(settings: Settings, gauges: Mapping[str, int]) -> list[Finding]:
    """Whether the made-up fault of a canary came out lately; nothing where there is no canary."""
    limits = settings.maintenance.cases
    if not limits.canaries:
        return []
    age = SystemClock().now().timestamp() - gauges.get("canary_at", 0)
    heard = (
        f"{age:.0f} s ago, {gauges['canary_took_ms']} ms on its way"
        if "canary_at" in gauges
        else "never heard"
    )
    mend = "is `trunkline unit --canary` running? then `gateway`, `work` and the broker"
    return [Finding("canary", age < limits.canary_silent_after.total_seconds(), heard, mend)]


async def _contents(settings: Settings, valkey: Valkey, house: House) -> list[Finding]:
    parked = sum([len(await Parked(valkey, house).list(group)) for group in GROUPS])
    late = len(await LateTimers(valkey, house).list())
    poison = await DeadLetters(valkey, house).count()
    gauges = await Counters(valkey).all(GAUGES)
    lost, age = gauges.get("sweep_violations", 0), SystemClock().now().timestamp() - gauges.get("sweep_at", 0)
    swept = f"{lost} violations" if "sweep_at" in gauges else "not yet looked through"
    return [
        Finding(
            "cases",
            lost == 0 and (age < _SWEPT_WITHIN or "sweep_at" not in gauges),
            swept,
            "the log of `work` names them (sweep.violation); `work` looks every few minutes",
        ),
        *_canary(settings, gauges),
        Finding("store", True, f"{house.partitions} partitions, every commit is fsynced"),
        Finding("parked entries", parked == 0, str(parked), "`trunkline log parked`, then `retry` or `skip`"),
        Finding("late timers", late == 0, str(late), "the log of `work` says why they fail"),
        Finding("unreadable messages", poison == 0, str(poison), "`trunkline log poison` shows them"),
    ]


async def _readers(valkey: Valkey, house: House, process: str, groups: Collection[str]) -> list[Finding]:
    """Whether somebody reads each group in each partition now, and whether any is far behind."""
    keys = Keyspace(valkey.prefix)
    places = [(group, partition) for group in groups for partition in range(house.partitions)]
    leases = await valkey.ask_all([("EXISTS", keys.lease(partition, group)) for group, partition in places])
    free = [
        f"{group}/{partition}" for (group, partition), held in zip(places, leases, strict=True) if not held
    ]
    behind = [
        f"{each.group}/{each.partition}"
        for each in await progress(Log(valkey, house))
        if each.group in groups and each.late > _BEHIND
    ]
    return [
        Finding(
            f"readers of `{process}`",
            not free,
            f"nobody reads {', '.join(free)}" if free else f"{len(places)} are held",
            f"start `trunkline {process}`",
        ),
        Finding(
            f"`{process}` keeps up",
            not behind,
            f"more than a minute late: {', '.join(behind)}" if behind else "within a minute",
            f"the log of `{process}` says what it waits for; `trunkline log parked` what it cannot do",
        ),
    ]
