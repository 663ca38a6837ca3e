"""Subscribers' streams: what each was told, as references in order; bounded, each once, in its own partition."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from spine.ids import partition_of
from spine.keyspace import Keyspace
from spine.problems import Kind, Problem
from spine.valkey import Listening, Valkey

START: Final = "0-0"
"""The cursor before every entry, and the end of a stream in which nothing was ever told."""

_CURSOR: Final = re.compile(r"(?:0|[1-9][0-9]{0,14})-(?:0|[1-9][0-9]{0,9})", re.ASCII)


class CursorMalformed(Problem):
    """The text is no cursor of a stream."""

    code: ClassVar[str] = "events.bad_cursor"
    kind: ClassVar[Kind] = Kind.INVALID


class CursorTooOld(Problem):
    """What follows the cursor is not kept any more, at least in part. ``members``: for the answer."""

    code: ClassVar[str] = "events.cursor_too_old"
    kind: ClassVar[Kind] = Kind.GONE

    def __init__(self, begin: str) -> None:
        super().__init__(
            f"Events after this cursor are no longer kept. Read the records anew, then go on after {begin}, "
            "or leave `after` out to begin with the oldest event kept."
        )
        self.members = {"begin": begin}


class CursorUnknown(Problem):
    """No such cursor was ever given: it is another stream's, or this one was restored from before it."""

    code: ClassVar[str] = "events.cursor_unknown"
    kind: ClassVar[Kind] = Kind.GONE

    def __init__(self, last: str) -> None:
        super().__init__(
            f"This stream never gave that cursor. Read the records anew, then go on after {last}."
        )
        self.members = {"begin": last}


@dataclass(frozen=True, slots=True)
class Kept:
    """How long (age) and how many (entries) a stream keeps."""

    age: timedelta
    entries: int


@dataclass(frozen=True, slots=True)
class Told:
    """One entry: its id is the cursor behind it; ``reference`` is the JSON that was told."""

    id: str
    reference: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Entries in order. ``floor``: the newest id that was dropped; ``last``: the newest id there is."""

    entries: Sequence[Told]
    floor: str
    last: str


class Streams:
    """One stream for each owner's id, in that id's partition. All raise ``StoreDown``."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._keys = Keyspace(valkey.prefix)

    async def add(
        self, owner: str, called: str, reference: str, *, at: datetime, now: datetime, kept: Kept
    ) -> str | None:
        """Tell something once; its id. None where it was told, is older than is kept, or the owner is erased.

        ``called``: the same thing has the same name whenever it is told again.
        """
        words = (called, reference, _ms(at), _ms(now), _span(kept.age), kept.entries)
        return str(await self._valkey.call("tl_stream_add", self._of(owner), words)) or None

    async def read(self, owner: str, after: str | None, *, limit: int, now: datetime, kept: Kept) -> Slice:
        """What follows a cursor (None: from the oldest on); what is too old goes before.

        Raises ``CursorMalformed``, ``CursorTooOld``, ``CursorUnknown``.
        """
        words = (checked(after) if after is not None else "", limit, _ms(now), _span(kept.age), kept.entries)
        said, floor, last, *rows = await self._valkey.call("tl_stream_read", self._of(owner), words)
        if said == "OLD":
            raise CursorTooOld(floor)
        if said == "AHEAD":
            raise CursorUnknown(last)
        entries = [Told(id_, reference) for id_, reference in zip(rows[::2], rows[1::2], strict=True)]
        return Slice(entries, floor, last)

    async def listen(self, owner: str) -> Listening:
        """A connection of its own that waits for the next entry; the caller closes it."""
        return await self._valkey.listen(self._of(owner)[0])

    async def erase(self, owner: str) -> None:
        """Drop the stream for good: nothing is told to this owner again. Again: nothing changes."""
        await self._valkey.call("tl_stream_erase", self._of(owner), ())

    def _of(self, owner: str) -> list[str]:
        return self._keys.told(partition_of(owner), owner)


def checked(cursor: str) -> str:
    """The cursor itself. Raises ``CursorMalformed``."""
    if not _CURSOR.fullmatch(cursor):
        raise CursorMalformed("A cursor is the `next` of a page or the `id` of a server-sent event.")
    return cursor


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _span(age: timedelta) -> int:
    return round(age.total_seconds() * 1000)
