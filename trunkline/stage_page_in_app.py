"""What the application of a demo has more than any other: its page, and frames that this page may fill."""

from pathlib import Path

from fastapi import FastAPI

from trunkline.compose import Services


def let_frame(app: FastAPI) -> None:
    """Before it starts: the middleware that keeps owner and agent apart, first of all."""
    from trunkline.stage_page_sessions import SideBySide

    app.add_middleware(SideBySide, session="tl_session")


def show(app: FastAPI, parts: Services, socket: Path) -> None:
    """With the other routes, before them."""
    from trunkline import stage_page

    access, origin = parts.people.access, parts.ground.settings.public_url
    made = stage_page.routes(app.state.pages, access, socket=socket, origin=origin)
    app.router.routes[:0] = made.routes
