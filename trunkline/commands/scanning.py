"""``trunkline unit scan``: read a car's fault codes once and print the scan; needs no unit and no server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show

if TYPE_CHECKING:
    from vehicle_gateway.diag.scan import FaultScan
    from vehicle_unit.readers.limits import ReaderLimits

EXIT_UNKNOWN = 1  # partial or no answer: it is not known whether the car has more codes, or any
EXIT_FAILED = 2

Elm = Annotated[
    str, typer.Option("--elm", help="ELM327 adapter: tcp://HOST:PORT, or a serial port below /dev/.")
]
Doip = Annotated[str, typer.Option("--doip", help="UDS over DoIP: HOST:PORT of the car's gateway.")]
Ecus = Annotated[
    list[str] | None,
    typer.Option("--ecu", help="With --doip: an ECU's logical address (0x1000); repeatable."),
]


def register(unit: typer.Typer) -> None:
    """Add the command to ``trunkline unit``."""
    unit.command("scan")(scan)


def scan(
    elm: Elm = "",
    doip: Doip = "",
    ecu: Ecus = None,
    settings: Annotated[
        Path | None,
        typer.Option(
            help="TOML file of the unit's settings, table `readers` (docs/generated/unit-settings.md)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a car's fault codes. Exit 0: every ECU answered; 1: partial or no answer; 2: it could not be read.

    Only exit 0 may be believed where it lists no code.
    """
    from vehicle_unit.clock import SystemTime
    from vehicle_unit.envelope import message_id
    from vehicle_unit.readers.findings import Heading
    from vehicle_unit.readers.source import Source

    limits = reader_limits(settings)
    source = Source.of(elm=elm, doip=doip, ecus=tuple(address(one) for one in ecu or ()), limits=limits)
    time = SystemTime()
    now = datetime.fromtimestamp(time.wall(), UTC)
    heading = Heading(boot=0, seq=0, scan_id=message_id(int(now.timestamp() * 1000)), at=now, drive_cycle=0)
    found = source.scan(heading, limits, time.uptime)
    if as_json:
        show(found.document(), as_json=True)
    else:
        _table(found)
    if found.outcome != "complete":
        raise typer.Exit(EXIT_FAILED if found.outcome == "error" else EXIT_UNKNOWN)


def address(text: str) -> int:
    """A logical address as a number. Raises ``typer.BadParameter``."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if not 0 <= number <= 0xFFFF:
        raise typer.BadParameter("an ECU is a number from 0 to 0xFFFF")
    return number


def reader_limits(settings: Path | None) -> "ReaderLimits":
    """The table ``readers`` of a unit's settings. Raises ``OSError``, ``ValueError``, ``ValidationError``."""
    import tomllib

    from vehicle_unit.readers.limits import ReaderLimits

    given: dict[str, Any] = tomllib.loads(settings.read_text("utf-8")) if settings else {}
    return ReaderLimits(**given.get("readers", {}))


_SENTENCES = {
    "complete": "Every ECU answered.",
    "partial": "Not everything could be read: there may be more codes than these.",
    "no_answer": "No ECU answered. Is the ignition on?",
    "error": "The car could not be read.",
}


def _table(found: "FaultScan") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=_SENTENCES[found.outcome])
    for heading in ("ECU", "answered", "code", "status", "severity", "times"):
        table.add_column(heading)
    for ecu in found.ecus:
        answered = "yes" if ecu.answered else "not to everything"
        for code in ecu.codes:
            name = code.code if code.ftb is None else f"{code.code}-{code.ftb}"
            times = "" if code.occurrence is None else str(code.occurrence)
            table.add_row(ecu.id, answered, name, code.status, (code.severity or "").replace("_", " "), times)
        if not ecu.codes:
            table.add_row(ecu.id, answered, "none" if ecu.answered else "?", "", "", "")
    console = Console()
    console.print(table)
    if found.mil is not None:
        console.print(f"Warning lamp: {'on' if found.mil else 'off'}.")
    if found.readiness is not None and found.readiness.incomplete:
        console.print(f"Not yet tested since clearing: {', '.join(found.readiness.incomplete)}.")
