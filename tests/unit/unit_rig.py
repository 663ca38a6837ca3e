"""A key service, a courier and a car for tests of the unit, with clocks that tests set and a disk that forgets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from keys.car.claims import CommandClaims, Confirmation, FreshClaims, KeyClaims, Revocations
from keys.car.command import write_command
from keys.car.fresh import write_fresh
from keys.car.jwk import b64
from keys.car.jws import KEY, SigningKey, sign
from keys.car.proof import make_proof
from keys.car.trust import TrustedKeys
from vehicle_unit.provisioning import Enrolled, Identity

UNIT = "vu_0123456789abcdef"
DELIVERY = "dlv_0123456789abcdef"
T0 = 1_800_000_000

KEY_SIGNER, FRESH_SIGNER, CMD_SIGNER = SigningKey.draw(), SigningKey.draw(), SigningKey.draw()
RECEIPT_KEY = SigningKey.draw()
_MTLS = generate_private_key(SECP256R1())
COURIER = SigningKey.of(generate_private_key(SECP256R1()))


def jwks() -> dict[str, Any]:
    return {
        "keys": [
            {**key.jwk, "kid": key.kid, "alg": "Ed25519", "use": "sig", "purpose": purpose}
            for key, purpose in ((KEY_SIGNER, "key"), (FRESH_SIGNER, "fresh"), (CMD_SIGNER, "cmd"))
        ]
    }


def identity(folder: Path, *, port: int = 1, unit: str = UNIT, password: str | None = None) -> Identity:
    enrolled = Enrolled.model_validate(
        {
            "unit": unit,
            "vehicle": "veh_0123456789abcdef",
            "shard": 0,
            "certificates": {"mtls": "", "receipt": "", "ca": "", "broker_ca": ""},
            "service_keys": jwks(),
            "broker": {"host": "127.0.0.1", "port": port, "tls": False},
            "mqtt_password": password,
        }
    )
    return Identity(folder, enrolled, TrustedKeys.from_jwks(jwks()), RECEIPT_KEY, _MTLS)


@dataclass
class FakeTime:
    """Two clocks that stand still until told."""

    now: float = float(T0)
    up: float = 1_000.0

    def wall(self) -> float:
        return self.now

    def uptime(self) -> float:
        return self.up

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.up += seconds


def key_token(seq: int = 1, *, at: float = T0, unit: str = UNIT, window: int = 3600, **more: Any) -> str:
    claims = KeyClaims(
        aud=unit,
        jti=b64(seq.to_bytes(16, "big")),
        seq=seq,
        iat=int(at),
        nbf=int(at) - 60,
        exp=int(at) - 60 + window,
        cnf=Confirmation(jkt=COURIER.kid),
        act="open:trunk",
        dlv=DELIVERY,
        **more,
    )
    return sign(claims.wire(), form=KEY, key=KEY_SIGNER)


def proof_of(token: str, challenge: str, *, unit: str = UNIT, at: float = T0) -> str:
    from datetime import UTC, datetime

    now = datetime.fromtimestamp(at, UTC)
    return make_proof(COURIER, key_token=token, challenge=challenge, unit=unit, act="open:trunk", now=now)


def revocations(
    version: int = 1, *, min_seq: int = 0, dead: tuple[str, ...] = (), at: float = T0, unit: str = UNIT
) -> str:
    rev = Revocations(version=version, min_seq=min_seq, dead=dead)
    claims = FreshClaims(aud=unit, iat=int(at), exp=int(at) + 86_400, rev=rev)
    return write_fresh(claims, key=FRESH_SIGNER)


def news(
    nonce: str,
    version: int = 1,
    *,
    min_seq: int = 0,
    dead: tuple[str, ...] = (),
    last: int | None = 0,
    at: float = T0,
    unit: str = UNIT,
) -> str:
    """What the key service signs for a nonce of the unit."""
    rev = Revocations(version=version, min_seq=min_seq, dead=dead)
    claims = FreshClaims(aud=unit, nonce=nonce, iat=int(at), exp=int(at) + 86_400, last=last, rev=rev)
    return write_fresh(claims, key=FRESH_SIGNER)


def command(
    op: str,
    args: dict[str, Any] | None = None,
    *,
    n: int = 1,
    at: float = T0,
    ttl: int = 30,
    unit: str = UNIT,
) -> str:
    claims = CommandClaims(
        aud=unit,
        cmd=f"cmd_0123456789abcdef.{n}.{op}",
        op=op,
        iat=int(at),
        exp=int(at) + ttl,
        args=args or {},
    )
    return write_command(claims, key=CMD_SIGNER)


class PowerCut(BaseException):
    """The power went. Not an ``Exception``: no handler lives through it."""


@dataclass
class FadingDisk:
    """A disk where the power goes after ``writes`` operations; only what was synced surely stays.

    What is left after the cut is any prefix of the unsynced operations, the last of them torn anywhere.
    """

    writes: int = 10**9
    files: dict[str, bytes] = field(default_factory=dict)
    unsynced: list[tuple[str, str, bytes]] = field(default_factory=list)
    done: int = 0

    def read(self, name: str) -> bytes | None:
        return self._after(self.unsynced).get(name)

    def write(self, name: str, data: bytes) -> None:
        self._count()
        self.unsynced.append(("write", name, data))

    def append(self, name: str, data: bytes) -> None:
        self._count()
        self.unsynced.append(("append", name, data))

    def sync(self, name: str) -> None:
        self._count()
        mine = [step for step in self.unsynced if step[1] == name]
        self.files = self._after(mine)
        self.unsynced = [step for step in self.unsynced if step[1] != name]

    def settle(self, name: str, data: bytes) -> bytes | None:
        self.write(name, data)
        self.sync(name)
        return self.read(name)

    def replace(self, name: str, data: bytes) -> None:
        self._count()
        self.unsynced = [step for step in self.unsynced if step[1] != name]
        self.files = {**self.files, name: data}

    def _count(self) -> None:
        if self.done >= self.writes:
            raise PowerCut
        self.done += 1

    def _after(self, steps: list[tuple[str, str, bytes]]) -> dict[str, bytes]:
        files = dict(self.files)
        for kind, name, data in steps:
            old = files.get(name, b"")
            files[name] = old + data if kind == "append" else data + old[len(data) :]
        return files

    def remains(self) -> Iterator["FadingDisk"]:
        """Every disk the next start may find: a prefix of the steps, and tears of the step after it."""
        for kept in range(len(self.unsynced) + 1):
            yield FadingDisk(files=self._after(self.unsynced[:kept]))
            if kept < len(self.unsynced):
                kind, name, data = self.unsynced[kept]
                for cut in {1, len(data) // 2, len(data) - 1} - {0, len(data)}:
                    steps = [*self.unsynced[:kept], (kind, name, data[:cut])]
                    yield FadingDisk(files=self._after(steps))
