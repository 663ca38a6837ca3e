"""JSON routes of operators: who works at the contact center's desk."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import Field

from people.access import OperatorPrincipal
from people.agents import AgentView, Language, Role
from people.api_parts import Idempotent, In, Out, problems
from people.model import Email
from people.service import People
from spine.ids import AgentId, PersonId

AgentPath = Annotated[
    AgentId, Path(pattern="^agt_[0-9a-hjkmnp-tv-z]{16}$", examples=["agt_5c2h8tq4n6w0rj3v"])
]


class AgentWanted(In):
    """The same e-mail again changes role and languages."""

    email: Email
    role: Role = "agent"
    languages: Annotated[list[Language], Field(min_length=1, max_length=4)]


class AgentOut(Out):
    id: AgentId
    person: PersonId
    role: Role
    languages: list[Language]
    made_at: datetime


def routes(people: People) -> APIRouter:
    """Under ``/v1/operator/agents``."""
    router, clock = APIRouter(prefix="/v1/operator", tags=["operator"]), people.clock
    Operator = Annotated[OperatorPrincipal, Depends(people.access.operator())]  # noqa: N806 - a type

    @router.post(
        "/agents", status_code=201, response_model=AgentOut, summary="Make an agent",
        responses=problems(401, 404, 409, 422, 429),
    )  # fmt: skip
    async def make(who: Operator, wanted: AgentWanted, asked: Idempotent) -> Response:
        """They sign in by mail or passkey, as everybody; at the desk they need the passkey."""

        async def work(_: str) -> AgentOut:
            made = await people.agents.make(wanted.email, wanted.role, wanted.languages, now=clock.now())
            return agent_out(made)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.get("/agents/{agent}", summary="An agent", responses=problems(401, 404, 422, 429))
    async def one(_: Operator, agent: AgentPath) -> AgentOut:
        return agent_out(await people.agents.get(agent))

    @router.delete(
        "/agents/{agent}",
        status_code=204,
        summary="No agent any more",
        responses=problems(401, 404, 422, 429),
    )
    async def remove(_: Operator, agent: AgentPath) -> None:
        """At once: the next thing they ask for at the desk is refused. The person stays."""
        await people.agents.remove(agent, now=clock.now())

    return router


def agent_out(view: AgentView) -> AgentOut:
    """An agent as operators see them."""
    return AgentOut(
        id=view.id, person=view.person, role=view.role, languages=list(view.languages), made_at=view.made_at
    )  # fmt: skip
