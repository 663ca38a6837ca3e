"""What the store's refusals mean to us: down, sent on, or a mistake of ours."""

from typing import ClassVar, Final

from redis.exceptions import AskError, ResponseError

from spine.problems import Kind, Problem

_NOT_NOW: Final = (
    "LOADING",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
)


class StoreDown(Problem):
    """The store did not answer. ``may_have_happened``: a commit on its way may have been saved."""

    code: ClassVar[str] = "store.unavailable"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    may_have_happened: ClassVar[bool] = True
    try_again: ClassVar[bool] = True


class CommandRejected(Exception):
    """The server understood the command and said no: a mistake of ours, not of the network."""


def meaning(refused: Exception) -> Exception:
    """A refusal as ours: a redirection as it is, lost or "not now" as ``StoreDown``, the rest a mistake."""
    if isinstance(refused, AskError):  # MovedError too
        return refused
    if not isinstance(refused, ResponseError):
        return StoreDown(str(refused) if type(refused) is ConnectionError else type(refused).__name__)
    code = getattr(refused, "status_code", None) or str(refused).split(" ", 1)[0]
    if code in _NOT_NOW or any(f"{word} " in str(refused) for word in ("OOM", "MISCONF")):
        return StoreDown(str(code))
    return CommandRejected(str(refused))
