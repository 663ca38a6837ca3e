"""Reading everything again, archive first: it rebuilds lists for people and cannot run a reaction."""

import asyncio
from collections.abc import Collection, Sequence

from spine.archive import Archive
from spine.index import Index, Projection
from spine.keyspace import Keyspace
from spine.leases import Leases
from spine.limits import SpineLimits
from spine.log import START, Log


async def rebuild(
    index: Index,
    log: Log,
    archive: Archive | None,
    *,
    group: str,
    names: Collection[str],
    projections: Sequence[Projection],
    limits: SpineLimits,
) -> int:
    """Empty the lists ``names`` and build them anew from every fact; how many facts were read.

    ``group``: the reader group that keeps these lists; its readers wait meanwhile and go on behind what was
    read. Lists are incomplete until this returns. ``projections`` are pure: nothing else can happen. Without
    an archive only what the store still holds is read. Raises ``StoreDown``, ``SegmentBroken``.
    """
    valkey, keys = log.valkey, Keyspace(log.valkey.prefix)
    partitions = range(log.house.partitions)
    leases = Leases(valkey, [(partition, group) for partition in partitions], limits)
    await leases.seize()
    keeping = asyncio.create_task(leases.keep(), name=f"leases-{group}")
    count = 0
    try:
        for name in names:
            await index.clear(name)
        for partition in partitions:
            position = START
            async for entry in archive.entries(partition) if archive else log.entries(partition):
                if entry.readable:
                    for projection in projections:
                        await index.place(each for each in projection(entry) if each.name in names)
                position, count = entry.position, count + 1
            token = leases.token((partition, group))
            if token is not None:  # else we stalled and the reader went on, from where it stood
                places = [keys.lease(partition, group), keys.cursors(partition)]
                await valkey.call("tl_advance", places, [token, group, position])
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await leases.release()
    return count
