"""News signed for a unit's nonce: asked for by the unit itself or in front of it, signed in ``work`` alone."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from keys.car.claims import FreshClaims, Sha256
from keys.car.claims import Revocations as ListClaims
from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.model import list_id, numbers_id
from keys.problems import BadNonce
from keys.revocation import sign_list
from keys.signing import Signer, SigningKeys
from spine.facts.keys import FreshAsked, FreshSigned
from spine.ids import UnitId, VehicleId, named_after
from spine.store import Ack, Change, Saved, Store, Write

log = logging.getLogger("trunkline.keys")

_NONCE: TypeAdapter[str] = TypeAdapter(Sha256)
_MOST = 64
"""Answers kept of a car, the oldest forgotten first: more than couriers may ask for while one is young."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``signed``: the answer, where it is there. ``position``: in the log, after which it will be, if known."""

    signed: str | None
    position: str | None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: UnitId
    asked_at: AwareDatetime
    signed: str = ""


class _Answers(BaseModel):
    """``fsh_<vehicle body>``: what was asked lately for the vehicle's unit, by nonce; emptied by its timer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by_nonce: dict[str, _Answer] = {}


def answers_id(vehicle: VehicleId) -> str:
    """Where the answers for a vehicle's unit are kept while its challenges live."""
    return named_after("fsh", vehicle)


class Freshness:
    """Asks (``api``) and signs (``work``). Each nonce is answered once; asked again, by the same bytes.

    An answer says what is true for any challenge of this unit, known to us or not: the revocations as they
    stand, and ``last``, the highest number given to a key of the unit. A unit that has lost its record burns
    every number up to it (docs/keys.md, "Amnesia"), so nobody has to tell us, or could hide, that it has.
    """

    def __init__(self, store: Store, limits: KeysLimits, signing: SigningKeys | None) -> None:
        self._store = store
        self._limits = limits
        self._signing = signing

    async def ask(self, *, vehicle: VehicleId, unit: UnitId, nonce: str, now: datetime) -> Asked:
        """Have an answer signed for a challenge of ``unit``, once.

        The caller has made sure that the asker may know. Raises ``BadNonce`` for what no unit draws.
        """
        check_nonce(nonce)
        subject = answers_id(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            answers = _read(saved[subject])
            if nonce in answers.by_nonce:
                return None
            asked = FreshAsked(at=now, vehicle=vehicle, unit=unit, nonce=nonce)
            write = self._with(answers, nonce, _Answer(unit=unit, asked_at=now), now)
            return Change({subject: write}, [asked])

        outcome = await self._store.change([subject], decide)
        signed = _read(outcome.saved[subject]).by_nonce[nonce].signed or None
        return Asked(signed, outcome.positions[-1] if outcome.positions else None)

    async def answers(self, vehicle: VehicleId) -> Mapping[str, str]:
        """What was signed lately for the vehicle's unit, by nonce."""
        kept = _read(await self._store.load(answers_id(vehicle)))
        return {nonce: answer.signed for nonce, answer in kept.by_nonce.items() if answer.signed}

    async def sign(
        self,
        vehicle: VehicleId,
        unit: UnitId,
        nonce: str,
        request: str,
        *,
        asked_at: datetime,
        now: datetime,
        ack: Ack | None = None,
    ) -> None:
        """Sign for a nonce, and first the list where a version of it is not signed yet.

        ``request``: the unit's own message, empty where somebody in front of the unit asked. A nonce that is
        too old to be answered in time, or none at all, is left alone.
        """
        if self._signing is None or now - asked_at > self._limits.fresh_within:
            return
        try:
            check_nonce(nonce)
        except BadNonce:
            log.warning("fresh_not_signed", extra={"unit": unit, "reason": "nonce"})
            return
        signer, subject = self._signing.signer("fresh"), answers_id(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            answers = _read(saved[subject])
            known = answers.by_nonce.get(nonce)
            if known is not None and (known.signed or known.unit != unit):
                return None
            ledger = Ledger(saved, unit, now=now, limits=self._limits)
            if ledger.list.signed_version < ledger.list.version:
                # the unit will confirm the version that it reads here: it must have been raised
                sign_list(ledger, signer=signer, unit=unit, vehicle=vehicle, limits=self._limits)
            signed = _sign(ledger, signer, unit, nonce, self._limits)
            ledger.facts.append(
                FreshSigned(at=now, vehicle=vehicle, unit=unit, request=request, nonce=nonce, signed=signed)
            )
            answer = _Answer(unit=unit, asked_at=asked_at, signed=signed)
            ledger.also(subject, self._with(answers, nonce, answer, now))
            return ledger.change()

        await self._store.change([subject, numbers_id(unit), list_id(unit)], decide, ack=ack)

    async def due(self, saved: Saved) -> None:
        """The timer: what was signed for nonces that nobody can answer any more is erased."""

        def decide(found: Mapping[str, Saved]) -> Change | None:
            if found[saved.id].version != saved.version:
                return None
            return Change({saved.id: Write("empty", "{}")})

        await self._store.change([saved.id], decide)

    def _with(self, answers: _Answers, nonce: str, answer: _Answer, now: datetime) -> Write:
        young = {
            name: one
            for name, one in answers.by_nonce.items()
            if now - one.asked_at <= 2 * self._limits.fresh_within and name != nonce
        }
        kept = dict([*young.items(), (nonce, answer)][-_MOST:])
        wake_at = now + 2 * self._limits.fresh_within
        return Write("kept", _Answers(by_nonce=kept).model_dump_json(), wake_at=wake_at)


def check_nonce(nonce: str) -> None:
    """Raises ``BadNonce`` for anything but 32 bytes in base64url."""
    try:
        _NONCE.validate_python(nonce)
    except ValidationError as cause:
        raise BadNonce("this is not a challenge of a unit") from cause


def _sign(ledger: Ledger, signer: Signer, unit: UnitId, nonce: str, limits: KeysLimits) -> str:
    """As the ledger has it. ``iat`` never goes back behind a list's, whatever our clock does."""
    iat = max(int(ledger.now.timestamp()), ledger.list.signed_iat)
    claims = FreshClaims(
        aud=unit,
        nonce=nonce,
        iat=iat,
        exp=iat + int(limits.list_life.total_seconds()),
        bundle=signer.tbv,
        last=ledger.numbers.last,
        rev=ListClaims(
            version=ledger.list.version,
            min_seq=ledger.list.min_seq,
            dead=tuple(one.jti for one in ledger.list.dead),
        ),
    )
    return signer.sign(claims.wire())


def _read(saved: Saved) -> _Answers:
    return _Answers.model_validate_json(saved.body)
