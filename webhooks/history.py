"""What became of the news to an address: its rows of attempts, and its messages by their newest row."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spine.ids import EndpointId
from spine.index import BadCursor
from spine.queued import Row
from spine.queues import Queues
from webhooks.attempts import Attempt, read_row
from webhooks.messages import Kept, Message, Place, queue_of
from webhooks.moments import from_ms
from webhooks.states import STORED

_POSITION: Final = re.compile(r"[0-9]{1,16}-[0-9]{1,16}")
_READ_AT_ONCE: Final = 500


def is_position(text: str) -> bool:
    """Whether it has the shape of a row's place."""
    return _POSITION.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One row of an address. ``position``: its place in them, the cursor of what is older. ``ping``: it was one."""

    position: str
    message: str
    attempt: Attempt
    ping: bool = False


@dataclass(frozen=True, slots=True)
class AttemptsPage:
    """Rows, newest first; ``next`` is the cursor of the following page."""

    rows: Sequence[AttemptRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class MessagesPage:
    """A page of messages, newest first; ``next`` is the cursor of the following one."""

    messages: Sequence[Message]
    next: str | None


async def rows_of(queues: Queues, endpoint: EndpointId, *, after: str | None, limit: int) -> AttemptsPage:
    """The rows of an address, its pings among them, newest first.

    News and pings have places of their own, which may be equal: then both stand on one page, though it is one longer.
    """
    rows: list[AttemptRow] = []
    for pings in (False, True):
        place = queue_of(endpoint, pings=pings)
        found = await queues.rows(place.partition, place.address, after=after, limit=limit + 2)
        rows += [AttemptRow(each.position, each.message, read_row(each.text), pings) for each in found]
    rows.sort(key=lambda row: _number(row.position), reverse=True)
    shown = rows[:limit]
    shown += [row for row in rows[limit : limit + 1] if row.position == shown[-1].position]
    return AttemptsPage(shown, shown[-1].position if len(rows) > len(shown) else None)


class History:
    """The messages of an address that were tried or dropped, each where its newest row is."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    async def page(self, endpoint: EndpointId, *, after: str | None, limit: int) -> MessagesPage:
        """The messages whose rows are kept. Raises ``BadCursor``."""
        if after is not None and not is_position(after):
            raise BadCursor("this is no cursor of ours")
        place = queue_of(endpoint)
        every = await self._all_rows(place)
        attempts: dict[str, list[Attempt]] = {}
        newest: dict[str, str] = {}
        for row in every:
            newest.setdefault(row.message, row.position)
            attempts.setdefault(row.message, []).insert(0, read_row(row.text))
        order = list(newest.items())
        if after is not None:
            order = [each for each in order if _number(each[1]) < _number(after)]
        shown = order[:limit]
        messages = [
            found
            for message, _ in shown
            if (found := await self._message(place, message, attempts[message])) is not None
        ]
        return MessagesPage(messages, shown[-1][1] if len(order) > limit else None)

    async def _all_rows(self, place: Place) -> list[Row]:
        rows: list[Row] = []
        after: str | None = None
        while True:
            found = await self._queues.rows(place.partition, place.address, after=after, limit=_READ_AT_ONCE)
            rows += found
            if len(found) < _READ_AT_ONCE:
                return rows
            after = found[-1].position

    async def _message(self, place: Place, message: str, attempts: Sequence[Attempt]) -> Message | None:
        stored = await self._queues.one(place.partition, message)
        if stored is None:
            return None
        kept = Kept.read(stored.body, started=stored.n, attempts=attempts)
        pending = stored.state == "pending" and stored.due_ms is not None
        return Message(
            message, STORED[stored.state], kept, from_ms(stored.due_ms) if pending and stored.due_ms else None
        )


def _number(position: str) -> tuple[int, int]:
    ms, _, seq = position.partition("-")
    return int(ms), int(seq)
