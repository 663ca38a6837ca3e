"""The operator's way into the pages: a form for the token, and out again. No script is needed."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment

from people.api_parts import network_address
from people.operator_sessions import PAGE, OperatorSessions
from people.problems import TooMany, Unauthenticated

START = "/operator"


def routes(sessions: OperatorSessions, templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)

    def page(said: str = "", status: int = 200) -> HTMLResponse:
        return HTMLResponse(templates.get_template("operator_sign_in.html").render(said=said), status)

    @router.get(PAGE)
    async def form() -> HTMLResponse:
        return page()

    @router.post(PAGE)
    async def sign_in(
        request: Request, token: Annotated[str, Form(min_length=1, max_length=128)]
    ) -> Response:
        answer = RedirectResponse(START, 303)
        try:
            await sessions.begin(token.strip(), request, answer, client=network_address(request))
        except Unauthenticated:
            return page("refused", 401)
        except TooMany as slow:
            slower = page("slow", 429)
            slower.headers["Retry-After"] = str(slow.retry_after or 60)
            return slower
        return answer

    @router.post("/operator/sign-out")
    async def sign_out(request: Request) -> Response:
        answer = RedirectResponse(PAGE, 303)
        await sessions.end(request, answer)
        return answer

    return router
