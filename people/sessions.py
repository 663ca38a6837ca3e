"""Server-side sessions of persons: listed, revocable, each with its level."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from people.limits import PeopleLimits
from people.model import Level, SessionBody, SessionsBody, body_of
from people.persons import is_mailed_at
from people.problems import LinkRefused, Unauthenticated
from people.states import Person
from people.tokens import Bearer, Token, draw, same
from spine.ids import PersonId, named_after
from spine.store import Change, Saved, Store, Write

KEPT: Final = "kept"


@dataclass(frozen=True, slots=True)
class SessionView:
    """A live session; ``id`` is its name in lists, not its token."""

    id: str
    person: PersonId
    level: Level
    made_at: datetime
    expires_at: datetime
    passkey_at: datetime | None = None
    """When its person last showed a passkey in it."""


def _view(name: str, person: PersonId, one: SessionBody) -> SessionView:
    return SessionView(name, person, one.level, one.made_at, one.expires_at, one.passkey_at)


def _of(saved: Saved, now: datetime) -> dict[str, SessionBody]:
    if not saved.version or saved.ended:
        return {}
    kept = body_of(saved, SessionsBody).sessions
    return {name: one for name, one in kept.items() if now < one.expires_at}


def _write(kept: Mapping[str, SessionBody]) -> Write:
    wake_at = max((one.expires_at for one in kept.values()), default=None)
    return Write(KEPT, SessionsBody(sessions=dict(kept)).model_dump_json(), wake_at)


def lifted(saved: Saved, session: str, now: datetime) -> Write | None:
    """The write by which a live session is of level ``passkey``, shown just now. None: it is over."""
    kept = _of(saved, now)
    if session not in kept:
        return None
    after = kept[session].model_copy(update={"level": "passkey", "passkey_at": now})
    return _write({**kept, session: after})


def unproven(saved: Saved, session: str, now: datetime) -> Write:
    """The write by which every session but one has shown no passkey any more."""
    kept = _of(saved, now)
    return _write({name: one if name == session else _plain(one) for name, one in kept.items()})


def _plain(one: SessionBody) -> SessionBody:
    level = "link" if one.level == "passkey" else one.level
    return one.model_copy(update={"level": level, "passkey_at": None})


def kept_alone(saved: Saved, session: str, now: datetime) -> Write:
    """The write by which all sessions but one (empty: none) are over; that one showed no passkey any more."""
    kept = _of(saved, now)
    return _write({name: _plain(one) for name, one in kept.items() if name == session})


def subject_of(person: str) -> str:
    """The subject of a person's sessions, in the person's partition."""
    return named_after("sns", person)


def shown(saved: Saved, token: Token, now: datetime) -> SessionView | None:
    """The live session of a presented token; ``saved``: the subject of the person it says it belongs to."""
    if token.bearer is not Bearer.SESSION or saved.id != subject_of(token.subject):
        return None
    hashed, person = token.hash, PersonId(token.subject)
    kept = _of(saved, now)
    found = [name for name, one in kept.items() if same(one.hash, hashed)]
    return _view(found[0], person, kept[found[0]]) if found else None


class Sessions:
    """One subject ``sns_`` per person, in the person's partition: no session outlives the person."""

    def __init__(self, store: Store, limits: PeopleLimits) -> None:
        self._store = store
        self._limits = limits

    async def make(
        self, person: PersonId, *, level: Level = "link", entry: str | None = None, now: datetime
    ) -> tuple[Token, SessionView]:
        """A session; the oldest ends where there are too many. Raises ``LinkRefused``.

        ``entry``: the e-mail whose mailbox it came from, judged at the commit: of a change of e-mail at the same
        moment either ends this session or keeps it from being made.
        """
        ids = subject_of(person)
        token, name = draw(Bearer.SESSION, person), secrets.token_hex(8)
        session = SessionBody(
            hash=token.hash,
            level=level,
            made_at=now,
            expires_at=now + self._limits.session_life,
            passkey_at=now if level == "passkey" else None,
        )

        def decide(saved: Mapping[str, Saved]) -> Change:
            if saved[person].state != Person.ACTIVE:
                raise LinkRefused("This person is no longer here.")
            if entry is not None and not is_mailed_at(saved[person], entry):
                raise LinkRefused("This link was mailed to an e-mail that is no longer yours.")
            kept = {**_of(saved[ids], now), name: session}
            newest = sorted(kept, key=lambda one: kept[one].made_at)[-self._limits.sessions_per_person :]
            return Change({ids: _write({one: kept[one] for one in newest})})

        await self._store.change([ids, person], decide)
        return token, _view(name, person, session)

    async def lift(self, person: PersonId, session: str, *, now: datetime) -> None:
        """A passkey was shown in this session just now. Raises ``Unauthenticated`` where it has ended."""
        ids = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change:
            after = lifted(saved[ids], session, now)
            if after is None:
                raise Unauthenticated("This session is over.", presented=True)
            return Change({ids: after})

        await self._store.change([ids], decide)

    async def find(self, token: Token, *, now: datetime) -> SessionView | None:
        """The live session of a presented token."""
        if token.bearer is not Bearer.SESSION:
            return None
        return shown(await self._store.load(subject_of(token.subject)), token, now)

    async def all_of(self, person: PersonId, *, now: datetime) -> list[SessionView]:
        """A person's live sessions, newest first."""
        kept = _of(await self._store.load(subject_of(person)), now)
        views = [_view(name, person, one) for name, one in kept.items()]
        return sorted(views, key=lambda view: view.made_at, reverse=True)

    async def revoke(self, person: PersonId, session: str | None, *, now: datetime) -> None:
        """End one session of a person by its name, or (None) all. One that is not there changes nothing."""
        ids = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = _of(saved[ids], now)
            left = {} if session is None else {name: one for name, one in kept.items() if name != session}
            return None if left == kept else Change({ids: _write(left)})

        await self._store.change([ids], decide)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``sns_``: what is past its time is dropped."""

        def decide(found: Mapping[str, Saved]) -> Change | None:
            due = found[saved.id]
            return (
                None
                if due.ended or due.version != saved.version
                else Change({saved.id: _write(_of(due, now))})
            )

        await self._store.change([saved.id], decide)
