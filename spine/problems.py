"""The one base of every error a caller may act on."""

from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What sort of answer a caller gets; each edge (HTTP, CLI) maps these once."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"


class Problem(Exception):
    """An expected refusal. ``code`` is public and never renamed; the message is for a person.

    ``may_have_happened``: the asked-for effect may have taken place all the same.
    ``try_again``: the same request may succeed later, unchanged. ``retry_after``: seconds, where known.
    """

    code: ClassVar[str]
    kind: ClassVar[Kind]
    may_have_happened: ClassVar[bool] = False
    try_again: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
