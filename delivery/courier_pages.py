"""The courier's page: its frame, its files, and the service worker that keeps both on the phone, all of one version."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

PAGE: Final = "/courier"
_MEDIA: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_WORKER: Final = "courier_sw.js"
_LINKED: Final = re.compile(r'(?:href|src)="(/(?:courier|static)/[^"#?]+)')
_IMPORTED: Final = re.compile(r'(?:from|import|import\()\s*"(/[^"#?]+)')
_NAMED: Final = re.compile(r'url\("?(/[^"#?)]+)')
_PERMISSIONS: Final = "camera=(self), microphone=(), geolocation=(self)"

Shared = Callable[[str], bytes | None]
"""Content of a path under ``/static``; None where there is no such file."""


def own_files() -> Mapping[str, bytes]:
    """Path and content of this page's own files: ``static/courier_api.js`` is ``/courier/api.js``."""
    found = sorted(files("delivery").joinpath("static").iterdir(), key=lambda one: one.name)
    return {
        f"{PAGE}/{one.name.removeprefix('courier_')}": one.read_bytes()
        for one in found
        if one.name.startswith("courier") and one.name != _WORKER and one.name.endswith((".js", ".css"))
    }


def shell(page: str, own: Mapping[str, bytes], shared: Shared) -> Mapping[str, bytes]:
    """Everything that the page needs without network: what it links to, what that imports, and so on.

    Raises ``LookupError`` for a file that is named and is not there: a page that lacks one would not start.
    """
    content: dict[str, bytes] = {}
    wanted = [found[1] for found in _LINKED.finditer(page)]
    while wanted:
        path = wanted.pop()
        if path in content:
            continue
        data = own.get(path) if path in own else shared(path)
        if data is None:
            raise LookupError(f"{path} is named by the courier's page, and is not there")
        content[path] = data
        wanted += _names(path, data)
    return dict(sorted(content.items()))


def _names(path: str, data: bytes) -> Iterator[str]:
    """The files that a file asks for."""
    pattern = {"js": _IMPORTED, "css": _NAMED}.get(path.rpartition(".")[2])
    if pattern is not None:
        yield from (found[1] for found in pattern.finditer(data.decode()))


def worker(template: str, version: str, kept: Mapping[str, bytes]) -> str:
    """The service worker's script, which changes with every file that it keeps."""
    listed = json.dumps({path: sha256(data).hexdigest() for path, data in kept.items()}, indent=2)
    return template.replace("{version}", version).replace("{files}", listed)


def version_of(template: str, page: str, kept: Mapping[str, bytes]) -> str:
    """A name for exactly these contents."""
    whole = sha256(f"{template}\0{page}\0".encode())
    for path, data in kept.items():
        whole.update(f"{path} {sha256(data).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def routes(templates: Environment, shared: Shared, *, csp: str, words: Mapping[str, bytes]) -> APIRouter:
    """``csp``: that of every page, by which no script can be made from a text.

    ``words``: texts of the scripts in other languages, by path.
    """
    router, own = APIRouter(include_in_schema=False), own_files()
    frame = templates.get_template("courier.html")
    page = frame.render()
    template = files("delivery").joinpath("static", _WORKER).read_text("utf-8")
    kept = {**shell(page, own, shared), **words}
    version = version_of(template, page, kept)
    script = worker(template, version, kept)
    # Registering a worker takes a trusted address; the page's policy makes exactly one (courier_shell.js).
    policy = csp.replace("trusted-types 'none'", "trusted-types courier-worker")

    @router.get(PAGE)
    async def courier() -> HTMLResponse:
        """The same for everybody: who the phone is, its own script knows."""
        headers = {
            "Content-Security-Policy": policy, "Permissions-Policy": _PERMISSIONS, "Courier-Shell": version,
        }  # fmt: skip
        return HTMLResponse(frame.render(), headers=headers)

    @router.get(f"{PAGE}/sw.js")
    async def service_worker() -> Response:
        """Never from a cache: it is what tells of a newer version."""
        headers = {"Cache-Control": "no-cache", "Service-Worker-Allowed": PAGE}
        return Response(script, media_type="text/javascript", headers=headers)

    for path, data in own.items():
        serve(router, path, data)
    return router


def serve(router: APIRouter, path: str, data: bytes) -> None:
    """One file, by its name's ending."""
    media = _MEDIA[path.rpartition(".")[2]]

    @router.get(path)
    async def file() -> Response:
        return Response(data, media_type=media, headers={"Cache-Control": "max-age=300"})
