"""News out: one durable message per event and address, tried until it is taken, withdrawn or too late.

A message is a subject whose timer is its next try. A try takes the message for longer than it can last,
composes the body, sends it outside of any commit and then commits what came of it. So a crash between sending
and committing gives at worst a second try with the same ``webhook-id``, and a slow address holds up nobody.
A lost commit is no lost message: its lease ends, and the next timer tries again.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta

from spine.clock import Clock
from spine.store import Ack, Change, Saved, Store, Write
from webhooks.dispatch import Composer, Dispatch
from webhooks.endpoints import Endpoints, EndpointState, Target
from webhooks.limits import WebhooksLimits
from webhooks.mail import Mail
from webhooks.messages import Kept, Message, MessageRefused, Outcome, Outgoing, Result, read
from webhooks.schedule import next_try, wait_after
from webhooks.sender import Sender
from webhooks.states import ENDS, State, Step, step

log = logging.getLogger("trunkline.webhooks")


class Engine:
    """The engine of signed webhooks and mail. ``compose``: by the first part of a type (``delivery``)."""

    def __init__(
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
    ) -> None:
        """``source``: CloudEvents' name of this installation, a URI reference."""
        self._store = store
        self._clock = clock
        self._limits = limits
        self._types = frozenset(compose)
        self._dispatch = Dispatch(clock, limits, compose, sender, mail, endpoints, source=source)
        self._endpoints = endpoints
        self._random = random.SystemRandom()
        self._tries: set[asyncio.Task[None]] = set()
        self._on_the_wire: Counter[str] = Counter()

    async def queue(self, message: Outgoing, *, ack: Ack | None = None) -> bool:
        """Take a message for one address; True where it is new. The same id again changes nothing.

        Raises ``MessageRefused`` and what ``Store.change`` raises. When this returns, it will be tried.
        """
        now = self._clock.now()
        kept = Kept.of(message.checked(), now)
        if message.type.partition(".")[0] not in self._types:
            raise MessageRefused(f"nobody composes {message.type}")

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            after = step(State(saved[message.id].state), Step.QUEUED)
            if after is None:
                return None
            write = Write(after, kept.model_dump_json(), wake_at=now)
            return Change({message.id: write}, [kept.queued(message.id)])

        return (await self._store.change([message.id], decide, ack=ack)).changed

    async def withdraw(self, message: str, *, ack: Ack | None = None) -> bool:
        """It need not be sent any more; True where that is new. A try on the wire may still arrive."""
        now = self._clock.now()
        return await self._end(message, Step.WITHDRAWN, "withdrawn", now, ack)

    async def view(self, message: str) -> Message:
        """How a message stands, with its rows of attempts while they are kept."""
        return read(await self._store.load(message))

    async def on_due(self, saved: Saved) -> None:
        """The timer of a message (prefix ``msg``): begin a try, put it off, give up, or erase its rows.

        Returns when the try has begun, not when it has ended, so that no address waits for another.
        """
        now = self._clock.now()
        message = read(saved)
        if message.state in ENDS:
            await self._forget(saved.id, now)
            return
        kept = message.kept
        if kept is None or (saved.wake_at is not None and saved.wake_at > now):
            return
        target = await self._endpoints.target(kept.endpoint) if kept.endpoint is not None else None
        if (reason := self._why_not(kept, target, now)) is not None:
            await self._end(saved.id, Step.GIVEN_UP, reason, now)
        elif target is not None and target.endpoint.held_until and target.endpoint.held_until > now:
            await self._postpone(saved.id, target.endpoint.held_until, now)
        elif self._is_full(kept.address):
            await self._postpone(saved.id, now + self._limits.busy_wait * (1 + self._random.random()), now)
        else:
            await self._begin(saved.id, kept.address, target, now)

    async def idle(self) -> None:
        """Wait until no try runs in this process."""
        while self._tries:
            await asyncio.wait(self._tries)

    async def close(self) -> None:
        """Let the running tries end; what is cut off here is tried again by whoever comes next."""
        if self._tries:
            await asyncio.wait(self._tries, timeout=self._limits.total_timeout.total_seconds())
        for running in self._tries:
            running.cancel()
        await asyncio.gather(*self._tries, return_exceptions=True)

    def _why_not(self, kept: Kept, target: Target | None, now: datetime) -> str | None:
        """Why it is not tried any more."""
        if now >= kept.expires_at:
            return "deadline"
        if kept.endpoint is not None and target is None:
            return "endpoint_gone"
        if target is not None and target.endpoint.state is not EndpointState.ENABLED:
            return "endpoint_disabled"
        age = now - kept.queued_at
        if kept.running and self._exhausted(kept, age=age):
            return "exhausted"  # its sender was lost in the last try the schedule has
        return None

    def _exhausted(self, kept: Kept, *, age: timedelta) -> bool:
        wait = wait_after(kept.started, interactive=kept.interactive, age=age, limits=self._limits)
        return wait is None

    def _is_full(self, address: str) -> bool:
        return (
            self._on_the_wire.total() >= self._limits.in_flight
            or self._on_the_wire[address] >= self._limits.in_flight_per_address
        )

    async def _begin(self, message: str, address: str, target: Target | None, now: datetime) -> None:
        """Take the message for one try and run it beside us. Of two senders one gets it."""
        begun: Kept | None = None

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            nonlocal begun
            begun = None
            here = saved[message]
            after = step(State(here.state), Step.STARTED)
            if after is None or here.wake_at is None or here.wake_at > now:
                return None
            begun = Kept.model_validate_json(here.body).begun(now, self._limits.attempts_kept)
            return Change({message: Write(after, begun.model_dump_json(), wake_at=now + self._limits.lease)})

        self._on_the_wire[address] += 1
        try:
            await self._store.change([message], decide)
        except BaseException:
            self._on_the_wire[address] -= 1
            raise
        if begun is None:
            self._on_the_wire[address] -= 1
            return
        running = asyncio.create_task(self._run(message, begun, target), name=f"webhooks.try.{message}")
        self._tries.add(running)
        running.add_done_callback(self._tries.discard)

    async def _run(self, message: str, kept: Kept, target: Target | None) -> None:
        """One try from composing to its commit. It never raises."""
        try:
            result = await self._dispatch.once(message, kept, target)
            await self._settle(message, kept.started, result)
        except Exception:
            log.exception("message.unsettled", extra={"message_id": message})
        finally:
            self._on_the_wire[kept.address] -= 1

    async def _settle(self, message: str, n: int, result: Result) -> None:
        """Commit what a try came to; one that was overtaken counts only where it was accepted."""
        now, jitter = self._clock.now(), self._random.uniform(-1, 1)
        most = self._limits.attempts_kept

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[message]
            state = State(here.state)
            accepted = result.outcome is Outcome.ACCEPTED
            after = step(state, Step.ACCEPTED if accepted else Step.FAILED)
            if after is None:
                return None
            kept = Kept.model_validate_json(here.body)
            if not accepted and not (kept.running and kept.started == n):
                return None
            row = result.row(n, now, self._limits.answer_kept)
            kept = kept.ended_try(row, most)
            if accepted:
                write = Write(after, kept.model_dump_json(), wake_at=now + self._limits.kept_for)
                return Change({message: write}, [kept.delivered(message, now)])
            then = self._then(kept, result, now, jitter)
            if isinstance(then, datetime):
                return Change({message: Write(after, kept.model_dump_json(), wake_at=then)})
            return self._given_up(message, state, kept, Step.GIVEN_UP, then, now)

        outcome = await self._store.change([message], decide)
        log.info(
            "message.tried",
            extra={
                "message_id": message,
                "n": n,
                "outcome": result.outcome.value,
                "reason": result.reason,
                "status": result.status,
                "ms": result.ms,
                "state": outcome.saved[message].state,
            },
        )

    def _then(self, kept: Kept, result: Result, now: datetime, jitter: float) -> datetime | str:
        """When to try again after this failure, or why not at all."""
        if result.outcome is Outcome.HOPELESS:
            return result.reason
        again = next_try(
            kept.started,
            interactive=kept.interactive,
            queued_at=kept.queued_at,
            now=now,
            jitter=jitter,
            limits=self._limits,
        )
        if again is None:
            return "exhausted"
        again = max(again, result.not_before or again)
        return again if again < kept.expires_at else "deadline"

    async def _end(
        self, message: str, what: Step, reason: str, now: datetime, ack: Ack | None = None
    ) -> bool:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = State(saved[message].state)
            if step(state, what) is None:
                return None
            return self._given_up(
                message, state, Kept.model_validate_json(saved[message].body), what, reason, now
            )

        return (await self._store.change([message], decide, ack=ack)).changed

    def _given_up(
        self, message: str, state: State, kept: Kept, what: Step, reason: str, now: datetime
    ) -> Change | None:
        """It ends here, with a row that says why; only what died by itself is told to others."""
        after = step(state, what)
        if after is None:
            return None
        last = kept.dropped(reason, now, self._limits.attempts_kept)
        write = Write(after, last.model_dump_json(), wake_at=now + self._limits.kept_for)
        return Change({message: write}, [kept.died(message, now, reason)] if after is State.DEAD else [])

    async def _postpone(self, message: str, until: datetime, now: datetime) -> None:
        """Put it off without using up a try."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[message]
            after = step(State(here.state), Step.POSTPONED)
            if after is None or here.wake_at is None or here.wake_at > now:
                return None
            return Change({message: Write(after, here.body, wake_at=until)})

        await self._store.change([message], decide)

    async def _forget(self, message: str, now: datetime) -> None:
        """Its rows have been kept long enough: a tombstone stays, so that it can never be queued again."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[message]
            early = here.wake_at is None or here.wake_at > now
            if here.ended or early or State(here.state) not in ENDS:
                return None
            kept = Kept.model_validate_json(here.body)
            return Change({message: Write(here.state, "{}", ended=True)}, [kept.erased(message, now)])

        await self._store.change([message], decide)
