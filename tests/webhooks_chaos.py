"""``make webhooks-chaos``: kill senders, the store and a receiver under 20,000 deliveries, and print what came of it."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from spine.clock import SystemClock
from spine.house import init_house, open_house
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import until
from tests.service.test_webhooks_engine import compose, make_office
from tests.service.test_webhooks_killed import (
    LIMITS,
    MOST_ON_THE_WAY,
    kill,
    queued,
    settled,
    start,
)
from tests.service.valkeys import Server
from tests.webhooks_sink import CountingSink
from webhooks.guard import Guard
from webhooks.sender import HttpSender

LONG = 300.0
WHOLE_WITHIN = 15.0
"""Seconds, on a quiet machine."""


async def scenario(folder: Path, messages: int) -> dict[str, Any]:
    """One run: the sender is killed at 25, 50 and 75 %, the store with it once, the receiver restarted once."""
    server = Server(folder)
    server.start()
    valkey = Valkey.at(server.url)
    try:
        await init_house(valkey, 8)
        store = Store(valkey, await open_house(valkey))
        async with (
            HttpSender(LIMITS, Guard(dev=True)) as sender,
            CountingSink.listening(slow_ms=2) as sink,
        ):
            office = make_office(store, SystemClock(), sender, {"delivery": compose}, LIMITS)
            ids = await queued(office, sink.url, messages)
            ticks = asyncio.get_running_loop().time
            senders, gone = f"{valkey.prefix}:senders", set[str]()
            began, worker, kills = ticks(), start(server.url), 0
            for share in (0.25, 0.5, 0.75):
                await until(lambda share=share: sink.unique >= share * messages, within=LONG)
                gone = set(await valkey.ask("HKEYS", senders))
                await kill(worker)
                kills += 1
                if share == 0.5:
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                if share == 0.75:
                    await sink.restart()
                worker = start(server.url)
            last_kill, came, ours = ticks(), sink.unique, {each.rsplit(".", 2)[2] for each in ids}

            async def is_whole() -> bool:
                """News flows again, and the store knows of no lease of a sender that is gone."""
                lives = set(await valkey.ask("HKEYS", senders))
                return not lives & gone and bool(lives) and sink.unique > came

            await until(is_whole, within=LONG)
            whole = ticks() - last_kill
            await until(lambda: sink.unique >= messages, within=LONG)
            await until(lambda: settled(office, ids), within=30)
            took = ticks() - began
            await kill(worker)
        times = sink.times
        return {
            "deliveries": messages,
            "addresses": len(ours),
            "kills": kills,
            "lost": messages - len(times),
            "duplicates": sum(times.values()) - len(times),
            "most duplicates allowed": (kills + 1) * MOST_ON_THE_WAY,
            "whole after the last kill, s": round(whole, 1),
            "all delivered after, s": round(took, 1),
            "deliveries a second, kills included": round(messages / took),
        }
    finally:
        await valkey.close()
        server.kill()


def main() -> int:
    """Exit 0 where nothing was lost, little came twice and it was whole in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tlw") as folder:
        found = asyncio.run(scenario(Path(folder), asked.messages))
    good = (
        found["lost"] == 0
        and found["duplicates"] <= found["most duplicates allowed"]
        and found["whole after the last kill, s"] <= WHOLE_WITHIN
    )
    if asked.json:
        print(json.dumps(found | {"ok": good}))
    else:
        for name, value in found.items():
            print(f"{name:40} {value}")
        print("ok" if good else "NOT ok")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
