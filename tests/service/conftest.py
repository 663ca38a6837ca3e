"""A real store for every test: one Valkey server, or a cluster of three where a test asks for it."""

import asyncio
import functools
import hashlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from spine.house import House, init_house, open_house
from spine.log import Log, Tail
from spine.store import Store
from spine.valkey import Valkey
from tests.service.brokers import mosquitto
from tests.service.valkeys import Server, start_cluster

__all__ = ["mosquitto"]  # a fixture of tests.service.brokers, found here by name

MORNING = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = MORNING) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        self._at += by

    def set(self, at: datetime) -> None:
        self._at = at


@pytest.fixture(scope="session", autouse=True)
def few_codes() -> Iterator[None]:
    """What scrypt makes of a code is remembered: the cars of a thousand tests show the same few."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "scrypt", functools.lru_cache(maxsize=4096)(hashlib.scrypt))
        yield


@pytest.fixture(scope="session", autouse=True)
def each_model_once() -> Iterator[None]:
    """What FastAPI makes of a parameter's or an answer's type is remembered: a thousand tests make the same routes."""
    known: dict[str, Any] = {}

    class Remembered:
        """In the place of ``TypeAdapter``: the same for the same type, which the key keeps alive."""

        def __new__(cls, type_: Any, *, config: Any = None) -> Any:
            # Metadata have no hash; their text says all that there is to them, and ids tell types of one name apart.
            origin = getattr(type_, "__origin__", type_)
            key = f"{id(origin)} {type_!r} {config!r}"
            if key not in known:
                known[key] = (TypeAdapter(type_, config=config), origin)
            return known[key][0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastapi._compat.v2.TypeAdapter", Remembered)
        yield


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(_short(tmp_path_factory, "v"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    servers = start_cluster(_short(tmp_path_factory, "c"))
    yield servers
    for server in servers:
        server.kill()


def _short(factory: pytest.TempPathFactory, name: str) -> Path:
    folder = factory.mktemp(name)
    assert len(str(folder / "0" / "s")) < 100, "a unix socket's path is at most 107 bytes long"
    return folder


@pytest.fixture
def valkey_url(valkey_server: Server) -> str:
    """The one server, emptied (our functions stay)."""
    with valkey_server.door() as door:
        door.flushall()
    return valkey_server.url


@pytest.fixture
async def valkey(request: pytest.FixtureRequest) -> AsyncIterator[Valkey]:
    """The one server; with ``parametrize("valkey", BOTH, indirect=True)`` that and the cluster in turn."""
    if getattr(request, "param", "one") == "cluster":
        servers: list[Server] = request.getfixturevalue("valkey_cluster")
        for server in servers:
            with server.door() as door:
                door.flushall()
        valkey = Valkey.at(servers[0].url, cluster=True)
    else:
        valkey = Valkey.at(request.getfixturevalue("valkey_url"))
    await init_house(valkey, 8)
    await open_house(valkey)
    yield valkey
    await valkey.close()


@pytest.fixture
async def house(valkey: Valkey) -> House:
    return await open_house(valkey)


@pytest.fixture
def store(valkey: Valkey, house: House) -> Store:
    return Store(valkey, house)


@pytest.fixture
def log(store: Store) -> Log:
    return Log(store.valkey, store.house)


@pytest.fixture
async def tail(log: Log) -> AsyncIterator[Tail]:
    """A tail that runs for the length of the test."""
    tail = Tail(log)
    async with running(tail.run()):
        await tail.ready()
        yield tail


@asynccontextmanager
async def running(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run services beside the body; one that ends by itself fails the test."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        yield
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def standstill() -> AsyncIterator[Callable[[], float]]:
    """How long this process stood still at most, in seconds, since the block began.

    For what is promised only of a process that runs (a ping in time, a lease kept): a busy machine breaks it, too.
    """
    loop = asyncio.get_running_loop()
    longest, last = 0.0, loop.time()

    def look() -> float:
        nonlocal longest, last
        now = loop.time()
        longest, last = max(longest, now - last), now
        return longest

    async def beat() -> None:
        while True:
            await asyncio.sleep(0.02)
            look()

    async with running(beat()):
        yield look


async def until(condition: Callable[[], Any], *, within: float = 60.0) -> Any:
    """Wait for a condition (plain or awaitable) to hold and give its value."""
    async with asyncio.timeout(within):
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)
