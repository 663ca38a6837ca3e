"""The desk's pages: the list with the case beside the call, and the wallboard. They hold nothing; their scripts ask."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

_FILES: Final = (
    "desk.css",
    "desk.js",
    "desk_acts.js",
    "desk_booking.js",
    "desk_case.js",
    "desk_draft.js",
    "desk_entry.js",
    "desk_keys.js",
    "desk_lease.js",
    "desk_list.js",
    "desk_live.js",
    "desk_outcomes.js",
    "desk_state.js",
    "desk_words.js",
    "wallboard.js",
)
"""Files of ``static``, served under ``/desk``."""
_MEDIA: Final = {"css": "text/css", "js": "text/javascript"}


def routes(templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)

    @router.get("/desk")
    async def desk() -> HTMLResponse:
        return HTMLResponse(templates.get_template("desk.html").render())

    @router.get("/desk/wallboard")
    async def wallboard() -> HTMLResponse:
        return HTMLResponse(templates.get_template("wallboard.html").render())

    for name in _FILES:
        _serve(router, f"/desk/{name}", files("maintenance").joinpath("static", name).read_text("utf-8"))
    return router


def _serve(router: APIRouter, path: str, text: str) -> None:
    media = _MEDIA[path.rpartition(".")[2]]

    @router.get(path)
    async def serve() -> Response:
        return Response(text, media_type=media, headers={"Cache-Control": "max-age=300"})
