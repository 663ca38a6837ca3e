"""``trunkline serve | work | gateway``: the three server processes."""

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def serve() -> None:
        """Answer the API and the pages (holds no signing key)."""
        from trunkline.run import run_api

        run_api()

    @app.command()
    def work() -> None:
        """React to the log, fire timers, sign keys, send news."""
        from trunkline.run import run_work

        run_work()

    @app.command()
    def gateway() -> None:
        """Carry messages between the broker and the log."""
        from trunkline.run import run_gateway

        run_gateway()
