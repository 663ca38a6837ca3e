"""The local link in the unit: what one phone asks, answered by the same verifier as the gateway's commands."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, assert_never

from keys.car import local
from keys.car.frames import MAX_FRAME
from keys.car.jws import Unacceptable
from keys.car.local import AskChallenge, AskPresent, AskReceipts, BringBundle, Hello, Malformed
from keys.car.policy import Policy
from keys.car.verify import Presented, Refusal
from vehicle_unit.bucket import Buckets
from vehicle_unit.clock import UnitClock
from vehicle_unit.executed import Answer
from vehicle_unit.limits import UnitLimits
from vehicle_unit.local_limits import LocalLimits
from vehicle_unit.opening import Openings
from vehicle_unit.receipts import Opening, Receipts
from vehicle_unit.record import NotWritten

_log = logging.getLogger("trunkline.vehicle_unit")

_AROUND: Final = 64
"""Bytes of a frame of receipts that are none."""

TakeBundle = Callable[[object], bool]
"""Takes a trust bundle as ``{"bundle": [jws, ...]}``, checked before anything is written; whether it is new.

Raises ``Unacceptable``, ``NotWritten`` or ``OSError``; then all stays as it was.
"""


class Local:
    """All phones' conversations. ``peer`` names a phone for its rate: its address without the port.

    ``take_bundle``: None in a unit whose service keys are pinned at enrolment.
    """

    def __init__(
        self,
        *,
        openings: Openings,
        receipts: Receipts,
        clock: UnitClock,
        policy: Policy,
        limits: UnitLimits,
        local_limits: LocalLimits,
        take_bundle: TakeBundle | None = None,
    ) -> None:
        self.openings = openings
        self.receipts = receipts
        self.clock = clock
        self.take_bundle = take_bundle
        self.limits = local_limits
        self.refusal_time = limits.refusal_time.total_seconds()
        self.most = max(1, min(local_limits.phones, policy.links - 1))
        """Phones at once."""
        self.frames = Buckets(local_limits.frames_burst, local_limits.frames_every)
        self.asks = Buckets(limits.link_burst, limits.link_every)
        self._begun = 0
        self._here: set[Conversation] = set()

    def begin(self, peer: str) -> "Conversation | None":
        """A phone connected; None where there is no room for it."""
        if len(self._here) >= self.most:
            return None
        self._begun += 1
        conversation = Conversation(self, f"local:{self._begun}", peer)
        self._here.add(conversation)
        return conversation

    def end(self, conversation: "Conversation") -> None:
        """The phone is gone, and its challenge with it. An opening that it began goes on."""
        self._here.discard(conversation)
        self.openings.forget(conversation.link)


class Conversation:
    """One phone's connection, which is one link: whatever its bytes, it is answered and nothing is raised."""

    def __init__(self, all_of_them: Local, link: str, peer: str) -> None:
        self.link = link
        self._all = all_of_them
        self._peer = peer
        self._greeted = False
        self._proven = ""

    @property
    def proven(self) -> bool:
        """Whether the phone has proven that a key for this car is its own."""
        return bool(self._proven)

    async def answer(self, frame: bytes) -> bytes:
        """The answer to one frame (both without their length, the answer with it)."""
        arrived = self._all.clock.uptime()
        if not self._all.frames.take(self._peer, arrived):
            return local.no(Refusal.BUSY)
        try:
            ask = local.read_ask(frame)
        except Malformed:
            return await self._refused(arrived)
        try:
            return await self._answer(ask, arrived)
        except Exception:  # noqa: BLE001  # whatever goes wrong, the phone is told
            _log.exception("local.failed", extra={"ask": type(ask).__name__})
            return local.no("may_have_opened" if isinstance(ask, AskPresent) else Refusal.INTERNAL)

    async def _answer(self, ask: local.Ask, arrived: float) -> bytes:
        if isinstance(ask, Hello):
            return self._hello(ask)
        if not self._greeted:
            return await self._refused(arrived)
        match ask:
            case AskReceipts():
                return self._receipts(ask.receipts.after) if self.proven else await self._refused(arrived)
            case _ if not self._all.asks.take(self._peer, arrived):
                return local.no(Refusal.BUSY)
            case AskChallenge():
                answer = self._all.openings.challenge(self.link)
                return _told(answer, {**answer.data, "link": ask.challenge.link})
            case AskPresent():
                return await self._present(ask, arrived)
            case BringBundle():
                return await self._bundle(ask, arrived)
        assert_never(ask)

    def _hello(self, ask: Hello) -> bytes:
        """It does not say which car this is: nobody can follow a car by asking."""
        if ask.hello != local.VERSION:
            return local.no("version")
        self._greeted = True
        return local.ok({"hello": local.VERSION})

    async def _present(self, ask: AskPresent, arrived: float) -> bytes:
        brought = ask.present
        answer = await self._all.openings.present(
            Presented(brought.key, brought.proof, brought.fresh or None),
            link=self.link,
            command=None,
            arrived=arrived,
            via="local",
            on_proven=self._on_proven,
        )
        return _told(answer, {"opened": True, **answer.data})

    def _on_proven(self, opening: Opening) -> None:
        self._proven = opening.jti

    async def _bundle(self, ask: BringBundle, arrived: float) -> bytes:
        """It need not come from a proven phone: it is the roots' word, whoever brings it."""
        if self._all.take_bundle is None:
            return local.no("not_supported")
        try:
            taken = self._all.take_bundle({"bundle": list(ask.bundle)})
        except Unacceptable as cause:
            _log.info("local.bundle_refused", extra={"why": cause.fault.value})
            return await self._refused(arrived)
        except (OSError, NotWritten):
            _log.exception("local.bundle_not_kept")
            return local.no(Refusal.INTERNAL)
        return local.ok({"taken": taken})

    def _receipts(self, after: int) -> bytes:
        """As many as fit; ``more``: ask again after the last of them."""
        room = MAX_FRAME - _AROUND
        chosen: list[str] = []
        found = self._all.receipts.of_key(self._proven, after=after)
        for receipt in found:
            room -= len(receipt.token) + 3
            if room < 0:
                break
            chosen.append(receipt.token)
        return local.ok({"receipts": chosen, "more": len(chosen) < len(found)})

    async def _refused(self, arrived: float) -> bytes:
        """What a stranger gets for anything: the same bytes at the same time."""
        rest = arrived + self._all.refusal_time - self._all.clock.uptime()
        await asyncio.sleep(max(rest, 0))
        return local.no(Refusal.REFUSED)


def _told(answer: Answer, data: dict[str, object]) -> bytes:
    return local.ok(data) if answer.outcome == "done" else local.no(answer.code)
