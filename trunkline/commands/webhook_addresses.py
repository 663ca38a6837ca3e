"""``trunkline webhooks addresses | attempts | recover | source``: an operator looks after who hears and who reports."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, moment, show, show_line

if TYPE_CHECKING:
    from trunkline.desk import Desk
    from webhooks.signers import PublicKey

sources = typer.Typer(help="Contact centers that report by signed callbacks.", no_args_is_help=True)
EndpointName = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Id of the address, ep_...")]
SourceName = Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the contact center, src_...")]
Key = Annotated[
    str | None,
    typer.Option("--public-key", help="A whpk_ key of its own: it signs v1a, and there is no secret."),
]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many at most.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(addresses)
    app.command()(attempts)
    app.command()(recover)
    app.add_typer(sources, name="source")


def _run(work: "Callable[[Desk], Awaitable[Any]]") -> Any:
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            return await work(opened)

    return asyncio.run(inside())


def addresses(
    subscriber: Annotated[
        str | None, typer.Option(help="Only those of this carrier or person; else all, newest first.")
    ] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
) -> None:
    """Show webhook addresses, one a line: state, what waits, what is dead, how the breaker stands."""

    async def work(desk: "Desk") -> Any:
        from trunkline.webhook_desk import WebhookDesk

        return await WebhookDesk.of(desk).page(subscriber, None, limit)

    for row in _run(work):
        show_line(row, as_json=as_json, first=("endpoint", "state", "origin"))


def attempts(endpoint: EndpointName, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show what became of the news to an address: a row for each try or drop, newest first."""

    async def work(desk: "Desk") -> Any:
        from spine.ids import EndpointId
        from trunkline.webhook_desk import WebhookDesk

        return await WebhookDesk.of(desk).attempts(EndpointId(endpoint), None, limit)

    for row in _run(work):
        show_line(row, as_json=as_json, first=("at", "outcome", "message"))


def recover(
    endpoint: EndpointName,
    since: Annotated[str, typer.Option(help="From here on: unix seconds or ISO 8601.")],
    until: Annotated[str | None, typer.Option(help="Up to here; default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send again what died at an address in that time, with the same ids; what is past its deadline stays dead."""
    start, end = moment(since, "--since"), moment(until, "--until")
    if start > end:
        raise typer.BadParameter("--since is after --until", param_hint="--since")

    async def work(desk: "Desk") -> Any:
        from spine.ids import EndpointId
        from trunkline.webhook_desk import WebhookDesk

        return await WebhookDesk.of(desk).recover(EndpointId(endpoint), start, end)

    show(_run(work), as_json=as_json)


@sources.command("add")
def add_source(
    name: Annotated[str, typer.Argument(help="What operators call it.")],
    public_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Let a contact center report what became of its calls; its secret is printed here and never again."""
    key = public_key_of(public_key)

    async def work(desk: "Desk") -> Any:
        from trunkline.webhook_desk import ContactCenters

        return await ContactCenters(desk).add(name, key)

    show(_run(work), as_json=as_json)


@sources.command("address")
def source_address(
    source: SourceName,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it hears what it is to call about.")],
    as_json: AsJson = False,
) -> None:
    """Tell a contact center's cases to an address; the secret it verifies with is printed here and never again."""

    async def work(desk: "Desk") -> Any:
        from trunkline.webhook_desk import ContactCenters

        return await ContactCenters(desk).listens_at(source, url)

    show(_run(work), as_json=as_json)


@sources.command("list")
def list_sources(as_json: AsJson = False) -> None:
    """Show the contact centers, one a line."""

    async def work(desk: "Desk") -> Any:
        from trunkline.webhook_desk import ContactCenters

        return await ContactCenters(desk).all()

    for row in _run(work):
        show_line(row, as_json=as_json, first=("source", "name"))


@sources.command("rotate")
def rotate_source(
    source: SourceName,
    overlap_hours: Annotated[
        float | None, typer.Option(min=0, help="How long the former stays good; 0: it ends now. Default: 24.")
    ] = None,
    public_key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Exchange a contact center's secret or key; the new secret is printed here and never again."""
    key = public_key_of(public_key)

    async def work(desk: "Desk") -> Any:
        from trunkline.webhook_desk import ContactCenters
        from webhooks.keyring import OverlapRefused

        try:
            overlap = None if overlap_hours is None else timedelta(hours=overlap_hours)
        except (OverflowError, ValueError) as wrong:
            raise OverlapRefused("an overlap is at most seven days") from wrong
        return await ContactCenters(desk).rotate(source, overlap, key)

    show(_run(work), as_json=as_json)


@sources.command("remove")
def remove_source(source: SourceName, as_json: AsJson = False) -> None:
    """End it: its callbacks are refused from now on, and its secret is erased."""

    async def work(desk: "Desk") -> Any:
        from trunkline.webhook_desk import ContactCenters

        return await ContactCenters(desk).remove(source)

    show(_run(work), as_json=as_json)


def public_key_of(text: str | None) -> "PublicKey | None":
    """The key behind ``--public-key``; what is none is a wrong command line."""
    from webhooks.signers import PublicKey, SecretMalformed

    try:
        return None if text is None else PublicKey.read(text)
    except SecretMalformed as malformed:
        raise typer.BadParameter(f"this is no public key: {malformed}", param_hint="--public-key") from None
