"""``ingest_durable``: messages a second of one gateway process, against bare paho with an empty callback."""

from typing import Final

from tests.bench.line import Line

NAME: Final = "ingest_durable"
BAR: Final = 0.8


async def measure() -> Line:
    raise NotImplementedError
