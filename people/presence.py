"""Presence in a car, shown by a code on its unit with ignition on: kept, found by hash, taken once."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, StringConstraints, ValidationError

from people import states
from people.limits import PeopleLimits
from people.model import ClaimBody, body_of
from people.problems import CodeRefused, TooMany
from people.states import Claim, ClaimStep, allows, step
from spine.expiring import Expiring
from spine.facts.vehicle import UnitEvent
from spine.ids import PersonId, VehicleId, named_after
from spine.rates import Rates
from spine.store import Ack, Change, Saved, Store, Write

log = logging.getLogger("trunkline.people")

PAIR: Final = "pair"
"""Type of the unit's event that carries the hash of the code it shows."""

_SPACE: Final = "pair"
_REMEMBERED: Final = 50
_TEN_MINUTES: Final = timedelta(minutes=10)


class Shown(BaseModel):
    """``data`` of the unit's event: ``code_hash`` of the code, and until when it is shown."""

    code_scrypt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    expires_at: AwareDatetime


def code_hash(code: str) -> str:
    """Scrypt in hexadecimal of a typed code: upper case, without spaces and dashes. Takes about 50 ms.

    The hash stands in the log while the code is good; a code has 40 bits, so a plain hash would give it away.
    """
    typed = "".join(c for c in code.upper() if not c.isspace() and c != "-")
    raw = typed.encode("utf-8", "replace")[:256]
    return hashlib.scrypt(raw, salt=b"trunkline.pair.v1", n=2**14, r=8, p=1, dklen=32).hex()


def subject_of(vehicle: str) -> str:
    """The subject of the code a vehicle shows."""
    return named_after("clm", vehicle)


def take(saved: Saved, hashed: str, person: str, now: datetime) -> Write | None:
    """The write that uses a code up. None: this person took it before. Raises ``CodeRefused``."""
    if not saved.version:
        raise CodeRefused("This code is not shown by any car now.")
    claim = body_of(saved, ClaimBody)
    if claim.code_scrypt == hashed and saved.state == Claim.TAKEN and claim.person == person:
        return None
    fits = claim.code_scrypt == hashed and now < claim.expires_at
    if not fits or not allows(states.CLAIM, Claim(saved.state), ClaimStep.TAKEN):
        raise CodeRefused("This code is not shown by any car now.")
    after = step(states.CLAIM, Claim(saved.state), ClaimStep.TAKEN)
    return Write(after, claim.model_copy(update={"person": person}).model_dump_json())


class Presence:
    """Subject ``clm_`` of a vehicle, and the look-up from a code's hash to the vehicle."""

    def __init__(self, store: Store, expiring: Expiring, rates: Rates, limits: PeopleLimits) -> None:
        self._store = store
        self._expiring = expiring
        self._rates = rates
        self._limits = limits

    async def keep(self, fact: UnitEvent, *, now: datetime, ack: Ack | None = None) -> None:
        """Take what a unit shows. Nonsense and what is over already are passed by, with a line in the log."""
        try:
            shown = Shown.model_validate(fact.data)
        except ValidationError:
            log.warning("pair.unreadable", extra={"unit": fact.unit, "event": fact.event})
            return
        expires_at = min(shown.expires_at, fact.at + self._limits.claim_code_life)
        if expires_at <= now:
            return
        clm = subject_of(fact.vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before, former = saved[clm], list[str]()
            if before.version:
                known = body_of(before, ClaimBody)
                former = [*known.former, known.code_scrypt][-_REMEMBERED:]
                if fact.at < known.shown_at or shown.code_scrypt in former:
                    return None  # read again, or out of order
            body = ClaimBody(
                code_scrypt=shown.code_scrypt,
                unit=fact.unit,
                shown_at=fact.at,
                expires_at=expires_at,
                former=former,
            )
            after = step(states.CLAIM, Claim(before.state), ClaimStep.SHOWN)
            return Change({clm: Write(after, body.model_dump_json(), expires_at)})

        await self._expiring.put(_SPACE, shown.code_scrypt, fact.vehicle, expires_at - now)
        await self._store.change([clm], decide, ack=ack)

    async def vehicle_of(self, person: PersonId, code: str, *, now: datetime) -> tuple[VehicleId, str]:
        """The vehicle that shows a code, and the code's hash. Raises ``CodeRefused``, ``TooMany``."""
        wait = await self._rates.take(
            "claim", person, limit=self._limits.claims_per_person, per=_TEN_MINUTES, now=now
        )
        if wait:
            raise TooMany("Too many codes tried.", retry_after=wait)
        hashed = await asyncio.to_thread(code_hash, code)
        vehicle = await self._expiring.get(_SPACE, hashed)
        if vehicle is None:
            raise CodeRefused("This code is not shown by any car now.")
        return VehicleId(vehicle), hashed

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``clm_``: a code that nobody took is over."""

        def decide(found: Mapping[str, Saved]) -> Change | None:
            due = found[saved.id]
            claim = body_of(due, ClaimBody)
            if now < claim.expires_at or not allows(states.CLAIM, Claim(due.state), ClaimStep.DUE):
                return None
            return Change({due.id: Write(step(states.CLAIM, Claim(due.state), ClaimStep.DUE), due.body)})

        await self._store.change([saved.id], decide)
