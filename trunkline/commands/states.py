"""``trunkline states``: every state machine as a table, from the tables the code runs on."""

import json
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def states(
        machine: Annotated[str, typer.Argument(help="Show one machine only.")] = "",
        as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    ) -> None:
        """Show every state machine."""
        from trunkline.machines import machines

        chosen = {name: steps for name, steps in machines().items() if machine in {"", name}}
        if not chosen:
            raise typer.BadParameter(f"no machine {machine!r}; there are {', '.join(machines())}")
        if as_json:
            print(json.dumps(chosen))
            return
        for name, steps in chosen.items():
            print(f"{name}")
            for before, cause, after in steps:
                print(f"  {before} --> {after}: {cause}")
