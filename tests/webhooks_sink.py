"""A receiver for many webhooks: it counts each id, can be slow, hang and be restarted on its port."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trunkline.ports import free_port

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class CountingSink:
    """Answers 204 to whatever is posted. ``times``: how often each ``webhook-id`` came."""

    def __init__(self, slow_ms: float, hang: asyncio.Event | None) -> None:
        self.times: Counter[str] = Counter()
        self.hanging = 0
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._slow = slow_ms / 1000
        self._hang = hang
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.Transport] = set()

    @classmethod
    @asynccontextmanager
    async def listening(
        cls, *, slow_ms: float = 0, hang: asyncio.Event | None = None
    ) -> AsyncIterator["CountingSink"]:
        sink = cls(slow_ms, hang)
        await sink.start()
        try:
            yield sink
        finally:
            await sink.stop()

    @property
    def unique(self) -> int:
        return len(self.times)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Line(self), "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            line.abort()
        if self._server is not None:
            await self._server.wait_closed()

    async def restart(self) -> None:
        """Gone with all its connections, and there again."""
        await self.stop()
        await self.start()

    def taken(self, message: str, line: "_Line") -> None:
        if self._hang is not None and not self._hang.is_set():
            self.hanging += 1
            return
        self.times[message] += 1
        if self._slow:
            asyncio.get_running_loop().call_later(self._slow, line.answer)
        else:
            line.answer()


class _Line(asyncio.Protocol):
    def __init__(self, sink: CountingSink) -> None:
        self._sink = sink
        self._read = b""
        self._out: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport
        self._sink._lines.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._out is not None:
            self._sink._lines.discard(self._out)

    def answer(self) -> None:
        if self._out is not None and not self._out.is_closing():
            self._out.write(_ANSWER)

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = dict(
                line.lower().split(b": ", 1) for line in self._read[:end].split(b"\r\n")[1:] if b": " in line
            )
            size = int(head[b"content-length"])
            if len(self._read) < end + 4 + size:
                return
            self._read = self._read[end + 4 + size :]
            self._sink.taken(head[b"webhook-id"].decode(), self)
