"""A car over many boots: keys, lists, commands and acknowledgements, the power gone at any moment of it."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from keys.car.receipt import GENESIS, chain_hash
from keys.car.verify import Presented
from keys.car.window import Standing
from tests.crash.platter import FOLDER, Platter, PowerCut
from tests.crash.signatures import SIGNED, read_once, read_unsigned, watch_signing
from tests.unit.unit_rig import (
    DELIVERY,
    T0,
    FakeTime,
    command,
    identity,
    key_token,
    proof_of,
    revocations,
)
from vehicle_gateway.wire import Ack, Command
from vehicle_unit.boot import write_boot
from vehicle_unit.disk import FolderDisk
from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import Input, Lock
from vehicle_unit.record import SLOTS, Record, RecordStore
from vehicle_unit.unit import Unit, UnitOptions
from vehicle_unit.vehicle import Vehicle

KEYS: Final = 3
_BY_HAND: Final = "cmd_0123456789abcdef.1.x"
_SLOT: Final = 1_024
"""Bytes: no slot ever grows beyond it."""
_NOT_AT_ONCE: Final = timedelta(seconds=60)
LIMITS: Final = UnitLimits(
    compact_after=6, link_burst=10**6, refusal_time=timedelta(0), latch_feedback=_NOT_AT_ONCE
)


watch_signing()


class Broken(BaseException):
    """An invariant of keys.md 3.8 does not hold. Not an ``Exception``: the unit must not handle it."""


@cache
def _key(seq: int) -> str:
    return key_token(seq)


@cache
def _list(version: int, floor: int) -> str:
    return revocations(version, min_seq=floor, at=T0 + version)


@cache
def _command(op: str, n: int, life: int) -> bytes:
    return Command(cmd=command(op, n=life * 1_000 + n)).model_dump_json().encode()


@cache
def _proof(seq: int, challenge: str) -> str:
    return proof_of(_key(seq), challenge)


@dataclass
class World:
    """All that is outside the unit and remembers over its boots."""

    vehicle: Vehicle = field(default_factory=Vehicle)
    time: FakeTime = field(default_factory=FakeTime)
    opened: Counter[int] = field(default_factory=Counter)
    flashed: Counter[bytes] = field(default_factory=Counter)
    said: dict[int, str] = field(default_factory=dict)
    known: Record | None = None
    boots: list[int] = field(default_factory=list)
    events: set[str] = field(default_factory=set)
    version: int = 0
    presenting: int = 0
    consumed: dict[int, str] = field(default_factory=dict)
    """By their chain numbers the receipts ``consumed`` that were signed, without the signature."""

    def copy(self) -> "World":
        vehicle = replace(self.vehicle)
        vehicle.heard = lambda _: None
        return World(
            vehicle, copy(self.time), Counter(self.opened), Counter(self.flashed), dict(self.said), self.known,
            list(self.boots), set(self.events), self.version, self.presenting, dict(self.consumed),
        )  # fmt: skip


def provisioned(seed: int) -> Platter:
    """The disk of a unit that was just enrolled."""
    platter = Platter(seed)
    disk = FolderDisk(Path(FOLDER), calls=platter)
    RecordStore(disk).provision()
    write_boot(disk, 0)
    platter.calls = 0
    return platter


class Life:
    """One boot of the unit on ``platter``, in a world that outlives it."""

    def __init__(self, platter: Platter, world: World) -> None:
        self.platter = platter
        self.world = world
        SIGNED.clear()
        self.unit: Unit = self._start()

    def _start(self) -> Unit:
        world = self.world
        options = UnitOptions(lifts_after=None, shuts_after=None, limits=LIMITS)
        disk = FolderDisk(Path(FOLDER), calls=self.platter)
        unit = Unit(_identity(), options, disk=disk, vehicle=world.vehicle, time=world.time)
        self.unit = unit
        draws = iter(range(1, 2**16))
        unit.openings._verifier.challenges._random = lambda size: next(draws).to_bytes(size, "big")
        drive, say = unit.motor.drive_open, unit.uplink.receipts

        def drive_open() -> None:
            world.opened[world.presenting] += 1
            if world.opened[world.presenting] > 1:
                raise Broken(f"(1) number {world.presenting} opened twice")
            drive()

        def receipts(receipts: Any) -> None:
            for receipt in receipts:
                self._hear(receipt.token)
            say(receipts)

        unit.motor.drive_open = drive_open  # type: ignore[method-assign]
        unit.uplink.receipts = receipts  # type: ignore[method-assign]
        unit.openings._say = receipts
        unit.clock.prove(int(world.time.now), drawn=world.time.up)  # as the service's answer would
        self._check_start()
        unit.start()
        self._note()
        return unit

    # ---- what happens

    async def present(self, seq: int, *, by_command: bool = True) -> str:
        """A courier presents a key; the answer's code."""
        unit, self.world.presenting = self.unit, seq
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
        if not by_command:
            presented = Presented(_key(seq), _proof(seq, challenge))
            answer = await unit.openings.present(presented, link=DELIVERY, command=_BY_HAND, arrived=0.0)
            self._note()
            return answer.code
        args = {"delivery": DELIVERY, "key": _key(seq), "proof": _proof(seq, challenge)}
        token = command("present", args, n=self.platter.calls + 100 * len(self.world.boots) + 10_000)
        answers: list[Any] = []
        unit.uplink.result = lambda _, answer: answers.append(answer)  # type: ignore[method-assign]
        await unit.commands.handle(Command(cmd=token).model_dump_json().encode())
        self._note()
        return answers[0].code if answers else ""

    async def step(self, rng: random.Random) -> None:
        """Anything that may happen to a car."""
        unit, world = self.unit, self.world
        match rng.choice(
            ("open", "open", "open", "lid", "lid", "lock", "flash", "list", "ack", "event", "hostile", "slow")
        ):
            case "open":
                await self.present(rng.randint(1, KEYS))
            case "lid":
                (unit.motor.shut if world.vehicle.lid_up else unit.motor.lift)()
            case "lock":
                await unit.commands.handle(_command("lock", rng.randrange(3), 1))
            case "flash":
                await self._flash(rng.randrange(3))
            case "list":
                world.version += rng.randrange(2)
                self.bring_list()
            case "ack":
                self._acknowledge(rng)
            case "event":
                before = set(unit.outbox._items)
                unit.uplink.event("door", {"n": self.platter.calls})
                if not self.platter.faults:
                    world.events |= set(unit.outbox._items) - before
            case "hostile":
                await self._hostile(rng)
            case "slow":
                await self._open_slowly(rng)
        self._note()

    def bring_list(self) -> None:
        """The newest list comes, which in time revokes the lowest numbers."""
        version = self.world.version
        self.unit._read("rev", _list(version, version // 3).encode())

    async def _open_slowly(self, rng: random.Random) -> None:
        """The latch takes its time, and lists come before it has answered."""
        unit, vehicle = self.unit, self.world.vehicle
        unit.motor.jammed = True
        opening = asyncio.create_task(self.present(rng.randint(1, KEYS)))
        try:
            await asyncio.sleep(0)
            for _ in range(rng.randrange(4)):
                self.world.version += 1
                self.bring_list()
                self._note()
            unit.motor.jammed = False
            if unit.latch.state is Lock.UNLATCHING:
                vehicle.change(locked=False)
                unit.latch.feed(Input.LATCH_OPEN)
            await opening
        finally:
            opening.cancel()
            with suppress(asyncio.CancelledError, PowerCut):
                await opening

    async def _flash(self, n: int) -> None:
        payload, before = _command("flash", n, 2), self.world.vehicle.flashes
        await self.unit.commands.handle(payload)
        self.world.flashed[payload] += self.world.vehicle.flashes - before
        if self.world.flashed[payload] > 1:
            raise Broken("a command was executed twice")

    def _acknowledge(self, rng: random.Random) -> None:
        unit = self.unit
        due = [
            one
            for one in unit.outbox.due(self.world.time.up + 10**6, unit.clock.now())
            if one.seq is not None
        ]
        some = [one for one in due if rng.random() < 0.7]
        self.world.events -= {one.id for one in some}
        with suppress(OSError):
            unit.uplink.acknowledged(
                Ack(boot=unit.boot, seqs=[one.seq for one in some if one.seq is not None])
            )

    async def _hostile(self, rng: random.Random) -> None:
        """(4): what nobody we know signed changes neither record nor disk."""
        unit, record, calls = self.unit, self.unit.record.current, self.platter.calls
        good = _key(1)
        spoiled = good[:-20] + ("AA" if good[-20:-18] != "AA" else "BB") + good[-18:]
        challenge = unit.openings.challenge("stranger").data["challenge"]
        for key, proof in (
            (spoiled, proof_of(good, challenge)),
            (good, proof_of(good, "A" * 43)),
            ("x", "y"),
        ):
            answer = await unit.openings.present(
                Presented(key, proof),
                link="stranger",
                command=_BY_HAND,
                arrived=self.world.time.up,
            )
            if answer.code != "refused":
                raise Broken(f"(4) a stranger was told {answer.code}")
        for name in ("rev", "ack", "err", "cfg"):
            unit._read(name, rng.randbytes(40))
        await unit.commands.handle(rng.randbytes(60))
        if unit.record.current != record or self.platter.calls != calls:
            raise Broken("(4) a stranger's bytes were written")

    # ---- what must hold

    def _hear(self, token: str) -> None:
        claims = read_once(token)
        if self.world.said.setdefault(claims.n, token) != token:
            raise Broken(f"(9) two receipts {claims.n}")

    def _note(self) -> None:
        """What the unit counts as durable now must be there after any power cut."""
        self.world.known = self.unit.record.current

    def _check_start(self) -> None:
        world, unit, now = self.world, self.unit, self.unit.record.current
        if now is None:
            raise Broken("both slots are lost")
        if unit.boot in world.boots:
            raise Broken(f"boot {unit.boot} came twice")
        world.boots.append(unit.boot)
        former = world.known
        if former is not None:
            for name in ("generation", "clock_floor", "bundle_version", "revocation_version"):
                if getattr(now, name) < getattr(former, name):
                    raise Broken(f"(6) {name} went down")
            if now.window.floor < former.window.floor:
                raise Broken("(6) the floor went down")
        for seq in world.opened:
            if now.window.standing(seq) is Standing.UNUSED:
                raise Broken(f"(1) number {seq} opened and is unused again")
        if len(now.packed()) != 72 or any(self.platter.size(slot) > _SLOT for slot in SLOTS):
            raise Broken("(7) the record grew")
        self._see_signed()
        self._check_receipts()
        if missing := [one for one in world.events if one not in unit.outbox]:
            raise Broken(f"{len(missing)} durable events are gone")

    def _check_receipts(self) -> None:
        """(9): one chain, nothing that was said is gone, and each opening has its receipt ``consumed``."""
        said, held = self.world.said, self.unit.receipts
        for receipt in held._kept.values():
            if said.setdefault(receipt.n, receipt.token) != receipt.token:
                raise Broken(f"(9) two receipts {receipt.n}")
        if sorted(said) != list(range(1, len(said) + 1)):
            raise Broken("(9) a receipt is missing")
        if said and held.last != max(said):
            raise Broken(f"(9) receipt {max(said)} was said and is gone, the last is {held.last}")
        prev = GENESIS
        for n in sorted(said):
            if read_once(said[n]).prev != prev:
                raise Broken(f"(9) receipt {n} does not follow")
            prev = chain_hash(said[n])
        consumed = Counter(
            read_once(token).seq for token in said.values() if read_once(token).out == "consumed"
        )
        if any(count > 1 for count in consumed.values()):
            raise Broken("(9) a number was consumed twice")
        if any(n not in said for n in self.world.consumed):
            raise Broken("(9) a signed receipt is gone")
        if any(consumed[seq] != 1 for seq in self.world.opened):
            raise Broken("(9) an opening without its receipt")

    def _see_signed(self) -> None:
        """No receipt ``consumed`` is signed with two texts, whenever the power went."""
        for text in SIGNED:
            claims = read_unsigned(text)
            if claims.out == "consumed" and self.world.consumed.setdefault(claims.n, text) != text:
                raise Broken(f"(9) receipt {claims.n} was signed twice, saying two things")
        SIGNED.clear()

    def end(self) -> None:
        """The process is gone."""
        self._see_signed()
        self.unit.latch.stop()


@cache
def _identity() -> Any:
    return identity(Path(FOLDER))
