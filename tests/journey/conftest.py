"""One installation for each test process: started once, tidied after every test, ended also on failure."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.journey.sink import Sink
from tests.journey.stand import Cast, Stand
from trunkline.embedded import mosquitto_binary


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The installation with one car and its cast; needs mosquitto (only skipped where no CI asks for it)."""
    if mosquitto_binary() is None:
        missing = "mosquitto is missing (Debian package: mosquitto)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    made = Stand(tmp_path_factory.mktemp("stand"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
async def cast(stand: Stand) -> AsyncIterator[Cast]:
    """The people of a delivery; afterwards the car is put as the next test expects it."""
    async with stand.cast() as there:
        yield there
    await stand.tidy()


@pytest.fixture
async def sink(cast: Cast) -> AsyncIterator[Sink]:
    """The carrier's own webhook receiver: it verifies what comes."""
    async with Sink.of(cast.carrier.api, cast.carrier.token) as receiver:
        yield receiver
