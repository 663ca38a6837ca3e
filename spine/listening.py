"""What listens to the store on a connection of its own: blocking reads of a stream, and a subscription."""

import asyncio
from collections.abc import Callable
from typing import Any

from redis.exceptions import AskError, RedisError

from spine.pipe import Pipe, pack
from spine.refused import StoreDown, meaning


class Listening:
    """Blocking reads of one stream, on a connection of their own."""

    def __init__(self, pipe: Pipe, stream: str, *, within: float) -> None:
        """``within``: seconds after which a server that stays silent counts as down."""
        self._pipe = pipe
        self._stream = stream
        self._within = within

    async def read(self, after: str, *, count: int, block_ms: int) -> list[tuple[str, list[str]]]:
        """Entries after a position as (position, flat fields); none where none came in time."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        words = ("XREAD", "COUNT", count, "BLOCK", block_ms, "STREAMS", self._stream, after)
        if self._pipe.lost.done():
            raise StoreDown(self._pipe.lost.result())
        self._pipe.post(pack(words), answer)
        try:
            async with asyncio.timeout(block_ms / 1000 + self._within):
                found = await answer
        except (RedisError, OSError) as refused:
            means = meaning(refused)
            raise (StoreDown("moved") if isinstance(means, AskError) else means) from refused
        return [] if not found else [(position, fields) for position, fields in found[0][1]]

    async def close(self) -> None:
        self._pipe.close()


class Hearing:
    """A subscription, on a connection of its own."""

    def __init__(self, pipe: Pipe, *, within: float) -> None:
        """``within``: seconds after which a server that stays silent counts as down."""
        self._pipe = pipe
        self._within = within

    async def begin(self, channel: str, heard: Callable[[str], object]) -> None:
        """Return once the server knows of it. Raises ``StoreDown``."""
        await self._answered(self._pipe.hear(channel, heard))

    async def lost(self) -> None:
        """Until it is lost: raises ``StoreDown``. One that falls silent is noticed."""
        try:
            while True:
                done, _ = await asyncio.wait([self._pipe.lost], timeout=self._within)
                if done:
                    raise StoreDown(self._pipe.lost.result())
                await self._answered(self._pipe.knock())
        finally:
            self._pipe.close()

    async def _answered(self, answer: asyncio.Future[Any]) -> None:
        try:
            async with asyncio.timeout(self._within):
                await answer
        except (RedisError, OSError) as refused:
            self._pipe.close()
            raise meaning(refused) from refused
