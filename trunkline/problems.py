"""Each edge translates a Problem once: one table for HTTP (RFC 9457), one for exit codes of the command line."""

import logging
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from people.api_parts import ProblemOut
from spine.problems import Kind, Problem

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


def install(app: FastAPI) -> None:
    """Map what may be raised: Problems, validation, unknown routes, and last what nobody foresaw."""
    _describe(app)

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, problem: Problem) -> JSONResponse:
        return answer(problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # Where and why, never the value: it may be a secret.
        faults = [{"where": [str(p) for p in e["loc"]], "why": e["msg"]} for e in error.errors()]
        content = body(
            422, "request.invalid", "The request does not fit.", may_have_happened=False, try_again=False
        )
        return JSONResponse({**content, "errors": faults}, 422, media_type=MEDIA)

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 400:  # a body that is no UTF-8 or no form: declared as what does not fit
            content = body(
                422, "request.invalid", "The body cannot be read.", may_have_happened=False, try_again=False
            )
            return JSONResponse(content, 422, media_type=MEDIA)
        content = body(error.status_code, "http", str(error.detail), may_have_happened=False, try_again=False)
        return JSONResponse(content, error.status_code, headers=error.headers, media_type=MEDIA)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request.failed", exc_info=error, extra={"path": request.url.path})
        content = body(
            500, "internal", "Our mistake; it is in the log.", may_have_happened=True, try_again=True
        )
        return JSONResponse(content, 500, media_type=MEDIA)


def _describe(app: FastAPI) -> None:
    """Put the schema that every operation's problems name into the application's OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("ProblemOut", ProblemOut.model_json_schema(mode="serialization"))
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # how FastAPI lets its document be extended
