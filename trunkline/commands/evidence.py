"""``trunkline evidence export | verify``: what happened, provable without a server."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Evidence of a delivery.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.command()
def export(delivery: str, out: Annotated[Path | None, typer.Option(help="File to write.")] = None) -> None:
    """Write the evidence file of a delivery that ended."""
    from spine.ids import DeliveryId
    from trunkline.desk import desk
    from trunkline.exporting import evidence_of

    async def work() -> dict[str, Any]:
        async with desk() as opened:
            return await evidence_of(opened, DeliveryId(delivery))

    text = json.dumps(asyncio.run(work()), indent=1)
    if out is None:
        print(text)
    else:
        out.write_text(text, "utf-8")
        print(out)


@app.command()
def verify(
    file: Path,
    roots: Annotated[
        Path | None,
        typer.Option(help="Folder with vehicle-ca.pem and service-keys.json; default: this installation's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify an evidence file with roots given from outside it. Exit 0 only when everything holds."""
    from keys.car.evidence import Roots, verify_file
    from trunkline.commands.places import default_roots

    folder = roots or default_roots()
    report = verify_file(file.read_bytes(), Roots.load(folder) if folder else None)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        for check in report.checks:
            print(f"{'ok  ' if check.ok else 'BAD '} {check.what}{': ' + check.why if check.why else ''}")
        print(report.verdict)
    if not report.verified:
        raise typer.Exit(1)
