"""The one door to MQTT, for gateway and unit: a session kept up over one fresh connection after another."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vehicle_gateway.connection import Connection
from vehicle_gateway.paho_client import PublishProperties
from vehicle_gateway.session import (
    Broker,
    ConnectionRefused,
    Incoming,
    LinkLimits,
    Lost,
    NotConnected,
    Session,
    SubscriptionRefused,
    Tls,
    Will,
)

__all__ = [
    "NOT_AUTHORIZED",
    "NO_SUBSCRIBERS",
    "Broker",
    "Incoming",
    "Link",
    "LinkLimits",
    "Lost",
    "NotConnected",
    "SubscriptionRefused",
    "Tls",
    "Will",
]

_log = logging.getLogger("trunkline.vehicle_gateway")

NO_SUBSCRIBERS = 0x10
"""PUBACK: the broker knows neither a connection nor a session that would get the message."""
NOT_AUTHORIZED = 0x87


class Link:
    """One MQTT 5 session, kept up by ``run``.

    Each connection is a fresh client: what was not sent on one is never sent late on the next (rule 5).
    ``on_message`` is called in receipt order and never inside the library; a QoS 1 message is owed an
    ``acknowledge``. If ``on_message`` raises, the message stays unacknowledged and comes again on the next
    connection. ``on_up(session_present)`` runs after each CONNACK (subscribe there); if it raises, the
    connection is dropped and made anew. ``on_down`` follows each connection that was up.
    """

    def __init__(  # noqa: PLR0913  # what a session is made of
        self,
        broker: Broker,
        *,
        client_id: str,
        on_message: Callable[[Incoming], None],
        on_up: Callable[[bool], Awaitable[None]] | None = None,
        on_down: Callable[[], None] | None = None,
        clean_start: bool = False,
        session_expiry: int = 0,
        receive_maximum: int = 100,
        keepalive: int = 30,
        will: Will | None = None,
        limits: LinkLimits | None = None,
    ) -> None:
        self._broker = broker
        self._session = Session(client_id, session_expiry, receive_maximum, keepalive, clean_start, will)
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._limits = limits or LinkLimits()
        self._connection: Connection | None = None
        self._generation = 0
        self._held = False
        self._up = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.up

    @property
    def generation(self) -> int:
        """Number of the connection that is up, or of the last one."""
        return self._generation

    async def wait_connected(self) -> None:
        """Until CONNACK has come and ``on_up`` has finished."""
        await self._up.wait()

    # ---- messages

    def send(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> asyncio.Future[int]:
        """Write to the socket now; nobody needs to wait for the future.

        It gives the PUBACK's reason code (0; ``NO_SUBSCRIBERS``; ``NOT_AUTHORIZED`` where the ACL says no),
        at once 0 for QoS 0, or fails with ``Lost``. ``expiry`` is in seconds. Raises ``NotConnected``.
        """
        if self._connection is None:
            raise NotConnected("no connection")
        extras = PublishProperties(expiry=expiry, response_topic=response_topic, correlation=correlation)
        return self._connection.send(topic, payload, qos=qos, retain=retain, extras=extras)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is sent inside leaves at its end, one right after the other: who hears it hears it at once."""
        if self._connection is None:
            yield
            return
        with self._connection.together():
            yield

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expiry: int | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
    ) -> int:
        """``send`` and wait for the PUBACK's reason code. Raises ``NotConnected`` or ``Lost``."""
        return await self.send(
            topic,
            payload,
            qos=qos,
            retain=retain,
            expiry=expiry,
            response_topic=response_topic,
            correlation=correlation,
        )

    async def subscribe(self, filters: Mapping[str, int], *, retain_as_published: bool = False) -> None:
        """``filters``: topic filter to QoS. Raises ``SubscriptionRefused``, ``NotConnected`` or ``Lost``.

        Mosquitto refuses no filter because of its ACL: it only never delivers.
        """
        if self._connection is None:
            raise NotConnected("no connection")
        await self._connection.subscribe(filters, retain_as_published=retain_as_published)

    def acknowledge(self, message: Incoming) -> bool:
        """PUBACK, in receipt order: it goes out once all that came before are acknowledged too.

        False: its connection is gone (it will come again), or it was QoS 0 or acknowledged before.
        """
        if self._connection is None or message.generation != self._generation:
            return False
        return self._connection.acknowledge(message.mid)

    def acknowledge_all(self, messages: Iterable[Incoming]) -> None:
        """The same for many, in one write; those of a connection that is gone come again."""
        if self._connection is not None:
            live = self._generation
            self._connection.acknowledge_all(each.mid for each in messages if each.generation == live)

    def tell_all(self, messages: Iterable[tuple[str, bytes]], *, expiry: int) -> None:
        """Publish (topic, payload) each with QoS 0, in one write: what nobody waits for. Raises ``NotConnected``."""
        if self._connection is None:
            raise NotConnected("no connection")
        self._connection.tell_all(messages, expiry=expiry)

    def pause(self) -> None:
        """Stop reading (the store is down) and keep pinging."""
        self._hold(held=True)

    def resume(self) -> None:
        """Go on reading."""
        self._hold(held=False)

    def _hold(self, *, held: bool) -> None:
        self._held = held
        if self._connection is not None:
            self._connection.hold(held=held)

    # ---- being connected

    def leave(self, *, abruptly: bool = False) -> None:
        """Go and stay away until ``come_back``: with DISCONNECT and no will, or as if coverage were lost."""
        self._wanted.clear()
        if self._connection is not None:
            if not abruptly:
                self._connection.goodbye(with_will=False)
            self._connection.close("left")

    def come_back(self) -> None:
        """Connect again after ``leave``."""
        self._wanted.set()

    async def run(self) -> None:
        """Keep the session up until cancelled; then DISCONNECT, leaving the will if there is one."""
        loop = asyncio.get_running_loop()
        wait = self._limits.retry_first
        while True:
            await self._wanted.wait()
            started = loop.time()
            reason = await self._one_connection()
            _log.info("link.down", extra={"client_id": self._session.client_id, "reason": reason})
            if loop.time() - started >= self._limits.steady_after.total_seconds():
                wait = self._limits.retry_first
            if self._wanted.is_set():
                share = 1 - self._limits.retry_jitter * random.random()  # noqa: S311  # spreads a fleet
                await asyncio.sleep(wait.total_seconds() * share)
                wait = min(wait * 2, self._limits.retry_longest)

    async def _one_connection(self) -> str:
        """From dialling to the end; says why it ended."""
        self._generation += 1
        connection = Connection(
            self._broker,
            self._session,
            generation=self._generation,
            on_message=self._on_message,
            limits=self._limits,
        )
        self._connection = connection
        was_up = False
        try:
            connection.hold(held=self._held)
            present = await connection.open()
            was_up = True
            await self._greet(connection, present=present)
            self._up.set()
            _log.info("link.up", extra={"client_id": self._session.client_id, "session_present": present})
            return await connection.ended
        except (OSError, ConnectionRefused, NotConnected, Lost, SubscriptionRefused) as failed:
            return f"{type(failed).__name__}: {failed}"
        except asyncio.CancelledError:
            connection.goodbye(with_will=self._session.will is not None)
            raise
        finally:
            connection.close()
            self._connection = None
            self._up.clear()
            if was_up:
                self._tell_down()

    def _tell_down(self) -> None:
        try:
            if self._on_down is not None:
                self._on_down()
        except Exception:  # noqa: BLE001  # whatever a handler does, the link goes on
            _log.exception("link.on_down_failed", extra={"client_id": self._session.client_id})

    async def _greet(self, connection: Connection, *, present: bool) -> None:
        """Run ``on_up`` while this connection lives. Raises ``Lost`` when that was not to its end."""
        if self._on_up is None:
            return
        greeting = asyncio.ensure_future(self._on_up(present))
        try:
            either: set[asyncio.Future[Any]] = {greeting, connection.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            greeting.cancel()
        if not greeting.done():
            raise Lost(connection.ended.result())
        failed = asyncio.CancelledError() if greeting.cancelled() else greeting.exception()
        if failed is not None:
            _log.error("link.on_up_failed", exc_info=failed, extra={"client_id": self._session.client_id})
            raise Lost(f"on_up: {failed}")
