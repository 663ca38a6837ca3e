"""The local link over TCP: several phones side by side; a slow or broken one is let go and blocks nobody."""

import asyncio
import logging

from keys.car import local
from keys.car.frames import BrokenStream, Frames
from keys.car.verify import Refusal
from vehicle_unit.local import Conversation, Local

_log = logging.getLogger("trunkline.vehicle_unit")

_PIECE = 4_096


class LocalServer:
    """Listens for phones at one address; ``port`` is known once ``ready`` is set."""

    def __init__(self, phones: Local, host: str, port: int) -> None:
        self._local = phones
        self._limits = phones.limits
        self._host = host
        self.port = port
        self.ready = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. An address that is not free is tried again: the car works without."""
        server = await self._bound()
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        _log.info("local.listening", extra={"host": self._host, "port": self.port})
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _bound(self) -> asyncio.Server:
        while True:
            try:
                return await asyncio.start_server(self._connected, self._host, self.port, limit=_PIECE)
            except OSError as cause:
                _log.error("local.not_listening", extra={"host": self._host, "why": cause.strerror})
                await asyncio.sleep(self._limits.bind_again.total_seconds())

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="local-phone")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # an answer is taken, or the phone is let go
        address = writer.get_extra_info("peername")
        conversation = self._local.begin(str(address[0]) if address else "")
        try:
            if conversation is None:
                await self._say(writer, local.no(Refusal.BUSY))
            else:
                await self._converse(conversation, reader, writer)
        except (OSError, TimeoutError, BrokenStream) as cause:
            _log.info("local.dropped", extra={"why": type(cause).__name__})
            writer.transport.abort()
        finally:
            if conversation is not None:
                self._local.end(conversation)
            writer.close()

    async def _converse(
        self, conversation: Conversation, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Frame by frame. Raises ``TimeoutError`` where the phone takes too long, ``BrokenStream``, ``OSError``."""
        loop, frames = asyncio.get_running_loop(), Frames()
        began = loop.time()
        complete_by: float | None = None
        while True:
            life = self._limits.longest if conversation.proven else self._limits.unproven
            until = min(began + life.total_seconds(), loop.time() + self._limits.silent.total_seconds())
            async with asyncio.timeout_at(until if complete_by is None else min(until, complete_by)):
                piece = await reader.read(_PIECE)
            if not piece:
                return
            for frame in frames.feed(piece):
                complete_by = None
                await self._say(writer, await conversation.answer(frame))
            if not frames.begun:
                complete_by = None
            elif complete_by is None:
                complete_by = loop.time() + self._limits.frame_within.total_seconds()

    async def _say(self, writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(answer)
        async with asyncio.timeout(self._limits.write_within.total_seconds()):
            await writer.drain()
