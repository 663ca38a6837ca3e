"""The owner's pages: the decision behind a mail's link, a delivery with its timeline. They only look."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from delivery.api_parts import DeliveryPath
from delivery.mailed import BLOCK_PAGE, PAGE

_SCRIPTS: Final = (
    "answering.js",
    "beforehand.js",
    "block.js",
    "cosign.js",
    "decide.js",
    "delivery.js",
    "help.js",
    "question.js",
    "words.js",
)
"""Files of ``static``, served under ``/delivery``."""


def routes(templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)

    @router.get(PAGE)
    async def decide() -> HTMLResponse:
        """What is asked comes with the token of the fragment, which only the script sees."""
        return HTMLResponse(templates.get_template("decide.html").render(script="/delivery/decide.js"))

    @router.get(BLOCK_PAGE)
    async def block() -> HTMLResponse:
        """Looking blocks nothing: only its button does."""
        return HTMLResponse(templates.get_template("block.html").render(script="/delivery/block.js"))

    @router.get("/deliveries/{delivery}")
    async def delivery(delivery: DeliveryPath) -> HTMLResponse:
        """The frame; the script reads the delivery with the session's cookie."""
        page = templates.get_template("delivery.html")
        return HTMLResponse(page.render(script="/delivery/delivery.js", delivery=delivery))

    for name in _SCRIPTS:
        _serve(router, f"/delivery/{name}", files("delivery").joinpath("static", name).read_text("utf-8"))
    return router


def _serve(router: APIRouter, path: str, script: str) -> None:
    @router.get(path)
    async def serve() -> Response:
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "max-age=300"})
