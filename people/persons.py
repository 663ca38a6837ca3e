"""Persons: made by a first sign-in or by an operator, found by e-mail, erased whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from people import states
from people.challenges import Challenges
from people.limits import PeopleLimits
from people.model import (
    EmailEntryBody,
    ErasingBody,
    PersonBody,
    PersonView,
    SessionsBody,
    body_of,
)
from people.problems import NotFound
from people.pseudonyms import Pseudonyms
from people.states import Person, PersonStep, allows, step
from spine.facts.people import PersonErased, PersonMade
from spine.ids import PersonId, named_after, new_id, partition_of, prefix_of
from spine.store import Change, Overtaken, Saved, Store, Write
from spine.words import LANGUAGES

HELD: Final = "held"
FREE: Final = "free"
LIVING: Final = frozenset({Person.UNCONFIRMED, Person.ACTIVE})


def is_held(entry: Saved) -> bool:
    """Whether an e-mail's entry names a person."""
    return entry.state == HELD


def is_mailed_at(person: Saved, entry: str) -> bool:
    """Whether the e-mail of this entry is (still) the one of a living person."""
    lives = person.version and Person(person.state) in LIVING
    return bool(lives) and body_of(person, PersonBody).email_entry == entry


def _as_it_is(entry: Saved) -> Change | None:
    """A commit as costly as making a person: whether an e-mail is known does not show in the time it takes."""
    return Change({entry.id: Write(entry.state, entry.body)}) if is_held(entry) else None


def _holds(entry: Saved, person: PersonId) -> bool:
    return is_held(entry) and body_of(entry, EmailEntryBody).person == person


@dataclass(frozen=True, slots=True)
class Found:
    """A person by e-mail. ``confirmed``: has followed a link to it, or an operator vouches."""

    person: PersonId
    confirmed: bool


class Persons:
    """Subjects ``per_`` (name and e-mail) and ``eml_`` (an e-mail's pseudonym, which finds the person)."""

    def __init__(
        self, store: Store, pseudonyms: Pseudonyms, challenges: Challenges, limits: PeopleLimits
    ) -> None:
        self._store = store
        self._challenges = challenges
        self._pseudonyms = pseudonyms
        self._limits = limits

    def entry_of(self, email: str) -> str:
        """The id of the entry of a (normalised) e-mail."""
        return self._pseudonyms.id("eml", email)

    async def ask(self, email: str, *, language: str = "", now: datetime) -> PersonId:
        """The person who signs in with an e-mail: known, or made ``unconfirmed`` until a link is followed.

        ``language``: of whoever asks; mails to somebody new are in it, until they sign in themselves.
        Known and unknown e-mails go the same way, so neither answer nor effect tells them apart.
        """
        return await self._find_or_make(email, PersonStep.ASKED, name="", language=language, now=now)

    async def make(self, email: str, *, name: str = "", now: datetime) -> PersonId:
        """A person an operator vouches for; the same e-mail gives the same person."""
        return await self._find_or_make(email, PersonStep.MADE, name=name, now=now)

    async def _find_or_make(
        self, email: str, how: PersonStep, *, name: str, language: str = "", now: datetime
    ) -> PersonId:
        entry = self.entry_of(email)
        for _ in range(3):
            known = await self._store.load(entry)
            # Person and entry are made in one partition, so that both come to be in one commit.
            person = (
                body_of(known, EmailEntryBody).person
                if is_held(known)
                else new_id("per", partition_of(entry))
            )
            body = PersonBody(email=email, email_entry=entry, name=name, made_at=now, language=language)
            made = await self._make(PersonId(person), body, how, now=now)
            if made is not None:
                return made
        raise Overtaken("This e-mail is just being freed.")

    async def _make(
        self, person: PersonId, body: PersonBody, how: PersonStep, *, now: datetime
    ) -> PersonId | None:
        entry = body.email_entry
        if partition_of(person) != partition_of(entry):
            # Reached by a change of e-mail: the person is older than this entry.
            await self._store.change([entry], lambda saved: _as_it_is(saved[entry]))
            return person if await self._lives_or_frees(person, entry) else None

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            held, before = saved[entry], saved[person]
            if is_held(held) and body_of(held, EmailEntryBody).person != person:
                return None
            state = Person(before.state)
            if before.version and (how is PersonStep.ASKED or not allows(states.PERSON, state, how)):
                return _as_it_is(held)
            made = how is PersonStep.MADE
            wake_at = None if made else now + self._limits.unconfirmed_life
            writes = {
                person: Write(step(states.PERSON, state, how), body.model_dump_json(), wake_at),
                entry: Write(HELD, EmailEntryBody(person=person).model_dump_json()),
            }
            return Change(writes, [PersonMade(at=now, person=person)] if made else ())

        done = await self._store.change([entry, person], decide)
        if not _holds(done.saved[entry], person):
            return None
        return person if await self._lives_or_frees(person, entry) else None

    async def _lives_or_frees(self, person: PersonId, entry: str) -> bool:
        """False where the entry's person is gone; a crash had left the entry behind."""
        saved = await self._store.load(person)
        if saved.version and Person(saved.state) in LIVING:
            return True
        await self.free_entry(entry, person)
        return False

    async def confirm(self, person: PersonId, entry: str, *, now: datetime) -> bool:
        """The link of a mail to the e-mail of ``entry`` was followed: it is this person's.

        False where the person is gone, or has another e-mail by now.
        """

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = Person(saved[person].state)
            if not is_mailed_at(saved[person], entry):
                return None
            if not allows(states.PERSON, state, PersonStep.CONFIRMED):
                return None
            after = step(states.PERSON, state, PersonStep.CONFIRMED)
            return Change({person: Write(after, saved[person].body)}, [PersonMade(at=now, person=person)])

        done = await self._store.change([person], decide)
        return done.saved[person].state == Person.ACTIVE and is_mailed_at(done.saved[person], entry)

    async def find(self, email: str) -> Found | None:
        """Who has this (normalised) e-mail."""
        entry = await self._store.load(self.entry_of(email))
        if not is_held(entry):
            return None
        person = PersonId(body_of(entry, EmailEntryBody).person)
        saved = await self._store.load(person)
        if Person(saved.state) not in LIVING:
            return None
        return Found(person, confirmed=saved.state == Person.ACTIVE)

    async def view(self, person: PersonId) -> PersonView | None:
        """A living person's data; None for one who is unknown, erased or not a person."""
        if prefix_of(person) != "per":
            return None
        saved = await self._store.load(person)
        if Person(saved.state) not in LIVING:
            return None
        body = body_of(saved, PersonBody)
        return PersonView(person, body.email, body.name, body.made_at, body.email_entry, body.language)

    async def is_active(self, person: PersonId) -> bool:
        """Whether the person can sign in and hold roles."""
        return (await self._store.load(person)).state == Person.ACTIVE

    async def rename(self, person: PersonId, name: str) -> None:
        """Change the name that co-owners see."""

        def decide(saved: Mapping[str, Saved]) -> Change:
            after = step(states.PERSON, Person(saved[person].state), PersonStep.RENAMED)
            body = body_of(saved[person], PersonBody).model_copy(update={"name": name})
            return Change({person: Write(after, body.model_dump_json())})

        await self._store.change([person], decide)

    async def speaks(self, person: PersonId, language: str, *, chosen: bool) -> None:
        """Mails come in this language from now on. ``chosen``: said so, and no other browser changes it.

        Nothing happens where it is that already, is none of ours, or the person is gone.
        """
        if language not in LANGUAGES:
            return

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = Person(saved[person].state)
            if not allows(states.PERSON, state, PersonStep.SPOKE):
                return None
            body = body_of(saved[person], PersonBody)
            if body.language_chosen and not chosen:
                return None
            after = body.model_copy(update={"language": language, "language_chosen": chosen})
            if after == body:
                return None
            kept = step(states.PERSON, state, PersonStep.SPOKE)
            return Change({person: Write(kept, after.model_dump_json())})

        await self._store.change([person], decide)

    async def erase(self, person: PersonId, *, now: datetime, how: PersonStep = PersonStep.ERASED) -> None:
        """Erase a person: body, e-mail entry, sessions, passkeys, known devices, what is pending; roles by the fact.

        A crash between the two commits is finished by the timer of ``erasing``.
        """
        sessions = named_after("sns", person)
        others = [sessions, *(named_after(prefix, person) for prefix in ("emc", "psk", "dvc", "rcv", "agt"))]
        open_sessions: list[str] = []

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = Person(saved[person].state)
            if state in {Person.ERASING, Person.ERASED}:
                return None
            if state is Person.NEW:
                raise NotFound("There is no such person.")
            after = step(states.PERSON, state, how)
            entry = body_of(saved[person], PersonBody).email_entry
            writes: dict[str, Write] = {
                person: Write(after, ErasingBody(email_entry=entry).model_dump_json(), now)
            }
            for other in others:
                if saved[other].version and not saved[other].ended:
                    writes[other] = Write("erased", "{}", ended=True)
            if sessions in writes:
                open_sessions[:] = body_of(saved[sessions], SessionsBody).sessions
            facts = [PersonErased(at=now, person=person)] if state is Person.ACTIVE else []
            return Change(writes, facts)

        done = await self._store.change([person, *others], decide)
        await self._challenges.forget(person, open_sessions)
        await self._free(done.saved[person])

    async def _free(self, erasing: Saved) -> None:
        if erasing.state != Person.ERASING:
            return
        person = PersonId(erasing.id)
        await self.free_entry(body_of(erasing, ErasingBody).email_entry, person)

        def end(saved: Mapping[str, Saved]) -> Change | None:
            if saved[person].state != Person.ERASING:
                return None
            after = step(states.PERSON, Person.ERASING, PersonStep.FREED)
            return Change({person: Write(after, "{}", ended=True)})

        await self._store.change([person], end)

    async def free_entry(self, entry: str, person: PersonId) -> None:
        """Let an e-mail's entry go, if it is this person's."""

        def let_go(saved: Mapping[str, Saved]) -> Change | None:
            return Change({entry: Write(FREE, "{}")}) if _holds(saved[entry], person) else None

        await self._store.change([entry], let_go)

    async def take_entry(self, entry: str, person: PersonId) -> bool:
        """Take the entry of an e-mail for a person who changes to it; False where another holds it."""

        def take(saved: Mapping[str, Saved]) -> Change | None:
            if is_held(saved[entry]):
                return None
            return Change({entry: Write(HELD, EmailEntryBody(person=person).model_dump_json())})

        done = await self._store.change([entry], take)
        return _holds(done.saved[entry], person)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``per_``: forget who never confirmed, finish an erasing."""
        person = PersonId(saved.id)
        if saved.state == Person.UNCONFIRMED:
            await self.erase(person, now=now, how=PersonStep.FORGOTTEN)
        await self._free(await self._store.load(person))
