"""``trunkline maintenance replay``: anybody's scans through the fault policy, so that its rules can be judged."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from trunkline.commands.exchange import AsJson

app = typer.Typer(help="Faults, cases and appointments.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Faults, cases and appointments."""


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="One fault.scan a line, with `vehicle`; - reads stdin.")],
    as_json: AsJson = False,
) -> None:
    """Play a file of scans through the policy, with no store. Exit 2 where a line was no scan; the others still count."""
    from maintenance.code_table import kept
    from maintenance.replay import BadLine, play
    from maintenance.rules import FaultRules
    from trunkline.commands.places import default_data_directory

    bad, maker = 0, kept(default_data_directory()).severities
    source = sys.stdin if str(file) == "-" else file.open(encoding="utf-8", errors="replace")
    with source:
        for told in play(source, FaultRules(), maker):
            if isinstance(told, BadLine):
                bad += 1
                sys.stderr.write(f"line {told.number}: {told.why}\n")
            elif as_json:
                print(json.dumps(told, separators=(",", ":"), ensure_ascii=False))
            else:
                codes = " ".join(told["codes"])
                print(
                    f"{told['at']}  {told['kind']:<19} {told['severity']:<8} {told['case']}  {codes}  ({told['why']})"
                )
    if bad:
        raise typer.Exit(2)
