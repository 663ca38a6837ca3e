"""A unit with a local link in a thread of its own, and a service that speaks the contract, for phones in processes."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.unit.local_phone import listening
from tests.unit.test_unit_opening import Rig
from vehicle_unit.unit import Unit


@contextmanager
def running(rig: Rig, prepare: Callable[[Unit], None] = lambda _: None) -> Iterator[int]:
    """The rig's unit serves phones until the body ends; gives its port."""
    ready, port, ends = threading.Event(), list[int](), list[Callable[[], None]]()

    async def serve() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        ends.append(lambda: loop.call_soon_threadsafe(done.set))
        async with rig.unit() as unit, listening(unit) as at:
            prepare(unit)
            port.append(at)
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield port[0]
    finally:
        ends[0]()
        thread.join(10)


@dataclass
class Service:
    """Gives what it is told to for each path's end; remembers what was asked."""

    answers: dict[str, tuple[int, Any]]
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    @contextmanager
    def listening(self) -> Iterator["Service"]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append((self.path, body))
                status, answer = service.answers[self.path.rpartition("/")[2]]
                self._answer(status, answer(body) if callable(answer) else answer)

            def _answer(self, status: int, answer: Any) -> None:
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                service.asked.append((self.path, None))
                self._answer(*service.answers.get(self.path.rpartition("/")[2], (404, {})))

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()


def write_key(folder: Path, token: str) -> Path:
    file = folder / "key.jws"
    file.write_text(token + "\n", "utf-8")
    return file
