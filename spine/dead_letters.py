"""Messages nobody could take: kept as they came, with the reason, for an operator to look at."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from spine.house import House
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.log import order
from spine.valkey import Valkey, Word


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message, raw. It may hold a position: it is kept short and for a short time."""

    position: str
    source: str
    reason: str
    payload: bytes
    detail: str = ""

    @property
    def at(self) -> datetime:
        """When it was put away."""
        return datetime.fromtimestamp(order(self.position)[0] / 1000, UTC)


class DeadLetters:
    """A bounded stream per partition: the oldest make room."""

    def __init__(self, valkey: Valkey, house: House, limits: SpineLimits | None = None) -> None:
        self._valkey = valkey
        self._house = house
        self._most = (limits or SpineLimits()).dead_letters
        self._keys = Keyspace(valkey.prefix)

    async def put(
        self, partition: int, source: str, payload: bytes, reason: str, *, detail: str = ""
    ) -> None:
        """Keep one. ``source``: where it came from (a topic). On disk when this returns."""
        await self.put_all([(partition, source, payload, reason, detail)])

    async def put_all(self, letters: list[tuple[int, str, bytes, str, str]]) -> None:
        """Keep several at once: (partition, source, payload, reason, detail) each."""
        commands: list[tuple[Word, ...]] = []
        for partition, source, payload, reason, detail in letters:
            raw = base64.b64encode(payload).decode()
            fields = ("source", source, "reason", reason, "detail", detail, "raw", raw)
            key = self._keys.at(partition % self._house.partitions, "dead")
            commands.append(("XADD", key, "MAXLEN", "~", self._most, "*", *fields))
        await self._valkey.ask_all(commands)

    async def page(self, partition: int, *, after: str = "0-0", limit: int = 100) -> list[DeadLetter]:
        """The oldest after a position."""
        key = self._keys.at(partition, "dead")
        rows = await self._valkey.ask("XRANGE", key, f"({after}", "+", "COUNT", limit)
        found = []
        for position, flat in rows:
            row = dict(zip(flat[::2], flat[1::2], strict=True))
            raw = base64.b64decode(row["raw"])
            found.append(DeadLetter(position, row["source"], row["reason"], raw, row["detail"]))
        return found

    async def count(self) -> int:
        """How many there are in all."""
        keys = [self._keys.at(partition, "dead") for partition in range(self._house.partitions)]
        return sum(await self._valkey.ask_all([("XLEN", key) for key in keys]))

    async def forget(self, now: datetime, older_than: timedelta) -> None:
        """Drop what is older."""
        before = round((now - older_than).timestamp() * 1000)
        keys = [self._keys.at(partition, "dead") for partition in range(self._house.partitions)]
        await self._valkey.ask_all([("XTRIM", key, "MINID", f"{before}-0") for key in keys])
