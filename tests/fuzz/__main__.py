"""`make fuzz`: hostile messages to gateway and unit; with `--api` schemathesis and traps over the whole API."""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from pathlib import Path

from spine.house import init_house, open_house
from spine.store import Store
from spine.valkey import Valkey
from tests.fuzz import api, bodies, downlink, inside, uplink
from tests.fuzz.cast import gather
from tests.journey.stand import Stand
from tests.service.brokers import prepare
from tests.service.valkeys import Server


def main() -> int:
    """Play it; 0 where nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--messages", type=int, default=100_000, help="to the gateway, and as many to the unit"
    )
    parser.add_argument("--seed", type=int, default=None, help="the same messages again")
    parser.add_argument("--api", action="store_true", help="the API instead of MQTT")
    parser.add_argument("--examples", type=int, default=25, help="of each operation of the API")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(2**31) if given.seed is None else given.seed
    logging.basicConfig(level=logging.ERROR)  # a warning for each refused message would bury the rest
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tl-fuzz-") as folder:
        if given.api:
            wrong = _api(Path(folder), examples=given.examples, seed=seed)
        else:
            wrong = asyncio.run(_gateway(Path(folder) / "gateway", given.messages, seed))
            wrong += asyncio.run(_unit(Path(folder) / "unit", given.messages, seed))
    for each in wrong:
        print(f"FOUND {each}")
    print("nothing found" if not wrong else f"{len(wrong)} found", flush=True)
    return 1 if wrong else 0


async def _gateway(folder: Path, messages: int, seed: int) -> list[str]:
    (folder / "v").mkdir(parents=True)
    server, broker = Server(folder / "v"), prepare(folder / "broker")
    server.start()
    broker.start()
    valkey = Valkey.at(server.url)
    try:
        await init_house(valkey, 8)
        store = Store(valkey, await open_house(valkey))
        async with uplink.hostile(store, broker, seed=seed) as scene:
            began = time.monotonic()
            await scene.send(messages)
            await scene.settle(seconds=120)
            tally, took = scene.tally, time.monotonic() - began
            _say(f"gateway: {messages} messages in {took:.0f} s", tally.lines())
            wrong = []
            if tally.accounted != tally.delivered:
                wrong.append(f"{tally.delivered - tally.accounted} messages are not accounted for")
            if tally.parked != tally.expected:
                wrong.append(f"parked otherwise than foretold: {tally.parked}, not {tally.expected}")
            await scene.still_works()
            return wrong
    finally:
        await valkey.close()
        broker.stop()
        server.kill()


async def _unit(folder: Path, messages: int, seed: int) -> list[str]:
    broker = prepare(folder / "broker")
    broker.start()
    try:
        async with downlink.siege(folder / "unit", broker, seed=seed) as scene:
            before, began = scene.unit.record.current, time.monotonic()
            await scene.send(messages)
            took = time.monotonic() - began
            _say(f"unit: {messages} messages in {took:.0f} s", scene.tally.lines())
            wrong = list(scene.tally.faults)
            if scene.unit.record.current != before:
                wrong.append("the record changed")
            if scene.unit.link.generation != 1:
                wrong.append("the unit lost its connection")
            if (opened := await scene.opens_once()) != ["opened", "already_used"]:
                wrong.append(f"the right key afterwards: {opened}")
            return wrong
    finally:
        broker.stop()


def _api(folder: Path, *, examples: int, seed: int) -> list[str]:
    stand = Stand(folder)
    stand.start()
    try:
        people = asyncio.run(gather(stand))
        url, began = stand.stage.url, time.monotonic()
        traps = bodies.play(url, people)
        found = api.play(url, people, examples=examples, coverage=True, seed=seed)
        took = time.monotonic() - began
        counts = [f"{status}: {n}" for status, n in sorted((traps.statuses + found.statuses).items())]
        _say(f"api: {traps.cases + found.cases} requests in {took:.0f} s", [", ".join(counts)])
        wrong = [f"{what}\n    {how}" for one in (traps, found) for what, how in one.faults.items()]
        store = f"redis://127.0.0.1:{stand.stage.ports.store}/0"
        wrong += asyncio.run(inside.held(store))[0]
        for log in (folder / "logs").iterdir():
            text = log.read_text("utf-8", "replace")
            wrong += [f"{log.name}: {mark}" for mark in ("Traceback", "request.failed") if mark in text]
            wrong += [
                f"{log.name} holds a secret" for secret in (*people.secrets, people.key) if secret in text
            ]
        return wrong
    finally:
        stand.stop()


def _say(head: str, lines: list[str]) -> None:
    print(head)
    for line in lines:
        print(f"  {line}")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
