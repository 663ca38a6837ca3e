"""``trunkline unit`` (run, init, install, pair, owner keys) and ``trunkline fleet``: what runs in a car; base install."""

import asyncio
import contextlib
import json
import signal
import tomllib
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trunkline.collector import keep_what_was_loaded
from trunkline.commands import scanning
from trunkline.commands.exchange import DRAWN, AsJson, Document, read_document, say, show
from trunkline.lines import start_logging

Directory = Annotated[
    Path, typer.Option("--dir", help="The unit's own memory: keys, record, receipts, outbox.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(unit_app, name="unit")
    scanning.register(unit_app)
    app.command("fleet")(fleet)


unit_app = typer.Typer(help="The reference unit that runs in a car.", invoke_without_command=True)


@unit_app.callback()
def run(  # noqa: PLR0917 - each is an option of the command line
    context: typer.Context,
    directory: Directory = Path("unit"),
    lifts_after: Annotated[
        float, typer.Option(help="The person at the boot lifts the lid after this; negative: never.")
    ] = 1.0,
    shuts_after: Annotated[float, typer.Option(help="... and shuts it after this; negative: never.")] = 3.0,
    position: Annotated[str, typer.Option(help="Where the car stands: LATITUDE,LONGITUDE.")] = "",
    mode: Annotated[str, typer.Option(help="awake, dozing, asleep or no_coverage.")] = "awake",
    link: Annotated[
        str, typer.Option(help="HOST:PORT where couriers' phones connect (docs/link.md); empty: as set.")
    ] = "",
    settings: Annotated[
        Path | None, typer.Option(help="TOML file of the unit's settings (docs/generated/unit-settings.md).")
    ] = None,
    elm: scanning.Elm = "",
    doip: scanning.Doip = "",
    ecu: scanning.Ecus = None,
    canary: Annotated[
        float, typer.Option(help="No car: report a made-up fault every so many seconds. 0: it is a car.")
    ] = 0,
    scan_every: Annotated[
        float,
        typer.Option(help="A scan this often (seconds) with ignition on; 0: only when it is turned on."),
    ] = 0,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Run the unit of an installed folder until it is told to stop."""
    if context.invoked_subcommand is not None:
        return
    from vehicle_unit.provisioning import Identity
    from vehicle_unit.unit import run as run_unit

    start_logging(log_level)
    options = replace(
        _options(lifts_after, shuts_after, position, mode, link, settings),
        elm=elm,
        doip=doip,
        ecus=tuple(scanning.address(one) for one in ecu or ()),
        scan_every=timedelta(seconds=scan_every) if scan_every > 0 else None,
        canary=timedelta(seconds=canary) if canary > 0 else None,
        readers=scanning.reader_limits(settings),
    )
    if elm or doip:
        from vehicle_unit.readers.source import Source

        Source.of(elm=elm, doip=doip, ecus=options.ecus, limits=options.readers)
    identity = Identity.load(directory)

    def ready() -> None:
        keep_what_was_loaded()
        say(f"ready: {identity.unit} in {directory}")

    with contextlib.suppress(KeyboardInterrupt):
        _run(_until_told(run_unit(directory, options, ready)))


def _after(seconds: float) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds >= 0 else None


def _options(
    lifts_after: float, shuts_after: float, position: str, mode: str, link: str, settings: Path | None
) -> Any:
    from keys.car.place import Position
    from vehicle_gateway.link import LinkLimits
    from vehicle_unit.limits import UnitLimits
    from vehicle_unit.local_limits import LocalLimits
    from vehicle_unit.presence import Mode
    from vehicle_unit.unit import UnitOptions

    given = tomllib.loads(settings.read_text("utf-8")) if settings else {}
    where = None
    if position:
        latitude, _, longitude = position.partition(",")
        where = Position(float(latitude), float(longitude))
    return UnitOptions(
        lifts_after=_after(lifts_after),
        shuts_after=_after(shuts_after),
        position=where,
        mode=Mode(mode),
        limits=UnitLimits(**given.get("unit", {})),
        link=LinkLimits(**given.get("link", {})),
        local=LocalLimits(**given.get("local", {}) | ({"listen": link} if link else {})),
    )


def _run(work: Coroutine[Any, Any, None]) -> None:
    """On the faster event loop where the server's packages are installed; a car needs none of them."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Run until SIGTERM or SIGINT; then let the unit say goodbye."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


@unit_app.command("init")
def init(directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Make the unit's two keys (mTLS, receipts), which never leave it, and print its enrolment request."""
    from vehicle_unit import provisioning

    show(provisioning.init(directory), as_json=as_json)


@unit_app.command("install")
def install(answer: Document, directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Store what `trunkline vehicle enrol` answered (a file, or - for standard input)."""
    from vehicle_unit import provisioning

    document = read_document(answer)
    provisioning.install(directory, document)
    show({"installed": str(directory)}, as_json=as_json)


@unit_app.command("pair")
def pair(directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Ask the running unit (ignition on) to show a code by which a person claims the car. Exit 1 where it refuses."""
    from vehicle_unit.control import ask

    _answered(asyncio.run(ask(directory, {"pair": True})), as_json=as_json)


@unit_app.command("pair-owner")
def pair_owner(key: Document, directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Pair an owner's passkey at the running unit (ignition on): a JSON file with cid, public, origin and rp_id.

    Compare the fingerprint that is printed with the one the owner's device shows.
    """
    from vehicle_unit.control import ask

    document = read_document(key)
    if not isinstance(document, dict):
        raise typer.BadParameter("not a JSON object with cid, public, origin and rp_id")
    _answered(asyncio.run(ask(directory, {"pair_owner": document})), as_json=as_json)


@unit_app.command("unpair-owner", context_settings=DRAWN)
def unpair_owner(
    credential: Annotated[str, typer.Argument(help="The credential id; empty with --all.")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="Sale or end of a lease: forget all and require none.")
    ] = False,
    directory: Directory = Path("unit"),
    as_json: AsJson = False,
) -> None:
    """Let the running unit (ignition on) forget an owner's passkey. Exit 1 where it refuses."""
    from vehicle_unit.control import ask

    if every == bool(credential):
        raise typer.BadParameter("one credential id, or --all")
    wish: dict[str, Any] = {"erase_owners": True} if every else {"unpair_owner": credential}
    _answered(asyncio.run(ask(directory, wish)), as_json=as_json)


class Switch(StrEnum):
    """A setting that is on or off."""

    ON = "on"
    OFF = "off"


@unit_app.command("require-owner")
def require_owner(
    switch: Annotated[Switch, typer.Argument(help="on: no key opens without a paired passkey's signature.")],
    directory: Directory = Path("unit"),
    as_json: AsJson = False,
) -> None:
    """Say at the running unit (ignition on) whether every key needs the owner's co-signature."""
    from vehicle_unit.control import ask

    _answered(asyncio.run(ask(directory, {"require_owner": switch is Switch.ON})), as_json=as_json)


@unit_app.command("tell")
def tell(
    request: Annotated[str, typer.Argument(help="A JSON object; {} only asks.")],
    directory: Directory = Path("unit"),
    as_json: AsJson = False,
) -> None:
    """Do something to the running simulated car, e.g. '{"ignition": true}' or '{"lid": "shut"}'; prints its state."""
    from vehicle_unit.control import ask

    _answered(asyncio.run(ask(directory, json.loads(request))), as_json=as_json)


def _answered(answer: dict[str, Any], *, as_json: bool) -> None:
    show(answer, as_json=as_json)
    if "error" in answer:
        raise typer.Exit(1)


def fleet(
    directory: Annotated[Path, typer.Option("--dir", help="Folder of the units.")] = Path("fleet"),
    vehicles: Annotated[int, typer.Option(help="How many units to make where they are missing.")] = 100,
    signals_every: Annotated[
        float, typer.Option(help="Each car reports a signal this often (seconds); 0: never.")
    ] = 0,
    lifts_after: Annotated[
        float, typer.Option(help="A person lifts the lid after this; negative: never.")
    ] = 1.0,
    shuts_after: Annotated[float, typer.Option(help="... and shuts it after this; negative: never.")] = 3.0,
) -> None:
    """Run many simulated units in one process; makes and enrols what is missing (on the operator's host)."""
    from vehicle_unit import fleet as fleets
    from vehicle_unit.unit import UnitOptions

    start_logging("INFO")
    missing = vehicles - len(fleets.enrolled(directory))
    if missing > 0:
        from trunkline.commands.cars import enrol_fleet

        asyncio.run(enrol_fleet(directory, vehicles))
    options = UnitOptions(lifts_after=_after(lifts_after), shuts_after=_after(shuts_after))
    every = timedelta(seconds=signals_every) if signals_every > 0 else None
    running = fleets.Fleet(fleets.enrolled(directory)[:vehicles], options, signals_every=every)
    say(f"ready: {vehicles} units in {directory}")
    _run(_until_told(running.run()))
