"""``trunkline demo``: everything on this machine, and one delivery played to a verified evidence file."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        fault: Annotated[
            bool, typer.Option("--fault", help="Play a fault code that becomes a visit at a garage instead.")
        ] = False,
        once: Annotated[
            bool,
            typer.Option(
                "--once",
                help="End after it; the last line is the evidence file, or the invitation.",
            ),
        ] = False,
        port: Annotated[int, typer.Option(help="Port of the API.")] = 8080,
        broker: Annotated[
            str, typer.Option(help="mosquitto or iotcore; default: mosquitto where it is installed.")
        ] = "",
        data: Annotated[
            Path | None, typer.Option(help="Folder for its data; default: this installation's.")
        ] = None,
    ) -> None:
        """Start store, broker, api, work, gateway and one car; play a delivery, or a fault; stay up for you to try."""
        from trunkline.demo import run_demo

        raise typer.Exit(run_demo(once=once, port=port, broker=broker or None, data=data, fault=fault))
