"""News signed for a nonce of ours: when they are needed, and what they set (keys.md 3.4 and 3.5, "Amnesia")."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from keys.car.claims import DEFAULT_FRA, FreshClaims
from keys.car.jwk import b64
from keys.car.jws import Fault, Unacceptable
from keys.car.policy import Policy
from vehicle_unit.clock import UnitClock
from vehicle_unit.receipts import Receipt, Receipts
from vehicle_unit.record import MAX_VERSION, RecordStore
from vehicle_unit.revocations import Revocations

_log = logging.getLogger("trunkline.vehicle_unit")

AMNESIA = "amnesia"
"""``code`` of the receipt that tells of a record begun anew."""


class NoRoom(Exception):
    """The receipt that this would owe cannot be kept: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an answer says, and the receipt that it gave, if any. ``begun_again``: it ended an amnesia."""

    claims: FreshClaims
    receipt: Receipt | None
    begun_again: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    nonce: str
    drawn: float


class Freshness:
    """Takes answers of the key service, each for a nonce that was drawn here after the last start.

    After amnesia the record begins anew above ``last``, the highest number that any key of ours had when the
    answer was signed. So no key from before can open, whether the server heard of its use or not; and nobody
    between us and the key service has to say, or could hide, that we forgot.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        clock: UnitClock,
        record: RecordStore,
        receipts: Receipts,
        revocations: Revocations,
        random: Callable[[int], bytes],
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._record = record
        self._receipts = receipts
        self._revocations = revocations
        self._random = random
        self._asked: _Asked | None = None

    @property
    def needed(self) -> bool:
        """Whether nothing can open without: no record, or a clock that is unknown or soon will be."""
        reading = self._clock.read()
        unsure = timedelta(milliseconds=reading.u) > self._policy.clock_error / 2
        return self._record.current is None or reading.state == "unset" or unsure

    def wanted(self) -> bool:
        """Whether a default key that is presented within a challenge's life would be refused without."""
        reading, current = self._clock.read(), self._revocations.current
        unsure = reading.state == "unset" or timedelta(milliseconds=reading.u) > self._policy.clock_error
        if self._record.current is None or current is None or unsure:
            return True
        latest = timedelta(milliseconds=reading.at + reading.u) + self._policy.challenge_life
        age = latest - timedelta(seconds=current.iat)
        return age > min(self._policy.list_age, timedelta(seconds=DEFAULT_FRA)) or latest >= timedelta(
            seconds=current.exp
        )

    def ask(self) -> str:
        """A nonce to ask the server with; the former one's answer counts no more."""
        self._asked = _Asked(b64(self._random(32)), self._clock.uptime())
        return self._asked.nonce

    def answered(self, signed: str) -> Receipt | None:
        """The answer to what ``ask`` drew, once and while it is young. Raises what ``take`` raises."""
        asked, self._asked = self._asked, None
        if asked is None or self._clock.uptime() - asked.drawn > self._policy.challenge_life.total_seconds():
            raise Unacceptable(Fault.AUDIENCE)
        return self.take(signed, nonce=asked.nonce, drawn=asked.drawn).receipt

    def take(self, signed: str, *, nonce: str, drawn: float) -> Taken:
        """Set clock, floors and list by what was signed for ``nonce``, drawn at ``drawn`` seconds of uptime.

        Durable first: the record, then the list. Raises ``Unacceptable`` where it is not for us and that
        nonce or knows an older list than we do, ``NoRoom``, ``NotWritten``, ``OSError``.
        """
        claims = self._revocations.read_answer(signed, nonce=nonce)
        # What answers a nonce of ours was signed just now: an old date on it is not the key service's word.
        if claims.rev.version > MAX_VERSION or self._clock.too_old(claims.iat):
            raise Unacceptable(Fault.CLAIMS)
        if self._record.current is None:
            return self._begin_again(signed, claims, drawn)
        if claims.rev.version < self._record.current.revocation_version:
            raise Unacceptable(Fault.CLAIMS)
        self._record.advance(
            window=self._record.current.window.raise_floor(claims.rev.min_seq),
            clock_floor=claims.iat,
            revocation_version=claims.rev.version,
        )
        self._clock.prove(claims.iat, drawn=drawn)
        self._revocations.keep(signed, claims)
        return Taken(claims, self._revocations.confirm())

    def _begin_again(self, signed: str, claims: FreshClaims, drawn: float) -> Taken:
        """After amnesia. The receipt goes first: what it says is true from now on even if the power goes."""
        if claims.last is None or claims.rev.version < self._receipts.last_list:
            raise Unacceptable(Fault.CLAIMS)
        if not self._receipts.room_for(1):
            raise NoRoom
        consumed = (receipt.claims.seq or 0 for receipt in self._receipts.consumed())
        floor = max(claims.last, *consumed, claims.rev.min_seq - 1) + 1
        generation = max(claims.iat, self._receipts.generation + 1)
        self._clock.prove(claims.iat, drawn=drawn)
        receipt = self._receipts.append(
            "revoked",
            self._clock.read(),
            code=AMNESIA,
            gen=generation,
            rev=claims.rev.version,
            floor=floor,
        )
        self._record.begin_again(
            generation=generation,
            floor=floor,
            clock_floor=claims.iat,
            revocation_version=claims.rev.version,
            bundle_version=self._revocations.bundle_version,
        )
        _log.error("record.begun_again", extra={"floor": floor, "generation": generation})
        self._revocations.keep(signed, claims)
        return Taken(claims, receipt, begun_again=True)
