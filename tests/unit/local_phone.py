"""A phone at the local link for tests: its own hand on every frame, well made or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from keys.car import local
from keys.car.frames import Frames
from keys.car.local import Said
from tests.unit.unit_rig import proof_of
from vehicle_unit.unit import Unit


@dataclass
class Phone:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: Frames = field(default_factory=Frames)
    waiting: list[bytes] = field(default_factory=list)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def heard(self) -> bytes:
        while not self.waiting:
            piece = await self.reader.read(4096)
            if not piece:
                raise EOFError
            self.waiting += self.frames.feed(piece)
        return self.waiting.pop(0)

    async def ask(self, frame: bytes) -> Said:
        await self.raw(frame)
        async with asyncio.timeout(60):
            return local.read_answer(await self.heard())

    async def challenge(self) -> dict[str, Any]:
        answer = await self.ask(local.ask_challenge("phone"))
        assert answer.ok is not None, answer
        return dict(answer.ok)

    async def present(self, token: str, challenge: str = "", **more: Any) -> Said:
        nonce = challenge or (await self.challenge())["challenge"]
        return await self.ask(local.present(token, proof_of(token, nonce, **more)))


@asynccontextmanager
async def phone(port: int, *, greets: bool = True) -> AsyncIterator[Phone]:
    made = Phone(*await asyncio.open_connection("127.0.0.1", port))
    try:
        if greets:
            assert await made.ask(local.hello()) == Said({"hello": 1})
        yield made
    finally:
        made.writer.close()


@asynccontextmanager
async def listening(unit: Unit) -> AsyncIterator[int]:
    """The unit's link is up; gives its port."""
    assert unit.phones is not None
    task = asyncio.create_task(unit.phones.run())
    try:
        await asyncio.wait_for(unit.phones.ready.wait(), 60)
        yield unit.phones.port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
