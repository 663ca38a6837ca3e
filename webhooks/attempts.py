"""The rows of attempts: what was tried and what came of it. Pure."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from webhooks.health import Seen

_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_TIMES: Final = ("dns_ms", "connect_ms", "first_byte_ms")
_NO_TIMES: Final = (None, None, None)


class Attempt(BaseModel):
    """One row: what was tried and what came of it. ``n`` counts from 1; a drop has the last try's.

    ``outcome``: ``accepted``, ``failed``, ``interrupted`` (the sender never came back: it may have arrived),
    ``late`` (it came back after its message had been given to another: counted for nothing), ``dropped``.
    ``answer``: the first bytes of the answer, made printable. ``warning``: ``body_large`` above the size advised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    at: AwareDatetime
    outcome: Literal["accepted", "failed", "interrupted", "late", "dropped"]
    reason: str = ""
    status: int | None = None
    ms: int = 0
    dns_ms: int | None = None
    connect_ms: int | None = None
    first_byte_ms: int | None = None
    answer: str = ""
    warning: str = ""


def read_row(text: str) -> Attempt:
    """A row as it stands in the store: JSON, its time in unix ms."""
    found: dict[str, Any] = json.loads(text)
    found["at"] = datetime.fromtimestamp(found["at"] / 1000, UTC)
    return Attempt.model_validate(found)


def drop_row(n: int, at_ms: int, reason: str) -> str:
    """The row of what is dropped: no more tries."""
    return _JSON.encode({"n": n, "at": at_ms, "outcome": "dropped", "reason": reason})


class Outcome(StrEnum):
    """What a try came to."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    HOPELESS = "hopeless"


@dataclass(slots=True)
class Result:
    """The end of one try. ``not_before``: until when the far end asked to be left alone.

    ``seen``: what it says of its address; None where nothing was sent. ``times``: to find the name, to connect, to
    the first byte, in ms where known.
    """

    outcome: Outcome
    reason: str = ""
    status: int | None = None
    ms: int = 0
    answer: bytes = field(default=b"", repr=False)
    not_before: datetime | None = None
    seen: Seen | None = None
    times: tuple[int | None, int | None, int | None] = _NO_TIMES
    warning: str = ""

    def row(self, n: int, at_ms: int, most: int) -> str:
        """Its row as it stands in the store; at most ``most`` bytes of the answer, made printable."""
        if self.outcome is Outcome.ACCEPTED and not self.answer and not self.warning:
            # Nearly always, so it is written out: numbers only.
            status = "" if self.status is None else f',"status":{self.status}'
            dns, connect, first = self.times
            times = "" if first is None else f',"first_byte_ms":{first}'
            if dns is not None or connect is not None:
                times = "".join(
                    [f',"{name}":{ms}' for name, ms in zip(_TIMES, self.times, strict=True) if ms is not None]
                )
            return f'{{"n":{n},"at":{at_ms},"outcome":"accepted"{status},"ms":{self.ms}{times}}}'
        found: dict[str, Any] = {
            "n": n,
            "at": at_ms,
            "outcome": "accepted" if self.outcome is Outcome.ACCEPTED else "failed",
        }
        if self.reason:
            found["reason"] = self.reason
        if self.status is not None:
            found["status"] = self.status
        found["ms"] = self.ms
        if self.times != _NO_TIMES:
            measured = zip(_TIMES, self.times, strict=True)
            found |= {name: value for name, value in measured if value is not None}
        if self.answer:
            text = self.answer[:most].decode("utf-8", "replace")
            found["answer"] = "".join(each if each.isprintable() else " " for each in text)
        if self.warning:
            found["warning"] = self.warning
        return _JSON.encode(found)
