"""``local_open``: from the courier's tap to the answer ``opened`` over the local link, against the bare cost of its parts."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from keys.car import local
from keys.car.claims import FreshClaims, Revocations
from keys.car.fresh import write_fresh
from keys.car.local import Said
from tests.bench.line import Line, percentile
from tests.unit.local_phone import Phone, listening, phone
from tests.unit.unit_rig import FRESH_SIGNER, UNIT, identity, key_token, proof_of, revocations
from vehicle_unit.disk import FolderDisk
from vehicle_unit.limits import UnitLimits
from vehicle_unit.local_limits import LocalLimits
from vehicle_unit.lock import Lock
from vehicle_unit.record import RecordStore
from vehicle_unit.unit import Unit, UnitOptions

NAME: Final = "local_open"
BAR: Final = 10.0
OPENINGS: Final = 200
COLD: Final = 10
_MANY: Final = 1_000_000
"""So many asks at once that no rate is met: one phone opens hundreds of times here."""


class NotOpened(Exception):
    """An opening of the benchmark did not open: a speed of refusals is none."""


async def measure() -> Line:
    """Openings of one unit on a real disk, each followed by its bare parts: two signatures verified, one write synced.

    The ratio is of the medians. An opening syncs three writes before it answers, and makes two signatures.
    """
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder:
        ours, bare = await _openings(Path(folder), _parts(Path(folder) / "probe"))
    took = {"opened_p50_ms": median(ours), "opened_p99_ms": percentile(ours, 0.99)}
    least = {"parts_p50_ms": median(bare), "parts_p99_ms": percentile(bare, 0.99)}
    seen: dict[str, Any] = {name: round(value, 3) for name, value in {**took, **least}.items()}
    seen |= {"load": round(os.getloadavg()[0], 1), "openings": len(ours)}
    sys.stderr.write(f"{NAME}: {seen}\n")
    return Line.judged(NAME, median(ours) / median(bare), BAR, "lower", seen=seen)


async def _openings(folder: Path, parts: Callable[[], None]) -> tuple[list[float], list[float]]:
    disk = FolderDisk(folder)
    RecordStore(disk).provision()
    options = UnitOptions(
        lifts_after=None,
        shuts_after=None,
        limits=UnitLimits(link_burst=_MANY),
        local=LocalLimits(listen="127.0.0.1:0", frames_burst=_MANY),
    )
    unit = Unit(identity(folder), options, disk=disk)
    unit.start()
    unit.revocations.take(revocations(at=time.time()))
    took, bare = list[float](), list[float]()
    async with listening(unit) as port, phone(port) as courier:
        for seq in range(1, COLD + OPENINGS + 1):
            opened = await _opened(unit, courier, seq)
            started = time.perf_counter()
            parts()
            if seq > COLD:
                took.append(opened)
                bare.append((time.perf_counter() - started) * 1000)
    unit.latch.stop()
    disk.close()
    return took, bare


async def _opened(unit: Unit, courier: Phone, seq: int) -> float:
    """Milliseconds from the tap to ``opened``; the proof was made before. Then lid and lock."""
    now, token = time.time(), key_token(seq, at=time.time())
    challenge = (await courier.challenge())["challenge"]
    news = _news(challenge, now) if seq == 1 else None  # from then on the unit knows the time
    frame = local.present(token, proof_of(token, challenge, at=now), news)
    started = time.perf_counter()
    answer: Said = await courier.ask(frame)
    took = (time.perf_counter() - started) * 1000
    if answer.ok is None:
        raise NotOpened(answer.no)
    unit.motor.lift()
    unit.motor.shut()
    if unit.latch.state is not Lock.LATCHED:
        raise NotOpened(unit.latch.state)
    await asyncio.sleep(0)
    return took


def _news(challenge: str, now: float) -> str:
    rev = Revocations(version=1, min_seq=0, dead=())
    claims = FreshClaims(aud=UNIT, nonce=challenge, iat=int(now), exp=int(now) + 60, rev=rev)
    return write_fresh(claims, key=FRESH_SIGNER)


def _parts(path: Path) -> Callable[[], None]:
    """What no opening can do without, with no code of ours."""
    issuer, device = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    said = os.urandom(600)
    by_issuer, by_device = issuer.sign(said), device.sign(said, ECDSA(SHA256()))
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def once() -> None:
        issuer.public_key().verify(by_issuer, said)
        device.public_key().verify(by_device, said, ECDSA(SHA256()))
        os.write(file, said)
        os.fdatasync(file)

    return once
