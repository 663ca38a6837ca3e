"""``trunkline agent``: who works at the contact center's desk."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show

if TYPE_CHECKING:
    from people.agents import AgentView
    from trunkline.desk import Desk

app = typer.Typer(help="Agents of the contact center: make, list, remove.", no_args_is_help=True)


def _run(work: "Callable[[Desk], Awaitable[Any]]", *, as_json: bool) -> None:
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            return await work(opened)

    show(asyncio.run(inside()), as_json=as_json)


def _told(view: "AgentView") -> dict[str, Any]:
    return {
        "agent": view.id, "person": view.person, "role": view.role, "languages": list(view.languages),
        "made_at": view.made_at.isoformat(),
    }  # fmt: skip


@app.command("make")
def make(
    email: Annotated[str, typer.Argument(help="Where their sign-in mails go.")],
    role: Annotated[str, typer.Option(help="agent or supervisor.")] = "agent",
    languages: Annotated[str, typer.Option(help="What they speak: en, nl, de, sv, with commas.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Make a person an agent, or change role and languages of one. They sign in at /desk by mail, then with a passkey."""

    async def work(desk: "Desk") -> dict[str, Any]:
        from people.api_agents import AgentWanted
        from trunkline.compose import people_of

        spoken = [each.strip() for each in languages.split(",")]
        wanted = AgentWanted.model_validate({"email": email, "role": role, "languages": spoken})
        agents = people_of(desk).agents
        return _told(await agents.make(wanted.email, wanted.role, wanted.languages, now=desk.clock.now()))

    _run(work, as_json=as_json)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every agent, the newest first."""

    async def work(desk: "Desk") -> list[dict[str, Any]]:
        from maintenance.desk_index import AGENTS, DESK
        from spine.ids import AgentId
        from spine.index import Index
        from trunkline.compose import people_of

        agents, index = people_of(desk).agents, Index(desk.valkey, desk.house)
        found: list[dict[str, Any]] = []
        after = None
        while True:
            page = await index.page(AGENTS, DESK, after=after, limit=100)
            views = [await agents.find(AgentId(member)) for member in page.members]
            found += [_told(view) for view in views if view is not None]
            if page.next is None:
                return found
            after = page.next

    _run(work, as_json=as_json)


@app.command("remove")
def remove(
    agent: Annotated[str, typer.Argument(help="Id of the agent, agt_...")], as_json: AsJson = False
) -> None:
    """No agent from now on; the person stays."""

    async def work(desk: "Desk") -> dict[str, str]:
        from spine.ids import AgentId
        from trunkline.compose import people_of

        await people_of(desk).agents.remove(AgentId(agent), now=desk.clock.now())
        return {"agent": agent, "state": "removed"}

    _run(work, as_json=as_json)
