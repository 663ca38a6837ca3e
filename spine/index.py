"""Lists for people: a courier's jobs, an owner's history. Built from the log, rebuilt at will."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from spine.house import House
from spine.ids import NotAnId, partition_of
from spine.keyspace import Keyspace
from spine.log import Entry
from spine.problems import Kind, Problem
from spine.readers import Handle, Received
from spine.valkey import Valkey

_SCORE: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?", re.ASCII)


class BadCursor(Problem):
    """The page asked for was not one that we named."""

    code: ClassVar[str] = "page.bad_cursor"
    kind: ClassVar[Kind] = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Page:
    """Members, highest score first. ``next``: give it as ``after`` for the next page; None at the end."""

    members: list[str]
    next: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fact puts a member in one owner's list; ``score`` None takes it out."""

    name: str
    owner: str
    member: str
    score: float | None


Projection = Callable[[Entry], Iterable[Place]]
"""What a fact does to lists. Pure: the same entry always gives the same places."""


class Index:
    """Sorted lists, each in its owner's partition. Putting or removing twice changes nothing."""

    def __init__(self, valkey: Valkey, house: House) -> None:
        self._valkey = valkey
        self._house = house
        self._keys = Keyspace(valkey.prefix)

    async def put(self, name: str, owner_id: str, member: str, score: float) -> None:
        """Add a member, or move it to a new score."""
        # The register first: a list that is not in it could never be cleared.
        await self._valkey.ask_all(
            [
                ("SADD", self._register(name, owner_id), owner_id),
                ("ZADD", self._list(name, owner_id), repr(score), member),
            ]
        )

    async def remove(self, name: str, owner_id: str, member: str) -> None:
        """Take a member out."""
        await self._valkey.ask("ZREM", self._list(name, owner_id), member)

    async def page(self, name: str, owner_id: str, *, after: str | None = None, limit: int = 50) -> Page:
        """One page. What is put or removed meanwhile shifts nothing. Raises ``BadCursor``."""
        key = self._list(name, owner_id)
        top, last = ("+inf", None) if after is None else _cursor(after)
        found: list[tuple[str, str]] = []
        offset = 0
        while len(found) <= limit:
            part = ("LIMIT", offset, limit + 1, "WITHSCORES")
            rows = await self._valkey.ask("ZRANGE", key, top, "-inf", "BYSCORE", "REV", *part)
            pairs = list(zip(rows[::2], rows[1::2], strict=True))
            # Equal scores come in falling order of members: the cursor's own and those before are passed.
            found += [(m, s) for m, s in pairs if last is None or s != top or m < last]
            if len(pairs) <= limit:
                break
            offset += len(pairs)
        members = [member for member, _ in found[:limit]]
        more = json.dumps([found[limit - 1][1], members[-1]]) if len(found) > limit and members else None
        return Page(members, more)

    async def count(self, name: str, owner_id: str) -> int:
        """How many members there are."""
        return int(await self._valkey.ask("ZCARD", self._list(name, owner_id)))

    async def scores(self, name: str, owner_id: str, members: Sequence[str]) -> list[float | None]:
        """Where members stand now, in the order asked; None for one that is not in the list."""
        if not members:
            return []
        found = await self._valkey.ask("ZMSCORE", self._list(name, owner_id), *members)
        return [None if score is None else float(score) for score in found]

    async def place(self, places: Iterable[Place]) -> None:
        """Do what a projection says."""
        for each in places:
            if each.score is None:
                await self.remove(each.name, each.owner, each.member)
            else:
                await self.put(each.name, each.owner, each.member, each.score)

    def reaction(self, *projections: Projection) -> Handle:
        """The handle of the reader that keeps these lists (``Reader(..., group, index.reaction(...))``)."""

        async def keep(received: Received) -> None:
            entry = Entry(received.partition, received.position, received.fact)
            for projection in projections:
                await self.place(projection(entry))

        return keep

    async def clear(self, name: str) -> None:
        """Empty a list for every owner, before it is built again."""
        for partition in range(self._house.partitions):
            register = self._keys.at(partition, "owners", name)
            for owner in await self._valkey.ask("SMEMBERS", register):
                await self._valkey.ask("DEL", self._list(name, owner))
            await self._valkey.ask("DEL", register)

    def _list(self, name: str, owner: str) -> str:
        return self._keys.at(self._home(owner), "list", name, owner)

    def _register(self, name: str, owner: str) -> str:
        return self._keys.at(self._home(owner), "owners", name)

    def _home(self, owner: str) -> int:
        """The owner's partition; what is no id of ours ("all", "open") stands in the first."""
        try:
            partition = partition_of(owner)
        except NotAnId:
            return 0
        return partition if partition < self._house.partitions else 0


def _cursor(after: str) -> tuple[str, str]:
    try:
        score, member = json.loads(after)
    except (ValueError, TypeError) as wrong:
        raise BadCursor(after[:80]) from wrong
    if not isinstance(score, str) or not isinstance(member, str) or not _SCORE.fullmatch(score):
        raise BadCursor(after[:80])
    return score, member
