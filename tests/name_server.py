"""A DNS server of the tests' own on loopback, and the lookup that asks it: it may say something else each time."""

import asyncio
import ipaddress
import secrets
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from socket import AF_INET, AF_INET6, AddressFamily, gaierror

A, AAAA = 1, 28
_TYPES = {A: AF_INET, AAAA: AF_INET6}
_HEAD = struct.Struct("!6H")


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """Answers each name with its next list of addresses, round and round; ``asked`` counts whole lookups."""

    asked: list[str] = field(default_factory=list)
    port: int = 0
    _turns: dict[str, "cycle[Sequence[str]]"] = field(default_factory=dict)
    _now: dict[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def running(cls) -> AsyncIterator["NameServer"]:
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        server.port = transport.get_extra_info("sockname")[1]
        try:
            yield server
        finally:
            transport.close()

    def says(self, name: str, *each_time: Sequence[str]) -> None:
        """At the first lookup the first list, then the second one, and from the start again after the last."""
        self._turns[name] = cycle(each_time)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        number, name, kind = _question(data)
        if kind == A:  # every lookup asks for it first
            self.asked.append(name)
            turn = self._turns.get(name)
            self._now[name] = next(turn) if turn is not None else []
        records = [
            ipaddress.ip_address(text).packed
            for text in self._now.get(name, [])
            if (kind == AAAA) is (":" in text)
        ]
        body = data[_HEAD.size :]
        for raw in records:
            body += struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(raw)) + raw  # to live: 0 seconds
        head = _HEAD.pack(number, 0x8180, 1, len(records), 0, 0)
        self._transport.sendto(head + body, addr)  # type: ignore[attr-defined]

    async def lookup(self, host: str, port: int) -> Sequence[tuple[AddressFamily, str]]:
        """What a sender is given instead of the system's resolver: two questions by UDP, as a resolver asks."""
        found: list[tuple[AddressFamily, str]] = []
        for kind, family in _TYPES.items():
            found += [(family, text) for text in await self._ask(host, kind)]
        if not found:
            raise gaierror(-2, "no such name")
        return found

    async def _ask(self, host: str, kind: int) -> list[str]:
        loop = asyncio.get_running_loop()
        number = secrets.randbelow(1 << 16)
        answer: asyncio.Future[bytes] = loop.create_future()

        class Once(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                if not answer.done():
                    answer.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Once, remote_addr=("127.0.0.1", self.port))
        labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split("."))
        transport.sendto(_HEAD.pack(number, 0x0100, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, 1))
        data = await asyncio.wait_for(answer, 5)
        transport.close()
        assert struct.unpack_from("!H", data)[0] == number
        count, at = struct.unpack_from("!H", data, 6)[0], len(labels) + _HEAD.size + 5
        texts = []
        for _ in range(count):
            _, _, _, _, size = struct.unpack_from("!HHHIH", data, at)
            texts.append(str(ipaddress.ip_address(data[at + 12 : at + 12 + size])))
            at += 12 + size
        return texts


def _question(data: bytes) -> tuple[int, str, int]:
    number, at, labels = struct.unpack_from("!H", data)[0], _HEAD.size, []
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    return number, ".".join(labels), struct.unpack_from("!H", data, at + 1)[0]
