"""Frames of pages, rendered once for each language and kind of reader; what differs is put in at each request."""

import re
from collections.abc import Mapping
from typing import Final

from jinja2 import Environment, Template
from starlette.requests import Request
from starlette.responses import Response

from trunkline import languages
from trunkline.frame import around, seen_from
from trunkline.pieces import Pieces

_SUBJECT: Final = "subject-0f1e2d3c4b5a"
_CARRIED: Final = "carried-0f1e2d3c4b5a"
"""Stand in the kept text where a request's own words go."""
_ID: Final = re.compile(r"[a-z0-9_]{1,40}")
"""What is the same in a path, in an attribute and in text."""
_SCRIPTED: Final = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


class Frames:
    """Makes ``Frame``s of templates (``delivery.ports.Frames``)."""

    def __init__(self, templates: Environment) -> None:
        self._templates = templates

    def frame(self, name: str, **values: str) -> "Frame":
        """Of a template: ``values`` are the same at each request. It is asked for ``subject`` and ``carried``, too."""
        return Frame(self._templates.get_template(name), values)


class Frame:
    """One page's frame. Its template knows nothing of a request but what ``frame.around`` and the language say."""

    def __init__(self, template: Template, values: Mapping[str, str]) -> None:
        self._template = template
        self._values = values
        self._kept: dict[tuple[str, str, bool], Pieces] = {}

    def answer(self, request: Request, *, subject: str = "", carried: bytes = b"") -> Response:
        """The page. ``subject``: the id in its path; ``carried``: JSON that its script draws from, empty for none.

        The JSON is for a data block (``<script type="application/json">``): it is no script, so the policy lets it be,
        and whatever stands in it, the block ends where the template ends it. Raises ``ValueError`` for a subject that
        is no plain id.
        """
        if subject and not _ID.fullmatch(subject):
            raise ValueError("a subject is a plain id")
        filled = {_SUBJECT: subject.encode(), _CARRIED: in_a_script(carried)}
        pieces, headers = self._pieces(subject), {"Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(pieces.gzip(filled), media_type="text/html", headers=headers)
        return Response(pieces.plain(filled), media_type="text/html", headers=headers)

    def _pieces(self, subject: str) -> Pieces:
        here = around()
        path = here.path.replace(subject, _SUBJECT, 1) if subject else here.path
        key = (languages.language(), path, here.signed_in)
        if key not in self._kept:
            with seen_from(path, signed_in=here.signed_in):
                text = self._template.render(**self._values, subject=_SUBJECT, carried=_CARRIED)
            self._kept[key] = Pieces(text, (_SUBJECT, _CARRIED))
        return self._kept[key]


def in_a_script(json: bytes) -> bytes:
    """JSON as it may stand in a script element: the same value, without a character that means something to HTML."""
    for sign, spelled in _SCRIPTED.items():
        json = json.replace(sign.encode(), spelled.encode())
    return json
