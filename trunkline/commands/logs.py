"""``trunkline log tail | parked | retry | skip | archive | verify | replay | poison``: the log, seen and mended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show, show_line

if TYPE_CHECKING:
    from trunkline.desk import Desk

app = typer.Typer(help="The log: follow, mend, archive, verify.", no_args_is_help=True)
Group = Annotated[str, typer.Argument(help="The reader group, as `log parked` names it.")]
Position = Annotated[str, typer.Argument(help="The entry's position, as `log parked` shows it.")]
Partition = Annotated[
    int | None, typer.Option(help="Its partition, where two have an entry of this position.")
]


def _run(work: "Callable[[Desk], Awaitable[Any]]") -> Any:
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            return await work(opened)

    return asyncio.run(inside())


@app.command()
def tail(
    after: Annotated[
        str, typer.Option(help="Start after this position of each partition; 0-0: from the start.")
    ] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print facts, one a line: those so far after a position, then, with --follow, what happens."""

    async def work(desk: "Desk") -> None:
        from spine.log import START, Log, Tail

        log = Log(desk.valkey, desk.house)
        if follow:
            live = Tail(log, limits=desk.settings.spine)
            running = asyncio.create_task(live.run())
            await live.ready()
            async with live.subscribe() as entries:
                await _print_past(log, desk.house.partitions, after, as_json=as_json)
                await _print_all(entries, as_json=as_json)
            running.cancel()
        else:
            await _print_past(log, desk.house.partitions, after or START, as_json=as_json)

    _run(work)


async def _print_past(log: Any, partitions: int, after: str, *, as_json: bool) -> None:
    if after:
        for partition in range(partitions):
            await _print_all(log.entries(partition, after), as_json=as_json)


async def _print_all(entries: AsyncIterator[Any], *, as_json: bool) -> None:
    from spine.facts import FACT

    async for entry in entries:
        fact = FACT.dump_python(entry.fact, mode="json")
        said = {"partition": entry.partition, "position": entry.position, **fact}
        show_line(said, as_json=as_json, first=("at", "kind"))


@app.command()
def parked(
    group: Annotated[str, typer.Argument(help="A reader group; all where none is named.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show entries that failed and wait for `retry` or `skip`. Exit 1 where there are any."""

    async def work(desk: "Desk") -> list[Any]:
        from spine.parked import Parked
        from trunkline.groups import GROUPS

        shelf = Parked(desk.valkey, desk.house)
        groups = [group] if group else list(GROUPS)
        return [(name, held) for name in groups for held in await shelf.list(name)]

    found = _run(work)
    for name, held in found:
        said = {"group": name, **held.model_dump(mode="json")}
        show_line(said, as_json=as_json, first=("group", "position", "kind"))
    if found:
        raise typer.Exit(1)


@app.command()
def retry(group: Group, position: Position, partition: Partition = None, as_json: AsJson = False) -> None:
    """Try a parked entry again, and then what stands behind it."""

    async def work(desk: "Desk") -> None:
        from spine.parked import Parked

        await Parked(desk.valkey, desk.house).retry(group, position, partition=partition)

    _run(work)
    show({"group": group, "position": position, "now": "tried again"}, as_json=as_json)


@app.command()
def skip(
    group: Group,
    position: Position,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    partition: Partition = None,
    as_json: AsJson = False,
) -> None:
    """Give a parked entry up for good, and go on behind it."""

    async def work(desk: "Desk") -> None:
        from spine.parked import Parked

        await Parked(desk.valkey, desk.house).skip(group, position, reason, partition=partition)

    _run(work)
    show({"group": group, "position": position, "now": "skipped"}, as_json=as_json)


@app.command()
def archive(
    trim: Annotated[
        bool, typer.Option("--trim", help="Then trim what is archived, read by all and old enough.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the log since the last segment away: compressed JSON Lines, hash chained."""

    async def work(desk: "Desk") -> dict[str, Any]:
        from spine.archive import Archive
        from spine.log import Log
        from trunkline.groups import GROUPS

        shelf = Archive(Log(desk.valkey, desk.house), desk.settings.archive_dir)
        written = await shelf.write()
        gone = 0
        if trim:
            before = desk.clock.now() - desk.settings.spine.log_keep
            gone = await shelf.trim(GROUPS, before=before)
        return {"segments": [asdict(one) for one in written], "trimmed": gone}

    show(_run(work), as_json=as_json)


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Check every archived segment's chain and that the store's log agrees with it. Exit 1 where it does not."""

    async def work(desk: "Desk") -> Any:
        from spine.archive import Archive
        from spine.log import Log

        return await Archive(Log(desk.valkey, desk.house), desk.settings.archive_dir).verify()

    report = _run(work)
    show(asdict(report), as_json=as_json)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def replay(as_json: AsJson = False) -> None:
    """Rebuild the lists for people from archive and log; reactions are not run."""

    async def work(desk: "Desk") -> int:
        from trunkline.groups import rebuild_lists

        return await rebuild_lists(desk)

    show({"entries": _run(work)}, as_json=as_json)


@app.command()
def poison(
    limit: Annotated[int, typer.Option(help="Most messages of each partition.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show messages of units that could not be read, with the reason. Exit 1 where there are any."""

    async def work(desk: "Desk") -> list[Any]:
        from spine.dead_letters import DeadLetters

        letters = DeadLetters(desk.valkey, desk.house)
        pages = [await letters.page(partition, limit=limit) for partition in range(desk.house.partitions)]
        return [letter for page in pages for letter in page]

    found = _run(work)
    for letter in found:
        said = {"at": letter.at, **asdict(letter)}
        show_line(said, as_json=as_json, first=("at", "source", "reason"))
    if found:
        raise typer.Exit(1)
