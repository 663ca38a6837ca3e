"""A car's own certificate in hostile hands: everything its unit may say, said wrongly, to a whole installation."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path

from spine.dead_letters import DeadLetters
from spine.house import open_house
from spine.parked import Parked
from spine.valkey import Valkey
from tests.fuzz.mutate import junk, mutated
from tests.fuzz.uplink import GOOD
from tests.service.gateway_scene import FAST, envelope, running
from trunkline.groups import GROUPS
from vehicle_gateway.link import Link
from vehicle_gateway.wire import up
from vehicle_unit.provisioning import Identity


async def say(folder: Path, messages: int, *, seed: int) -> Counter[int]:
    """Publish as the unit of this folder (its process must not run); the broker's word on each."""
    dice, identity = random.Random(seed), Identity.load(folder)
    link = Link(identity.broker(), client_id=identity.unit, on_message=lambda _: None, limits=FAST)
    codes: Counter[int] = Counter()
    async with running(link.run()):
        async with asyncio.timeout(15):
            await link.wait_connected()
        for seq in range(1, messages + 1):
            name = dice.choice(list(GOOD))
            d = json.loads(json.dumps(GOOD[name]))
            if dice.random() < 0.5:
                d[dice.choice(list(d) or ["x"])] = junk(dice)
            whole = (
                json.dumps({**d, "boot": 1}).encode() if name == "state" else envelope(d, boot=999, seq=seq)
            )
            payload = whole if dice.random() < 0.7 else mutated(dice, whole)
            codes[await link.publish(up(identity.enrolled.shard, identity.unit, name), payload or b" ")] += 1
    return codes


async def held(store_url: str) -> tuple[list[str], int]:
    """What readers could not do (group, kind and reason), and how many messages were parked at the door."""
    valkey = Valkey.at(store_url)
    try:
        house = await open_house(valkey)
        parked = Parked(valkey, house)
        stuck = [
            f"{group}: {one.kind} {one.reason}"
            for group in GROUPS
            for one in await parked.list(group, parked_only=False)
        ]
        return stuck, await DeadLetters(valkey, house).count()
    finally:
        await valkey.close()
