"""``trunkline log tail | parked | retry | skip | archive | verify | replay | poison``: the log, seen and mended."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trunkline.desk import Desk

app = typer.Typer(help="The log: follow, mend, archive, verify.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


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
) -> None:
    """Print facts as JSON lines: those so far after a position, then, with --follow, what happens."""

    async def work(desk: "Desk") -> None:
        from spine.log import START, Log, Tail

        log = Log(desk.valkey, desk.house)
        if follow:
            live = Tail(log, limits=desk.settings.spine)
            running = asyncio.create_task(live.run())
            await live.ready()
            async with live.subscribe() as entries:
                await _print_past(log, desk.house.partitions, after)
                await _print_all(entries)
            running.cancel()
        else:
            await _print_past(log, desk.house.partitions, after or START)

    _run(work)


async def _print_past(log: Any, partitions: int, after: str) -> None:
    if after:
        for partition in range(partitions):
            await _print_all(log.entries(partition, after))


async def _print_all(entries: AsyncIterator[Any]) -> None:
    from spine.facts import FACT

    async for entry in entries:
        fact = FACT.dump_python(entry.fact, mode="json")
        print(json.dumps({"partition": entry.partition, "position": entry.position, **fact}), flush=True)


@app.command()
def parked(
    group: Annotated[str, typer.Argument(help="A reader group; all where none is named.")] = "",
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
        print(json.dumps({"group": name, **held.model_dump(mode="json")}))
    if found:
        raise typer.Exit(1)


@app.command()
def retry(group: str, position: str) -> None:
    """Try a parked entry again, and then what stands behind it."""

    async def work(desk: "Desk") -> None:
        from spine.parked import Parked

        await Parked(desk.valkey, desk.house).retry(group, position)

    _run(work)


@app.command()
def skip(group: str, position: str, reason: Annotated[str, typer.Option(help="Why; it is kept.")]) -> None:
    """Give a parked entry up for good, and go on behind it."""

    async def work(desk: "Desk") -> None:
        from spine.parked import Parked

        await Parked(desk.valkey, desk.house).skip(group, position, reason)

    _run(work)


@app.command()
def archive(
    trim: Annotated[
        bool, typer.Option("--trim", help="Then trim what is archived, read by all and old enough.")
    ] = False,
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

    print(json.dumps(_run(work), default=str))


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Check every archived segment's chain and that the store's log agrees with it. Exit 1 where it does not."""

    async def work(desk: "Desk") -> Any:
        from spine.archive import Archive
        from spine.log import Log

        return await Archive(Log(desk.valkey, desk.house), desk.settings.archive_dir).verify()

    report = _run(work)
    print(json.dumps(asdict(report), default=str) if as_json else report)
    if report.problems:
        raise typer.Exit(1)


@app.command()
def replay() -> None:
    """Rebuild the lists for people from archive and log; reactions are not run."""

    async def work(desk: "Desk") -> int:
        from trunkline.groups import rebuild_lists

        return await rebuild_lists(desk)

    print(json.dumps({"entries": _run(work)}))


@app.command()
def poison(limit: int = 100) -> None:
    """Show messages of units that could not be read, with the reason. Exit 1 where there are any."""

    async def work(desk: "Desk") -> list[Any]:
        from spine.dead_letters import DeadLetters

        letters = DeadLetters(desk.valkey, desk.house)
        pages = [await letters.page(partition, limit=limit) for partition in range(desk.house.partitions)]
        return [letter for page in pages for letter in page]

    found = _run(work)
    for letter in found:
        print(json.dumps(asdict(letter), default=_readable))
    if found:
        raise typer.Exit(1)


def _readable(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
