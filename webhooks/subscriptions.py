"""What each subscriber was told, to be read again: references in its stream, composed when they are read."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.streams import Kept, Streams, Told
from spine.valkey import Listening, StoreDown
from webhooks.catalogue import SOURCE
from webhooks.dispatch import Brief, Composer
from webhooks.envelope import News, encode
from webhooks.limits import WebhooksLimits

log = logging.getLogger("trunkline.webhooks")


class _Reference(BaseModel):
    """One entry: the event's id, its type for this subscriber, and from what its body is composed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str
    type: str
    at: AwareDatetime
    reference: dict[str, str]


@dataclass(frozen=True, slots=True)
class Heard:
    """One event as its webhook's body has it, byte for byte. ``cursor``: go on after it."""

    cursor: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order. ``next``: go on after it, also where there were none. ``more``: there may be more now."""

    events: Sequence[Heard]
    next: str
    more: bool


class Subscriptions:
    """The streams of carriers and persons. ``compose``: by the first part of a type, as the engine's.

    What a subscriber may no longer see, or what is no longer so, is left out: an entry that said that
    something was left out would tell of it. An event can be read here before, after or without its webhook, and
    has the same id in both.
    """

    def __init__(
        self,
        streams: Streams,
        clock: Clock,
        limits: WebhooksLimits,
        compose: Mapping[str, Composer],
        *,
        source: str = SOURCE,
    ) -> None:
        self._streams = streams
        self._clock = clock
        self._limits = limits
        self._compose = compose
        self._source = source
        self._kept = Kept(limits.stream_age, limits.stream_entries)

    async def tell(
        self, subscriber: str, event: str, type_: str, reference: Mapping[str, str], *, at: datetime
    ) -> None:
        """Put a reference into a subscriber's stream. Told before, or older than is kept: nothing happens.

        ``event``: the id its messages have without their address (``envelope.event_of``). Raises ``StoreDown``.
        """
        told = _Reference(event=event, type=type_, at=at, reference=dict(reference))
        await self._streams.add(
            subscriber, event, told.model_dump_json(), at=at, now=self._clock.now(), kept=self._kept
        )

    async def page(
        self, subscriber: str, *, after: str | None, limit: int, types: Sequence[str] = ()
    ) -> Page:
        """At most ``limit`` events that fit ``types`` (none: all) after a cursor (None: the oldest kept).

        Looks at ``limits.stream_scan`` entries at most, so a page may be empty and still have ``more``.
        Raises ``CursorMalformed``, ``CursorTooOld``, ``CursorUnknown``, ``StoreDown``.
        """
        scan = max(limit, self._limits.stream_scan)
        found = await self._streams.read(
            subscriber, after, limit=scan, now=self._clock.now(), kept=self._kept
        )
        position, events = after if after is not None else found.floor, list[Heard]()
        for n, entry in enumerate(found.entries):
            if len(events) == limit:
                return Page(events, position, n < len(found.entries))
            position = entry.id
            body = await self._body(subscriber, entry, types)
            if body is not None:
                events.append(Heard(entry.id, body))
        return Page(events, position, position != found.last)

    async def last(self, subscriber: str) -> str:
        """The cursor behind everything that was told so far. Raises ``StoreDown``."""
        found = await self._streams.read(subscriber, None, limit=1, now=self._clock.now(), kept=self._kept)
        return found.last

    async def listen(self, subscriber: str) -> Listening:
        """A connection that waits for the next entry; the caller closes it. Raises ``StoreDown``."""
        return await self._streams.listen(subscriber)

    async def erase(self, subscriber: str) -> None:
        """The subscriber is gone: its stream is dropped, and nothing is told to it again."""
        await self._streams.erase(subscriber)

    async def _body(self, subscriber: str, entry: Told, types: Sequence[str]) -> bytes | None:
        told = _Reference.model_validate_json(entry.reference)
        if types and not any(fits(told.type, one) for one in types):
            return None
        brief = Brief(
            message=told.event,
            type=told.type,
            reference=told.reference,
            at=told.at,
            expires_at=told.at + self._limits.stream_age,
            endpoint=None,
            subscriber=subscriber,
            person=None,
        )
        try:
            said = await self._compose[told.type.partition(".")[0]](brief)
            if not isinstance(said, News):
                return None
            return encode(told.event, told.type, told.at, self._source, said)
        except StoreDown:
            raise
        except Exception:  # one that cannot be composed must not stand in the way of all that follow
            log.exception("event.not_composed", extra={"event_id": told.event, "type": told.type})
            return None


def fits(type_: str, wanted: str) -> bool:
    """Whether a type is wanted: ``delivery.opened``, or ``delivery.*`` for all that begin so."""
    return type_ == wanted or (wanted.endswith(".*") and type_.startswith(wanted[:-1]))
