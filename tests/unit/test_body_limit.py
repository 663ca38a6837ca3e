"""A body is read whole, within its size and its time, before any of our code sees it."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta

from starlette.types import Message, Receive, Scope, Send

from trunkline.headers import BodyLimit

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}


async def sent(chunks: Sequence[Message], *, patience: timedelta = timedelta(hours=1)) -> list[Message]:
    """What a client hears that sends these and then nothing more; the application says the body back."""
    answers: list[Message] = []
    left = list(chunks)

    async def application(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "seen", "body": (await receive())["body"]})

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    async def send(message: Message) -> None:
        answers.append(message)

    await BodyLimit(application, limit=10, patience=patience)(SCOPE, receive, send)
    return answers


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_what_fits_comes_whole() -> None:
    assert await sent([part(b"01234"), part(b"56789"), part(b"", more=False)]) == [
        {"type": "seen", "body": b"0123456789"}
    ]
    assert await sent([part(b"01"), {"type": "http.disconnect"}]) == []


async def test_what_is_too_large_or_too_slow_is_said_to_be() -> None:
    large = await sent([part(b"01234"), part(b"567890")])
    slow = await sent([part(b"01234")], patience=timedelta(milliseconds=10))
    for answer, status, code in ((large, 413, "request.too_large"), (slow, 408, "request.too_slow")):
        start, said = answer
        assert (start["status"], json.loads(said["body"])["code"]) == (status, code)
        assert (b"connection", b"close") in start["headers"]
