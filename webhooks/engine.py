"""News out: one durable message per event and address, tried until it is taken, withdrawn or too late.

A message lies in a queue of its address, in the address' partition (``spine.queues``); a sender leases it, composes the body
from the records as they are then, sends it and saves what came of it. A crash anywhere gives at worst a second try
with the same ``webhook-id``, and a slow address holds up nobody.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from spine.clock import Clock
from spine.ids import EndpointId, prefix_of
from spine.index import BadCursor
from spine.problems import Kind, Problem
from spine.queued import Backlog, Put
from spine.queued import Kept as Stored
from spine.queues import BacklogFull, BacklogHeld
from spine.store import Ack, Elsewhere, Store
from webhooks.attempts import Attempt, drop_row, read_row
from webhooks.dispatch import Composer, Dispatch
from webhooks.endpoints import Endpoints, queues_of
from webhooks.health import Health
from webhooks.history import AttemptRow, AttemptsPage, History, is_position, rows_of
from webhooks.limits import WebhooksLimits
from webhooks.mail import Mail
from webhooks.messages import Kept, Message, MessageRefused, Outgoing, Place, kept_text, place_of, queue_of
from webhooks.moments import from_ms, ms_before
from webhooks.sender import Sender
from webhooks.sending import Sending
from webhooks.states import STORED, State, Step, step
from webhooks.trying import Trying
from webhooks.web_push_devices import Devices
from webhooks.web_push_sending import PushDoor

__all__ = [
    "AttemptRow", "AttemptsPage", "BacklogFull", "Dead", "DeadPage", "Engine", "Load", "MessageTooLate",
    "MessageUnknown",
]  # fmt: skip

_AT_ONCE: Final = 100


class MessageUnknown(Problem):
    """There is no such message (any more)."""

    code: ClassVar[str] = "message.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class MessageTooLate(Problem):
    """Its deadline has passed: it is never sent again."""

    code: ClassVar[str] = "message.too_late"
    kind: ClassVar[Kind] = Kind.GONE


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter: what it was, when it died."""

    message: str
    kept: Kept
    died_at: datetime


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Dead letters, newest first; ``next`` is the cursor of the following page."""

    letters: Sequence[Dead]
    next: str | None


@dataclass(frozen=True, slots=True)
class Load:
    """How an address stands: what waits, what is on the wire, what is dead, and how it does."""

    waiting: int
    in_flight: int
    behind: int
    """Waits for earlier news of the same delivery or vehicle, where the address asked for order."""
    dead: int
    next_at: datetime | None
    held_until: datetime | None
    breaker: str
    health: Health


class Engine:
    """The engine of signed webhooks, mail and notifications. ``compose``: by the first part of a type (``delivery``)."""

    def __init__(  # noqa: PLR0913 - each is one thing that news out stands on
        self,
        store: Store,
        clock: Clock,
        limits: WebhooksLimits,
        compose: Mapping[str, Composer],
        sender: Sender,
        mail: Mail,
        endpoints: Endpoints,
        *,
        source: str = "/trunkline",
        devices: Devices | None = None,
        push: PushDoor | None = None,
    ) -> None:
        """``source``: CloudEvents' name of this installation, a URI reference.

        ``devices``: the browsers that persons let us notify; ``push``: the door to them, where its key is held.
        """
        self._clock, self._limits = clock, limits
        self._types = frozenset(compose)
        self._queues = queues_of(store, limits)
        self.history = History(self._queues)
        dispatch = Dispatch(clock, limits, compose, sender, mail, source=source, push=push)
        trying = Trying(clock, limits, dispatch, endpoints, devices)
        self._sending = Sending(clock, limits, self._queues, trying)

    # ---- who has news

    async def queue(self, message: Outgoing, *, ack: Ack | None = None, bounded: bool = False) -> bool:
        """Take a message for one address; True where it is new. The same id again changes nothing.

        Raises ``MessageRefused`` and what the store raises. ``bounded``: the caller can be told to come later:
        raises ``BacklogFull`` (429) above ``backlog_most``; a reader of the log waits, above ``backlog_hard``.
        An ack of the address' partition is committed with it; else the reader saves its cursor later, and the
        message's id tells that it is queued already. When this returns, the message will be tried.
        """
        now = self._clock.now()
        message.checked()
        if message.type.partition(".")[0] not in self._types:
            raise MessageRefused(f"nobody composes {message.type}")
        place = self._here(place_of(message.id))
        delivery, vehicle = _order_of(message)
        try:
            new = await self._queues.put(
                Put(place.partition, place.address, message.id, kept_text(message, now), delivery, vehicle),
                due=now,
                most=self._limits.backlog_most if bounded else self._limits.backlog_hard,
                ack=ack,
            )
        except BacklogFull as full:
            if bounded:
                raise
            raise BacklogHeld(full.detail) from full
        if new:
            self._sending.wake(place.partition)
        return new

    async def withdraw(self, message: str, *, ack: Ack | None = None) -> bool:  # noqa: ARG002 the reader saves its own
        """It need not be sent any more; True where that is new. A try on the wire may still arrive."""
        now = self._clock.now()
        place = self._here(place_of(message))
        stored = await self._queues.one(place.partition, message)
        if stored is None or step(STORED[stored.state], Step.WITHDRAWN) is None:
            return False
        row = drop_row(stored.n, ms_before(now), "withdrawn")
        return await self._queues.withdraw(
            place.partition, place.address, message, row=row, keep=self._limits.kept_for, now=now
        )

    async def begun(self, message: str) -> bool:
        """Whether a try of it was begun, however it ended: it may be before somebody's eyes."""
        place = self._here(place_of(message))
        stored = await self._queues.one(place.partition, message)
        return stored is not None and stored.n > 0

    async def view(self, message: str) -> Message:
        """How a message stands, with those of its rows that are kept."""
        place = self._here(place_of(message))
        stored = await self._queues.one(place.partition, message)
        if stored is None:
            return Message(message, State.NEW, None, None)
        rows = await self._queues.rows(
            place.partition, place.address, after=None, limit=self._limits.rows_kept
        )
        return _message(stored, [read_row(row.text) for row in reversed(rows) if row.message == message])

    # ---- who looks after an address

    async def resend(self, message: str) -> bool:
        """Try an ended message anew, with the same id; False where it is pending anyway.

        Raises ``MessageUnknown``, ``MessageTooLate``, ``BacklogFull``.
        """
        now = self._clock.now()
        place = self._here(place_of(message))
        [body] = await self._queues.bodies(place.partition, [message])
        if body is None:
            raise MessageUnknown("there is no such message")
        if Kept.read(body).expires_at <= now:
            raise MessageTooLate("its deadline has passed")
        return await self._resend(place, message, now)

    async def recover(self, endpoint: EndpointId, since: datetime, until: datetime) -> int:
        """Try anew what died at this address from ``since`` to ``until``; how many. Those too late stay dead.

        At most ``recover_most`` at once. Raises ``BacklogFull`` where no more may wait; what was taken stays so.
        """
        now, place = self._clock.now(), self._here(queue_of(endpoint))
        found = await self._queues.dead(
            place.partition, place.address, since=since, until=until, limit=self._limits.recover_most
        )
        count = 0
        for start in range(0, len(found), _AT_ONCE):
            ids = [message for message, _ in found[start : start + _AT_ONCE]]
            bodies = await self._queues.bodies(place.partition, ids)
            alive = [
                message
                for message, body in zip(ids, bodies, strict=True)
                if body is not None and Kept.read(body).expires_at > now
            ]
            count += sum(await asyncio.gather(*(self._resend(place, each, now) for each in alive)))
        return count

    async def attempts(self, endpoint: EndpointId, after: str | None = None, limit: int = 50) -> AttemptsPage:
        """The rows of an address, its pings among them, newest first. Raises ``BadCursor``."""
        if after is not None and not is_position(after):
            raise BadCursor("this is no cursor of ours")
        self._here(queue_of(endpoint))
        return await rows_of(self._queues, endpoint, after=after, limit=limit)

    async def dead(self, endpoint: EndpointId, after: str | None = None, limit: int = 50) -> DeadPage:
        """What died at an address and can be tried anew, newest first. Raises ``BadCursor``."""
        if after is not None and not (after.isascii() and after.isdigit() and len(after) < 9):
            raise BadCursor("this is no cursor of ours")
        skip, place = int(after or 0), self._here(queue_of(endpoint))
        found = await self._queues.dead_newest(place.partition, place.address, skip=skip, limit=limit + 1)
        shown = found[:limit]
        bodies = await self._queues.bodies(place.partition, [message for message, _ in shown])
        letters = [
            Dead(message, Kept.read(body), from_ms(at))
            for (message, at), body in zip(shown, bodies, strict=True)
            if body is not None
        ]
        return DeadPage(letters, str(skip + limit) if len(found) > limit else None)

    async def backlog(self, endpoint: EndpointId) -> Load:
        """How much waits for an address, and how it does."""
        place = self._here(queue_of(endpoint))
        return _load(await self._queues.backlog(place.partition, place.address))

    async def pinged(self, message: str) -> Message:
        """What came of a ping, waiting for its first try at most ``ping_wait``."""
        until = asyncio.get_running_loop().time() + self._limits.ping_wait.total_seconds()
        while True:
            found = await self.view(message)
            tried = found.kept is not None and found.kept.attempts
            if tried or asyncio.get_running_loop().time() > until:
                return found
            await asyncio.sleep(self._limits.sender_poll.total_seconds())

    # ---- the sender

    async def run(self, name: str = "sender") -> None:
        """Send what is due, until cancelled; several processes may.

        ``name``: the same after a restart, so that what its former life had in hand goes back at once.
        """
        await self._sending.run(name)

    async def sweep(self) -> int:
        """Try everything that is due now, once; how many tries there were."""
        return await self._sending.sweep()

    async def idle(self) -> None:
        """Wait until no try runs in this process."""
        await self._sending.idle()

    async def close(self) -> None:
        """Let the running tries end; what is cut off here is tried again by whoever comes next."""
        await self._sending.close()

    async def _resend(self, place: Place, message: str, now: datetime) -> bool:
        again = await self._queues.resend(
            place.partition, place.address, message, most=self._limits.backlog_most, now=now
        )
        self._sending.wake(place.partition)
        return again

    def _here(self, place: Place) -> Place:
        if place.partition >= self._queues.partitions:
            raise Elsewhere("this is no address of ours")
        return place


def _order_of(message: Outgoing) -> tuple[str, str]:
    """The delivery and the vehicle that news is about, empty where unknown."""
    delivery, vehicle = message.reference.get("delivery", ""), message.reference.get("vehicle", "")
    if message.order_key is None:
        return delivery, vehicle
    if prefix_of(message.order_key) == "veh":
        return delivery, message.order_key
    return message.order_key, vehicle


def _message(stored: Stored, attempts: Sequence[Attempt]) -> Message:
    kept = Kept.read(stored.body, started=stored.n, attempts=attempts)
    next_at = None if stored.due_ms is None else from_ms(stored.due_ms)
    return Message(stored.id, STORED[stored.state], kept, next_at)


def _load(found: Backlog) -> Load:
    health = Health.read(found.health.text)
    return Load(
        waiting=found.waiting,
        in_flight=found.in_flight,
        behind=found.behind,
        dead=found.dead,
        next_at=None if found.oldest_due_ms is None else from_ms(found.oldest_due_ms),
        held_until=from_ms(found.hold_ms) if found.hold_ms else None,
        breaker=health.breaker,
        health=health,
    )
