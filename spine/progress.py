"""How far every reader group has come, for ``trunkline doctor`` and ``trunkline log``."""

from dataclasses import dataclass
from datetime import timedelta

from spine.keyspace import Keyspace
from spine.log import START, Log, order


@dataclass(frozen=True, slots=True)
class Progress:
    """One group in one partition. ``held``: entries; ``reading``: somebody has the lease."""

    group: str
    partition: int
    position: str
    newest: str
    held: int
    reading: bool

    @property
    def late(self) -> timedelta:
        """How much newer the newest fact is than the last it has done; zero where it has done all."""
        if self.position == START:
            return timedelta(0) if self.newest == START else timedelta.max
        return timedelta(milliseconds=max(0, order(self.newest)[0] - order(self.position)[0]))


async def progress(log: Log) -> list[Progress]:
    """Every group that has ever read, by name and partition. Raises ``StoreDown``."""
    valkey, keys = log.valkey, Keyspace(log.valkey.prefix)
    found = []
    for partition in range(log.house.partitions):
        newest = await log.last(partition)
        flat = await valkey.ask("HGETALL", keys.cursors(partition))
        for group, position in zip(flat[::2], flat[1::2], strict=True):
            held, lease = await valkey.ask_all(
                [("HLEN", keys.held(partition, group)), ("EXISTS", keys.lease(partition, group))]
            )
            found.append(Progress(group, partition, position, newest, held, bool(lease)))
    return sorted(found, key=lambda each: (each.group, each.partition))


async def forget_group(log: Log, group: str) -> None:
    """Forget a group that no release has any more: it no longer keeps the log from being trimmed."""
    keys = Keyspace(log.valkey.prefix)
    for partition in range(log.house.partitions):
        await log.valkey.ask("HDEL", keys.cursors(partition), group)
        await log.valkey.ask("DEL", keys.held(partition, group))
