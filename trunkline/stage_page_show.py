"""The demo with its page: the door is opened first, then the cast comes, then whoever has the link plays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from spine.log import Tail
from trunkline.ground import ground
from trunkline.play import Carrier, Owner
from trunkline.settings import Settings
from trunkline.stage import Stage
from trunkline.stage_page_door import Door
from trunkline.stage_page_news import News
from trunkline.stage_page_play import Agent, Play

__all__ = ["curtain", "log_of", "until_ended"]


@asynccontextmanager
async def curtain(  # noqa: PLR0913 - the cast, and where it stands
    door: Door,
    tail: Tail,
    *,
    directory: Path,
    unit: Path,
    owner: Owner,
    carrier: Carrier,
    vehicle: str,
    address: str,
    home: tuple[float, float],
) -> AsyncIterator[Play]:
    """The cast of a running installation on the page behind ``door``. ``directory``: its data; ``unit``: the car's.

    ``home``: where the car stands, in degrees.
    """
    operator = await asyncio.to_thread((directory / "operator.token").read_text, "utf-8")
    agent = await Agent.make(owner.api, owner.mail, operator.strip())
    news = News(vehicle=vehicle, unit=unit, mail=directory / "mail", address=owner.address)
    play = Play(owner, carrier, agent, vehicle, address, unit, news)
    await play.begin()
    news.set(home=home)
    listening = asyncio.create_task(news.run(tail), name="stage-news")
    try:
        door.raise_curtain(play, news)
        yield play
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def log_of(stage: Stage) -> AsyncIterator[Tail]:
    """The log of this stage, whatever the shell's own settings say."""
    store = f"redis://127.0.0.1:{stage.ports.store}/0"
    async with ground(Settings(data_dir=stage.directory, store_url=store, store_cluster=False)) as base:
        yield base.tail


async def until_ended(stage: Stage, every: float = 0.5) -> list[str]:
    """Wait until a process of the stage has ended by itself; their names."""
    while not (failed := stage.failed()):  # noqa: ASYNC110 - processes tell nobody
        await asyncio.sleep(every)
    return failed
