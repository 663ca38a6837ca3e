"""Entries a reader group holds back or has parked, and what an operator may do with them."""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.house import House
from spine.keyspace import Keyspace
from spine.log import order
from spine.problems import Kind, Problem
from spine.valkey import Valkey


class NotParked(Problem):
    """There is no parked entry at this place, or it has just changed."""

    code: ClassVar[str] = "log.not_parked"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class Standing(StrEnum):
    """Why an entry is held: its own failure, an earlier one of its subject, or too many failures."""

    FAILING = "failing"
    BEHIND = "behind"
    PARKED = "parked"


class Held(BaseModel):
    """One entry that is held back. ``failures``: those that count; ``tries``: all, also for want of a net."""

    model_config = ConfigDict(frozen=True)

    partition: int
    position: str
    kind: str
    subject: str
    standing: Standing
    since: AwareDatetime
    failures: int = 0
    tries: int = 0
    retry_at: AwareDatetime | None = None
    reason: str = ""


class Parked:
    """What waits for an operator: ``trunkline log parked | retry | skip``."""

    def __init__(self, valkey: Valkey, house: House) -> None:
        self._valkey = valkey
        self._house = house
        self._keys = Keyspace(valkey.prefix)

    async def list(self, group: str, *, parked_only: bool = True) -> list[Held]:
        """A group's, oldest first; ``parked_only=False``: also what is being tried or stands behind."""
        keys = [self._keys.held(partition, group) for partition in range(self._house.partitions)]
        answers = await self._valkey.ask_all([("HVALS", key) for key in keys])
        found = [Held.model_validate_json(raw) for rows in answers for raw in rows]
        wanted = [held for held in found if held.standing is Standing.PARKED or not parked_only]
        return sorted(wanted, key=lambda held: (order(held.position), held.partition))

    async def retry(self, group: str, position: str, *, partition: int | None = None) -> None:
        """Let the reader try it again at once, with a clean count. Raises ``NotParked``."""
        held, raw = await self._find(group, position, partition)
        again = held.model_copy(
            update={"standing": Standing.BEHIND, "failures": 0, "tries": 0, "retry_at": None}
        )
        await self._unpark(group, held, raw, again.model_dump_json(), "")

    async def skip(self, group: str, position: str, reason: str, *, partition: int | None = None) -> None:
        """Give it up: later facts of its subject go on. It is kept with the reason. Raises ``NotParked``."""
        held, raw = await self._find(group, position, partition)
        await self._unpark(group, held, raw, "", reason)

    async def skipped(self, group: str) -> Sequence[tuple[Held, str]]:
        """What was given up, and why, oldest first."""
        found = []
        for partition in range(self._house.partitions):
            for _, fields in await self._valkey.ask("XRANGE", self._keys.skipped(partition, group), "-", "+"):
                found.append((Held.model_validate_json(fields[3]), fields[5]))
        return found

    async def _unpark(self, group: str, held: Held, seen: str, new: str, why: str) -> None:
        keys = [self._keys.held(held.partition, group), self._keys.skipped(held.partition, group)]
        if not await self._valkey.call("tl_unpark", keys, [held.position, seen, new, why]):
            raise NotParked(held.position)

    async def _find(self, group: str, position: str, partition: int | None) -> tuple[Held, str]:
        """Without a partition, the first that has a parked entry there: two rarely share a position."""
        everywhere = range(self._house.partitions)
        keys = [self._keys.held(each, group) for each in (everywhere if partition is None else [partition])]
        for raw in await self._valkey.ask_all([("HGET", key, position) for key in keys]):
            if raw is not None:
                held = Held.model_validate_json(raw)
                if held.standing is Standing.PARKED:
                    return held, raw
        raise NotParked(position)
