"""``trunkline evidence export | assertion | verify``: what happened, provable without a server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, show

if TYPE_CHECKING:
    from spine.ids import DeliveryId
    from trunkline.desk import Desk

app = typer.Typer(help="Evidence of a delivery.", no_args_is_help=True)


@app.command()
def export(
    delivery: Annotated[str, typer.Argument(help="Id of the delivery, dlv_...")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the evidence file of a delivery that ended; with --out prints its path."""
    from trunkline.exporting import evidence_of

    _write(evidence_of, delivery, out, as_json=as_json)


@app.command()
def assertion(
    delivery: Annotated[str, typer.Argument(help="Id of the delivery, dlv_...")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
    as_json: AsJson = False,
) -> None:
    """What the passkey signed for a delivery's approval, as long as it is kept: for `evidence verify --assertion`."""
    from trunkline.exporting import assertion_of

    _write(assertion_of, delivery, out, as_json=as_json)


def _write(
    made: "Callable[[Desk, DeliveryId], Awaitable[dict[str, Any]]]",
    delivery: str,
    out: Path | None,
    *,
    as_json: bool,
) -> None:
    """A document about a delivery, to a file or on the screen."""
    from spine.ids import DeliveryId
    from trunkline.desk import desk

    async def work() -> dict[str, Any]:
        async with desk() as opened:
            return await made(opened, DeliveryId(delivery))

    document = asyncio.run(work())
    if out is None:
        show(document, as_json=as_json)
    else:
        out.write_text(json.dumps(document, indent=1), "utf-8")
        show({"file": str(out)}, as_json=True) if as_json else print(out)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The evidence file.")],
    roots: Annotated[
        Path | None,
        typer.Option(help="Folder with vehicle-ca.pem and service-keys.json; default: this installation's."),
    ] = None,
    assertion: Annotated[
        list[Path] | None,
        typer.Option(
            help="What a passkey signed, kept as JSON: whether an approval names it. More than one may be given."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify an evidence file with roots given from outside it. Exit 0 only when everything holds, else 1."""
    from keys.car.evidence import Roots, verify_file
    from trunkline.commands.places import default_roots

    folder = roots or default_roots()
    kept = [one.read_bytes() for one in assertion or ()]
    report = verify_file(file.read_bytes(), Roots.load(folder) if folder else None, kept)
    if as_json:
        show(report.as_json(), as_json=True)
    else:
        for check in report.checks:
            print(f"{'ok  ' if check.ok else 'BAD '} {check.what}{': ' + check.why if check.why else ''}")
        print(report.verdict)
    if not report.verified:
        raise typer.Exit(1)
