"""Receivers that misbehave, on real sockets: what each does, and what a sender must make of it.

``python -m tests.far_ends`` prints the table of what happened, for each transport.
"""

import argparse
import asyncio
import gzip
import socket
import ssl
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from rich.console import Console
from rich.table import Table

from webhooks.answer import Answer, NoAnswer
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.sender import HttpSender

TRANSPORTS: Final = ("sockets", "aiohttp")
WITHIN: Final = 30.0
"""Seconds for a whole try: nobody waits for their end but who is told to, and the busiest machine is in time."""
_SHORT, _SOON = 1.2, 0.3
"""Seconds of a limit that has to be met: a whole try, and a part of one."""
_PATIENT: Final = 20.0
"""Seconds of a limit that is met by nobody."""
BODY: Final = b'{"type":"delivery.opened"}'
HEADERS: Final = {"content-type": "application/json", "webhook-id": "msg_1"}
DATE: Final = format_datetime(datetime(2030, 5, 6, 10, tzinfo=UTC), usegmt=True)

Serve = Callable[["Seen", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Seen:
    """What the far end saw of us."""

    connections: int = 0
    open: int = 0
    requests: int = 0
    written: int = 0
    elsewhere: int = 0
    """Connections to where a redirect led."""
    redirect: str = ""


@dataclass(frozen=True)
class FarEnd:
    """One way to misbehave. ``status``, ``none``: what may come of one post.

    ``within``, ``connect``, ``wait``: seconds that the sender has for a try, a connection and the body behind a status.
    Whoever hangs does so for much longer than ``at_most``, the seconds that one post may last.
    """

    name: str
    serve: Serve
    status: Sequence[int | None] = (None,)
    none: Sequence[NoAnswer | None] = (None,)
    within: float = WITHIN
    connect: float = _PATIENT
    wait: float = _PATIENT
    at_most: float = 10.0
    tls: str = ""
    """The name in its certificate, where it speaks TLS."""
    posts: int = 1
    check: Callable[[Sequence[Answer], Seen], bool] = field(default=lambda _answers, _seen: True)


async def _request(seen: Seen, reader: asyncio.StreamReader) -> bool:
    """Read one request; False at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    seen.requests += 1
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
    await reader.readexactly(size)
    return True


def says(*pieces: bytes, wait: float = 0.0, then: str = "keep", times: int = 1) -> Serve:
    """Answers each request with ``pieces``, ``wait`` seconds before each; then: keep, close, reset or hang."""

    async def serve(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await _request(seen, reader):
            for piece in pieces * times:
                await asyncio.sleep(wait)
                writer.write(piece)
                await writer.drain()
                seen.written += len(piece)
            if then == "hang":
                await asyncio.sleep(60)
            if then == "reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if then != "keep":
                return

    return serve


async def _silent(_: Seen, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await reader.read()


async def _plain(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await _silent(seen, reader, writer)


async def _early(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    seen.requests += 1
    writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    await writer.drain()
    await reader.read(100)


async def _redirects(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await says(f"HTTP/1.1 301 Moved\r\nlocation: {seen.redirect}\r\ncontent-length: 0\r\n\r\n".encode())(
        seen, reader, writer
    )


async def _goes_stale(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the first request of a connection, and ends it as soon as the second has come."""
    await _request(seen, reader)
    writer.write(OK)
    if await _request(seen, reader):
        seen.requests -= 1


async def _cut_in_the_middle(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As ``_goes_stale``, but it has begun to answer, so it saw the request: only aiohttp, which does not tell, resends."""
    await _request(seen, reader)
    writer.write(OK)
    await _request(seen, reader)
    writer.write(b"HTTP/1.1 20")
    await writer.drain()


OK: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_BOMB: Final = gzip.compress(b"\0" * 30_000_000)


def _head(status: str, *lines: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def _kept(least: int, most: int) -> Callable[[Sequence[Answer], Seen], bool]:
    return lambda answers, _: least <= len(answers[0].text) <= most


_LATE = (NoAnswer.TIMEOUT,)
_CUT = (NoAnswer.CLOSED,)
_WRONG = (NoAnswer.BROKEN,)
FAR_ENDS: Final = (
    FarEnd("answers", says(OK), (204,), posts=3, check=lambda a, s: s.connections == 1 and a[2].reused),
    FarEnd("slow", says(OK, wait=0.4), (204,), check=lambda a, _: (a[0].first_byte_ms or 0) >= 390),
    FarEnd("silent", _silent, none=_LATE, within=_SHORT),
    FarEnd("hangs in the headers", says(b"HTTP/1.1 200 OK\r\nx-a", then="hang"), none=_LATE, within=_SHORT),
    FarEnd("a byte of the head every 100 ms",
           says(*[b"%c" % c for c in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 600], wait=0.1), none=_LATE, within=_SHORT),
    FarEnd("hangs in the body", says(_head("200 OK", "content-length: 99") + b"some", then="hang"), (200,),
           wait=_SOON, check=_kept(4, 4)),
    FarEnd("hangs in the body of a 500", says(_head("500 Oh", "content-length: 99") + b"some", then="hang"), (500,),
           wait=_SOON, check=_kept(4, 4)),
    FarEnd("a byte of the body every 100 ms",
           says(_head("200 OK", "content-length: 600"), *[b"x"] * 600, wait=0.1), (200,), wait=_SOON),
    FarEnd("10 MB", says(_head("200 OK", "content-length: 10485760"), *[b"x" * 65_536] * 160), (200,),
           check=lambda a, s: len(a[0].text) == 8_192 and s.written < 10_000_000),
    FarEnd("10 MB in chunks", says(_head("200 OK", "transfer-encoding: chunked"),
           *[b"10000\r\n" + b"x" * 65_536 + b"\r\n"] * 160, b"0\r\n\r\n"), (200,),
           check=lambda a, s: len(a[0].text) == 8_192 and s.written < 10_000_000),
    FarEnd("gzip bomb of 30 MB", says(_head("200 OK", "content-encoding: gzip", f"content-length: {len(_BOMB)}"),
           _BOMB), (200,), check=lambda a, _: a[0].text == _BOMB[:8_192]),
    FarEnd("301 to a private address", _redirects, (301,), check=lambda _, s: not s.elsewhere and s.requests == 1),
    FarEnd("resets before the answer", says(then="reset"), none=_CUT),
    FarEnd("closes before the answer", says(then="close"), none=_CUT),
    FarEnd("resets in the head", says(b"HTTP/1.1 200 O", then="reset"), none=_CUT),
    FarEnd("resets in the body", says(_head("200 OK", "content-length: 99"), b"x", then="reset"), (200,)),
    FarEnd("closes in the body", says(_head("200 OK", "content-length: 99"), b"x", then="close"), (200,)),
    FarEnd("410", says(_head("410 Gone", "content-length: 0")), (410,)),
    FarEnd("429 with a date", says(_head("429 Slow", f"retry-after: {DATE}", "content-length: 0")), (429,),
           check=lambda a, _: a[0].retry_after == DATE),
    FarEnd("asks to be disabled", says(_head("200 OK", "Webhook-Delivery: disable", "content-length: 0")), (200,),
           check=lambda a, _: a[0].control == "disable"),
    FarEnd("garbage", says(b"SSH-2.0-OpenSSH_9.2\r\n"), none=_WRONG),
    FarEnd("headers without end", says(b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 4_000 + b"\r\n"] * 400),
           none=_WRONG),
    FarEnd("one header without end", says(b"HTTP/1.1 200 OK\r\nx: ", *[b"y" * 4_096] * 40), none=_WRONG),
    FarEnd("early hints, then 204", says(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", OK), (204,)),
    FarEnd("100 Continue without end", says(b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n", wait=0.0001, times=100_000),
           none=(*_WRONG, *_LATE), within=_SHORT),
    FarEnd("101 to something else", says(_head("101 Switch", "connection: upgrade", "upgrade: x")),
           (None, 101), (*_WRONG, None)),
    FarEnd("two lengths", says(_head("200 OK", "content-length: 3", "content-length: 4"), b"abcd"), none=_WRONG),
    FarEnd("a length and chunks", says(_head("200 OK", "content-length: 3", "transfer-encoding: chunked"), b"abc"),
           none=_WRONG),
    FarEnd("HTTP/1.0 until the end", says(b"HTTP/1.0 200 OK\r\n\r\nfine", then="close"), (200,), posts=2,
           check=lambda a, s: a[0].text == b"fine" and s.connections == 2),
    FarEnd("two answers to one request", says(OK + b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"), (204,), posts=2,
           check=lambda a, s: s.connections == 2 and a[1].status == 204),
    FarEnd("goes stale", _goes_stale, (204,), posts=2,
           check=lambda a, s: a[1].resent and not a[1].reused and s.connections == 2 and s.requests == 2),
    FarEnd("stale but begun", _cut_in_the_middle, (204, None), (None, *_CUT), posts=2,
           check=lambda a, s: a[1].resent or (a[1].none is NoAnswer.CLOSED and s.requests == 2)),
    FarEnd("answers before it has read", _early, (413,)),
    FarEnd("TLS", says(OK), (204,), tls="localhost", posts=2, check=lambda a, s: a[1].reused and s.connections == 1),
    FarEnd("TLS for another name", says(OK), none=(NoAnswer.TLS,), tls="other.example",
           check=lambda _, s: not s.requests),
    FarEnd("TLS that never begins", _silent, none=_LATE, tls="silent", connect=_SOON,
           check=lambda _, s: not s.requests),
    FarEnd("no TLS where it should be", _plain, none=(NoAnswer.TLS,), tls="plain",
           check=lambda _, s: not s.requests),
)  # fmt: skip


class Certificates:
    """An authority of the test's own, and what it signs."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "far ends")])
        self.root = self._signed(self._key, self._name, None)
        self._chains: dict[str, bytes] = {}

    def _signed(
        self, key: ec.EllipticCurvePrivateKey, subject: x509.Name, host: str | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        alternative = x509.SubjectAlternativeName([x509.DNSName(host or "far-ends")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(alternative, critical=False)
            .add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def trusting(self) -> ssl.SSLContext:
        """For the sender."""
        pem = self.root.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def serving(self, host: str, folder: str) -> ssl.SSLContext:
        """For a far end that is called ``host``."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), host)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = f"{folder}/{host}.pem"
        with open(path, "wb") as file:  # noqa: PTH123 - a file of the test, in a folder of its own
            file.write(secret + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@asynccontextmanager
async def listening(far: FarEnd, certificates: Certificates, folder: str) -> AsyncIterator[tuple[str, Seen]]:
    """The far end at work: its address, and what it sees."""
    seen = Seen()
    open_ones: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        seen.open += 1
        open_ones.add(writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError, asyncio.IncompleteReadError):
            await far.serve(seen, reader, writer)
        seen.open -= 1
        writer.close()

    async def elsewhere(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.elsewhere += 1
        writer.close()

    speaks = far.tls not in {"", "silent", "plain"}
    context = certificates.serving(far.tls, folder) if speaks else None
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    other = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    seen.redirect = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/"
    scheme, host = ("https", "localhost") if far.tls else ("http", "127.0.0.1")
    try:
        yield f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/hook", seen
    finally:
        server.close()
        other.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in open_ones:
            writer.transport.abort()
        await asyncio.sleep(0)


def limits(transport: str, *, connect: float = _PATIENT, wait: float = _PATIENT) -> WebhooksLimits:
    """The defaults, but for durations that a test says, or that no machine's pause is longer than."""
    return WebhooksLimits(
        transport=transport,  # type: ignore[arg-type]
        connect_timeout=timedelta(seconds=connect),
        total_timeout=timedelta(seconds=WITHIN),
        answer_wait=timedelta(seconds=wait),
        stale_within=timedelta(seconds=_PATIENT),
    )


async def post(
    far: FarEnd, transport: str, certificates: Certificates, folder: str
) -> tuple[list[Answer], Seen]:
    """What came of posting to it, and what it saw."""
    tls, patience = certificates.trusting(), limits(transport, connect=far.connect, wait=far.wait)
    async with (
        listening(far, certificates, folder) as (url, seen),
        HttpSender(patience, Guard(dev=True), tls=tls) as sender,
    ):
        answers = [await sender.post(url, HEADERS, BODY, within=far.within) for _ in range(far.posts)]
    return answers, seen


def fine(far: FarEnd, answers: Sequence[Answer], seen: Seen) -> str:
    """Empty, or what is wrong."""
    for answer in answers:
        if answer.status not in far.status or answer.none not in far.none:
            return f"unexpected: {answer}"
        if answer.ms > far.at_most * 1000:
            return f"took {answer.ms} ms"
        if len(answer.text) > 8_192:
            return f"kept {len(answer.text)} bytes"
    return "" if far.check(answers, seen) else f"not as it should be: {answers} {seen}"


async def _table(transports: Sequence[str], folder: str) -> bool:
    certificates = Certificates()
    table = Table(
        "far end", *[f"{each}: last answer, ms, kept" for each in transports], "connections", "as it must be"
    )
    good = True
    for far in FAR_ENDS:
        cells, wrong = [], []
        connections: list[str] = []
        for transport in transports:
            began = time.perf_counter()
            answers, seen = await post(far, transport, certificates, folder)
            last = answers[-1]
            said = str(last.status) if last.status else str(last.none)
            more = ", sent again" if last.resent else ", reused" if last.reused else ""
            cells.append(f"{said}, {last.ms} ms, {len(last.text)} B{more}")
            connections.append(str(seen.connections))
            wrong.append(fine(far, answers, seen))
            assert time.perf_counter() - began < 10
        good = good and not any(wrong)
        table.add_row(far.name, *cells, "/".join(connections), "; ".join(filter(None, wrong)) or "yes")
    Console(width=150).print(table)
    return good


def main() -> int:
    """Exit code 0: everything came out as it must."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", choices=TRANSPORTS, action="append")
    with tempfile.TemporaryDirectory(prefix="tl-far-") as folder:
        return 0 if asyncio.run(_table(parser.parse_args().transport or TRANSPORTS, folder)) else 1


if __name__ == "__main__":
    sys.exit(main())
