"""A hostile broker: random and mutated messages over the real Mosquitto into a real unit; nothing opens, it lives on."""

import asyncio
import contextlib
import json
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from keys.car.jws import SigningKey
from tests.fuzz.mutate import flipped_token, mutated, shaken
from tests.service.brokers import Mosquitto
from tests.service.gateway_scene import FAST, running, until
from tests.service.test_unit_life import Gateway, answer_for, now
from tests.unit import unit_rig
from tests.unit.unit_rig import DELIVERY, UNIT, command, key_token, proof_of, revocations
from vehicle_gateway.link import Incoming, Link
from vehicle_gateway.wire import down
from vehicle_unit import provisioning
from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import Lock
from vehicle_unit.provisioning import Identity
from vehicle_unit.unit import Unit, UnitOptions

OTHER: Final = "vu_1123456789abcdef"
STRANGER: Final = SigningKey.draw()
NAMES: Final = ("cmd", "cmd", "cmd", "cmd", "rev", "ack", "err", "cfg", "trust", "", "zzz", "cmd/x", "é")
OPS: Final = ("challenge", "present", "lock", "flash", "locate", "scan", "snapshot", "cfg", "drive")
_MS: Final = timedelta(milliseconds=1)


@dataclass
class Faults(logging.Handler):
    """What the unit said of itself at level ERROR: there must be none."""

    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(logging.ERROR)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        why = record.exc_info[1] if record.exc_info else None
        self.said.append(f"{record.name} {record.getMessage()} {why!r}"[:300])


@dataclass
class Tally:
    """What was sent by kind, and what the unit answered."""

    sent: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"sent {sum(self.sent.values())}: "
            + ", ".join(f"dn/{n} {c}" for n, c in self.sent.most_common()),
            "signed commands answered: " + ", ".join(f"{n} {c}" for n, c in self.answers.most_common()),
        ]


@dataclass
class Siege:
    """A unit, whoever can publish to it, and keys that were stolen on their way."""

    unit: Unit
    gateway: Gateway
    dice: random.Random
    tally: Tally = field(default_factory=Tally)
    challenge: str = ""
    _n: int = 0

    async def send(self, messages: int, *, at_once: int = 100) -> None:
        """Publish so many; now and then ask for a challenge, and wait for it: the unit lives."""
        left = messages
        while left > 0:
            if (messages - left) % 500 == 0:
                await self.keep_up()
            sent = [self._one() for _ in range(min(left, at_once))]
            await asyncio.gather(*sent)
            left -= len(sent)
        await self.keep_up()
        await until(lambda: not self.unit._working)

    def _one(self) -> "asyncio.Future[int]":
        dice = self.dice
        name = dice.choice(NAMES)
        self.tally.sent[name] += 1
        payload = self._payload(name)
        correlation = dice.randbytes(dice.randrange(200)) if dice.random() < 0.2 else None
        return self.gateway.link.send(
            down(0, UNIT, name),
            payload,
            qos=dice.choice((1, 1, 1, 0)),
            retain=dice.random() < 0.02 and name != "rev",
            expiry=dice.choice((None, 1, 30)),
            correlation=correlation,
            response_topic=dice.choice((None, None, None, down(0, UNIT, "cmd"), "x")),
        )

    def _payload(self, name: str) -> bytes:
        dice = self.dice
        match name.split("/", maxsplit=1)[0]:
            case "cmd":
                good = json.dumps({"cmd": self._command()}).encode()
            case "rev":
                forged = revocations(dice.choice((0, 1, 2, 99)), min_seq=dice.choice((0, 2**40)), at=now())
                return flipped_token(dice, forged).encode()[: dice.choice((20, 99_999))]
            case "ack":
                seqs = [dice.randrange(2**53) for _ in range(5)]
                good = json.dumps({"boot": dice.choice((0, 99, 2**53 - 1)), "seqs": seqs}).encode()
            case "err":
                code = dice.choice(("schema", "auth", "rate", "size", "stale", "x"))
                good = json.dumps({"seq": dice.randrange(2**40, 2**53), "code": code}).encode()
            case _:
                good = json.dumps(shaken(dice, {"version": 1, "heartbeat_seconds": 5, "policy": {}})).encode()
        return good if dice.random() < 0.3 else mutated(dice, good)

    def _command(self) -> str:
        """Signed by the gateway's key now and then; otherwise forged, for another, too old or bent."""
        dice = self.dice
        self._n += 1
        op, args = dice.choice(OPS), self._args()
        roll = dice.random()
        try:
            if roll < 0.08:
                return command(op, args, n=self._n, at=now(), ttl=5)
            if roll < 0.2:
                return command(op, args, n=self._n, at=now() - dice.choice((31, 3_600, 10**9)))
            if roll < 0.3:
                return command(op, args, n=self._n, at=now(), unit=OTHER)
            if roll < 0.4:
                return _by(STRANGER, op, args, self._n)
            if roll < 0.5:
                return _by(dice.choice((unit_rig.KEY_SIGNER, unit_rig.FRESH_SIGNER)), op, args, self._n)
            if roll < 0.6:
                return key_token(1, at=now())
            return flipped_token(dice, command(op, args, n=self._n, at=now(), ttl=5))
        except ValueError:  # what cannot be signed cannot come
            return "a.b.c"

    def _args(self) -> dict[str, Any]:
        """Good ones gone wrong. A proof is never right: of another key, another car, or with a byte changed."""
        dice = self.dice
        token = key_token(dice.choice((1, 2, 2**40)), at=now())
        proof = proof_of(token, self.challenge)
        key = dice.choice((token, flipped_token(dice, token), proof, key_token(1, at=now(), unit=OTHER)))
        wrong = dice.choice((proof_of(key_token(3), self.challenge), flipped_token(dice, proof), token, ""))
        args = {"delivery": DELIVERY, "key": key, "proof": wrong, "heartbeat_seconds": dice.choice((5, 4, 9))}
        return args if dice.random() < 0.5 else shaken(dice, args, times=2)

    async def keep_up(self) -> None:
        """A challenge after all that was sent so far: once it is here, everything before it was taken."""
        self._n += 1
        name = f"cmd_0123456789abcdef.{self._n}.challenge"
        token = command("challenge", {"delivery": DELIVERY}, n=self._n, at=now(), ttl=120)
        payload = json.dumps({"cmd": token}).encode()
        await self.gateway.link.publish(down(0, UNIT, "cmd"), payload, correlation=name.encode())

        def answer() -> list[dict[str, Any]]:
            return [told.d for told in self.gateway.told("res") if told.d["cmd"] == name]

        await until(answer, seconds=120)
        self.challenge = answer()[0]["data"]["challenge"]
        for told in self.gateway.told("res"):
            self.tally.answers[f"{told.d['outcome']} {told.d['code']}".strip()] += 1
        self.gateway.heard.clear()

    async def opens_once(self) -> list[str]:
        """With the right key and proof the boot opens, and with the same again it does not."""
        self.gateway.n = 10**6
        first = await self.gateway.open(7)
        await until(lambda: self.unit.latch.state is Lock.LATCHED)
        again = await self.gateway.open(7)
        return [first["code"], again["code"]]


def _by(key: SigningKey, op: str, args: dict[str, Any], n: int) -> str:
    from keys.car.claims import CommandClaims
    from keys.car.command import write_command

    at = int(now())
    claims = CommandClaims(
        aud=UNIT, cmd=f"cmd_0123456789abcdef.{n}.{op}", op=op, iat=at, exp=at + 30, args=args
    )
    return write_command(claims, key=key)


@contextlib.asynccontextmanager
async def siege(folder: Path, mosquitto: Mosquitto, *, seed: int) -> AsyncIterator[Siege]:
    """A provisioned unit over mutual TLS, and the service account on the other side."""
    provisioning.install(folder, answer_for(provisioning.init(folder), mosquitto))
    limits = UnitLimits(link_burst=10**6, resend_after=timedelta(seconds=1), executed_most=10**6)
    options = UnitOptions(
        lifts_after=10 * _MS, shuts_after=10 * _MS, link=FAST, control=False, limits=limits, durable=False
    )
    unit = Unit(Identity.load(folder), options)
    unit.clock.prove(int(now()), drawn=unit.clock.uptime())  # else nothing could open, whatever comes
    made: Gateway

    def heard(message: Incoming) -> None:
        made.on_message(message)

    async def on_up(_present: bool) -> None:
        await made.link.subscribe({f"tl/1/+/{UNIT}/up/#": 1})

    link = Link(
        mosquitto.service(), client_id="svc_gateway", on_message=heard, on_up=on_up,
        session_expiry=600, limits=FAST,
    )  # fmt: skip
    made = Gateway(link)
    faults = Faults()
    logger = logging.getLogger("trunkline")
    logger.addHandler(faults)
    try:
        async with running(link.run()):
            async with asyncio.timeout(15):
                await link.wait_connected()
            await made.send_list()
            async with running(unit.run()):
                async with asyncio.timeout(15):
                    await unit.link.wait_connected()
                await until(lambda: unit.revocations.current)
                scene = Siege(unit, made, random.Random(seed))
                scene.tally.faults = faults.said
                yield scene
    finally:
        logger.removeHandler(faults)
