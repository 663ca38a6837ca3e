"""The pages where a mail's link arrives: a GET shows a button and uses nothing up, its script POSTs."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

SCRIPT_PATH: Final = "/sign-in.js"


def routes(templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)
    script = files("people").joinpath("static/sign_in.js").read_text("utf-8")

    @router.get("/sign-in")
    async def sign_in() -> HTMLResponse:
        return HTMLResponse(templates.get_template("sign_in.html").render(script=SCRIPT_PATH))

    @router.get("/confirm-email")
    async def confirm_email() -> HTMLResponse:
        return HTMLResponse(templates.get_template("confirm_email.html").render(script=SCRIPT_PATH))

    @router.get(SCRIPT_PATH)
    async def sign_in_script() -> Response:
        return Response(script, media_type="text/javascript", headers={"Cache-Control": "max-age=300"})

    return router
