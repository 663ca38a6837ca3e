"""Events over HTTP: a subscriber reads its stream page by page or follows it live; the catalogue for everybody."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from spine.open_streams import OpenStreams
from spine.problems import Problem
from spine.streams import checked
from webhooks.catalogue import Catalogue, EventType, Hearer
from webhooks.limits import WebhooksLimits
from webhooks.subscriptions import Subscriptions

_PAGE_MOST: Final = 100
_TYPE: Final = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*(\.\*)?$"
_PUBLIC: Final = {"Cache-Control": "public, max-age=300"}


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens. ``still`` raises its own problem once the right to listen has ended."""

    subscriber: str
    still: Callable[[], Awaitable[None]] = field(repr=False)


ListeningAs = Callable[..., Awaitable[Listener]]
"""A FastAPI dependency that names the listener or raises its own problem."""

After = Annotated[
    str | None, Query(max_length=40, description="Go on after this cursor; left out: the oldest event kept.")
]
Types = Annotated[
    tuple[Annotated[str, Query(pattern=_TYPE, max_length=80)], ...],
    Query(max_length=50, description="Such as `delivery.opened` or `delivery.*`, repeated; none: all."),
]
LastEventId = Annotated[
    str | None,
    Header(max_length=40, description="The `id` of the last event seen: the stream goes on after it."),
]
TypeName = Annotated[
    str, Path(pattern=r"^[a-z][a-z0-9_.]{0,79}$", examples=["delivery.opened"], description="A type's name.")
]


class EventsOut(BaseModel):
    """Events, oldest first, each as its webhook's body. ``next``: the cursor to go on after, always there.

    ``more``: there may be more right now; ask again at once. Else ask later, or follow the stream.
    """

    data: list[dict[str, Any]]
    next: str
    more: bool


class EventTypeOut(BaseModel):
    """A type of event. ``heard_by``: for each kind of hearer (`carrier`, `owner`) a `schema` and an `example`."""

    type: str
    says: str
    since: str
    heard_by: dict[Hearer, dict[str, Any]]


class EventTypesOut(BaseModel):
    """Every type of event."""

    data: list[EventTypeOut]


def routes(
    subscriptions: Subscriptions, catalogue: Catalogue, limits: WebhooksLimits, listening_as: ListeningAs
) -> APIRouter:
    """The routes under ``/v1``. ``listening_as`` comes from the composition root."""
    router = APIRouter(prefix="/v1", tags=["events"])
    who: Any = Annotated[Listener, Depends(listening_as)]
    live = _Live(subscriptions, limits)

    @router.get("/events", response_model=EventsOut, summary="My events")
    async def events(
        me: who,
        after: After = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE_MOST)] = 50,
        types: Types = (),
    ) -> Response:
        """What you were told, so that no gap stays: bodies and ids are those of the webhooks.

        410 where the cursor is too old: the answer says where to begin.
        """
        page = await subscriptions.page(me.subscriber, after=after, limit=limit, types=types)
        more = b"true" if page.more else b"false"
        bodies = b",".join(event.body for event in page.events)
        body = b'{"data":[' + bodies + b'],"next":"' + page.next.encode() + b'","more":' + more + b"}"
        return Response(body, media_type="application/json")

    @router.get(
        "/events/stream",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
        summary="My events as they happen",
    )
    async def stream(
        me: who,
        after: After = None,
        types: Types = (),
        last_event_id: LastEventId = None,
    ) -> StreamingResponse:
        """Server-sent events: `data` is the event, `id` its cursor. Without a cursor it begins with now.

        Ends after a while, or once the right to listen has ended: come again with `Last-Event-ID`.
        """
        frames = await live.begin(me, last_event_id if last_event_id is not None else after, types)
        return StreamingResponse(
            frames,
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @router.get("/event-types", summary="Every type of event")
    async def event_types(response: Response) -> EventTypesOut:
        """With JSON Schema and an example of each."""
        response.headers.update(_PUBLIC)
        return EventTypesOut(data=[_out(catalogue, one) for one in catalogue])

    @router.get("/event-types/{type_}", summary="One type of event")
    async def event_type(type_: TypeName, response: Response) -> EventTypeOut:
        """Its JSON Schema and an example for each kind of hearer."""
        found = _out(catalogue, catalogue.of(type_))
        response.headers.update(_PUBLIC)
        return found

    return router


class _Live:
    """The streams that are open in this process."""

    def __init__(self, subscriptions: Subscriptions, limits: WebhooksLimits) -> None:
        self._subscriptions = subscriptions
        self._limits = limits
        self._open = OpenStreams(each=limits.streams_each, total=limits.streams_open)

    async def begin(self, me: Listener, after: str | None, types: Sequence[str]) -> AsyncIterator[str]:
        """Check everything that can be refused, before the answer begins.

        Raises ``TooManyStreams`` and what ``Subscriptions.page`` raises.
        """
        self._open.check(me.subscriber)
        if after is None:
            position = await self._subscriptions.last(me.subscriber)
        else:
            position = checked(after)
            await self._subscriptions.page(me.subscriber, after=position, limit=1, types=["none"])
        return self._open.counted(me.subscriber, self._frames(me, position, types))

    async def _frames(self, me: Listener, position: str, types: Sequence[str]) -> AsyncGenerator[str, None]:
        try:
            line = await self._subscriptions.listen(me.subscriber)
            try:
                yield f"retry: 2000\nid: {position}\n\n"
                async for frame in self._follow(me, position, types, line.read):
                    yield frame
            finally:
                await line.close()
        except Problem:
            return  # the client comes again and is told why

    async def _follow(
        self, me: Listener, position: str, types: Sequence[str], wait: Callable[..., Awaitable[list[Any]]]
    ) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._limits.stream_life.total_seconds()
        while (left := ends - loop.time()) > 0:
            page = await self._subscriptions.page(
                me.subscriber, after=position, limit=_PAGE_MOST, types=types
            )
            await me.still()
            for event in page.events:
                yield f"id: {event.cursor}\ndata: {event.body.decode()}\n\n"
            if page.next != position and (not page.events or page.events[-1].cursor != page.next):
                yield f"id: {page.next}\n\n"  # nothing to hear, but it need not be looked at again
            position = page.next
            if page.more:
                continue
            patience = min(self._limits.stream_beat.total_seconds(), left)
            if not await wait(position, count=1, block_ms=max(1, round(patience * 1000))):
                yield ": still here\n\n"


def _out(catalogue: Catalogue, one: EventType) -> EventTypeOut:
    heard = {
        hearer: {"schema": catalogue.schema(one.name, hearer), "example": catalogue.example(one.name, hearer)}
        for hearer in one.heard
    }
    return EventTypeOut(type=one.name, says=one.says, since=one.since, heard_by=heard)
