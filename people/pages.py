"""The pages where a mail's link arrives (a GET uses nothing up, its script POSTs), passkeys and account."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from people.api_parts import InvitationPath

SCRIPTS: Final[Mapping[str, str]] = {
    "/sign-in.js": "sign_in.js",
    "/invitation.js": "invitation.js",
    "/passkeys.js": "passkeys.js",
    "/passkey-ask.js": "passkey_ask.js",
    "/account.js": "account.js",
    "/export.js": "export.js",
}
"""Path of each script and its file in ``static``."""


def routes(templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)

    def page(template: str, script: str) -> HTMLResponse:
        return HTMLResponse(templates.get_template(template).render(script=script))

    @router.get("/sign-in")
    async def sign_in() -> HTMLResponse:
        return page("sign_in.html", "/sign-in.js")

    @router.get("/confirm-email")
    async def confirm_email() -> HTMLResponse:
        return page("confirm_email.html", "/sign-in.js")

    @router.get("/keep-email")
    async def keep_email() -> HTMLResponse:
        return page("keep_email.html", "/sign-in.js")

    @router.get("/keep-passkeys")
    async def keep_passkeys() -> HTMLResponse:
        return page("keep_passkeys.html", "/sign-in.js")

    @router.get("/passkeys")
    async def passkeys() -> HTMLResponse:
        return page("passkeys.html", "/passkeys.js")

    @router.get("/account")
    async def account() -> HTMLResponse:
        return page("account.html", "/account.js")

    @router.get("/invitations/{invitation}")
    async def invitation(invitation: InvitationPath) -> HTMLResponse:  # noqa: ARG001 - the script reads it
        return page("invitation.html", "/invitation.js")

    for path, name in SCRIPTS.items():
        router.add_api_route(path, _script(name), methods=["GET"], response_class=Response)
    return router


def _script(name: str) -> Callable[[], Awaitable[Response]]:
    text = files("people").joinpath("static", name).read_text("utf-8")

    async def script() -> Response:
        return Response(text, media_type="text/javascript", headers={"Cache-Control": "max-age=300"})

    return script
