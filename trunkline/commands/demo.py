"""``trunkline demo``: everything on this machine, and one delivery played to a verified evidence file."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def demo(
        once: Annotated[
            bool, typer.Option("--once", help="End after the delivery; the last line is the evidence file.")
        ] = False,
        port: Annotated[int, typer.Option(help="Port of the API.")] = 8080,
        broker: Annotated[
            str, typer.Option(help="mosquitto or iotcore; default: mosquitto where it is installed.")
        ] = "",
        data: Annotated[
            Path | None, typer.Option(help="Folder for its data; default: this installation's.")
        ] = None,
    ) -> None:
        """Start store, broker, api, work, gateway and one car; play a delivery; stay up for you to try."""
        from trunkline.demo import run_demo

        raise typer.Exit(run_demo(once=once, port=port, broker=broker or None, data=data))
