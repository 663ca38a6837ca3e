"""What the gateway asks of the unit: read strictly, done once, answered always while it is not too late."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from keys.car.claims import CommandClaims
from keys.car.command import TooLate, read_command
from keys.car.jws import Unacceptable
from keys.car.verify import Presented
from vehicle_gateway import wire
from vehicle_unit.executed import Answer, Executed, Keep, TooMany
from vehicle_unit.latch import Latch
from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import Input, Lock
from vehicle_unit.opening import Openings, Verifier
from vehicle_unit.uplink import Uplink

_log = logging.getLogger("trunkline.vehicle_unit")

_KEEP: Final[Mapping[str, Keep]] = {
    wire.Op.PRESENT: Keep.ANSWER,
    wire.Op.LOCK: Keep.BEGINNING,
    wire.Op.FLASH: Keep.BEGINNING,
    wire.Op.CFG: Keep.BEGINNING,
}


class Commands:
    """``configure`` takes the arguments of a ``cfg`` and answers it."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        executed: Executed,
        openings: Openings,
        latch: Latch,
        uplink: Uplink,
        configure: Callable[[Mapping[str, Any]], Answer],
        limits: UnitLimits,
    ) -> None:
        self._unit = verifier.unit
        self._trust = verifier.trust
        self._clock = verifier.clock
        self._vehicle = verifier.vehicle
        self._executed = executed
        self._openings = openings
        self._latch = latch
        self._uplink = uplink
        self._configure = configure
        self._limits = limits
        self._ops: Mapping[str, Callable[[CommandClaims, float], Awaitable[Answer]]] = {
            wire.Op.CHALLENGE: self._challenge,
            wire.Op.PRESENT: self._present,
            wire.Op.LOCK: self._lock,
            wire.Op.FLASH: self._flash,
            wire.Op.LOCATE: self._locate,
            wire.Op.SNAPSHOT: self._snapshot,
            wire.Op.CFG: self._cfg,
            wire.Op.SCAN: self._scan,
        }
        self.scan: Callable[[], bool] = lambda: False
        """Ask for a scan of fault codes; False where this unit has no reader."""

    async def handle(self, payload: bytes) -> None:
        """One message of ``dn/cmd``; whatever its bytes, nothing is raised.

        What nobody we know signed for us, and what is past its ``exp``, is neither done nor answered: an
        answer that comes late must not contradict one that was lost.
        """
        arrived = self._clock.uptime()
        try:
            claims = self._read(payload)
        except (ValidationError, Unacceptable, TooLate) as cause:
            _log.warning("command.not_taken", extra={"why": type(cause).__name__})
            return
        command = claims.cmd
        if command in self._executed:
            if (known := self._executed.answer(command)) is not None:
                self._uplink.result(command, known)
            return
        now = self._clock.now().timestamp()
        try:
            self._executed.begin(command, claims.exp, now=now, keep=_KEEP.get(claims.op, Keep.BOOT))
        except (TooMany, OSError):
            _log.exception("command.not_remembered", extra={"command": command})
            self._uplink.result(command, Answer("refused", "busy"))
            return
        answer = await self._guarded(claims, arrived)
        self._uplink.result(command, answer)
        try:
            self._executed.finish(command, answer)
        except OSError:
            _log.exception("command.answer_not_kept", extra={"command": command})

    def _read(self, payload: bytes) -> CommandClaims:
        """Raises ``ValidationError``, ``Unacceptable`` or ``TooLate``."""
        token = wire.Command.model_validate_json(payload).cmd
        claims = read_command(token, trust=self._trust, unit=self._unit, now=self._clock.latest())
        self._clock.hear(claims.iat)
        if self._clock.latest().timestamp() >= claims.exp:  # what it was signed at may have put us right
            raise TooLate
        return claims

    async def _guarded(self, claims: CommandClaims, arrived: float) -> Answer:
        try:
            do = self._ops.get(claims.op)
            return Answer("refused", "not_supported") if do is None else await do(claims, arrived)
        except Exception:  # noqa: BLE001  # whatever goes wrong, the sender is told
            _log.exception("command.failed", extra={"command": claims.cmd, "op": claims.op})
            return Answer("refused", "internal", may_have_opened=claims.op == "present")

    async def _challenge(self, claims: CommandClaims, _arrived: float) -> Answer:
        link, key = _link(claims.args), claims.args.get("key")
        if link is None:
            return Answer("refused", "refused")
        answer = self._openings.challenge(link)
        if answer.outcome == "done" and isinstance(key, str):
            # Once the answer has left: its asker waits. By a lambda: a loop that complains of a call names its arguments.
            asyncio.get_running_loop().call_soon(lambda: self._openings.foresee(link, key))
        return answer

    async def _present(self, claims: CommandClaims, arrived: float) -> Answer:
        link, key, proof = _link(claims.args), claims.args.get("key"), claims.args.get("proof")
        fresh = claims.args.get("fresh")
        if link is None or not isinstance(key, str) or not isinstance(proof, str):
            return Answer("refused", "refused")
        if fresh is not None and not isinstance(fresh, str):
            return Answer("refused", "refused")
        return await self._openings.present(
            Presented(key, proof, fresh), link=link, command=claims.cmd, arrived=arrived
        )

    async def _lock(self, _claims: CommandClaims, _arrived: float) -> Answer:
        """Locking needs no key. Where the lid is up the latch is armed and locks when it comes down."""
        self._latch.feed(Input.LOCK)
        patience = self._limits.latch_feedback + self._limits.lock_within
        locked = await self._latch.wait_for(Lock.LATCHED, patience)
        if locked:
            return Answer("done", "locked")
        if self._latch.state in {Lock.AJAR, Lock.LEFT_OPEN}:
            return Answer("done", "armed")
        return Answer("refused", "stuck")

    async def _flash(self, _claims: CommandClaims, _arrived: float) -> Answer:
        self._vehicle.flash()
        return Answer("done")

    async def _locate(self, _claims: CommandClaims, _arrived: float) -> Answer:
        here = self._vehicle.position
        if here is None:
            return Answer("refused", "no_position")
        at = self._clock.now().isoformat()
        return Answer("done", data={"position": {"lat": here.latitude, "lon": here.longitude, "at": at}})

    async def _snapshot(self, _claims: CommandClaims, _arrived: float) -> Answer:
        self._uplink.signals(self._vehicle.signals(), full=True)
        self.scan()  # what was lost may have been a scan
        return Answer("done")

    async def _scan(self, _claims: CommandClaims, _arrived: float) -> Answer:
        """The scan itself takes longer than a command lives: it comes by ``up/dtc``."""
        return Answer("done", "asked") if self.scan() else Answer("refused", "not_supported")

    async def _cfg(self, claims: CommandClaims, _arrived: float) -> Answer:
        return self._configure(claims.args)


def _link(args: Mapping[str, Any]) -> str | None:
    """Over MQTT there is one open challenge per delivery: its id names the link."""
    link = args.get("delivery", args.get("link"))
    ours = isinstance(link, str) and 0 < len(link) <= 100 and not link.startswith("local:")
    return link if ours else None
