"""A gateway in a process of its own, to be killed: ``python -m tests.service.gateway_process VALKEY PORT PASSWORD``."""

import asyncio
import sys

from spine.clock import SystemClock
from spine.house import open_house
from spine.log import Log, Tail
from spine.store import Store
from spine.valkey import Valkey
from tests.service.gateway_scene import FAST, SPINE, PlainSigner
from vehicle_gateway.broker_config import SERVICE
from vehicle_gateway.duty import Equipment
from vehicle_gateway.gateway import Gateway
from vehicle_gateway.link import Broker


async def main(url: str, port: int, password: str) -> None:
    valkey = Valkey.at(url)
    house = await open_house(valkey)
    tail = Tail(Log(valkey, house), limits=SPINE)
    broker = Broker("127.0.0.1", port, username=SERVICE, password=password)
    gateway = Gateway(
        Equipment(
            Store(valkey, house),
            tail,
            SystemClock(),
            broker,
            PlainSigner(),
            spine_limits=SPINE,
            link_limits=FAST,
        )
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tail.run())
        tasks.create_task(gateway.run())
        await gateway.wait_connected()
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
