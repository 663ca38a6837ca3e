"""The owner's answer, by a mail's link, a session or a linked system; and whether an approval holds."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, ClassVar, Final

from pydantic import Field, ValidationError

from delivery.model import Approval, Frozen, Level, Read
from delivery.ports import CarPeople
from delivery.problems import LinkUnknown, NoSuchDelivery, OtherDecision, QuestionOver, SignedWithoutFra
from delivery.questions import (
    Answer,
    Decision,
    Link,
    Question,
    draw_token,
    judge,
    link_of,
    question_of,
)
from delivery.service import Deliveries, Turn, told
from delivery.states import ENDS
from keys.car.claims import Fra, OwnerSignature
from keys.drafts import read_draft
from spine.facts.delivery import DeliveryApproved, DeliveryDeclined
from spine.ids import DeliveryId, PersonId, QuestionId, body_of
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Write
from webhooks import mail
from webhooks.verified import Verified

PAGE: Final = "/decide"
"""Where a mail's link leads; its token stands in the fragment, so no server and no log sees it."""


class AnswerUnreadable(Problem):
    """The decision's body does not have the members question, shown and decision."""

    code: ClassVar[str] = "decision.unreadable"
    kind: ClassVar[Kind] = Kind.INVALID


class SystemAnswer(Frozen):
    """What a linked system signs."""

    question: Annotated[QuestionId, Field(pattern=r"^qst_[0-9a-hjkmnp-tv-z]{16}\.[0-9]{1,3}$")]
    shown: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    decision: Decision
    silent: bool = False
    fra: Fra | None = None
    own: OwnerSignature | None = None


class Deciding:
    """Questions as their links open them, and decisions."""

    def __init__(self, deliveries: Deliveries, people: CarPeople, *, public_url: str) -> None:
        """``public_url``: where our pages are found, without a slash at its end."""
        self._deliveries = deliveries
        self._people = people
        self._public_url = public_url

    async def mint(self, link: mail.Link) -> str:
        """The URL for a letter about a question, with a token of its own; only the token's hash is kept.

        Raises ``QuestionOver`` where nothing is asked any more.
        """
        subject = QuestionId(link.reference["question"])
        token, hashed = draw_token(subject)
        now, most = self._deliveries.clock.now(), self._deliveries.limits.tokens_most

        def decide(saved: Mapping[str, Saved]) -> Change:
            question = Question.of(saved[subject])
            if question is None or question.decided is not None:
                raise QuestionOver("nothing is asked any more")
            links = (*question.links, Link(hash=hashed, person=link.person, at=now))[-most:]
            body = question.model_copy(update={"links": links})
            return Change({subject: Write(saved[subject].state, body.model_dump_json())})

        await self._deliveries.store.change([subject], decide)
        return f"{self._public_url}{link.page}#{token}"

    async def open(self, token: str) -> tuple[Read, Question, PersonId]:
        """What a link asks. Looking decides nothing. Raises ``LinkUnknown``."""
        subject = question_of(token)
        question = Question.of(await self._deliveries.store.load(subject))
        link = link_of(question, token)
        read = await self._deliveries.read(_delivery_of(subject))
        if question is None or not await self.may_decide(link.person, read):
            raise LinkUnknown("this link is not known")
        return read, question, link.person

    async def by_link(
        self,
        token: str,
        decision: Decision,
        shown: str,
        *,
        silent: bool = False,
        fra: int | None = None,
        own: OwnerSignature | None = None,
    ) -> Read:
        """Level ``link``; ``own``: the passkey's signature, where the car wants it.

        Raises ``LinkUnknown``, ``OtherDecision``, ``QuestionOver``.
        """
        read, question, person = await self.open(token)
        answer = Answer(
            decision=decision,
            shown=shown,
            silent=silent,
            by=person,
            level="link",
            source=f"link:{link_of(question, token).hash}",
            fra=fra,
            own=own,
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
        fra: int | None = None,
        own: OwnerSignature | None = None,
    ) -> Read:
        """An owner who is signed in; ``session`` is its name, ``level`` what it counts for."""
        read = await self._deliveries.read(delivery)
        if not await self.may_decide(person, read):
            raise NoSuchDelivery(delivery)
        answer = Answer(
            decision=decision,
            shown=shown,
            silent=silent,
            by=person,
            level=level,
            source=f"session:{session}",
            fra=fra,
            own=own,
        )
        return await self._take(delivery, answer)

    async def by_system(self, verified: Verified) -> Read:
        """A linked system for the person who linked it: level ``session`` at most (webhooks.md, In).

        Another owner's or another question's is ``OtherDecision``; raises ``AnswerUnreadable`` too.
        """
        try:
            said = SystemAnswer.model_validate_json(verified.body)
            read = await self._deliveries.read(_delivery_of(said.question))
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
        if read.body.vehicle is None:
            return False
        now = self._deliveries.clock.now()
        role = await self._people.role_of(person, read.body.vehicle, now=now)
        return role is not None and role.may_approve and role.visible_from <= read.body.requested_at

    async def concerns(self, person: PersonId, read: Read) -> bool:
        """Whether this person has a role on the delivery's car, of the time it was requested."""
        if read.body.vehicle is None:
            return False
        now = self._deliveries.clock.now()
        role = await self._people.role_of(person, read.body.vehicle, now=now)
        return role is not None and role.visible_from <= read.body.requested_at

    async def stands(self, delivery: DeliveryId, *, fra: int | None = None) -> bool:
        """Whether the approval of a delivery holds by what was kept of it, not by the fact (keys.md 3.9).

        The signer asks this before it signs: the decision must be recorded with its question, over exactly
        what was shown, by a link, session or linked system that the question knows, and for news of
        revocation as old as ``fra`` seconds (None: the default).
        """
        try:
            read = await self._deliveries.read(delivery)
        except NoSuchDelivery:
            return False
        approval, question = read.body.approval, await self.question(read)
        if approval is None or question is None or question.decided is None or read.state in ENDS:
            return False
        if approval.by is None or not await self.may_decide(approval.by, read):
            return False  # sold, or the role was taken back: what that person allowed holds no more
        decided = question.decided
        digest = sha256(question.shown.encode()).hexdigest()
        return (
            decided.answer == "approve"
            and digest == question.digest == approval.shown
            and (decided.by, decided.level, decided.at) == (approval.by, approval.level, approval.at)
            and fra == decided.fra == approval.fra
            and question.content().get("delivery") == delivery
            and _proven(question)
            and (read.body.draft is None or decided.own is not None)
        )

    async def _take(self, delivery: DeliveryId, answer: Answer) -> Read:
        found = await self._deliveries.read(delivery)
        subject = found.body.question
        if subject is None:
            raise QuestionOver("nothing is asked")
        now, to_sign = self._deliveries.clock.now(), found.body.draft
        draft = None if to_sign is None else await read_draft(self._deliveries.store, to_sign)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            question = Question.of(saved[subject])
            if question is None:
                raise QuestionOver("nothing is asked any more")
            decided = judge(question, read.state, answer, now)
            if decided is None:
                return None
            if decided.answer == "approve" and read.body.draft is not None:
                if draft is None:
                    raise QuestionOver("what was to be signed is over")
                if decided.fra is not None:
                    raise SignedWithoutFra("what the owner signs says nothing of openings without network")
                draft.check(decided.own)
            body = question.model_copy(update={"decided": decided})
            writes: dict[str, Write] = {subject: Write(decided.answer, body.model_dump_json())}
            by = {"question": subject, "by": decided.by}
            if decided.answer == "decline":
                declined = told(DeliveryDeclined, read, now, silent=decided.silent, **by)
                return Turn(read.body.but(silently=decided.silent), [declined], writes=writes)
            approval = Approval(
                question=subject,
                by=decided.by,
                level=decided.level,
                shown=question.digest,
                at=now,
                fra=decided.fra,
            )
            how = {"level": decided.level, "shown": question.digest, "fra": decided.fra}
            said = told(DeliveryApproved, read, now, **how, **by)
            return Turn(read.body.but(approval=approval), [said], writes=writes)

        return await self._deliveries.change(delivery, decide, also=[subject])


def _delivery_of(question: QuestionId) -> DeliveryId:
    return DeliveryId(f"dlv_{body_of(question).rsplit('.', 1)[0]}")


def _proven(question: Question) -> bool:
    """Whether the decision came by something that the question itself, or its record, knows."""
    decided = question.decided
    if decided is None:
        return False
    how, _, name = decided.source.partition(":")
    match how:
        case "link":
            return any(link.hash == name and link.person == decided.by for link in question.links)
        case "session":
            return bool(name) and decided.by is not None
        case "system":
            return bool(name) and bool(decided.record.get("mac")) and bool(decided.record.get("body_hash"))
        case _:
            return False
