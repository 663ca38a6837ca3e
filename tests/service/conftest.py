"""A real store for every test: one Valkey server, or a cluster of three where a test asks for it."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spine.house import House, init_house, open_house
from spine.store import Store
from spine.valkey import Valkey
from tests.service.valkeys import Server, start_cluster

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
    yield valkey
    await valkey.close()


@pytest.fixture
async def house(valkey: Valkey) -> House:
    await init_house(valkey, 8)
    return await open_house(valkey)


@pytest.fixture
def store(valkey: Valkey, house: House) -> Store:
    return Store(valkey, house)
