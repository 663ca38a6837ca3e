"""Requests kept in a file, judged as the door for decisions would: for `trunkline webhooks verify`. Pure."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from spine.problems import Kind, Problem
from webhooks.signature import ID, SIGNATURE, TIMESTAMP, Checker, SignatureRefused, verify

_NAMES: Final = frozenset({ID.encode(), TIMESTAMP.encode(), SIGNATURE.encode()})

Headers = list[tuple[bytes, bytes]]


class FileMalformed(Problem):
    """The file is not JSON, or neither a request nor a list of requests."""

    code: ClassVar[str] = "document.not_requests"
    # Of a kind that says "it could not be tried": no request was refused.
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class _Object:
    """A JSON object with its members in order, repeated ones too: a header that stands twice must be seen."""

    def __init__(self, members: list[tuple[str, object]]) -> None:
        self.members = members

    def the_one(self, name: str) -> object:
        """The value of a member that stands there exactly once, else None."""
        found = [value for key, value in self.members if key == name]
        return found[0] if len(found) == 1 else None


class _Number:
    """A number, of which it is enough to know that it is no text: it may have a million digits."""

    def __init__(self, _text: str) -> None: ...


def requests_in(raw: bytes) -> Sequence[object]:
    """What the file holds, as it is: one object, or each item of a list. Raises ``FileMalformed``."""
    try:
        document = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_Object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except (ValueError, RecursionError) as broken:
        raise FileMalformed("this is not JSON in UTF-8") from broken
    if isinstance(document, _Object):
        return [document]
    if isinstance(document, list):
        return document
    raise FileMalformed("this is neither a request nor a list of requests")


def refusal(
    request: object, checkers: Sequence[Checker], *, now: datetime, body_most: int, tolerance: timedelta
) -> str | None:
    """Why the request is refused: a word; None where it is accepted. Never raises, whatever ``request`` is.

    Each request is judged by itself: that one id came with two bodies (409 at the door) is not looked for.
    """
    if not isinstance(request, _Object):
        return "form"
    headers, payload = request.the_one("headers"), request.the_one("payload")
    if not isinstance(payload, str) or not isinstance(headers, _Object):
        return "form"
    try:
        body = payload.encode("utf-8")
        received = list(_received(headers))
    except (TypeError, ValueError):  # what is no text is no header, and half a surrogate pair is no text
        return "form"
    if len(body) > body_most:
        return "too_large"
    try:
        verify(checkers, received, body, now=now, tolerance=tolerance)
    except SignatureRefused as refused:
        return refused.why.value
    return None


def _received(headers: _Object) -> Iterator[tuple[bytes, bytes]]:
    """Our three headers as they would stand in a request; a list is a header that stands several times."""
    for name, value in headers.members:
        raw = name.encode("utf-8", "surrogatepass")
        if raw.lower() not in _NAMES:
            continue
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str):
                raise TypeError("a header is text")
            yield raw, one.encode("utf-8")
