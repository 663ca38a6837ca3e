"""``unit_verify``: a key checked and consumed in the car, against its two bare signature checks and one sync.

Ours runs from the presentation's arrival to the moment the latch is driven: steps 0 to 14 of keys.md 3.3 in a
real unit on a real folder. The peer verifies the same two signatures with ``cryptography``, its keys loaded
and the signature in DER before, writes 72 bytes into the same folder and calls ``fdatasync`` once, by turns in two files like the record's slots: a
file system charges less for a second write into one file within the same tick of its clock (20 us here), which a
record never has. Hot: each runs right
after something of its own kind that is not timed (ours a presentation that is refused, the peer itself), so that
neither waits for memory. Cold, in between, ours comes after all that follows an opening.

Key and proof say what those of a delivery do: a key with a fence, within which the car stands, and an age of
news; the proof as the courier's page spells it.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from keys.car.jwk import b64, sha256_b64, unb64
from keys.car.jws import PROOF, seal
from keys.car.place import Position
from keys.car.verify import Presented
from tests.bench.line import Line, percentile
from tests.unit.unit_rig import COURIER, KEY_SIGNER, T0, UNIT, FakeTime, identity, key_token, revocations
from vehicle_unit.disk import FolderDisk
from vehicle_unit.limits import UnitLimits
from vehicle_unit.record import RecordStore
from vehicle_unit.unit import Unit, UnitOptions

NAME: Final = "unit_verify"
BAR: Final = 2.0

ROUNDS: Final = 900
COLD: Final = 40
"""First ones, not counted."""
LINKS: Final = 6
"""Couriers at one car at one time: their proofs are made before the first of them is let in."""
FENCE: Final = (52.0907, 5.1214, 150.0)


async def measure() -> Line:
    """Medians and 99th percentiles of both, hot; the same cold is only told."""
    with tempfile.TemporaryDirectory(prefix="tl-bench-") as folder:
        hot, cold = await _rounds(Path(folder))
    ours, theirs = [pair[0] for pair in hot], [pair[1] for pair in hot]
    seen: dict[str, Any] = {
        "ours_p50_ms": round(median(ours), 3),
        "ours_p99_ms": round(percentile(ours, 0.99), 3),
        "bare_p50_ms": round(median(theirs), 3),
        "bare_p99_ms": round(percentile(theirs, 0.99), 3),
        "p99_over_p99": round(percentile(ours, 0.99) / percentile(theirs, 0.99), 2),
        "cold_ratio": round(median(pair[0] for pair in cold) / median(pair[1] for pair in cold), 2),
        "load": round(os.getloadavg()[0], 1),
        "openings": len(ours) + len(cold),
    }
    return Line.judged(NAME, median(ours) / median(theirs), BAR, "lower", seen=seen)


Pairs = list[tuple[float, float]]


async def _rounds(folder: Path) -> tuple[Pairs, Pairs]:
    """Ours and the peer's one after the other, every second pair hot."""
    car = _Car(folder)
    hot, cold = Pairs(), Pairs()
    try:
        for first in range(1, ROUNDS + 1, LINKS):
            ready = [car.brought(seq, f"link{seq - first}") for seq in range(first, first + LINKS)]
            bares = [_peer(car.probes, token, proof) for token, proof in ready]
            for number, ((token, proof), bare) in enumerate(zip(ready, bares, strict=True)):
                warm = number % 2 == 1
                if warm:
                    await car.warm_up(token, f"link{number}")
                mine = await car.opened(token, proof, f"link{number}")
                if warm:
                    bare()
                (hot if warm else cold).append((mine, bare()))
    finally:
        car.stop()
    return hot[COLD:], cold[COLD:]


class _Car:
    """A unit with an empty boot, whose lid is lifted and shut at once."""

    def __init__(self, folder: Path) -> None:
        self._disk = FolderDisk(folder)
        RecordStore(self._disk).provision()
        limits = UnitLimits(
            refusal_time=timedelta(0), link_burst=10**6, receipts_kept=10**6, outbox_items=10**6
        )
        options = UnitOptions(lifts_after=None, shuts_after=None, limits=limits)
        self._time = FakeTime()
        self._unit = Unit(identity(folder), options, disk=self._disk, time=self._time)
        self._driven = 0.0
        drive = self._unit.motor.drive_open

        def driven() -> None:
            self._driven = time.perf_counter()
            drive()

        self._unit.motor.drive_open = driven  # type: ignore[method-assign]
        self._unit.clock.prove(int(self._time.now), drawn=self._time.up)
        self._unit.start()
        self._unit.revocations.take(revocations())
        self._unit.vehicle.position = Position(52.0911, 5.1209)
        self.probes = [os.open(folder / f"probe.{slot}", os.O_RDWR | os.O_CREAT, 0o600) for slot in range(2)]

    def brought(self, seq: int, link: str) -> tuple[str, str]:
        """A key and the proof for a challenge that was just drawn."""
        token = key_token(seq, geo=FENCE, fra=600)
        return token, _proof(token, self._unit.openings.challenge(link).data["challenge"])

    async def warm_up(self, token: str, link: str) -> None:
        """A proof for another challenge, which is refused; it costs a challenge of another link."""
        openings = self._unit.openings
        nonce = openings.challenge("warm").data["challenge"]
        wrong = Presented(token, _proof(token, nonce[::-1]))
        await openings.present(wrong, link="warm", command="cmd_0123456789abcdef.1", arrived=0.0)

    async def opened(self, token: str, proof: str, link: str) -> float:
        """Milliseconds until the latch was driven; the boot is shut again afterwards."""
        name = f"cmd_0123456789abcdef.{token[-8:].lower().replace('-', 'x')}"
        started = time.perf_counter()
        answer = await self._unit.openings.present(
            Presented(token, proof), link=link, command=name, arrived=self._time.up
        )
        if answer.outcome != "done":
            raise AssertionError(f"not opened: {answer.code}")
        self._unit.motor.lift()
        self._unit.motor.shut()
        for receipt in self._unit.receipts.pending():
            self._unit.receipts.acknowledged(receipt.n)
        return (self._driven - started) * 1000

    def stop(self) -> None:
        """No timer fires any more."""
        self._unit.latch.stop()
        self._disk.close()
        for probe in self.probes:
            os.close(probe)


def _proof(token: str, challenge: str) -> str:
    """As ``courier_device.js`` writes it."""
    jwk = {name: COURIER.jwk[name] for name in ("kty", "crv", "x", "y")}
    header = {"alg": "ES256", "typ": "tl-pop+jwt", "jwk": jwk}
    ath = sha256_b64(token.encode())
    said = {"aud": UNIT, "ath": ath, "act": "open:trunk", "nonce": challenge, "iat": T0}
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, said))
    return seal(".".join(map(b64, parts)), form=PROOF, key=COURIER)


def _peer(probes: list[int], token: str, proof: str) -> Callable[[], float]:
    (signed, _, signature), (proven, _, shown) = token.rpartition("."), proof.rpartition(".")
    issuer, device = KEY_SIGNER.private.public_key(), COURIER.private.public_key()
    key_bytes, key_signature, proof_bytes, raw = (
        signed.encode(),
        unb64(signature),
        proven.encode(),
        unb64(shown),
    )
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    record = os.urandom(72)
    slots = cycle(probes)

    def bare() -> float:
        probe = next(slots)
        started = time.perf_counter()
        issuer.verify(key_signature, key_bytes)  # type: ignore[call-arg, arg-type, union-attr]
        device.verify(der, proof_bytes, ECDSA(SHA256()))  # type: ignore[call-arg, arg-type, union-attr]
        os.pwrite(probe, record, 0)
        os.fdatasync(probe)
        return (time.perf_counter() - started) * 1000

    return bare
