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


@dataclass(slots=True)  # one for each post: a frozen one takes three times as long to make
class Answer:
    """What came of one post. All times in milliseconds; those of steps that did not happen are None.

    ``ms``: the whole exchange. ``dns_ms`` and ``connect_ms`` (TCP and TLS): only where a connection was
    made for it. ``first_byte_ms``: from the request's last write to the answer's first byte. ``text``: the
    first bytes of the answer. ``control``: what the receiver asks with ``webhook-delivery``. ``reused``:
    it went over a connection that stood already. ``resent``: that one was stale, so it went out once more.
    """

    ms: int
    status: int | None = None
    retry_after: str | None = None
    text: bytes = field(default=b"", repr=False)
    none: NoAnswer | None = None
    control: str | None = None
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
    control: str | None = None
    text: bytearray = field(default_factory=bytearray)
    dns: float | None = None
    connect: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    reused: bool = False
    resent: bool = False

    def answer(self, now: float, none: NoAnswer | None = None) -> Answer:
        """The answer, at ``now``; ``none``: why there is none."""
        waited: int | None = None
        if self.sent is not None and self.first_byte is not None:
            waited = round((self.first_byte - self.sent) * 1000)
        return Answer(
            round((now - self.began) * 1000),
            self.status,
            self.retry_after,
            bytes(self.text),
            none,
            self.control,
            None if self.dns is None else round(self.dns * 1000),
            None if self.connect is None else round(self.connect * 1000),
            waited,
            self.reused,
            self.resent,
        )


class Closed(ConnectionError):
    """The far end closed the connection before the answer's head was whole."""


class BrokenAnswer(Exception):
    """What came is no HTTP answer, or its head is longer than we read."""


class Transport(Protocol):
    """One way to send a request. It raises what happens; ``heard`` keeps what had arrived by then.

    ``within``: seconds for all of it, from ``heard.began``; raises ``TimeoutError`` after them.
    """

    async def exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, heard: Heard, within: float
    ) -> None: ...

    async def close(self) -> None: ...


AGENT: Final = "Trunkline-Webhooks/1"
"""The ``user-agent`` of what we send."""
