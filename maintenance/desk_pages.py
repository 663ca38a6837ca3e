"""The desk's pages: the list with the case beside the call, and the wallboard. They hold nothing; their scripts ask."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

_SCRIPTS: Final = (
    "desk.js",
    "desk_booking.js",
    "desk_case.js",
    "desk_draft.js",
    "desk_entry.js",
    "desk_words.js",
    "wallboard.js",
)
"""Files of ``static``, served under ``/desk``."""


def routes(templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/desk")
    async def desk() -> HTMLResponse:
        return HTMLResponse(templates.get_template("desk.html").render())

    @router.get("/desk/wallboard")
    async def wallboard() -> HTMLResponse:
        return HTMLResponse(templates.get_template("wallboard.html").render())

    for name in _SCRIPTS:
        _serve(router, f"/desk/{name}", files("maintenance").joinpath("static", name).read_text("utf-8"))
    return router


def _serve(router: APIRouter, path: str, script: str) -> None:
    @router.get(path)
    async def serve() -> Response:
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "max-age=300"})
