"""Agents of the contact center: persons with a role, made by an operator; at work only with their passkey.

An agent signs in as every person does (mail link, passkey). The role opens the desk and nothing else: what they may do
on a car is asked of their roles on cars, as for anybody.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Final, Literal

from fastapi import Depends
from pydantic import AwareDatetime

from people.access import Access, PersonPrincipal
from people.model import Body, body_of
from people.persons import Persons
from people.problems import NotFound, PasskeyNeeded
from people.states import Person
from spine.clock import Clock
from spine.facts.maintenance import AgentMade, AgentRemoved
from spine.ids import AgentId, PersonId, named_after, prefix_of
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write

ACTIVE: Final = "active"
REMOVED: Final = "removed"
PREFIX: Final = "agt"

Role = Literal["agent", "supervisor"]
Language = Literal["en", "nl", "de", "sv"]


class NotAnAgent(Problem):
    """You are signed in and do not work at this desk."""

    code: ClassVar[str] = "desk.not_an_agent"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class AgentBody(Body):
    role: Role
    languages: list[Language]
    made_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class AgentPrincipal:
    """Somebody of the contact center, known by passkey within their shift; never opens a car."""

    id: AgentId
    person: PersonId
    role: Role
    languages: frozenset[str]


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent as operators see them."""

    id: AgentId
    person: PersonId
    role: Role
    languages: tuple[Language, ...]
    made_at: datetime


def agent_of(person: str) -> AgentId:
    """The one id of a person as an agent, in the person's partition: an erased person is no agent."""
    return AgentId(named_after(PREFIX, person))


def person_of(agent: str) -> PersonId:
    """The person that an agent is."""
    return PersonId(named_after("per", agent))


class Agents:
    """Subjects ``agt_``."""

    def __init__(self, store: Store, persons: Persons) -> None:
        self._store = store
        self._persons = persons

    async def make(
        self, email: str, role: Role, languages: Sequence[Language], *, now: datetime
    ) -> AgentView:
        """Make the person with this e-mail an agent, or change role and languages of one."""
        person = await self._persons.make(email, now=now)
        agent = agent_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[person].state != Person.ACTIVE:
                raise NotFound("There is no such person.")
            before = _body(saved[agent])
            made_at = before.made_at if before else now
            body = AgentBody(role=role, languages=sorted(set(languages)), made_at=made_at)
            if body == before:
                return None
            write = Write(ACTIVE, body.model_dump_json())
            return Change({agent: write}, [AgentMade(at=now, agent=agent, role=role)])

        done = await self._store.change([agent, person], decide)
        view = _view(done.saved[agent])
        if view is None:
            raise NotFound("There is no such agent.")
        return view

    async def remove(self, agent: AgentId, *, now: datetime) -> None:
        """From now on no agent; the person stays. Again: nothing. Raises ``NotFound``."""
        if prefix_of(agent) != PREFIX:
            raise NotFound("There is no such agent.")

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if not saved[agent].version:
                raise NotFound("There is no such agent.")
            if _body(saved[agent]) is None:
                return None
            return Change({agent: Write(REMOVED, "{}")}, [AgentRemoved(at=now, agent=agent)])

        await self._store.change([agent], decide)

    async def find(self, agent: AgentId) -> AgentView | None:
        """An agent who works here; None for everybody else."""
        return _view(await self._store.load(agent))

    async def get(self, agent: AgentId) -> AgentView:
        """As ``find``. Raises ``NotFound``."""
        view = await self.find(agent)
        if view is None:
            raise NotFound("There is no such agent.")
        return view

    def at_desk(
        self, access: Access, clock: Clock, shift: timedelta
    ) -> Callable[..., Awaitable[AgentPrincipal]]:
        """A dependency: an agent whose session has shown a passkey within ``shift``.

        Raises ``Unauthenticated``, ``NotAnAgent``, ``PasskeyNeeded``, ``CrossSite``.
        """
        Me = Annotated[PersonPrincipal, Depends(access.owner())]  # noqa: N806 - a type

        async def principal(me: Me) -> AgentPrincipal:
            view = await self.find(agent_of(me.id))
            if view is None:
                raise NotAnAgent("You do not work at this desk.")
            shown = me.passkey_at if me.session_level == "passkey" else None
            if shown is None or not timedelta() <= clock.now() - shown <= shift:
                raise PasskeyNeeded(int(shift.total_seconds()))
            return AgentPrincipal(view.id, me.id, view.role, frozenset(view.languages))

        return principal


def _body(saved: Saved) -> AgentBody | None:
    if not saved.version or saved.ended or saved.state != ACTIVE:
        return None
    return body_of(saved, AgentBody)


def _view(saved: Saved) -> AgentView | None:
    body = _body(saved)
    if body is None:
        return None
    person = person_of(saved.id)
    return AgentView(AgentId(saved.id), person, body.role, tuple(body.languages), body.made_at)
