"""Links of mails about a question: made when the mail is sent, and whose they are when somebody comes with one."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from delivery.model import Read
from delivery.ports import CarPeople, Persons
from delivery.problems import LinkOfFormerMail, LinkUnknown, NoSuchDelivery, QuestionOver
from delivery.questions import Link, Question, draw_token, link_of, question_of, with_link
from delivery.service import Deliveries
from spine.ids import DeliveryId, PersonId, QuestionId, body_of
from spine.store import Change, Saved, Write
from webhooks import mail

PAGE: Final = "/decide"
"""Where a mail's link leads; its token stands in the fragment, so no server and no log sees it."""
BLOCK_PAGE: Final = "/block"
"""The same of a mail about what nobody was asked: its link blocks, and can do nothing else."""

Use = Literal["decide", "block"]


class Mailed:
    """Bound to the person and the e-mail they went to. Only a token's hash is kept."""

    def __init__(
        self, deliveries: Deliveries, people: CarPeople, persons: Persons, *, public_url: str
    ) -> None:
        """``public_url``: where our pages are found, without a slash at its end."""
        self._deliveries = deliveries
        self._people = people
        self._persons = persons
        self._public_url = public_url

    async def mint(self, link: mail.Link) -> str:
        """The URL for a letter, with a token of its own. Raises ``QuestionOver`` where nothing is asked any more."""
        subject = QuestionId(link.reference["question"])
        token, hashed = draw_token(subject)
        new = Link(
            hash=hashed, person=link.person, at=self._deliveries.clock.now(),
            entry=link.reference.get("entry") or await self._entry(link.person),
        )  # fmt: skip
        most, blocks = self._deliveries.limits.tokens_most, link.page == BLOCK_PAGE

        def decide(saved: Mapping[str, Saved]) -> Change:
            question = Question.of(saved[subject])
            if question is None or (question.decided is not None and not blocks):
                raise QuestionOver("nothing is asked any more")
            if blocks:
                body = question.but(blocks=with_link(question.blocks, new, most=most))
            else:
                body = question.but(links=with_link(question.links, new, most=most))
            return Change({subject: Write(saved[subject].state, body.model_dump_json())})

        await self._deliveries.store.change([subject], decide)
        return f"{self._public_url}{link.page}#{token}"

    async def open(self, token: str, *uses: Use) -> tuple[Read, Question, PersonId]:
        """What a link is about, if it is one for these uses (none: ``decide``). Looking decides nothing.

        Raises ``LinkUnknown``, ``LinkOfFormerMail``.
        """
        subject = question_of(token)
        delivery = delivery_of(subject)
        saved = await self._deliveries.store.load_many([subject, delivery])
        question = Question.of(saved[subject])
        if question is None:
            raise LinkUnknown("this link is not known")
        decides = question.links if not uses or "decide" in uses else ()
        link = link_of([*decides, *(question.blocks if "block" in uses else ())], token)
        read = Read.of(saved[delivery])
        if read is None:
            raise NoSuchDelivery(delivery)
        may, entry = await asyncio.gather(self.may_decide(link.person, read), self._entry(link.person))
        if not may:
            raise LinkUnknown("this link is not known")
        if not link.entry or link.entry != entry:
            raise LinkOfFormerMail("this link is no longer good: it was mailed to a former e-mail of yours")
        return read, question, link.person

    async def may_decide(self, person: PersonId, read: Read) -> bool:
        """Whether this person may answer for the delivery's car now, and see a delivery of that time."""
        if read.body.vehicle is None:
            return False
        now = self._deliveries.clock.now()
        role = await self._people.role_of(person, read.body.vehicle, now=now)
        return role is not None and role.may_approve and role.visible_from <= read.body.requested_at

    async def _entry(self, person: PersonId) -> str:
        """Of the person's present e-mail; empty where the person is gone."""
        view = await self._persons.view(person)
        return view.email_entry if view else ""


def delivery_of(question: QuestionId) -> DeliveryId:
    """Which delivery a question is about."""
    return DeliveryId(f"dlv_{body_of(question).rsplit('.', 1)[0]}")
