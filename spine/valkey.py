"""The only file that knows redis-py: commands of many tasks on one pipelined connection per server."""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Self, cast

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.connection import HiredisRespSerializer
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, RedisError, ResponseError

from spine.problems import Kind, Problem

log = logging.getLogger("trunkline.spine")

Word = str | int | float | bytes
Address = tuple[str, int]

_ONE: Final[Address] = ("", 0)
_ANSWER_WITHIN: Final = 10.0
"""Seconds after which a silent server counts as down."""
_HOPS: Final = 5
_PACKER: Final[Any] = HiredisRespSerializer()
"""In C: the asyncio connection's own packer took a third of the gateway's time."""
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


class Valkey:
    """One server or one cluster. Answers come raw (RESP2: str, int, list, None), decoded as UTF-8."""

    def __init__(self, settings: dict[str, Any], *, cluster: bool, prefix: str) -> None:
        self.prefix = prefix
        self.cluster = cluster
        self._settings = settings
        self._lines: dict[Address, _Line] = {}
        self._seed: Address = (
            (settings.get("host", "localhost"), settings.get("port", 6379)) if cluster else _ONE
        )
        self._slots: list[tuple[int, int, Address]] = []

    @classmethod
    def at(cls, url: str, *, cluster: bool = False, prefix: str = "tl") -> Self:
        """``url``: ``redis://``, ``rediss://`` or ``unix://``; of a cluster, any server's. Opens nothing."""
        return cls(dict(parse_url(url)), cluster=cluster, prefix=prefix)

    def __repr__(self) -> str:
        return f"Valkey(cluster={self.cluster}, prefix={self.prefix!r})"  # a url may hold a password

    async def ask(self, *command: Word) -> Any:  # noqa: ANN401 - whatever the server answers
        """Send one command whose second word is its key (``FCALL``: use ``call``). Raises ``StoreDown``."""
        return await self._routed(cast("str", command[1]), command)

    async def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Send several commands at once; each is routed by its second word. No transaction."""
        if self.cluster:
            return list(await asyncio.gather(*(self.ask(*command) for command in commands)))
        line = self._line(_ONE)
        return list(await asyncio.gather(*[line.post(command) for command in commands]))

    async def call_all(self, calls: Sequence[tuple[str, Sequence[str], Sequence[Word]]]) -> list[Any]:
        """Run several of our functions at once; each is atomic, all together are not."""
        commands = [("FCALL", name, len(keys), *keys, *args) for name, keys, args in calls]
        if self.cluster:
            routed = (
                self._routed(keys[0], command) for (_, keys, _), command in zip(calls, commands, strict=True)
            )
            return list(await asyncio.gather(*routed))
        line = self._line(_ONE)
        return list(await asyncio.gather(*[line.post(command) for command in commands]))

    async def call(self, function: str, keys: Sequence[str], args: Sequence[Word]) -> Any:  # noqa: ANN401
        """Run one of our server-side functions, atomically. All keys share one hash tag."""
        return await self._routed(keys[0], ("FCALL", function, len(keys), *keys, *args))

    async def everywhere(self, *command: Word) -> list[Any]:
        """Send a keyless command to every primary; the answers in a stable order."""
        if not self.cluster:
            return [await self._line(_ONE).ask(command)]
        await self._learn()
        primaries = sorted({address for _, _, address in self._slots})
        return [await self._line(address).ask(command) for address in primaries]

    async def listen(self, stream: str) -> "Listening":
        """A connection of its own for blocking reads of one stream."""
        address = await self._home(stream)
        connection = self._connection(address)
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                await connection.connect()  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as lost:
            raise StoreDown(type(lost).__name__) from lost
        return Listening(connection, stream)

    async def close(self) -> None:
        lines, self._lines = self._lines, {}
        for line in lines.values():
            await line.close()

    async def _routed(self, key: str, command: Sequence[Word]) -> Any:  # noqa: ANN401
        if not self.cluster:
            return await self._line(_ONE).ask(command)
        address = await self._home(key)
        asking = False
        for _ in range(_HOPS):
            try:
                return await self._line(address).ask(command, asking=asking)
            except MovedError as moved:
                address, asking = (moved.host or address[0], moved.port), False
                self._slots = []
            except AskError as there:
                address, asking = (there.host or address[0], there.port), True
            except StoreDown:
                self._slots = []  # it may have failed over: learn the map anew next time
                raise
        raise StoreDown("the cluster keeps sending us on")

    async def _home(self, key: str) -> Address:
        if not self.cluster:
            return _ONE
        if not self._slots:
            await self._learn()
        slot = key_slot(key.encode())
        for first, last, address in self._slots:
            if first <= slot <= last:
                return address
        self._slots = []
        raise StoreDown("no server has this key's slot")

    async def _learn(self) -> None:
        for seed in dict.fromkeys([*self._lines, self._seed]):
            try:
                rows = await self._line(seed).ask(("CLUSTER", "SLOTS"))
            except StoreDown:
                continue
            self._slots = [(row[0], row[1], (row[2][0] or seed[0], row[2][1])) for row in rows]
            return
        raise StoreDown("no server of the cluster answers")

    def _line(self, address: Address) -> "_Line":
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = _Line(lambda: self._connection(address))
        return line

    def _connection(self, address: Address) -> AbstractConnection:
        settings = dict(self._settings)
        kind = settings.pop("connection_class", Connection)
        if address is not _ONE:
            settings["host"], settings["port"] = address
        connection = kind(
            **settings, protocol=2, decode_responses=True, socket_timeout=None, socket_connect_timeout=5
        )
        return cast("AbstractConnection", connection)


class _Line:
    """One connection: what tasks ask for in one turn of the loop leaves in one write; answers in order."""

    def __init__(self, connect: Any) -> None:  # noqa: ANN401 - a factory of connections
        self._connect = connect
        self._outbox: list[Sequence[Word]] = []
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._answers = 0

    async def ask(self, command: Sequence[Word], *, asking: bool = False) -> Any:  # noqa: ANN401
        return await self.post(command, asking=asking)

    def post(self, command: Sequence[Word], *, asking: bool = False) -> asyncio.Future[Any]:
        """Hand a command over; the answer comes through the future."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._serve(), name="valkey-line")
        if asking:
            self._outbox.append(("ASKING",))
            self._waiting.append(loop.create_future())
        future: asyncio.Future[Any] = loop.create_future()
        self._outbox.append(command)
        self._waiting.append(future)
        self._wake.set()
        return future

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._lose("closed")

    async def _serve(self) -> None:
        """Live as long as the connection; when it is lost, everyone who waits is told so."""
        connection = cast("AbstractConnection", self._connect())
        reason = "lost"
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                await connection.connect()  # type: ignore[no-untyped-call]
            async with asyncio.TaskGroup() as both:
                both.create_task(self._read(connection))
                both.create_task(self._watch())
                await self._write(connection)
        except* (RedisError, OSError, RuntimeError, _Silent) as lost:  # uvloop: RuntimeError where closed
            reason = "; ".join(sorted({type(each).__name__ for each in _leaves(lost)}))
        finally:
            self._task = None
            self._lose(reason)
            with contextlib.suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._outbox = self._outbox, []
            if batch:
                packed = b"".join(part for command in batch for part in _PACKER.pack(*command))
                await connection.send_packed_command([packed], check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            answer: Any
            try:
                answer = await connection.read_response(timeout=math.inf)
            except ResponseError as refused:
                answer = refused
            self._answers += 1
            future = self._waiting.popleft()
            if future.done():
                continue  # whoever asked has gone
            if isinstance(answer, ResponseError):
                future.set_exception(_meaning(answer))
            else:
                future.set_result(answer)

    async def _watch(self) -> None:
        while True:
            answers, waiting = self._answers, len(self._waiting)
            await asyncio.sleep(_ANSWER_WITHIN)
            if waiting and self._waiting and answers == self._answers:
                raise _Silent

    def _lose(self, reason: str) -> None:
        waiting, self._waiting, self._outbox = self._waiting, deque(), []
        self._wake.clear()
        for future in waiting:
            if not future.done():
                future.set_exception(StoreDown(reason))
                future.exception()  # nobody may be left to look


class _Silent(Exception):
    """The server is connected and does not answer."""


class Listening:
    """Blocking reads of one stream, on a connection of their own."""

    def __init__(self, connection: AbstractConnection, stream: str) -> None:
        self._connection = connection
        self._stream = stream

    async def read(self, after: str, *, count: int, block_ms: int) -> list[tuple[str, list[str]]]:
        """Entries after a position as (position, flat fields); none where none came in time."""
        words = ("XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", self._stream, after)
        try:
            await self._connection.send_command(*words, check_health=False)
            answer = await self._connection.read_response(timeout=block_ms / 1000 + _ANSWER_WITHIN)
        except ResponseError as refused:
            meaning = _meaning(refused)
            raise (StoreDown("moved") if isinstance(meaning, AskError) else meaning) from refused
        except (RedisError, OSError) as lost:
            raise StoreDown(type(lost).__name__) from lost
        return [] if not answer else [(position, fields) for position, fields in answer[0][1]]

    async def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._connection.disconnect(nowait=True)


def _meaning(refused: ResponseError) -> Exception:
    """A refusal as ours: a redirection as it is, "not now" as ``StoreDown``, the rest a mistake."""
    if isinstance(refused, AskError):  # MovedError too
        return refused
    code = getattr(refused, "status_code", None) or str(refused).split(" ", 1)[0]
    if code in _NOT_NOW or any(f"{word} " in str(refused) for word in ("OOM", "MISCONF")):
        return StoreDown(str(code))
    return CommandRejected(str(refused))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for each in group.exceptions:
        found.extend(_leaves(each) if isinstance(each, BaseExceptionGroup) else [each])
    return found
