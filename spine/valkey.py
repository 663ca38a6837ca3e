"""The one door to the store: one pipelined connection per server, one more for each that listens."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Self, cast

from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, RedisError

from spine.listening import Hearing, Listening
from spine.pipe import Awaited, Pipe, Several, Word, pack
from spine.refused import CommandRejected, StoreDown, meaning

__all__ = ["CommandRejected", "Listening", "StoreDown", "Valkey", "Word", "called"]

Address = tuple[str, int]

_ONE: Final[Address] = ("", 0)
_ANSWER_WITHIN: Final = 10.0
"""Seconds after which a silent server counts as down."""
_HOPS: Final = 5


def called(function: str, keys: Sequence[str], args: Sequence[Word]) -> Sequence[Word]:
    """One of our server-side functions as a command."""
    return ("FCALL", function, len(keys), *keys, *args)


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
        return await self.at_once([(cast("str", command[1]), command) for command in commands])

    async def call_all(self, calls: Sequence[tuple[str, Sequence[str], Sequence[Word]]]) -> list[Any]:
        """Run several of our functions at once; each is atomic, all together are not."""
        return await self.at_once([(keys[0], called(name, keys, args)) for name, keys, args in calls])

    async def at_once(self, commands: Sequence[tuple[str, Sequence[Word]]]) -> list[Any]:
        """Send several commands, each with a key of the server that it goes to, in one write. No transaction."""
        if self.cluster:
            return list(await asyncio.gather(*(self._routed(key, command) for key, command in commands)))
        return await self._line(_ONE).ask_all([command for _, command in commands])

    async def call(self, function: str, keys: Sequence[str], args: Sequence[Word]) -> Any:  # noqa: ANN401
        """Run one of our server-side functions, atomically. All keys share one hash tag."""
        return await self._routed(keys[0], called(function, keys, args))

    async def everywhere(self, *command: Word) -> list[Any]:
        """Send a keyless command to every primary; the answers in a stable order."""
        if not self.cluster:
            return [await self._line(_ONE).ask(command)]
        await self._learn()
        primaries = sorted({address for _, _, address in self._slots})
        return [await self._line(address).ask(command) for address in primaries]

    async def listen(self, stream: str) -> Listening:
        """A connection of its own for blocking reads of one stream."""
        pipe = await _opened(self._connection(await self._home(stream)))
        return Listening(pipe, stream, within=_ANSWER_WITHIN)

    def say(self, channel: str, texts: Iterable[str]) -> None:
        """Publish at once, before what is asked next, and wait for nobody: whether it is heard is not known.

        A cluster's servers pass it on.
        """
        line = self._line(self._seed)
        for text in texts:
            said = line.post(("PUBLISH", channel, text))
            said.add_done_callback(lambda done: done.cancelled() or done.exception())
        line.flush()

    async def hear(self, channel: str, heard: Callable[[str], object]) -> Hearing:
        """A connection of its own that hears what is said. Raises ``StoreDown``."""
        pipe = await _opened(self._connection(self._seed))
        hearing = Hearing(pipe, within=_ANSWER_WITHIN)
        await hearing.begin(channel, heard)
        return hearing

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
    """A server and the connection to it, made anew when it is asked for after having been lost."""

    def __init__(self, connect: Callable[[], AbstractConnection]) -> None:
        self._connect = connect
        self._early: list[tuple[bytes, Awaited]] = []
        self._pipe: Pipe | None = None
        self._task: asyncio.Task[None] | None = None

    async def ask(self, command: Sequence[Word], *, asking: bool = False) -> Any:  # noqa: ANN401
        answer = self.post(command, asking=asking)
        try:
            return await answer
        except (RedisError, OSError) as refused:
            raise meaning(refused) from refused

    def flush(self) -> None:
        """Send what was posted."""
        if self._pipe is not None:
            self._pipe.flush()

    async def ask_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        if not commands:
            return []
        packed = [pack(command) for command in commands]
        self._serving()
        several = Several(len(packed), asyncio.get_running_loop().create_future())
        for each in packed:
            self._hand_over(each, several)
        self.flush()
        try:
            return await several.future
        except (RedisError, OSError) as refused:
            raise meaning(refused) from refused

    def post(self, command: Sequence[Word], *, asking: bool = False) -> asyncio.Future[Any]:
        """Hand a command over; the answer comes through the future, a refusal as redis-py has it."""
        return self._post(pack(command), asking=asking)

    def _post(self, packed: bytes, *, asking: bool = False) -> asyncio.Future[Any]:
        loop = self._serving()
        if asking:
            self._hand_over(pack(("ASKING",)), loop.create_future())
        future: asyncio.Future[Any] = loop.create_future()
        self._hand_over(packed, future)
        return future

    def _serving(self) -> asyncio.AbstractEventLoop:
        """See to it that a connection stands, or is on its way."""
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._serve(), name="valkey-line")
        return loop

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        self._fail_early("closed")  # a task that was cancelled before its first step did nothing at all

    def _hand_over(self, packed: bytes, future: Awaited) -> None:
        if self._pipe is None:
            self._early.append((packed, future))
        else:
            self._pipe.post(packed, future)

    def _fail_early(self, reason: str) -> None:
        early, self._early = self._early, []
        for _, future in early:
            if not future.done():
                future.set_exception(ConnectionError(reason))
                future.exception()  # nobody may be left to look

    async def _serve(self) -> None:
        """Live as long as the connection; when it is lost, everyone who waits is told so."""
        reason = "closed"
        try:
            self._pipe = await _opened(self._connect())
            early, self._early = self._early, []
            for packed, future in early:
                self._pipe.post(packed, future)
            reason = await _watched(self._pipe)
        except StoreDown as down:
            reason = down.detail
        finally:
            self._task = None
            pipe, self._pipe = self._pipe, None
            if pipe is not None:
                pipe.close(reason)
            self._fail_early(reason)


async def _opened(connection: AbstractConnection) -> Pipe:
    """Raises ``StoreDown``."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await Pipe.open(connection)
    except (RedisError, OSError) as lost:
        raise StoreDown(type(lost).__name__) from lost


async def _watched(pipe: Pipe) -> str:
    """Until it is lost, or stands still while somebody waits; why."""
    while True:
        answers, waiting = pipe.answers, pipe.waiting
        done, _ = await asyncio.wait([pipe.lost], timeout=_ANSWER_WITHIN)
        if done:
            return pipe.lost.result()
        if waiting and pipe.waiting and answers == pipe.answers:
            return "Silent"
