"""The owner's answer, by a mail's link, a session or a linked system; and whether an approval holds."""

import hmac
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from delivery import as_shown, barred
from delivery.barred import BarredBody
from delivery.gesture import behind, hash_of
from delivery.holding import holds
from delivery.levels import ApprovesBy
from delivery.mailed import Mailed, delivery_of
from delivery.model import Approval, Level, Read
from delivery.ports import CarPeople, Passkeys, Persons
from delivery.problems import (
    LinkUnknown,
    NoSuchDelivery,
    NotAsShown,
    OtherDecision,
    QuestionOver,
    SignedWithoutFra,
)
from delivery.proving import Needed, Proof, Proving
from delivery.questions import (
    Answer,
    Decided,
    Decision,
    Question,
    is_of,
    judge,
    token_hash,
)
from delivery.service import Deliveries, Turn, told
from delivery.states import State
from delivery.system_answers import AnswerUnreadable, SystemAnswer
from keys.car.claims import DEFAULT_FRA, OwnerSignature
from keys.drafts import Draft, read_draft
from people.assertions import Assertion
from spine.facts.delivery import DeliveryApproved, DeliveryDeclined, DeliveryDisowned, DeliveryFact
from spine.ids import CourierId, DeliveryId, PersonId, VehicleId
from spine.store import Saved, Write
from webhooks import mail
from webhooks.verified import Verified

log = logging.getLogger("trunkline.delivery")


class Deciding:
    """Questions as their links open them, and decisions."""

    def __init__(
        self,
        deliveries: Deliveries,
        people: CarPeople,
        passkeys: Passkeys,
        persons: Persons,
        *,
        public_url: str,
    ) -> None:
        """``public_url``: where our pages are found, without a slash at its end."""
        self._deliveries = deliveries
        self._people = people
        self.mailed = Mailed(deliveries, people, persons, public_url=public_url)
        self._proving = Proving(deliveries.store, passkeys, deliveries.limits)

    async def mint(self, link: mail.Link) -> str:
        """The URL for a letter about a question (``Mailed.mint``)."""
        return await self.mailed.mint(link)

    async def open(self, token: str) -> tuple[Read, Question, PersonId]:
        """What a link asks. Looking decides nothing. Raises ``LinkUnknown``, ``LinkOfFormerMail``."""
        return await self.mailed.open(token)

    async def by_link(
        self,
        token: str,
        decision: Decision,
        shown: str,
        *,
        silent: bool = False,
        not_me: bool = False,
        fra: int | None = None,
        own: OwnerSignature | None = None,
        assertion: Assertion | None = None,
    ) -> Read:
        """Level ``link``, or ``passkey`` with an ``assertion`` of that person's over this answer.

        ``own``: the passkey's signature over the key, where the car wants it. Raises ``LinkUnknown``,
        ``OtherDecision``, ``QuestionOver``, ``LevelTooLow``, and what a wrong assertion is refused with.
        """
        read, _, person = await self.open(token)
        answer = Answer(
            decision=decision,
            shown=shown,
            silent=silent,
            not_me=not_me,
            by=person,
            level="link",
            source=f"link:{token_hash(token)}",
            fra=fra,
            own=own,
            assertion=assertion,
        )
        return await self._take(read.id, answer)

    async def by_session(  # noqa: PLR0913 - who, in which session, and all of the answer
        self,
        person: PersonId,
        delivery: DeliveryId,
        decision: Decision,
        shown: str,
        *,
        session: str,
        level: Level,
        silent: bool = False,
        not_me: bool = False,
        fra: int | None = None,
        own: OwnerSignature | None = None,
        assertion: Assertion | None = None,
    ) -> Read:
        """An owner who is signed in; ``session`` is its name, ``level`` what it counts for."""
        read = await self._deliveries.read(delivery)
        if not await self.may_decide(person, read):
            raise NoSuchDelivery(delivery)
        answer = Answer(
            decision=decision,
            shown=shown,
            silent=silent,
            not_me=not_me,
            by=person,
            level=level,
            source=f"session:{session}",
            fra=fra,
            own=own,
            assertion=assertion,
        )
        return await self._take(delivery, answer)

    async def by_system(self, verified: Verified) -> Read:
        """A linked system for the person who linked it: level ``session`` at most (webhooks.md, In).

        Another owner's or another question's is ``OtherDecision``; raises ``AnswerUnreadable`` too.
        """
        try:
            said = SystemAnswer.model_validate_json(verified.body)
            read = await self._deliveries.read(delivery_of(said.question))
        except ValidationError as cause:
            raise AnswerUnreadable("question, shown and decision are needed") from cause
        except (NoSuchDelivery, ValueError) as cause:
            raise OtherDecision("this is not a question to you") from cause
        if read.body.question != said.question or not await self.may_decide(verified.person, read):
            raise OtherDecision("this is not a question to you")
        answer = Answer(
            decision=said.decision,
            shown=said.shown,
            silent=said.silent,
            fra=said.fra,
            by=verified.person,
            level=verified.level,
            source=f"system:{verified.source}",
            own=said.own,
            record={
                "message": verified.message_id,
                "sent_at": str(verified.sent_at),
                "mac": verified.mac,
                "body_hash": verified.body_hash,
            },
        )
        return await self._take(read.id, answer)

    async def question(self, read: Read) -> Question | None:
        """The question of a delivery, while its content is kept."""
        if read.body.question is None:
            return None
        return Question.of(await self._deliveries.store.load(read.body.question))

    async def may_decide(self, person: PersonId, read: Read) -> bool:
        """Whether this person may answer for the delivery's car now, and see a delivery of that time."""
        return await self.mailed.may_decide(person, read)

    async def decides_for(self, person: PersonId, vehicle: VehicleId) -> bool:
        """Whether this person may answer for the car now."""
        role = await self._people.role_of(person, vehicle, now=self._deliveries.clock.now())
        return role is not None and role.may_approve

    async def concerns(self, person: PersonId, read: Read) -> bool:
        """Whether this person has a role on the delivery's car, of the time it was requested."""
        if read.body.vehicle is None:
            return False
        now = self._deliveries.clock.now()
        role = await self._people.role_of(person, read.body.vehicle, now=now)
        return role is not None and role.visible_from <= read.body.requested_at

    async def stands(
        self, delivery: DeliveryId, *, fra: int | None = None, claims: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether the approval of a delivery holds by what was kept of it, not by the fact (keys.md 3.9).

        The signer asks this before it signs; see ``delivery.holding``. ``fra``: how many seconds old news of
        revocation the key will take (None: the default). ``claims``: all that is to be signed, which has to be
        what was shown (``delivery.as_shown``); else it is an error in the log, and nothing is signed.
        """
        try:
            read = await self._deliveries.read(delivery)
        except NoSuchDelivery:
            return False
        approval = read.body.approval
        if approval is None or approval.by is None or not await self.may_decide(approval.by, read):
            return False  # sold, or the role was taken back: what that person allowed holds no more
        question = await self.question(read)
        if question is None or not holds(read, question, fra=fra, limits=self._deliveries.limits):
            return False
        try:
            if claims is not None:
                as_shown.check(read, question, claims)
        except NotAsShown as other:
            log.error("delivery.not_as_shown", extra={"delivery": delivery, "differs": other.differs})  # noqa: TRY400
            return False
        return True

    async def needed(self, person: PersonId, read: Read) -> Needed | None:
        """What this person's yes would need, while it is asked; else None."""
        if read.state is not State.ASKED:
            return None
        return await self._proving.needed(read, person, self._deliveries.clock.now())

    def needed_reads(self, read: Read) -> list[str]:
        """The subjects of the delivery's car that ``needed_by`` hangs on."""
        vehicle = read.body.vehicle if read.state is State.ASKED else None
        return [] if vehicle is None else self._proving.subjects(vehicle)

    def needed_by(
        self, person: PersonId, read: Read, by: ApprovesBy, saved: Mapping[str, Saved]
    ) -> Needed | None:
        """As ``needed``, of what was just read: how the person approves, and ``needed_reads``."""
        if read.state is not State.ASKED or read.body.vehicle is None:
            return None
        return self._proving.needed_by(read, person, by, saved, self._deliveries.clock.now())

    async def challenge_by_link(self, token: str, decision: Decision, fra: int | None) -> dict[str, Any]:
        """What the passkey of a link's person is asked to sign. Raises ``LinkUnknown``, ``QuestionOver``."""
        read, question, person = await self.open(token)
        return await self._challenge(person, read, question, decision, fra)

    async def challenge_by_session(
        self, person: PersonId, delivery: DeliveryId, decision: Decision, fra: int | None
    ) -> dict[str, Any]:
        """The same for a person who is signed in. Raises ``NoSuchDelivery``, ``QuestionOver``."""
        read = await self._deliveries.read(delivery)
        if not await self.may_decide(person, read):
            raise NoSuchDelivery(delivery)
        return await self._challenge(person, read, await self.question(read), decision, fra)

    async def _challenge(
        self, person: PersonId, read: Read, question: Question | None, decision: Decision, fra: int | None
    ) -> dict[str, Any]:
        now = self._deliveries.clock.now()
        if question is None or read.state is not State.ASKED or now >= question.expires_at:
            raise QuestionOver("nothing is asked any more")
        return await self._proving.options(person, question, decision, None if fra == DEFAULT_FRA else fra)

    async def _take(self, delivery: DeliveryId, answer: Answer) -> Read:
        found = await self._deliveries.read(delivery)
        subject, vehicle = found.body.question, found.body.vehicle
        if subject is None or vehicle is None:
            raise QuestionOver("nothing is asked")
        now, to_sign = self._deliveries.clock.now(), found.body.draft
        draft = None if to_sign is None else await read_draft(self._deliveries.store, to_sign)
        proof = await self._proof(found, answer, draft, now)
        bars = barred.subject_of(vehicle)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            question = Question.of(saved[subject])
            if question is None:
                raise QuestionOver("nothing is asked any more")
            decided = judge(question, read.state, proof.answer if proof else answer, now)
            if decided is None:
                return None
            if answer.source.startswith("link:") and not is_of(question.links, answer.source, answer.by):
                raise LinkUnknown("newer links replaced this one: nothing was decided, use the newest mail")
            body = question.model_copy(update={"decided": decided})
            writes: dict[str, Write] = {subject: Write(decided.answer, body.model_dump_json())}
            by = {"question": subject, "by": decided.by}
            if decided.answer == "decline":
                writes[bars] = self._unwanted(read, BarredBody.of(saved[bars]), question, decided).write()
                facts: list[DeliveryFact] = [
                    told(DeliveryDeclined, read, now, silent=decided.silent, **by),
                    *([told(DeliveryDisowned, read, now, **by)] if decided.not_me else []),
                ]
                return Turn(
                    read.body.but(silently=decided.silent, disowned=decided.not_me), facts, writes=writes
                )
            if proof is None:
                raise QuestionOver("nothing is asked any more")
            self._proving.check(read, saved, proof, now)
            _check_draft(read, draft, decided)
            writes |= self._proving.remembered(read, saved, proof, now)
            approval = Approval(
                question=subject,
                by=decided.by,
                level=decided.level,
                shown=question.digest,
                at=now,
                fra=decided.fra,
            )
            how = {"level": decided.level, "shown": question.digest, "fra": decided.fra}
            signed = behind(decided)
            how["assertion"] = None if signed is None else hash_of(signed)
            said = told(DeliveryApproved, read, now, **how, **by)
            return Turn(read.body.but(approval=approval), [said], writes=writes)

        also = [subject, bars, *self._proving.subjects(vehicle)]
        after = await self._deliveries.change(delivery, decide, also=also)
        if answer.not_me:
            log.error("delivery.disowned", extra={"delivery": delivery, "carrier": after.body.carrier})
        return after

    async def _proof(self, read: Read, answer: Answer, draft: Draft | None, now: datetime) -> Proof | None:
        """For a yes that may still be given; the same yes again needs no second look at its passkey."""
        question = await self.question(read)
        open_ = question is not None and question.decided is None and read.state is State.ASKED
        if answer.decision == "decline" or question is None or answer.by is None or not open_:
            return None
        if not hmac.compare_digest(answer.shown.encode(), question.digest.encode()):
            return None  # ``judge`` says why
        return await self._proving.prove(answer.by, question, answer, draft, now)

    def _unwanted(self, read: Read, before: BarredBody, question: Question, decided: Decided) -> BarredBody:
        """After a no: a pause for the courier that was shown, and for "not me" a bar of the carrier."""
        carrier, at = read.body.carrier, decided.at
        shown = question.content().get("courier")
        courier = CourierId(shown["id"]) if shown else None
        after = before.paused(carrier, courier, at + self._deliveries.limits.pause_after_decline, at)
        return after.barred(carrier, decided.by, at) if decided.not_me and decided.by else after


def _check_draft(read: Read, draft: Draft | None, decided: Decided) -> None:
    if read.body.draft is None:
        return
    if draft is None:
        raise QuestionOver("what was to be signed is over")
    if decided.fra is not None:
        raise SignedWithoutFra("what the owner signs says nothing of openings without network")
    draft.check(decided.own)
