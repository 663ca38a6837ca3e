"""What cars say, saved in one step per batch: a verdict per message, and facts and state of what is new."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from spine.facts import FACT, Fact
from spine.ids import UnitId, VehicleId, partition_of
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.store import Split, Store
from spine.valkey import Word


class Verdict(StrEnum):
    """What became of a message. All but ``NEW`` add no fact and move no state.

    ``DUPLICATE``: it was taken before, acknowledge it. ``STALE``: 1,024 or more behind the newest of its
    boot, whether it was taken is not known. ``BEHIND``: of an earlier boot. A unit drops neither: it
    resends them under a new number (vehicle-protocol.md, rule 4).
    """

    NEW = "new"
    DUPLICATE = "duplicate"
    STALE = "stale"
    BEHIND = "behind"


class Incoming(NamedTuple):
    """One message of one unit, parsed and checked.

    ``dedupe``: an id known for 7 days (receipt chain number, scan id, event id). ``state``: fields of the
    car's state, each moved forward only by (boot, seq); a message without a ``seq`` (0) is the newest of its
    boot. ``wants_window``: it carries a ``seq`` that is told new from old by the window.
    """

    vehicle: VehicleId
    unit: UnitId
    boot: int
    seq: int = 0
    dedupe: str | None = None
    facts: Sequence[Fact] = ()
    state: Mapping[str, str] = MappingProxyType({})
    wants_window: bool = True


async def ingest(
    store: Store, partition: int, items: Sequence[Incoming], *, now: datetime, keep: timedelta | None = None
) -> list[Verdict]:
    """Save a batch (any units of one partition, at most a few hundred) atomically; a verdict each, in order.

    ``keep``: how long dedupe ids are known, ``SpineLimits.dedupe`` if not given. When this returns, it is on
    disk. Raises ``Split`` for a unit, car or fact of another partition, ``StoreDown``.
    """
    keys = Keyspace(store.valkey.prefix)
    units: dict[str, int] = {}
    names: list[str] = [keys.log(partition)]
    messages: list[Word] = []
    for item in items:
        if item.unit not in units:
            units[item.unit] = len(units) + 1
            names += _keys(keys, partition, item)
        messages += [
            units[item.unit],
            item.boot,
            item.seq,
            "1" if item.wants_window else "",
            item.dedupe or "",
        ]
        messages += [
            len(item.state),
            len(item.facts),
            *(word for pair in item.state.items() for word in pair),
        ]
        messages += _facts(item.facts, partition)
    known = keep or SpineLimits().dedupe
    args: list[Word] = [
        round(now.timestamp() * 1000),
        round(known.total_seconds() * 1000),
        len(units),
        *units,
    ]
    return [Verdict(each) for each in await store.valkey.call("tl_ingest", names, [*args, *messages])]


async def car_state(store: Store, vehicle: VehicleId, fields: Sequence[str] | None = None) -> dict[str, str]:
    """The car's last values by field; empty where it never spoke. ``fields``: of these alone."""
    key = Keyspace(store.valkey.prefix).car(partition_of(vehicle), vehicle)
    if fields is not None:
        row = await store.valkey.ask("HMGET", key, *fields)
        known = zip(fields, row, strict=True)
        return {name: value.partition(" ")[2] for name, value in known if value is not None}
    row = await store.valkey.ask("HGETALL", key)
    pairs = zip(row[::2], row[1::2], strict=True)
    return {name: value.partition(" ")[2] for name, value in pairs if not name.startswith("@")}


async def forget_car_state(store: Store, vehicle: VehicleId, fields: Iterable[str] | None = None) -> None:
    """Erase some of a car's last values (None: all of them), as when it changes hands."""
    key = Keyspace(store.valkey.prefix).car(partition_of(vehicle), vehicle)
    if fields is None:
        await store.valkey.ask("DEL", key)
    elif names := list(fields):
        await store.valkey.ask("HDEL", key, *names)


def _keys(keys: Keyspace, partition: int, item: Incoming) -> list[str]:
    for each in (item.unit, item.vehicle):
        if partition_of(each) != partition:
            raise Split(f"{each} is not of partition {partition}")
    return [
        keys.at(partition, "window", item.unit),
        keys.at(partition, "known", item.unit),
        keys.car(partition, item.vehicle),
    ]


def _facts(facts: Sequence[Fact], partition: int) -> list[str]:
    for fact in facts:
        if partition_of(fact.subject) != partition:
            raise Split(f"{fact.kind} is about {fact.subject}, not of partition {partition}")
    return [FACT.dump_json(fact).decode() for fact in facts]
