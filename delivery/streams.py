"""A delivery's facts as server-sent events: a signal with a cursor, never more than the reader may know."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Header
from fastapi.responses import StreamingResponse

from delivery.desk import Desk
from delivery.model import Read
from delivery.problems import NoSuchDelivery
from spine.facts.delivery import DeliveryFact
from spine.ids import DeliveryId, partition_of
from spine.problems import Problem

_POSITION: Final = re.compile(r"^[0-9]{1,16}-[0-9]{1,10}$")
_BATCH: Final = 200

Name = Callable[[str, Read], str | None]
"""What this reader's event of a kind of fact is called now; None where it hears nothing of it."""

LastEventId = Annotated[
    str | None,
    Header(max_length=40, description="Cursor of the last event seen: nothing is missed or doubled."),
]


@dataclass(frozen=True, slots=True)
class Audience:
    """Who listens (``id``): what an event is called for them, the state as they read it, and whether they still may.

    ``still`` reads the delivery again as this reader, before anything is sent; it raises once the reader may
    not see it any more, and the stream ends.
    """

    id: str
    name: Name
    state: Callable[[Read], str]
    still: Callable[[], Awaitable[Read]]


def stream(desk: Desk, read: Read, audience: Audience, after: str | None) -> StreamingResponse:
    """Events ``delivery`` with ``{type, at, delivery, state}``; ``id`` is the position in the log.

    Without a cursor it begins with the order. Raises ``TooManyStreams``.
    """
    desk.streams.check(audience.id)
    return StreamingResponse(
        desk.streams.counted(audience.id, _events(desk, read, audience, after)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(desk: Desk, read: Read, audience: Audience, after: str | None) -> AsyncGenerator[str, None]:
    limits = desk.deliveries.limits
    position = after if after and _POSITION.match(after) else read.body.begins()
    loop = asyncio.get_running_loop()
    ends = loop.time() + limits.stream_life.total_seconds()
    yield f"retry: 2000\nid: {position}\n\n"
    while loop.time() < ends:
        try:
            patience = min(limits.stream_beat.total_seconds(), max(0.0, ends - loop.time()))
            entries = await desk.tail.after(partition_of(read.id), position, limit=_BATCH, patience=patience)
            here = await audience.still()
        except (NoSuchDelivery, Problem):
            return
        sent = False
        for entry in entries:
            position = entry.position
            fact = entry.fact
            if not isinstance(fact, DeliveryFact) or fact.delivery != read.id:
                continue
            called = audience.name(fact.kind, here)
            if called is not None:
                sent = True
                yield _event(position, called, fact.at.isoformat(), read.id, audience.state(here))
        if not sent:
            yield ": still here\n\n"


def _event(position: str, called: str, at: str, delivery: DeliveryId, state: str) -> str:
    data = json.dumps({"type": called, "at": at, "delivery": delivery, "state": state}, separators=(",", ":"))
    return f"id: {position}\nevent: delivery\ndata: {data}\n\n"
