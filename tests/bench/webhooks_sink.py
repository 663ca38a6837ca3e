"""The receiver of the webhook benchmarks: answers 204 at once and keeps count, in a process of its own.

``python -m tests.bench.webhooks_sink [--slow SECONDS]`` prints its port. ``GET /`` answers with what it saw; ``DELETE /``
forgets it. It parses what it needs and no more, so that it is never the slowest part; its ceiling is measured too.
"""

import argparse
import asyncio
import contextlib
import json
import resource
import time
from typing import Any, Final, cast
from urllib.request import Request, urlopen

import uvloop

NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Seen:
    """The ids that arrived, when each one first did, and how often an id came again."""

    def __init__(self) -> None:
        self.first: dict[bytes, float] = {}
        self.began = self.ended = 0.0
        self.again = 0
        self.signed = 0
        self.bytes = 0

    def as_json(self) -> dict[str, Any]:
        """``first``, ``last``: ``time.monotonic`` of the first and the last new arrival."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "unique": len(self.first),
            "again": self.again,
            "signed": self.signed,
            "bytes": self.bytes,
            "first": self.began,
            "last": self.ended,
            "cpu": used.ru_utime + used.ru_stime,
        }


class Receiver(asyncio.Protocol):
    """One connection; requests may come in pieces or several at once."""

    def __init__(self, seen: Seen, slow: float) -> None:
        self._seen = seen
        self._slow = slow
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end].lower()
            whole = end + 4 + _number(head, b"\r\ncontent-length: ")
            if len(data) < whole:
                break
            body, data = data[end + 4 : whole], data[whole:]
            self._answer(head, body)
        self._rest = data

    def _answer(self, head: bytes, body: bytes) -> None:
        if not head.startswith(b"post"):
            self._tell(head)
            return
        seen, name = self._seen, _field(head, b"\r\nwebhook-id: ")
        if name in seen.first:
            seen.again += 1
        else:
            seen.first[name] = seen.ended = time.monotonic()
            seen.began = seen.began or seen.ended
        seen.signed += b"\r\nwebhook-signature: v1," in head
        seen.bytes += len(body)
        if self._slow:
            asyncio.get_running_loop().call_later(self._slow, self._write, NO_CONTENT)
        else:
            self._write(NO_CONTENT)

    def _tell(self, head: bytes) -> None:
        if head.startswith(b"delete"):
            self._seen.__init__()  # type: ignore[misc]
        said: Any = self._seen.as_json()
        if head.startswith(b"get /arrivals"):
            said = {name.decode(): at for name, at in self._seen.first.items()}
        text = json.dumps(said).encode()
        self._write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(text) + text)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _field(head: bytes, name: bytes) -> bytes:
    at = head.find(name)
    if at < 0:
        return b""
    at += len(name)
    end = head.find(b"\r", at)
    return head[at:] if end < 0 else head[at:end]


def _number(head: bytes, name: bytes) -> int:
    return int(_field(head, name) or b"0")


def ask(port: int, path: str = "/", *, forget: bool = False) -> Any:
    """What the sink on this port saw; ``forget``: it begins anew."""
    request = Request(f"http://127.0.0.1:{port}{path}", method="DELETE" if forget else "GET")
    with urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


async def ceiling(port: int, *, posts: int = 20_000, at_once: int = 64) -> float:
    """Requests a second that the sink takes from a client that does nothing but write and count answers."""
    body = b"x" * 400
    head = (
        b"POST /hook HTTP/1.1\r\nhost: 127.0.0.1\r\nwebhook-timestamp: 1700000000\r\nwebhook-signature: v1,%s\r\n"
        % (b"A" * 44)
    )
    left, done = posts, asyncio.Event()
    answered = 0

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)
            self.more()

        def more(self) -> None:
            nonlocal left
            if left:
                left -= 1
                number = b"webhook-id: msg_%024d\r\ncontent-length: 400\r\n\r\n" % left
                self.transport.write(head + number + body)

        def data_received(self, data: bytes) -> None:
            nonlocal answered
            answered += data.count(b"204 No")
            if answered >= posts:
                done.set()
            self.more()

    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients = [await loop.create_connection(Client, "127.0.0.1", port) for _ in range(at_once)]
    await done.wait()
    took = time.perf_counter() - began
    for transport, _ in clients:
        transport.close()
    return posts / took


async def _serve(slow: float) -> None:
    seen = Seen()
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(seen, slow), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Runs until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slow", type=float, default=0.0)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(parser.parse_args().slow))


if __name__ == "__main__":
    main()
