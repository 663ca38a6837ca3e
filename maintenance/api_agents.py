"""JSON route of operators: everybody who works at the desk (one agent is made, shown and removed in ``people``)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from maintenance.composition import Maintenance
from maintenance.desk_index import AGENTS, DESK
from people.access import OperatorPrincipal
from people.api_agents import AgentOut, agent_out
from people.api_parts import Out, problems
from spine.ids import AgentId

After = Annotated[str | None, Query(max_length=200, description="``next`` of the former page.")]
Limit = Annotated[int, Query(ge=1, le=100)]


class AgentsOut(Out):
    """The newest first; one who was made a moment ago may still be missing. ``next``: give it as ``after``."""

    data: list[AgentOut]
    next: str | None = None


def routes(parts: Maintenance) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/operator", tags=["operator"])
    Operator = Annotated[OperatorPrincipal, Depends(parts.people.access.operator())]  # noqa: N806 - a type

    @router.get("/agents", summary="All agents", responses=problems(401, 422, 429))
    async def every(_: Operator, after: After = None, limit: Limit = 50) -> AgentsOut:
        """Whoever is no agent any more is not here."""
        page = await parts.index.page(AGENTS, DESK, after=after, limit=limit)
        views = [await parts.people.agents.find(AgentId(member)) for member in page.members]
        return AgentsOut(data=[agent_out(one) for one in views if one is not None], next=page.next)

    return router
