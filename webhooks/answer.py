"""What came of one post over HTTP, and why there may be no answer. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol


class NoAnswer(StrEnum):
    """Why there is no HTTP status."""

    BLOCKED = "blocked"
    NAME = "name_not_found"
    CONNECT = "connection_failed"
    TLS = "tls_failed"
    TIMEOUT = "timeout"
    CLOSED = "closed_without_answer"
    BROKEN = "broken_answer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one post. All times in milliseconds; those of steps that did not happen are None.

    ``ms``: the whole exchange. ``dns_ms`` and ``connect_ms`` (TCP and TLS): only where a connection was
    made for it. ``first_byte_ms``: from the request's last write to the answer's first byte. ``text``: the
    first bytes of the answer. ``delivery``: what the receiver asks with ``webhook-delivery``. ``reused``:
    it went over a connection that stood already. ``resent``: that one was stale, so it went out once more.
    """

    ms: int
    status: int | None = None
    retry_after: str | None = None
    text: bytes = field(default=b"", repr=False)
    none: NoAnswer | None = None
    delivery: str | None = None
    dns_ms: int | None = None
    connect_ms: int | None = None
    first_byte_ms: int | None = None
    reused: bool = False
    resent: bool = False

    @property
    def accepted(self) -> bool:
        """2xx only: a redirect is a failure and is never followed."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True)
class Heard:
    """What has arrived so far, kept when the rest does not come. Times are of ``time.monotonic``."""

    began: float
    status: int | None = None
    retry_after: str | None = None
    delivery: str | None = None
    text: bytearray = field(default_factory=bytearray)
    dns: float | None = None
    connect: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    reused: bool = False
    resent: bool = False

    def answer(self, now: float, none: NoAnswer | None = None) -> Answer:
        """The answer, at ``now``; ``none``: why there is none."""
        waited = None
        if self.sent is not None and self.first_byte is not None:
            waited = self.first_byte - self.sent
        return Answer(
            ms=round((now - self.began) * 1000),
            status=self.status,
            retry_after=self.retry_after,
            text=bytes(self.text),
            none=none,
            delivery=self.delivery,
            dns_ms=_ms(self.dns),
            connect_ms=_ms(self.connect),
            first_byte_ms=_ms(waited),
            reused=self.reused,
            resent=self.resent,
        )


class Closed(ConnectionError):
    """The far end closed the connection before the answer's head was whole."""


class BrokenAnswer(Exception):
    """What came is no HTTP answer, or its head is longer than we read."""


class Transport(Protocol):
    """One way to send a request. It raises what happens; ``heard`` keeps what had arrived by then."""

    async def exchange(self, url: str, headers: Mapping[str, str], body: bytes, heard: Heard) -> None: ...

    async def close(self) -> None: ...


AGENT: Final = "Trunkline-Webhooks/1"
"""The ``user-agent`` of what we send."""


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
