"""What is fixed when an installation is made, and the checks before anything stands on its store."""

from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar, Final

from spine.keyspace import Keyspace
from spine.problems import Kind, Problem
from spine.valkey import CommandRejected, Valkey

MOST_PARTITIONS: Final = 32
_LIBRARY: Final = "trunkline"
_PARTS: Final = (
    "commit.lua",
    "readers.lua",
    "rates.lua",
    "ingest.lua",
    "archive.lua",
    "queues.lua",
    "senders.lua",
)


class StoreUnfit(Problem):
    """The store is not initialised, or its settings would lose what we promise to keep."""

    code: ClassVar[str] = "store.unfit"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class House:
    """What ``trunkline init`` fixed for good. ``partitions``: 1 to 32."""

    partitions: int


async def init_house(valkey: Valkey, partitions: int = 8) -> House:
    """Fix the number of partitions; again alike is fine, with another number it raises ``StoreUnfit``."""
    if not 1 <= partitions <= MOST_PARTITIONS:
        raise StoreUnfit(f"partitions: 1 to {MOST_PARTITIONS}, not {partitions}")
    key = Keyspace(valkey.prefix).house()
    await valkey.ask("HSETNX", key, "partitions", partitions)
    fixed = int(await valkey.ask("HGET", key, "partitions"))
    if fixed != partitions:
        raise StoreUnfit(f"this store was made with {fixed} partitions, which never changes")
    return House(partitions)


async def open_house(valkey: Valkey, *, allow_everysec: bool = False) -> House:
    """Check the store's settings, load our functions and say how many partitions there are.

    Raises ``StoreUnfit`` and ``StoreDown``. ``allow_everysec``: for tests and benches only; up to a second
    is lost when the machine fails.
    """
    await _check(valkey, allow_everysec=allow_everysec)
    fixed = await valkey.ask("HGET", Keyspace(valkey.prefix).house(), "partitions")
    if fixed is None:
        raise StoreUnfit("this store is new: run `trunkline init` first")
    await _load_functions(valkey)
    return House(int(fixed))


async def _check(valkey: Valkey, *, allow_everysec: bool) -> None:
    """Refuse all but appendonly yes, appendfsync always, noeviction (architecture.md, Store)."""
    fsync = ("always", "everysec") if allow_everysec else ("always",)
    wanted = {"appendonly": ("yes",), "appendfsync": fsync, "maxmemory-policy": ("noeviction",)}
    for name, allowed in wanted.items():
        try:
            answers = await valkey.everywhere("CONFIG", "GET", name)
        except CommandRejected as refused:
            raise StoreUnfit(f"the store does not show its setting {name}: {refused}") from refused
        for answer in answers:
            found = answer[1] if len(answer) > 1 else "(none)"
            if found not in allowed:
                raise StoreUnfit(f"the store runs with {name} {found}; it needs {' or '.join(allowed)}")


async def _load_functions(valkey: Valkey) -> None:
    """Load our functions where they are missing or of another version."""
    folder = files("spine").joinpath("functions")
    source = f"#!lua name={_LIBRARY}\n" + "\n".join(
        folder.joinpath(part).read_text("utf-8") for part in _PARTS
    )
    there = await valkey.everywhere("FUNCTION", "LIST", "LIBRARYNAME", _LIBRARY, "WITHCODE")
    if not all(libraries and source in libraries[0] for libraries in there):
        await valkey.everywhere("FUNCTION", "LOAD", "REPLACE", source)
