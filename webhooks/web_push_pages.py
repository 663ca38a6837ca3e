"""The page of notifications, the worker that shows them, and what makes the pages an app that can be installed."""

import json
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

WORKER: Final = "/sw.js"
"""At the root, since a worker reaches no further than where its script lies."""
SCRIPTS: Final[Mapping[str, str]] = {
    f"/{name}": name
    for name in (
        "notifications.js",
        "notifications-choice.js",
        "notifications-device.js",
        "notifications-quiet.js",
    )
}
"""Path of each script and its file in ``static``."""
STYLES: Final[Mapping[str, str]] = {"/notifications.css": "notifications.css"}
POLICY: Final = "worker"
"""The one Trusted Types policy of the page: it makes the worker's URL and nothing else."""

MANIFEST: Final[Mapping[str, Any]] = {
    "id": "/",
    "name": "Trunkline",
    "short_name": "Trunkline",
    "start_url": "/",
    "scope": "/",
    "display": "standalone",
    "background_color": "#f4f6f8",
    "theme_color": "#12507a",
    "icons": [
        {"src": "/static/icon.svg", "sizes": "any", "type": "image/svg+xml"},
        {"src": "/static/icon-192.png", "sizes": "192x192", "type": "image/png"},
        {"src": "/static/icon-512.png", "sizes": "512x512", "type": "image/png"},
        {
            "src": "/static/icon-maskable-512.png",
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "maskable",
        },
    ],
}


def routes(templates: Environment, csp: str) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``. ``csp``: of the page, with ``POLICY``."""
    router = APIRouter(include_in_schema=False)
    worker = _text("sw.js")
    # Named after its own bytes: a browser takes a new worker for new because the script differs.
    version = f'const VERSION = "{sha256(worker.encode()).hexdigest()[:16]}";\n'
    manifest = json.dumps(MANIFEST)

    @router.get("/notifications")
    async def notifications() -> HTMLResponse:
        text = templates.get_template("notifications.html").render()
        return HTMLResponse(text, headers={"Content-Security-Policy": csp})

    @router.get(WORKER)
    async def service_worker() -> Response:
        # Asked anew each time: a worker that was mended is there at the next visit.
        return Response(version + worker, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    @router.get("/manifest.webmanifest")
    async def app_manifest() -> Response:
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(manifest, media_type="application/manifest+json", headers=headers)

    for kind, found in (("text/javascript", SCRIPTS), ("text/css", STYLES)):
        for path, name in found.items():
            router.add_api_route(path, _file(name, kind), methods=["GET"], response_class=Response)
    return router


def _text(name: str) -> str:
    return files("webhooks").joinpath("static", name).read_text("utf-8")


def _file(name: str, kind: str) -> Callable[[], Awaitable[Response]]:
    text = _text(name)

    async def answer() -> Response:
        return Response(text, media_type=kind, headers={"Cache-Control": "max-age=300"})

    return answer
