"""A page for a browser that asked for one and cannot have it: what is wrong and what to do next, in its language."""

from typing import Any, Final

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse

_KEPT: Final = ("retry-after", "allow", "www-authenticate", "location")
"""Headers of the problem that its page has as well."""


def wanted(request: Request) -> bool:
    """A browser goes to a page; scripts, programs, images and streams ask for something else, or for anything."""
    return pages_of(request) is not None and "text/html" in request.headers.get("accept", "")


def pages_of(request: Request) -> Environment | None:
    """The templates of the application that answers; None where it has no pages."""
    return getattr(getattr(request.scope.get("app"), "state", None), "pages", None)


def instead(request: Request, said: JSONResponse, reference: str = "") -> HTMLResponse:
    """The page for a problem. It says nothing of its detail, which is for programs and in English."""
    pages = pages_of(request)
    if pages is None:
        raise LookupError("an application without pages")
    about: dict[str, Any] = {"status": said.status_code, "reference": reference}
    headers = {name: said.headers[name] for name in _KEPT if name in said.headers}
    return HTMLResponse(pages.get_template("error.html").render(about), said.status_code, headers)
