"""How surely an answer is the owner's: the level it reaches, the one it needs, what a passkey is asked to sign."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from delivery import former, levels
from delivery.former import Former, FormerBody
from delivery.gesture import as_assertion, challenge
from delivery.levels import ApprovesBy, Ground, Precedent, Reached
from delivery.limits import DeliveryLimits
from delivery.model import Read
from delivery.ports import Passkeys
from delivery.problems import LevelTooLow
from delivery.questions import Answer, Decision, Question
from delivery.standing import StandingBody
from delivery.standing import subject_of as standing_of
from keys.car.jwk import unb64
from keys.drafts import Draft
from people.problems import PasskeyRefused
from spine.ids import PersonId, VehicleId
from spine.store import Saved, Store


@dataclass(frozen=True, slots=True)
class Needed:
    """What an approval by this person needs. ``how``: in plain words, empty where the answer is enough as it is."""

    level: Reached
    by: ApprovesBy
    why: Sequence[Ground]
    how: str

    @property
    def passkey(self) -> bool:
        """Whether a passkey of the person's own is to be asked for."""
        return self.by == "passkey" and self.level == "passkey"


@dataclass(frozen=True, slots=True)
class Proof:
    """An answer with the level it reached, and how its person approves."""

    answer: Answer
    reached: Reached
    by: ApprovesBy


class Proving:
    """Measures answers against ``delivery.levels``."""

    def __init__(self, store: Store, passkeys: Passkeys, limits: DeliveryLimits) -> None:
        self._store = store
        self._passkeys = passkeys
        self._limits = limits

    async def prove(
        self, person: PersonId, question: Question, answer: Answer, draft: Draft | None, now: datetime
    ) -> Proof:
        """The level an approval reaches: as it came, or ``passkey`` where one signed over this very answer.

        The owner's signature for the car is such a proof too, where the passkey is one that is known here: it
        names the car, the courier's phone, the place and the hours, and is only ever given for a yes. One that
        only the car knows proves nothing to us, and is no reason to refuse: the car looks for itself.
        Raises what ``Passkeys.verify`` raises for an assertion.
        """
        by = await self._passkeys.approves_by(person)
        reached: Reached = "session" if answer.level == "session" else "link"
        if answer.assertion is not None:
            wanted = challenge(question, answer.decision, answer.news_age)
            passkey = await self._passkeys.verify(person, answer.assertion, challenge=wanted, now=now)
            return Proof(answer.but(level="passkey", passkey=passkey), "passkey", by)
        if by == "passkey" and answer.own is not None and draft is not None:
            try:
                passkey = await self._passkeys.verify(
                    person, as_assertion(answer.own), challenge=unb64(draft.challenge), now=now
                )
            except PasskeyRefused:
                return Proof(answer, reached, by)
            return Proof(answer.but(level="passkey", passkey=passkey), "passkey", by)
        return Proof(answer, reached, by)

    def subjects(self, vehicle: VehicleId) -> list[str]:
        """What ``check`` reads, for the commit of the decision."""
        return [former.subject_of(vehicle), standing_of(vehicle)]

    def check(self, read: Read, saved: Mapping[str, Saved], proof: Proof, now: datetime) -> None:
        """Raises ``LevelTooLow``."""
        person = proof.answer.by
        if person is None:
            raise LevelTooLow("passkey", "", ())
        offline = proof.answer.news_age is not None
        levels.check(self._grounds(read, saved, person, now, offline=offline), proof.by, proof.reached)

    def remembered(
        self, read: Read, saved: Mapping[str, Saved], proof: Proof, now: datetime
    ) -> dict[str, Any]:
        """What to write so that the same is a repeat next time: only for somebody who has a passkey."""
        vehicle, person = read.body.vehicle, proof.answer.by
        if proof.by != "passkey" or vehicle is None or person is None:
            return {}
        wanted = _wanted(read)
        new = Former(
            by=person, carrier=read.body.carrier, place=wanted.place,
            seconds=int(wanted.length.total_seconds()), kind=read.body.kind, at=now,
        )  # fmt: skip
        subject = former.subject_of(vehicle)
        body = FormerBody.of(saved[subject]).with_one(new, most=self._limits.precedents_most)
        return {subject: body.write()}

    async def needed(self, read: Read, person: PersonId, now: datetime) -> Needed | None:
        """What this person's yes would need now; None for a delivery without a car."""
        vehicle = read.body.vehicle
        if vehicle is None:
            return None
        # One way to the store for both: neither hangs on the other.
        by, saved = await asyncio.gather(
            self._passkeys.approves_by(person), self._store.load_many(self.subjects(vehicle))
        )
        return self.needed_by(read, person, by, saved, now)

    def needed_by(
        self, read: Read, person: PersonId, by: ApprovesBy, saved: Mapping[str, Saved], now: datetime
    ) -> Needed:
        """As ``needed``, of what was read before: how the person approves, and the car's ``subjects``."""
        why = self._grounds(read, saved, person, now)
        level = levels.needed(why, by)
        return Needed(level, by, why, levels.how(why, by, level))

    async def options(
        self, person: PersonId, question: Question, decision: Decision, fra: int | None
    ) -> dict[str, Any]:
        """What a browser asks the person's passkey. Raises what ``Passkeys.options`` raises."""
        return await self._passkeys.options(person, challenge(question, decision, fra))

    def _grounds(
        self,
        read: Read,
        saved: Mapping[str, Saved],
        person: PersonId,
        now: datetime,
        *,
        offline: bool = False,
    ) -> tuple[Ground, ...]:
        vehicle = read.body.vehicle
        if vehicle is None:
            return (Ground.NEW_CARRIER,)
        body = FormerBody.of(saved[former.subject_of(vehicle)])
        known = body.precedents(person, since=now - self._limits.precedent_for)
        known += self._allowed(StandingBody.of(saved[standing_of(vehicle)]), person)
        return levels.grounds(
            known,
            _wanted(read),
            cabin=read.body.act == "cabin",
            long_after=self._limits.long_after,
            offline=offline,
        )

    def _allowed(self, body: StandingBody, person: PersonId) -> list[Precedent]:
        """A standing approval of this person makes what it names a repeat, also outside of its hours.

        It lets deliveries in, so a pickup is none.
        """
        mine = (one for one in body.rules if one.by == person)
        return [
            Precedent(one.wish.carrier, former.place_hash(one.wish.place), self._limits.long_after)
            for one in mine
        ]


def _wanted(read: Read) -> Precedent:
    window = read.body.window
    return Precedent(
        read.body.carrier, former.place_hash(read.body.place), window.end - window.start, read.body.kind
    )
