"""Which pages there are: every address of the application that is answered with HTML."""

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.responses import HTMLResponse
from starlette.routing import compile_path

from trunkline.documents import application

OF_THE_DEMO = "/stage"
"""Only a demo has it."""


def without_picture(taken: set[str]) -> list[str]:
    """Patterns of the addresses of which no path in ``taken`` is one."""
    pages = {*_html(application().routes), OF_THE_DEMO}
    return sorted(page for page in pages if not any(compile_path(page)[0].match(path) for path in taken))


def _html(routes: Sequence[Any], prefix: str = "") -> Iterator[str]:
    for route in routes:
        if router := getattr(route, "original_router", None):
            yield from _html(router.routes, prefix + route.include_context.prefix)
        elif "GET" in (getattr(route, "methods", None) or ()) and _returns(route.endpoint) is HTMLResponse:
            yield prefix + route.path


def _returns(endpoint: Any) -> object:
    return getattr(endpoint, "__annotations__", {}).get("return")
