"""``trunkline init | settings | doctor``: make an installation, show its settings, check its health."""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.commands.exchange import AsJson, show

if TYPE_CHECKING:
    from trunkline.doctor import Finding


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def init(as_json: AsJson = False) -> None:
        """Make keys, certificates, broker accounts and the store's functions where they are missing."""
        from spine.clock import SystemClock
        from trunkline.installation import initialise
        from trunkline.settings import Settings

        made = asyncio.run(initialise(Settings(), SystemClock().now()))
        if as_json:
            show(made, as_json=True)
        else:
            print(
                f"ready in {made['data_dir']}, {made['partitions']} partitions; new: {', '.join(made['made']) or '-'}"
            )

    @app.command()
    def settings(as_json: AsJson = False) -> None:
        """Show every setting as it is in force (secrets stay hidden)."""
        from trunkline.settings import Settings

        show(Settings().model_dump(mode="json"), as_json=as_json)

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
        _tell(findings, as_json=as_json)
        if not all(finding.ok for finding in findings):
            raise typer.Exit(1)


def _tell(findings: "list[Finding]", *, as_json: bool) -> None:
    if as_json:
        show([asdict(finding) for finding in findings], as_json=True)
        return
    for finding in findings:
        print(f"{'ok  ' if finding.ok else 'BAD '} {finding.what}: {finding.seen}")
        if not finding.ok:
            print(f"     {finding.mend}")
