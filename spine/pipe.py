"""One open connection to a server: what is asked in one turn of the loop leaves in one write, answers in order.

redis-py opens it (TLS, password, database, CLIENT words). From then on its streams are out of the way: a reader, a
lock, a time-out and two wake-ups for each answer took most of the time of a question to the store.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, Self, cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import DataError, InvalidResponse, RedisError

Word = str | int | float | bytes

_PACK: Final[Any] = hiredis.pack_command  # its stub knows tuples of one
_NOTHING: Final = object()


def pack(command: Sequence[Word]) -> bytes:
    """A command as it is sent. Raises ``DataError`` for what cannot be: to who asks, before anybody waits.

    In C, and straight: redis-py's packer took a third of the gateway's time, its wrapper of this one a third of ours.
    """
    try:
        return cast("bytes", _PACK(tuple(command)))
    except TypeError as cannot:
        raise DataError(str(cannot)) from cannot


class Awaited(Protocol):
    """Whoever waits for one answer: a future, or one of several."""

    def done(self) -> bool: ...

    def set_result(self, answer: Any, /) -> None: ...  # noqa: ANN401 - whatever the server answers

    def set_exception(self, refused: BaseException, /) -> None: ...

    def exception(self) -> BaseException | None: ...


class Several:
    """Stands for each of several answers; its future is done once, with all of them, or with the first refusal."""

    __slots__ = ("_answers", "_left", "_refused", "future")

    def __init__(self, count: int, future: asyncio.Future[list[Any]]) -> None:
        self.future = future
        self._left = count
        self._answers: list[Any] = []
        self._refused: BaseException | None = None

    def done(self) -> bool:
        return self.future.done()

    def set_result(self, answer: object, /) -> None:
        self._answers.append(answer)
        self._count()

    def set_exception(self, refused: BaseException, /) -> None:
        self._refused = self._refused or refused
        self._count()

    def exception(self) -> BaseException | None:
        return self.future.exception() if self.future.done() else None

    def _count(self) -> None:
        self._left -= 1
        if self._left:
            return
        if self._refused is not None:
            self.future.set_exception(self._refused)
        else:
            self.future.set_result(self._answers)


class Pipe(asyncio.Protocol):
    """Answers are str, int, list or None; a refusal is a ``RedisError`` as the future's exception.

    ``lost`` gives the reason when the connection is gone; then every answer still awaited fails with
    ``ConnectionError``.
    """

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - what of it we need is not public
        self._loop = asyncio.get_running_loop()
        self._connection = connection  # kept: the stream of an open socket must not be collected
        self._transport = cast("asyncio.Transport", connection._writer.transport)  # noqa: SLF001
        self._reader = hiredis.Reader(
            protocolError=InvalidResponse,
            replyError=connection._parser.parse_error,  # noqa: SLF001
            encoding="utf-8",
            notEnoughData=_NOTHING,
        )
        self._outbox: list[bytes] = []
        self._waiting: deque[Awaited] = deque()
        self._held = False
        self._flushing = False
        self._heard: Callable[[str], object] | None = None
        self.answers = 0
        """How many have come: whether it stands still while somebody waits."""
        self.lost: asyncio.Future[str] = self._loop.create_future()

    @classmethod
    async def open(cls, connection: AbstractConnection) -> Self:
        """Connect and take the socket over. Raises ``RedisError`` or ``OSError``."""
        await connection.connect()  # type: ignore[no-untyped-call]
        pipe = cls(connection)
        pipe._transport.set_protocol(pipe)  # asyncio's own way of taking a socket over
        if pipe._transport.is_closing():
            pipe.close()
            raise ConnectionResetError("closed by the server")
        return pipe

    @property
    def waiting(self) -> int:
        """How many answers are awaited."""
        return len(self._waiting)

    def post(self, command: bytes, future: Awaited) -> None:
        """Send a packed command in this turn of the loop; its answer comes through ``future``."""
        self._outbox.append(command)
        self._waiting.append(future)
        if not self._flushing and not self._held:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def flush(self) -> None:
        """Send what was posted at once: a turn of a busy loop takes milliseconds."""
        if not self._held:
            self._flush()

    def close(self, reason: str = "closed") -> None:
        """Drop the connection. Safe to call again."""
        self._transport.abort()
        self._lose(reason)

    # ---- asyncio's side

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOTHING:
                self._deliver(answer)
        except (RedisError, UnicodeDecodeError) as broken:
            self.close(type(broken).__name__)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(type(exc).__name__ if exc else "ConnectionClosed")

    def pause_writing(self) -> None:
        self._held = True

    def resume_writing(self) -> None:
        self._held = False
        self._flush()

    def _flush(self) -> None:
        self._flushing = False
        if self._outbox and not self._held and not self.lost.done():
            outbox, self._outbox = self._outbox, []
            self._transport.write(b"".join(outbox))

    def hear(self, channel: str, heard: Callable[[str], object]) -> asyncio.Future[Any]:
        """Subscribe; each message's text goes to ``heard``. From then on only ``knock`` may be asked."""
        self._heard = heard
        return self._asked(("SUBSCRIBE", channel))

    def knock(self) -> asyncio.Future[Any]:
        """Whether somebody is there."""
        return self._asked(("PING",))

    def _asked(self, command: Sequence[Word]) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.post(pack(command), answer)
        return answer

    def _deliver(self, answer: object) -> None:
        if self._heard is not None and isinstance(answer, list) and answer[0] == "message":
            self._heard(answer[2])
            return
        if not self._waiting:
            raise InvalidResponse("an answer to nothing")
        self.answers += 1
        future = self._waiting.popleft()
        if future.done():
            return  # whoever asked has gone
        if isinstance(answer, RedisError):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    def _lose(self, reason: str) -> None:
        waiting, self._waiting, self._outbox = self._waiting, deque(), []
        self._connection._reader = self._connection._writer = None  # noqa: SLF001 - closed, as it would by itself
        if not self.lost.done():
            self.lost.set_result(reason)
        for future in waiting:
            if not future.done():
                future.set_exception(ConnectionError(reason))
                future.exception()  # nobody may be left to look
