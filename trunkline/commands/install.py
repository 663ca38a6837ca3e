"""``trunkline init | settings | doctor``: make an installation, show its settings, check its health."""

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def init(as_json: AsJson = False) -> None:
        """Make keys, certificates, broker accounts and the store's functions where they are missing."""
        from spine.clock import SystemClock
        from trunkline.installation import initialise
        from trunkline.settings import Settings

        made = asyncio.run(initialise(Settings(), SystemClock().now()))
        print(
            json.dumps(made) if as_json else f"ready in {made['data_dir']}, {made['partitions']} partitions"
        )

    @app.command()
    def settings(as_json: AsJson = False) -> None:
        """Show every setting as it is in force (secrets stay hidden)."""
        from trunkline.settings import Settings

        document = Settings().model_dump(mode="json")
        print(json.dumps(document, indent=None if as_json else 2))

    @app.command()
    def doctor(
        only: Annotated[
            list[str] | None,
            typer.Option(help="Look at this part only: files, broker, api, store, work, gateway."),
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Check files, broker, api, store and who reads the log; each finding says how to mend it. Exit 1 if any is bad."""
        from trunkline.doctor import PARTS, examine
        from trunkline.settings import Settings

        for part in only or ():
            if part not in PARTS:
                raise typer.BadParameter(f"no part {part!r}; there are {', '.join(PARTS)}")
        findings = asyncio.run(examine(Settings(), only or ()))
        if as_json:
            print(json.dumps([asdict(finding) for finding in findings]))
        else:
            for finding in findings:
                print(f"{'ok  ' if finding.ok else 'BAD '} {finding.what}: {finding.seen}")
                if not finding.ok:
                    print(f"     {finding.mend}")
        if not all(finding.ok for finding in findings):
            raise typer.Exit(1)
