"""A new e-mail for a person: proven by a link, then presence in the own car or 72 h with notice."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from people import states
from people.cars import Cars
from people.limits import PeopleLimits
from people.mail_links import Mailer, MailKind, MailLinks, Purpose
from people.model import EmailChangeBody, PersonBody, SessionsBody, body_of
from people.persons import Persons, is_mailed_at
from people.problems import EmailTaken, LinkRefused, NotFound, TooMany
from people.states import EmailChange, EmailStep, Person, PersonStep, allows, step
from spine.ids import PersonId, named_after
from spine.store import Change, Saved, Store, Write

PENDING: Final = frozenset({EmailChange.ASKED, EmailChange.PROVEN})
_DAY: Final = timedelta(days=1)


def subject_of(person: str) -> str:
    """The subject of a person's pending change, in the person's partition."""
    return named_after("emc", person)


def number_of(reference: str) -> int:
    """Which of a person's changes a mail is about."""
    return int(reference.rsplit(".", 1)[1])


class EmailChanges:
    """Subject ``emc_``. The new e-mail's entry is taken first, the person follows, the old one is freed."""

    def __init__(
        self,
        store: Store,
        persons: Persons,
        cars: Cars,
        links: MailLinks,
        mailer: Mailer,
        limits: PeopleLimits,
    ) -> None:
        self._store = store
        self._persons = persons
        self._cars = cars
        self._links = links
        self._mailer = mailer
        self._limits = limits

    async def ask(self, person: PersonId, email: str, *, now: datetime) -> None:
        """Ask for a new (normalised) e-mail; both addresses get mail. Whether it is in use is not told.

        A new wish replaces a former one and waits anew. Raises ``EmailTaken`` (the present one), ``TooMany``.
        """
        emc = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change:
            if saved[person].state != Person.ACTIVE:
                raise NotFound("There is no such person.")
            if body_of(saved[person], PersonBody).email == email:
                raise EmailTaken("This is your e-mail already.")
            before = body_of(saved[emc], EmailChangeBody) if saved[emc].version else None
            if before is not None and before.free:
                raise TooMany("The former change is just being finished.", retry_after=1)
            recent = [at for at in (before.recent if before else []) if now - at < _DAY]
            if len(recent) >= self._limits.email_changes_per_person:
                raise TooMany("Too many changes today.", retry_after=int(_DAY.total_seconds()))
            entry = self._persons.entry_of(email)
            former = before.email_entry if before else ""
            body = EmailChangeBody(
                n=(before.n if before else 0) + 1,
                email=email,
                email_entry=entry,
                ripe_at=now + self._limits.notice,
                recent=[*recent, now],
                free="" if former == entry else former,
            )
            after = step(states.EMAIL_CHANGE, EmailChange(saved[emc].state), EmailStep.ASKED)
            return Change({emc: Write(after, body.model_dump_json(), body.ripe_at)})

        done = await self._store.change([emc, person], decide)
        await self._let_go(done.saved[emc])
        reference = named_after("emc", person, body_of(done.saved[emc], EmailChangeBody).n)
        await self._mailer.mail(person, MailKind.EMAIL_NOTICE, reference)
        await self._mailer.mail(person, MailKind.EMAIL_CONFIRM, reference)

    async def pending(self, person: PersonId) -> tuple[EmailChange, EmailChangeBody] | None:
        """A person's change that may still come to be."""
        saved = await self._store.load(subject_of(person))
        if saved.ended or saved.state not in PENDING:
            return None
        return EmailChange(saved.state), body_of(saved, EmailChangeBody)

    async def prove(self, token: str, *, now: datetime) -> None:
        """The link sent to the new e-mail was followed. Raises ``LinkRefused``."""
        link = await self._links.take(Purpose.EMAIL, token)
        if link is None:
            raise LinkRefused("This link was used or is too old. Ask for the change again.")
        emc = subject_of(link.person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = EmailChange(saved[emc].state)
            if saved[emc].ended or state not in PENDING:
                raise LinkRefused("This change was taken back.")
            body = body_of(saved[emc], EmailChangeBody)
            if body.n != number_of(link.to) or body.email_entry != link.entry:
                raise LinkRefused("This change was replaced by another.")
            if state is EmailChange.PROVEN:
                return None
            wake_at = now if body.present else body.ripe_at
            after = step(states.EMAIL_CHANGE, state, EmailStep.PROVEN)
            return Change({emc: Write(after, body.model_dump_json(), wake_at)})

        done = await self._store.change([emc], decide)
        await self.on_due(done.saved[emc], now=now)

    async def show_presence(self, person: PersonId, code: str, *, now: datetime) -> None:
        """An owner in the own car need not wait. Raises ``CodeRefused``, ``NotYours``, ``NotFound``."""
        if await self.pending(person) is None:
            raise NotFound("No change of e-mail is under way.")
        await self._cars.show_presence(person, code, now=now)
        emc = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = EmailChange(saved[emc].state)
            if state not in PENDING:
                raise NotFound("No change of e-mail is under way.")
            body = body_of(saved[emc], EmailChangeBody).model_copy(update={"present": True})
            wake_at = now if state is EmailChange.PROVEN else body.ripe_at
            return Change({emc: Write(state, body.model_dump_json(), wake_at)})

        done = await self._store.change([emc], decide)
        await self.on_due(done.saved[emc], now=now)

    async def cancel_by_link(self, token: str) -> None:
        """ "That was not me", from the mailbox that is to be left: take back the change that its notice was about.

        That and no more: no session comes of it. Raises ``LinkRefused``, also once the change counts: then the
        mailbox is no longer this person's.
        """
        link = await self._links.take(Purpose.KEEP_EMAIL, token)
        if link is None:
            raise LinkRefused("This link was used or is too old. Sign in to take the change back.")
        await self._cancel(link.person, number_of(link.to), link.entry)

    async def cancel(self, person: PersonId) -> None:
        """Take a pending change back; nothing where there is none."""
        await self._cancel(person, None, None)

    async def _cancel(self, person: PersonId, n: int | None, entry: str | None) -> None:
        emc = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if entry is not None and not is_mailed_at(saved[person], entry):
                raise LinkRefused("This change counts already: the e-mail of this link is no longer yours.")
            if n is not None and (saved[emc].ended or body_of(saved[emc], EmailChangeBody).n != n):
                raise LinkRefused("This change was replaced by another.")
            state = EmailChange(saved[emc].state) if not saved[emc].ended else EmailChange.CANCELLED
            if not allows(states.EMAIL_CHANGE, state, EmailStep.CANCELLED):
                return None
            return self._over(saved[emc], step(states.EMAIL_CHANGE, state, EmailStep.CANCELLED))

        done = await self._store.change([emc, person], decide)
        await self._let_go(done.saved[emc])

    @staticmethod
    def _over(saved: Saved, after: EmailChange) -> Change:
        """Nothing comes of it: forget the new e-mail, and let its entry go where it was taken already."""
        body = body_of(saved, EmailChangeBody)
        rest = body.model_copy(update={"email": "", "email_entry": "", "free": body.email_entry})
        return Change({saved.id: Write(after, rest.model_dump_json(), body.recent[-1])})

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``emc_``: carry out what is proven and ripe, let go of the rest, finish what was begun."""
        if saved.ended:
            return
        state, body = EmailChange(saved.state), body_of(saved, EmailChangeBody)
        ripe = body.present or now >= body.ripe_at
        if state is EmailChange.PROVEN and ripe:
            saved = await self._carry_out(saved, body)
        elif state is EmailChange.ASKED and now >= body.ripe_at:
            saved = await self._lapse(saved.id)
        await self._let_go(saved)

    async def _lapse(self, emc: str) -> Saved:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = EmailChange(saved[emc].state)
            if saved[emc].ended or not allows(states.EMAIL_CHANGE, state, EmailStep.DUE):
                return None
            return self._over(saved[emc], step(states.EMAIL_CHANGE, state, EmailStep.DUE))

        return (await self._store.change([emc], decide)).saved[emc]

    async def _carry_out(self, emc: Saved, body: EmailChangeBody) -> Saved:
        person = PersonId(named_after("per", emc.id))
        sessions = named_after("sns", person)
        free = await self._persons.take_entry(body.email_entry, person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            due = saved[emc.id]
            if due.ended or due.state != EmailChange.PROVEN or body_of(due, EmailChangeBody).n != body.n:
                return None
            if not free:
                return self._over(due, step(states.EMAIL_CHANGE, EmailChange.PROVEN, EmailStep.CANCELLED))
            before = body_of(saved[person], PersonBody)
            done = body.model_copy(update={"email": "", "email_entry": "", "free": before.email_entry})
            new = before.model_copy(update={"email": body.email, "email_entry": body.email_entry})
            how = EmailStep.PRESENT if body.present else EmailStep.RIPE
            writes = {
                emc.id: Write(
                    step(states.EMAIL_CHANGE, EmailChange.PROVEN, how),
                    done.model_dump_json(),
                    body.recent[-1],
                ),
                person: Write(
                    step(states.PERSON, Person(saved[person].state), PersonStep.RENAMED),
                    new.model_dump_json(),
                ),
                # Whoever still reads the former mailbox is signed out with it.
                sessions: Write("kept", SessionsBody().model_dump_json()),
            }
            return Change(writes)

        done = await self._store.change([emc.id, person, sessions], decide)
        return done.saved[emc.id]

    async def _let_go(self, emc: Saved) -> None:
        """Free the entry that is no longer needed, and only then forget that it had to be."""
        if emc.ended or not emc.version or not body_of(emc, EmailChangeBody).free:
            return
        entry, person = body_of(emc, EmailChangeBody).free, PersonId(named_after("per", emc.id))
        known = await self._store.load(person)
        if known.state != Person.ACTIVE or body_of(known, PersonBody).email_entry != entry:
            await self._persons.free_entry(entry, person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[emc.id].ended or body_of(saved[emc.id], EmailChangeBody).free != entry:
                return None
            body = body_of(saved[emc.id], EmailChangeBody).model_copy(update={"free": ""})
            wake_at = body.ripe_at if saved[emc.id].state in PENDING else None
            return Change({emc.id: Write(saved[emc.id].state, body.model_dump_json(), wake_at)})

        await self._store.change([emc.id], decide)
