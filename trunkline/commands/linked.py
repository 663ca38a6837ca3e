"""``trunkline owner link | links | unlink``: systems that decide for a person by signed webhooks, and hear the questions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show
from trunkline.commands.people import PersonName

if TYPE_CHECKING:
    from trunkline.desk import Desk


def register(owners: typer.Typer) -> None:
    """Add the commands."""
    owners.command("link")(link)
    owners.command("news")(news_only)
    owners.command("links")(links)
    owners.command("unlink")(unlink)


def _run(work: "Callable[[Desk], Awaitable[Any]]", *, as_json: bool) -> None:
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            return await work(opened)

    show(asyncio.run(inside()), as_json=as_json)


def link(
    person: PersonName,
    name: Annotated[str, typer.Argument(help="What the person calls the system.")],
    news: Annotated[str, typer.Option(help="Address that hears the person's questions and news.")] = "",
    public_key: Annotated[
        str | None,
        typer.Option(
            "--public-key", help="A whpk_ key of the system's own: it signs v1a, and has no secret of ours."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let a system decide for a person from now on (delivery.md); its secrets are printed here and never again."""
    from trunkline.commands.webhook_addresses import public_key_of

    key = public_key_of(public_key)

    async def work(desk: "Desk") -> dict[str, str]:
        from spine.ids import PersonId
        from trunkline.compose import keyring_of
        from webhooks.endpoints import Endpoints
        from webhooks.guard import Guard
        from webhooks.sources import Sources

        whose, keyring, settings = PersonId(person), keyring_of(desk.settings), desk.settings
        made: dict[str, str] = {}
        if news:
            guard = Guard(dev=settings.webhooks_dev)
            endpoints = Endpoints(desk.store, desk.clock, settings.webhooks, guard, keyring)
            endpoint, signs = await endpoints.add(whose, news, ["delivery.*"])
            made = {"endpoint": endpoint.id, "news_secret": signs.reveal()}
        sources = Sources(desk.store, desk.clock, settings.webhooks, keyring)
        source, shown = await sources.link(whose, name, key=key)
        decides = f"{settings.public_url}/v1/decisions/{source.id}"
        called = "public_key" if source.own_key else "secret"
        return {"source": source.id, "decides_at": decides, called: shown.reveal(), **made}

    _run(work, as_json=as_json)


def news_only(
    person: PersonName,
    news: Annotated[str, typer.Argument(metavar="URL", help="Address that hears the person's news.")],
    types: Annotated[list[str] | None, typer.Option("--type", help="Such as delivery.*, repeated.")] = None,
    vehicles: Annotated[
        list[str] | None, typer.Option("--vehicle", help="Only news of this vehicle, veh_..., repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell a person's news to an address that decides nothing; the secret it verifies with is printed once."""

    async def work(desk: "Desk") -> dict[str, str]:
        from spine.ids import PersonId
        from trunkline.compose import keyring_of
        from webhooks.endpoints import Endpoints, Wishes
        from webhooks.guard import Guard

        settings = desk.settings
        guard = Guard(dev=settings.webhooks_dev)
        endpoints = Endpoints(desk.store, desk.clock, settings.webhooks, guard, keyring_of(settings))
        wishes = Wishes(types or ["delivery.*"], vehicles or ())
        endpoint, signs = await endpoints.add(PersonId(person), news, wishes=wishes)
        return {"endpoint": endpoint.id, "news_secret": signs.reveal()}

    _run(work, as_json=as_json)


def links(person: PersonName, as_json: AsJson = False) -> None:
    """Show the systems that may decide for a person."""

    async def work(desk: "Desk") -> list[dict[str, str]]:
        from spine.ids import PersonId
        from trunkline.compose import keyring_of
        from webhooks.sources import Sources

        sources = Sources(desk.store, desk.clock, desk.settings.webhooks, keyring_of(desk.settings))
        return [
            {"source": each.id, "name": each.name, "level": each.level, "linked_at": str(each.linked_at)}
            for each in await sources.of(PersonId(person))
        ]

    _run(work, as_json=as_json)


def unlink(
    person: PersonName,
    source: Annotated[str, typer.Argument(help="Id of the linked system, src_...")],
    as_json: AsJson = False,
) -> None:
    """End it: the system decides nothing any more, and its secret is erased."""

    async def work(desk: "Desk") -> dict[str, str]:
        from spine.ids import PersonId
        from trunkline.compose import keyring_of
        from webhooks.sources import SourceId, Sources

        sources = Sources(desk.store, desk.clock, desk.settings.webhooks, keyring_of(desk.settings))
        await sources.unlink(SourceId(source), PersonId(person))
        return {"source": source, "state": "unlinked"}

    _run(work, as_json=as_json)
