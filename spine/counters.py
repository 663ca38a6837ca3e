"""Counts that only grow, over all processes and restarts: what metrics are read from."""

from collections import Counter
from collections.abc import Iterable, Mapping

from spine.keyspace import Keyspace
from spine.valkey import Valkey


class Counters:
    """A hash per group of counters or newest values. Not part of any commit: close to right, never behind by much."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._keys = Keyspace(valkey.prefix)

    async def add(self, group: str, names: Iterable[str]) -> None:
        """One more of each name, as often as it stands there."""
        key = self._keys.counters(group)
        counted = Counter(names)
        await self._valkey.ask_all([("HINCRBY", key, name, n) for name, n in counted.items()])

    async def put(self, group: str, values: Mapping[str, int]) -> None:
        """Newest values, in the place of the former ones."""
        words = [word for pair in values.items() for word in pair]
        await self._valkey.ask("HSET", self._keys.counters(group), *words)

    async def all(self, group: str) -> dict[str, int]:
        """Every counter of a group that ever counted."""
        row = await self._valkey.ask("HGETALL", self._keys.counters(group))
        return dict(zip(row[::2], map(int, row[1::2]), strict=True))
