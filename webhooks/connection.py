"""One HTTP/1.1 connection to a receiver: writes a request, reads the head and the first bytes of its answer.

It reads no more than it keeps, follows nothing, unpacks nothing, and takes no answer that nobody asked for.
The grammar is llhttp's, through httptools, in its strict mode.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

import httptools

from webhooks.answer import BrokenAnswer, Closed, Heard
from webhooks.limits import WebhooksLimits

_RETRY_AFTER: Final = b"retry-after"
_DELIVERY: Final = b"webhook-delivery"


class Outbox:
    """Requests of one turn of the loop leave one after the other, when all are made.

    Each write wakes a receiver; one that is awake already costs us a third of the write less.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._requests: list[tuple[asyncio.Transport, bytes]] = []

    def put(self, transport: asyncio.Transport, request: bytes) -> None:
        """Send it in this turn of the loop, unless its connection ends before."""
        if not self._requests:
            self._loop.call_soon(self._flush)
        self._requests.append((transport, request))

    def _flush(self) -> None:
        requests, self._requests = self._requests, []
        for transport, request in requests:
            if not transport.is_closing():
                transport.write(request)


class Connection(asyncio.Protocol):
    """Answers one request at a time. ``origin``: what it is connected to, such as ``https://shop.example:443``."""

    def __init__(
        self, origin: str, limits: WebhooksLimits, outbox: Outbox, lost: Callable[["Connection"], None]
    ) -> None:
        """``lost``: told once when the connection has ended."""
        self.origin = origin
        self._outbox = outbox
        self.idle_since = 0.0
        self._limits = limits
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._heard: Heard | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._enough: asyncio.TimerHandle | None = None
        self._head_read = 0
        self._interim = False
        self._open = False

    @property
    def usable(self) -> bool:
        """Whether another request may go over it."""
        return self._open and self._waiting is None

    def ask(self, request: bytes, heard: Heard) -> asyncio.Future[None]:
        """Send; the future is done when ``heard`` has the answer. It raises ``Closed`` or ``BrokenAnswer``."""
        waiting = self._loop.create_future()
        if not self._open or self._transport is None:
            waiting.set_exception(Closed("the connection has ended"))
            return waiting
        self._waiting, self._heard, self._head_read = waiting, heard, 0
        heard.sent = time.monotonic()
        self._outbox.put(self._transport, request)
        return waiting

    def late(self) -> None:
        """Its time is up: a status that has come is the answer, else there is none."""
        self._finish(keep=False, none=TimeoutError())

    def end(self) -> None:
        """Close it at once; what is on the way is dropped."""
        self._open = False
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio.Protocol ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected and, where there is TLS, the far end is who it shall be."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self._open = True

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; any that nobody waits for end the connection, or they would be the next answer."""
        heard = self._heard
        if self._waiting is None or heard is None:
            self.end()
            return
        if heard.first_byte is None:
            heard.first_byte = time.monotonic()
        if heard.status is None:
            self._head_read += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._finish(keep=False)
            return
        if self.usable or not self._open:
            return
        if heard.status is None:
            if self._head_read > self._limits.answer_head:
                self._finish(keep=False)
        elif self._enough is None:
            # The status is there and counts; a body that hangs shall not hold a place on the wire for long.
            self._enough = self._loop.call_later(self._limits.answer_wait.total_seconds(), self._finish)

    def eof_received(self) -> bool:
        """The far end says no more: a body without a length is whole, anything else is what it is."""
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 asyncio calls it so
        """The end, whoever wanted it; a status that had arrived is still the answer."""
        self._open = False
        self._finish(keep=False, none=Closed("closed before the answer"))
        self._lost(self)

    # -- httptools -------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Another answer in the same bytes, which nobody asked for."""
        if self._waiting is None:
            self._open = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of all headers two are kept."""
        size = len(name)
        if self._heard is None or (size != len(_RETRY_AFTER) and size != len(_DELIVERY)):
            return
        name = name.lower()
        if name == _RETRY_AFTER:
            self._heard.retry_after = value.decode("latin-1")
        elif name == _DELIVERY:
            self._heard.control = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is whole. One of 1xx is not the answer yet."""
        if self._heard is None or self._waiting is None:
            return
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            self._heard.retry_after = self._heard.control = None
        else:
            self._heard.status = status

    def on_body(self, body: bytes) -> None:
        """The first bytes are kept; a longer answer stays unread, and its connection is not used again."""
        if self._heard is None or self._waiting is None:
            return
        room = self._limits.answer_read - len(self._heard.text)
        self._heard.text += body[:room]
        if len(body) > room:
            self._finish(keep=False)

    def on_message_complete(self) -> None:
        """The whole answer is here."""
        if not self._interim and self._waiting is not None:
            self._finish(keep=self._parser.should_keep_alive())

    # --------------------------------------------------------------------------------------------

    def _finish(self, *, keep: bool = False, none: Exception | None = None) -> None:
        """The exchange is over: with a status where one came, else ``none``. Not ``keep``: the connection ends too."""
        waiting, heard = self._waiting, self._heard
        self._waiting = self._heard = None
        if self._enough is not None:
            self._enough.cancel()
            self._enough = None
        if not keep:
            self.end()
        if waiting is not None and heard is not None and not waiting.done():
            if heard.status is None:
                waiting.set_exception(none or BrokenAnswer("no HTTP, or too much of it"))
            else:
                waiting.set_result(None)
