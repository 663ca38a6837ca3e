"""Server-side sessions of persons: listed, revocable, each with its level."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from people.limits import PeopleLimits
from people.model import SessionBody, SessionsBody, body_of
from people.problems import LinkRefused
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
    level: str
    made_at: datetime
    expires_at: datetime


def _of(saved: Saved, now: datetime) -> dict[str, SessionBody]:
    if not saved.version or saved.ended:
        return {}
    kept = body_of(saved, SessionsBody).sessions
    return {name: one for name, one in kept.items() if now < one.expires_at}


def _write(kept: Mapping[str, SessionBody]) -> Write:
    wake_at = max((one.expires_at for one in kept.values()), default=None)
    return Write(KEPT, SessionsBody(sessions=dict(kept)).model_dump_json(), wake_at)


class Sessions:
    """One subject ``sns_`` per person, in the person's partition: no session outlives the person."""

    def __init__(self, store: Store, limits: PeopleLimits) -> None:
        self._store = store
        self._limits = limits

    async def make(self, person: PersonId, *, now: datetime) -> tuple[Token, SessionView]:
        """A session of level ``link``; the oldest ends where there are too many. Raises ``LinkRefused``."""
        ids = named_after("sns", person)
        token, name = draw(Bearer.SESSION, person), secrets.token_hex(8)
        session = SessionBody(hash=token.hash, made_at=now, expires_at=now + self._limits.session_life)

        def decide(saved: Mapping[str, Saved]) -> Change:
            if saved[person].state != Person.ACTIVE:
                raise LinkRefused("This person is no longer here.")
            kept = {**_of(saved[ids], now), name: session}
            newest = sorted(kept, key=lambda one: kept[one].made_at)[-self._limits.sessions_per_person :]
            return Change({ids: _write({one: kept[one] for one in newest})})

        await self._store.change([ids, person], decide)
        return token, SessionView(name, person, session.level, session.made_at, session.expires_at)

    async def find(self, token: Token, *, now: datetime) -> SessionView | None:
        """The live session of a presented token."""
        if token.bearer is not Bearer.SESSION:
            return None
        hashed, person = token.hash, PersonId(token.subject)
        kept = _of(await self._store.load(named_after("sns", person)), now)
        found = [name for name, one in kept.items() if same(one.hash, hashed)]
        if not found:
            return None
        one = kept[found[0]]
        return SessionView(found[0], person, one.level, one.made_at, one.expires_at)

    async def all_of(self, person: PersonId, *, now: datetime) -> list[SessionView]:
        """A person's live sessions, newest first."""
        kept = _of(await self._store.load(named_after("sns", person)), now)
        views = [
            SessionView(name, person, one.level, one.made_at, one.expires_at) for name, one in kept.items()
        ]
        return sorted(views, key=lambda view: view.made_at, reverse=True)

    async def revoke(self, person: PersonId, session: str | None, *, now: datetime) -> None:
        """End one session of a person by its name, or (None) all. One that is not there changes nothing."""
        ids = named_after("sns", person)

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
