"""From a key presented to a boot opened and locked again: steps 0 to 16 of keys.md 3.3, each key once."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from keys.car.challenge import Challenges, TooManyLinks
from keys.car.claims import FreshClaims, Out
from keys.car.jws import Unacceptable
from keys.car.owner_keys import cid_hash
from keys.car.policy import Policy
from keys.car.trust import TrustedKeys
from keys.car.verify import (
    Foreseen,
    Granted,
    KeyRefused,
    Presented,
    Proven,
    Reading,
    Refusal,
    allow,
    foresee,
    prove,
)
from keys.car.window import Window
from vehicle_unit.bucket import Buckets
from vehicle_unit.clock import UnitClock
from vehicle_unit.executed import Answer
from vehicle_unit.freshness import Freshness, NoRoom, Taken
from vehicle_unit.latch import Latch
from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import Act, Input, Lock
from vehicle_unit.owners import Owners
from vehicle_unit.receipts import ENDS, Opening, Receipt, Receipts, Via
from vehicle_unit.record import NotWritten, RecordStore
from vehicle_unit.revocations import Revocations
from vehicle_unit.vehicle import Vehicle

_log = logging.getLogger("trunkline.vehicle_unit")

_OUT: dict[Act, Out] = {
    Act.OPENED: "opened",
    Act.NOT_LIFTED: "not_lifted",
    Act.CLOSED: "closed",
    Act.LOCKED: "locked",
    Act.LEFT_OPEN: "left_open",
    Act.INDETERMINATE: "indeterminate",
}


@dataclass(frozen=True)
class Verifier:
    """What a key is checked against."""

    unit: str
    trust: TrustedKeys
    policy: Policy
    challenges: Challenges
    clock: UnitClock
    record: RecordStore
    receipts: Receipts
    revocations: Revocations
    freshness: Freshness
    vehicle: Vehicle
    owners: Owners


class Openings:
    """``say`` sends receipts that are durable. ``latch`` is given once it exists: it tells us its acts."""

    latch: Latch

    def __init__(
        self, verifier: Verifier, limits: UnitLimits, *, say: Callable[[Sequence[Receipt]], None]
    ) -> None:
        self._verifier = verifier
        self._limits = limits
        self._say = say
        self._buckets = Buckets(limits.link_burst, limits.link_every)
        self._foreseen: dict[str, Foreseen] = {}
        """By link: the key that is said to be presented there next."""
        self._going_on: Opening | None = None
        self._opened: asyncio.Future[Act] | None = None
        self._acted: Act | None = None
        """What the latch has said of the last opening."""
        self._unsaid: list[Receipt] = []
        self._presenting = False

    @property
    def going_on(self) -> bool:
        """Whether the boot was opened by one of our keys and is not locked again."""
        return self._going_on is not None

    def resume(self, opening: Opening | None) -> None:
        """After a power cut: the opening whose end the lid and the latch will tell."""
        self._going_on = opening

    def challenge(self, link: str) -> Answer:
        """A challenge for one link; it can be answered once, for 30 s."""
        verifier = self._verifier
        uptime = verifier.clock.uptime()
        if not self._buckets.take(link, uptime):
            return _no(Refusal.BUSY)
        try:
            nonce = verifier.challenges.draw(link, uptime=uptime)
        except TooManyLinks:
            return _no(Refusal.BUSY)
        life = int(verifier.policy.challenge_life.total_seconds())
        fresh = verifier.freshness.wanted()
        return Answer("done", data={"challenge": nonce, "link": link, "expires_in": life, "fresh": fresh})

    def foresee(self, link: str, key: str) -> None:
        """This key will be presented on a link with an open challenge: read it while nobody waits.

        It is no more than a key then that was read already; all is refused, and answered, when it is presented.
        """
        verifier = self._verifier
        self._foreseen = {
            open_: seen for open_, seen in self._foreseen.items() if verifier.challenges.drawn(open_)
        }
        if verifier.challenges.drawn(link) is not None:
            with suppress(Unacceptable):
                self._foreseen[link] = foresee(key, trust=verifier.trust)

    def forget(self, link: str) -> None:
        """The link is gone: what was open on it is too."""
        self._foreseen.pop(link, None)
        self._verifier.challenges.take(link, uptime=self._verifier.clock.uptime())
        self._buckets.forget(link)

    async def present(
        self,
        presented: Presented,
        *,
        link: str,
        command: str | None,
        arrived: float,
        via: Via = "mqtt",
        on_proven: Callable[[Opening], None] = lambda _: None,
    ) -> Answer:
        """Open if the key may. ``arrived``: when it came, on CLOCK_BOOTTIME.

        Whatever fails before possession is proven is answered alike, 25 ms after arrival; ``on_proven`` is
        told as soon as it is proven, whatever follows.
        """
        verifier = self._verifier
        uptime = verifier.clock.uptime()
        if not self._buckets.take(link, uptime):
            return _no(Refusal.BUSY)
        drawn = verifier.challenges.drawn(link)
        try:
            proven = prove(
                presented,
                link=link,
                unit=verifier.unit,
                trust=verifier.trust,
                challenges=verifier.challenges,
                uptime=uptime,
                foreseen=self._foreseen.pop(link, None),
            )
        except KeyRefused as refused:
            _log.info("key.refused", extra={"why": refused.why})
            rest = arrived + self._limits.refusal_time.total_seconds() - verifier.clock.uptime()
            await asyncio.sleep(max(rest, 0))
            return _no(Refusal.REFUSED)
        opening = Opening(proven.claims.jti, proven.claims.seq, proven.claims.dlv, command, via)
        on_proven(opening)
        try:
            fresh = self._news(presented.fresh, proven, drawn)
            reading = self._time(proven)
            self._consume(self._allowed(proven, fresh, reading), opening, reading)
        except KeyRefused as refused:
            _log.info("key.refused", extra={"why": refused.why, "jti": opening.jti})
            self._tell_refusal(opening, refused.refusal)
            return _no(refused.refusal)
        act = await self._release(opening, proven.claims.iat)
        if act is Act.OPENED:
            return Answer("done", "opened", data={"receipts": verifier.receipts.last})
        return Answer("refused", "may_have_opened", may_have_opened=True)

    def on_act(self, act: Act) -> None:
        """The lock did something: a receipt, if one of our keys opened it."""
        opening = self._going_on
        if opening is None:
            return
        out = _OUT[act]
        self._keep(out, opening)
        if out in ENDS:
            self._going_on = None
        if act in {Act.OPENED, Act.INDETERMINATE} and self._acted is None:
            self._acted = act
            if self._opened is not None and not self._opened.done():
                self._opened.set_result(act)
        if not self._presenting:
            self._flush()

    def _news(self, signed: str | None, proven: Proven, drawn: float | None) -> FreshClaims | None:
        """Take what was brought for the challenge, now that its bringer is proven. Raises ``KeyRefused``."""
        if signed is None or drawn is None:
            return None
        try:
            taken: Taken = self._verifier.freshness.take(signed, nonce=proven.challenge, drawn=drawn)
        except Unacceptable as cause:
            raise KeyRefused(Refusal.STALE_TRUST, proven=True, why=cause.fault.value) from cause
        except NoRoom as cause:
            raise KeyRefused(Refusal.BUSY, proven=True) from cause
        except (OSError, NotWritten) as cause:
            _log.exception("opening.news_not_kept", extra={"jti": proven.claims.jti})
            raise KeyRefused(Refusal.INTERNAL, proven=True) from cause
        self._unsaid.extend([taken.receipt] if taken.receipt else [])
        if taken.begun_again:  # this key's number is burnt with all others; not "used": another can be made
            raise KeyRefused(Refusal.STALE_TRUST, proven=True, why="amnesia")
        return taken.claims

    def _time(self, proven: Proven) -> Reading:
        """The clock, which hears when the key was made."""
        self._verifier.clock.hear(proven.claims.iat)
        return self._verifier.clock.read()

    def _allowed(self, proven: Proven, fresh: FreshClaims | None, reading: Reading) -> Granted:
        """Steps 8 to 13, and whether there is room and the boot is shut. Raises ``KeyRefused``."""
        verifier = self._verifier
        record = verifier.record.current
        granted = allow(
            proven,
            policy=verifier.owners.policy,
            clock=reading,
            trust=verifier.trust,
            revocations=verifier.revocations.current if record is not None else None,
            fresh=fresh,
            window=record.window if record is not None else Window(),
            car=verifier.vehicle.car(),
            owners=verifier.owners.keys,
        )
        ready = self.latch.state is Lock.LATCHED and self._going_on is None
        if not ready or not verifier.receipts.room_for(2):
            raise KeyRefused(Refusal.BUSY, proven=True)
        return granted

    def _consume(self, granted: Granted, opening: Opening, reading: Reading) -> None:
        """Step 14: record and receipt in one durable write; the receipt is signed once the latch is driven.

        Raises ``KeyRefused`` with ``internal``: nothing has moved.
        """
        verifier = self._verifier
        try:
            own = granted.claims.own
            receipt = verifier.receipts.consume(
                opening,
                reading,
                window=granted.window,
                clock_floor=granted.claims.iat,
                own=None if own is None else cid_hash(own.cid),
            )
        except (OSError, NotWritten) as cause:
            _log.exception("opening.not_consumed", extra={"jti": opening.jti})
            raise KeyRefused(Refusal.INTERNAL, proven=True) from cause
        self._unsaid.append(receipt)

    def _release(self, opening: Opening, iat: int) -> asyncio.Future[Act]:
        """Step 15 and 16: unlatch; what it gives ends as soon as the latch has said that it did, or did not.

        The latch comes first: all that waits for it, the receipts' signatures, and the clock's floor that the
        record knows come after it.
        """
        self._begin(opening)
        self._presenting = True
        try:
            self.latch.feed(Input.RELEASE)
        finally:
            self._presenting = False
            self._verifier.clock.raise_floor(iat)
            self._flush()
        self._opened = opened = asyncio.get_running_loop().create_future()
        if self._acted is not None:
            opened.set_result(self._acted)
        return opened

    def _begin(self, opening: Opening) -> None:
        self._going_on = opening
        self._acted = self._opened = None

    def _tell_refusal(self, opening: Opening, refusal: Refusal) -> None:
        """At most half of the room is for refusals: who stands at the car with an old key fills up no more."""
        if self._verifier.receipts.room_for(1 + self._limits.receipts_kept // 2):
            self._keep("refused", opening, code=refusal.value)
        self._flush()

    def _keep(self, out: Out, opening: Opening, code: str | None = None) -> None:
        try:
            receipt = self._verifier.receipts.append(
                out, self._verifier.clock.read(), opening=opening, code=code
            )
        except OSError:
            _log.exception("receipt.not_written", extra={"out": out})
        else:
            self._unsaid.append(receipt)

    def _flush(self) -> None:
        unsaid, self._unsaid = self._unsaid, []
        self._say(unsaid)


def _no(refusal: Refusal) -> Answer:
    return Answer("refused", refusal.value)
