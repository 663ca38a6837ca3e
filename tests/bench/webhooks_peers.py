"""The peers of the webhook benchmarks that are Python: taskiq-redis with aiohttp, and a bare loop over aiohttp.

``python webhooks_peers.py fill COUNT`` queues for taskiq, whose own worker runs ``webhooks_peers:broker``;
``raw COUNT`` posts COUNT requests, 64 at once. The ports of store and sink come as BENCH_STORE and BENCH_SINK.
Nothing of ours is imported: it runs in an environment that does not have us.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import sys
import time
from collections.abc import Iterator

import aiohttp

AT_ONCE = 64
BYTES = 400
ADDRESSES = 32
_KEY = b"k" * 32
_SINK = os.environ.get("BENCH_SINK", "0")
_STORE = os.environ.get("BENCH_STORE", "0")


def payload(i: int) -> bytes:
    """400 bytes of JSON, the same at every sender."""
    said = f'{{"type":"delivery.opened","time":"2026-11-21T22:00:00.000Z","data":{{"delivery":"dlv_{i:016d}","pad":"'
    return (said + "x" * (BYTES - len(said) - 3) + '"}}').encode()


def signed(i: int, body: bytes) -> dict[str, str]:
    """The headers of a delivery: id, time, HMAC-SHA256."""
    name, at = f"msg_{i:024d}", str(int(time.time()))
    mac = hmac.digest(_KEY, f"{name}.{at}.".encode() + body, hashlib.sha256)
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": at,
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }


_kept: dict[str, aiohttp.ClientSession] = {}


def _session() -> aiohttp.ClientSession:
    if "one" not in _kept:
        _kept["one"] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=AT_ONCE),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=15),
        )
    return _kept["one"]


async def post(i: int, body: bytes) -> None:
    """One delivery; raises where it was not taken."""
    url = f"http://127.0.0.1:{_SINK}/hook/{i % ADDRESSES}"
    async with _session().post(url, data=body, headers=signed(i, body), allow_redirects=False) as answer:
        await answer.read()
        if not 200 <= answer.status < 300:
            raise RuntimeError(answer.status)


async def _raw(count: int) -> None:
    numbers: Iterator[int] = iter(range(count))

    async def one_of_many() -> None:
        for i in numbers:
            await post(i, payload(i))

    await asyncio.gather(*(one_of_many() for _ in range(AT_ONCE)))
    await _session().close()


if __name__ == "__main__" and sys.argv[1] == "raw":
    import uvloop

    uvloop.run(_raw(int(sys.argv[2])))
else:
    from taskiq_redis import RedisStreamBroker

    broker = RedisStreamBroker(
        url=f"redis://127.0.0.1:{_STORE}/0",
        queue_name="webhooks",
        consumer_id="0",
        max_connection_pool_size=200,
    )

    @broker.task(task_name="deliver")
    async def deliver(i: int, body: str) -> None:
        """What taskiq's worker runs."""
        await post(i, body.encode())

    async def _fill(count: int) -> None:
        await broker.startup()
        numbers = iter(range(count))

        async def one_of_many() -> None:
            for i in numbers:
                await deliver.kiq(i, payload(i).decode())

        await asyncio.gather(*(one_of_many() for _ in range(AT_ONCE)))
        await broker.shutdown()

    if __name__ == "__main__":
        asyncio.run(_fill(int(sys.argv[2])))
