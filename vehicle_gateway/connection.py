"""One MQTT 5 connection: paho driven from asyncio on one thread (rules 2, 5, 7 and 8)."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from vehicle_gateway.bulk import BulkClient
from vehicle_gateway.dial import dial
from vehicle_gateway.paho_client import Client, PublishProperties, properties, puback, publish_qos0
from vehicle_gateway.session import (
    Broker,
    ConnectionRefused,
    Incoming,
    LinkLimits,
    Lost,
    NotConnected,
    Session,
    SubscriptionRefused,
)

_log = logging.getLogger("trunkline.vehicle_gateway")

_WITH_WILL: Final = 0x04
_REFUSED_FROM: Final = 0x80


class Connection:
    """A fresh paho client on a fresh socket: nothing of it outlives the connection.

    paho's callbacks only note what came; what they mean is worked out after paho has returned, so that no
    handler runs under its locks and no exception of a handler reaches it.
    """

    def __init__(
        self,
        broker: Broker,
        session: Session,
        *,
        generation: int,
        on_message: Callable[[Incoming], None],
        limits: LinkLimits,
    ) -> None:
        self.generation = generation
        self._broker = broker
        self._session = session
        self._on_message = on_message
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[bool] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.up = False
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._owed: dict[int, bool] = {}  # mid -> acknowledged by us, in receipt order
        self._held = False
        self._fd = -1
        self._reading = False
        self._writing = False
        self._client = self._new_client()
        self._misc: asyncio.Task[None] | None = None

    # ---- life

    async def open(self) -> bool:
        """Connect; true when the broker kept our session.

        Raises ``OSError`` (TLS, time-out) or ``ConnectionRefused``; ``close`` is owed in any case.
        """
        async with asyncio.timeout(self._limits.connect_timeout.total_seconds()):
            self._client.ready = await dial(self._broker)
            wanted = properties(
                PacketTypes.CONNECT,
                SessionExpiryInterval=self._session.session_expiry,
                ReceiveMaximum=self._session.receive_maximum,
                MaximumPacketSize=self._limits.max_packet,
            )
            self._client.connect(
                self._broker.host,
                self._broker.port,
                keepalive=self._session.keepalive,
                clean_start=self._session.clean_start,
                properties=wanted,
            )
            self._flush()
            answers: set[asyncio.Future[Any]] = {self._connack, self.ended}
            await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        if not self._connack.done():
            raise ConnectionResetError(self.ended.result())
        present = self._connack.result()
        self._misc = asyncio.create_task(self._keep_alive(), name=f"mqtt-misc-{self._session.client_id}")
        return present

    def goodbye(self, *, with_will: bool) -> None:
        """Send DISCONNECT; ``with_will`` asks the broker to publish the will all the same."""
        if self.up:
            code = ReasonCode(PacketTypes.DISCONNECT, identifier=_WITH_WILL if with_will else 0)
            self._client.disconnect(reasoncode=code)
            self._flush()

    def close(self, reason: str = "closed") -> None:
        """Drop the socket; every answer still awaited fails with ``Lost``. Safe to call again."""
        self.up = False
        if self._misc is not None:
            self._misc.cancel()
        self._unwatch()
        sock = self._client.socket() or getattr(self._client, "ready", None)
        if sock is not None:
            sock.close()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(Lost(reason))
        self._answers.clear()
        self._owed.clear()
        if not self.ended.done():
            self.ended.set_result(reason)

    # ---- sending

    def send(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, extras: PublishProperties
    ) -> asyncio.Future[int]:
        """Write to the socket now; the future gives the PUBACK's reason code, at once 0 for QoS 0."""
        if not self.up:
            raise NotConnected("no connection")
        info = self._client.publish(topic, payload, qos, retain, cast("Any", extras))
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            raise NotConnected("too many messages wait")
        answer: asyncio.Future[int] = self._loop.create_future()
        if qos:
            self._await_answer(info.mid, answer)
        else:
            answer.set_result(0)
        self._flush()
        return answer

    async def subscribe(self, filters: Mapping[str, int], *, retain_as_published: bool) -> None:
        """``filters``: topic filter to QoS, at most 1 (rule 4).

        Raises ``NotConnected``, ``Lost`` or ``SubscriptionRefused``.
        """
        if not self.up:
            raise NotConnected("no connection")
        if max(filters.values()) > 1:
            raise ValueError("QoS 2 is acknowledged before we have seen it")
        wanted = [
            (topic, SubscribeOptions(qos=qos, retainAsPublished=retain_as_published))
            for topic, qos in filters.items()
        ]
        _, mid = self._client.subscribe(wanted)
        if mid is None:
            raise NotConnected("no connection")
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        self._await_answer(mid, answer)
        self._flush()
        codes = await answer
        if any(code >= _REFUSED_FROM for code in codes):
            raise SubscriptionRefused(codes)

    def acknowledge(self, mid: int) -> bool:
        """PUBACK ``mid`` as soon as all that came before it are acknowledged."""
        if not self.up or mid not in self._owed:
            return False
        self._owed[mid] = True
        self._pay()
        return True

    def acknowledge_all(self, mids: Iterable[int]) -> None:
        """The same for many, in one write."""
        self._owed.update((mid, True) for mid in mids if mid in self._owed)
        if self.up:
            self._pay()

    def tell_all(self, messages: Iterable[tuple[str, bytes]], *, expiry: int) -> None:
        """Publish (topic, payload) each with QoS 0, in one write. Raises ``NotConnected``."""
        if not self.up:
            raise NotConnected("no connection")
        self._client.queue_encoded(
            b"".join(publish_qos0(topic, payload, expiry) for topic, payload in messages)
        )
        self._flush()

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is sent meanwhile leaves afterwards, one right after the other."""
        self._client.corked = True
        try:
            yield
        finally:
            self._client.corked = False
            self._flush()

    def hold(self, *, held: bool) -> None:
        """Stop or go on reading; keep-alive goes on either way."""
        self._held = held
        self._client.expect_no_pong()
        self._watch()

    def _pay(self) -> None:
        paid = []
        for mid, done in self._owed.items():
            if not done:
                break
            paid.append(mid)
        for mid in paid:
            del self._owed[mid]
        if paid:
            self._client.queue_encoded(b"".join(puback(mid) for mid in paid))
        self._flush()
        self._watch()

    def _await_answer(self, mid: int, answer: "asyncio.Future[Any]") -> None:
        self._answers[mid] = answer
        # a sender that does not look is not an error
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())

    # ---- paho's socket on our loop

    def _watch(self) -> None:
        """Read unless told not to or too much is unacknowledged: Debian's broker does not bound that."""
        wanted = self._fd >= 0 and not self._deaf()
        if wanted and not self._reading:
            self._loop.add_reader(self._fd, self._read)
            self._loop.call_soon(self._read)  # TLS may hold bytes that select does not see
        elif self._reading and not wanted:
            self._loop.remove_reader(self._fd)
        self._reading = wanted

    def _deaf(self) -> bool:
        """Whether nothing more is to be read now; the answer to CONNECT always is."""
        return self.up and (self._held or len(self._owed) >= self._limits.max_unacknowledged)

    def _unwatch(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._fd)
        if self._writing:
            self._loop.remove_writer(self._fd)
        self._reading = self._writing = False
        self._fd = -1

    def _read(self) -> None:
        if not self._reading:
            return
        room = self._limits.max_unacknowledged - len(self._owed)
        # what follows CONNACK may have to wait: see _deaf
        most = min(self._limits.read_batch, room) if self.up else 1
        self._drive(lambda: self._client.take(most))
        self._deliver()
        self._flush()
        if self._client.more():
            self._loop.call_soon(self._read)

    def _deliver(self) -> None:
        batch, self._client.arrived = self._client.arrived, []
        for message in batch:
            if message.qos:
                self._owed.setdefault(message.mid, False)
        for message in batch:
            try:
                self._on_message(message)
            except Exception:  # noqa: BLE001  # whatever a handler does, the connection lives
                _log.exception("link.handler_failed", extra={"client_id": self._session.client_id})
                # unacknowledged it comes again on the next connection, and holds back no other
                self._owed.pop(message.mid, None)
        self._watch()

    def _flush(self) -> None:
        """Write at once what waits; the loop takes over only when the socket is full."""
        if self._fd < 0:
            return
        if self._drive(self._client.loop_write) and self._client.want_write() and not self._writing:
            self._writing = True
            self._loop.add_writer(self._fd, self._flush)

    def _drive(self, step: Callable[[], MQTTErrorCode]) -> bool:
        """Run a step of paho; false when the connection ended by it."""
        try:
            return step() is MQTTErrorCode.MQTT_ERR_SUCCESS
        except Exception as failed:  # noqa: BLE001  # whatever paho meets, it ends this connection only
            _log.warning("link.broken", exc_info=failed, extra={"client_id": self._session.client_id})
            self.close(f"{type(failed).__name__}: {failed}")
            return False

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._limits.misc_every.total_seconds())
            if not self._reading:
                self._client.expect_no_pong()
            self._drive(self._client.loop_misc)
            self._flush()

    # ---- paho's callbacks: they only note

    def _new_client(self) -> Client:
        kind = BulkClient if self._limits.bulk_read else Client
        client = kind(self._session.client_id, generation=self.generation, max_packet=self._limits.max_packet)
        client.max_queued_messages_set(self._limits.max_waiting)
        client.max_inflight_messages_set(self._limits.max_inflight)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if will := self._session.will:
            delayed = properties(PacketTypes.WILLMESSAGE, WillDelayInterval=will.delay)
            client.will_set(will.topic, will.payload, will.qos, will.retain, delayed)
        client.on_socket_open = lambda _c, _u, sock: self._opened(sock.fileno())
        client.on_socket_close = lambda *_: self._unwatch()
        client.on_socket_register_write = lambda *_: None  # every call into paho is followed by _flush
        client.on_socket_unregister_write = self._written
        client.on_connect = cast("Any", self._connected)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self.close(str(reason))
        client.on_publish = lambda _c, _u, mid, code, _p: self._answered(mid, code.value)
        client.on_subscribe = lambda _c, _u, mid, codes, _p: self._answered(mid, [c.value for c in codes])
        return client

    def _opened(self, fd: int) -> None:
        self._fd = fd
        self._watch()

    def _written(self, *_: object) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._fd)

    def _connected(
        self,
        _client: object,
        _userdata: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        told: Properties,
    ) -> None:
        if self._connack.done():
            return
        if reason.is_failure:
            self._connack.set_exception(ConnectionRefused(reason.value, str(reason)))
            return
        self._client.take_their_window(getattr(told, "ReceiveMaximum", 65_535))
        self.up = True
        self._connack.set_result(flags.session_present)

    def _answered(self, mid: int, answer: int | list[int]) -> None:
        future = self._answers.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(answer)
