"""Each edge translates a Problem once: one table for HTTP (RFC 9457), one for exit codes of the command line."""

import logging
import secrets
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from people.api_parts import ProblemOut
from spine.problems import Kind, Problem
from trunkline import error_pages

log = logging.getLogger("trunkline.api")

STATUS: Final[dict[Kind, int]] = {
    Kind.INVALID: 422,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.TOO_LARGE: 413,
    Kind.TOO_MANY: 429,
    Kind.UNAVAILABLE: 503,
}

MEDIA: Final = "application/problem+json"


def body(status: int, code: str, detail: str, *, may_have_happened: bool, try_again: bool) -> dict[str, Any]:
    """The members of every problem answer."""
    return {
        "type": f"urn:trunkline:problem:{code}",
        "title": code,
        "status": status,
        "code": code,
        "detail": detail,
        "may_have_happened": may_have_happened,
        "try_again": try_again,
    }


def answer(problem: Problem) -> JSONResponse:
    """A Problem as HTTP."""
    status = STATUS[problem.kind]
    headers = dict(getattr(problem, "headers", {}) or {})
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if problem.kind is Kind.UNAUTHENTICATED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    content = body(
        status,
        problem.code,
        problem.detail,
        may_have_happened=problem.may_have_happened,
        try_again=problem.try_again,
    )
    content |= getattr(problem, "members", {})
    return JSONResponse(content, status, headers=headers, media_type=MEDIA)


def told(request: Request, problem: Problem) -> Response:
    """A Problem as whoever asked can read it: a page for a browser that asked for one, else JSON."""
    said = answer(problem)
    return error_pages.instead(request, said) if error_pages.wanted(request) else said


def broken(request: Request, error: Exception) -> Response:
    """What nobody foresaw, with the reference under which the log has it."""
    reference = secrets.token_hex(4)
    log.error("request.failed", exc_info=error, extra={"path": request.url.path, "reference": reference})
    content = body(500, "internal", "Our mistake; it is in the log.", may_have_happened=True, try_again=True)
    said = JSONResponse({**content, "reference": reference}, 500, media_type=MEDIA)
    return error_pages.instead(request, said, reference) if error_pages.wanted(request) else said


def install(app: FastAPI) -> None:
    """Map what may be raised: Problems, validation, unknown routes, and last what nobody foresaw."""
    _describe(app)

    @app.exception_handler(Problem)
    async def on_problem(request: Request, problem: Problem) -> Response:
        return told(request, problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        # Where and why, never the value: it may be a secret.
        faults = [{"where": [str(p) for p in e["loc"]], "why": e["msg"]} for e in error.errors()]
        content = body(
            422, "request.invalid", "The request does not fit.", may_have_happened=False, try_again=False
        )
        said = JSONResponse({**content, "errors": faults}, 422, media_type=MEDIA)
        return error_pages.instead(request, said) if error_pages.wanted(request) else said

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        status, code, detail = error.status_code, "http", str(error.detail)
        if status == 400:  # a body that is no UTF-8 or no form: declared as what does not fit
            status, code, detail = 422, "request.invalid", "The body cannot be read."
        content = body(status, code, detail, may_have_happened=False, try_again=False)
        said = JSONResponse(content, status, headers=error.headers, media_type=MEDIA)
        return error_pages.instead(request, said) if status > 400 and error_pages.wanted(request) else said

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        return broken(request, error)


class Mishaps:
    """ASGI middleware: the answer to what nobody foresaw is made within the others, so it has their headers too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for what is raised before an answer has begun."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # the last one who can answer
            if begun or scope["type"] != "http":
                raise
            await broken(Request(scope), error)(scope, receive, send)


def _describe(app: FastAPI) -> None:
    """Put the schema that every operation's problems name into the application's OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("ProblemOut", ProblemOut.model_json_schema(mode="serialization"))
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI lets its document be extended
