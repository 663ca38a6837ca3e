"""``trunkline states``: every state machine as a table, from the tables the code runs on."""

from typing import Annotated

import typer

from trunkline.commands.exchange import AsJson, show


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def states(
        machine: Annotated[str, typer.Argument(help="Show one machine only.")] = "",
        as_json: AsJson = False,
    ) -> None:
        """Show every state machine."""
        from trunkline.machines import machines

        chosen = {name: steps for name, steps in machines().items() if machine in {"", name}}
        if not chosen:
            raise typer.BadParameter(f"no machine {machine!r}; there are {', '.join(machines())}")
        if as_json:
            show(chosen, as_json=True)
            return
        for name, steps in chosen.items():
            print(f"{name}")
            for before, cause, after in steps:
                print(f"  {before} --> {after}: {cause}")
