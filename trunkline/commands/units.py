"""``trunkline unit`` (run, init, install, pair) and ``trunkline fleet``: what runs in a car. Needs the base install only."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

Directory = Annotated[Path, typer.Option("--dir", help="The unit's own memory: keys, record, receipts, outbox.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(unit_app, name="unit")


unit_app = typer.Typer(help="The reference unit that runs in a car.", invoke_without_command=True)


def show(document: object, *, as_json: bool) -> None:
    """Print one document: JSON for programs, indented JSON for people."""
    print(json.dumps(document, indent=None if as_json else 2))


def read_document(source: str) -> object:
    """A JSON file, or ``-`` for standard input."""
    text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    return json.loads(text)


@unit_app.command("init")
def init(directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Make the unit's two keys (mTLS, receipts), which never leave it, and print its enrolment request."""
    from vehicle_unit import provisioning

    show(provisioning.init(directory), as_json=as_json)


@unit_app.command("install")
def install(answer: str, directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Store what `trunkline vehicle enrol` answered (a file, or - for standard input)."""
    from vehicle_unit import provisioning

    document = read_document(answer)
    provisioning.install(directory, document)  # type: ignore[arg-type]
    show({"installed": str(directory)}, as_json=as_json)


@unit_app.command("pair")
def pair(directory: Directory = Path("unit"), as_json: AsJson = False) -> None:
    """Ask the running unit (ignition on) to show a code by which a person claims the car."""
    from vehicle_unit.control import ask

    show(asyncio.run(ask(directory, {"pair": True})), as_json=as_json)
