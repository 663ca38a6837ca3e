"""paho's client bent to our loop, and its messages in our words."""

import socket
import ssl
from contextlib import suppress
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties

from vehicle_gateway.session import Incoming, PacketTooLarge

_DISCONNECT_TOO_LARGE: Final = b"\xe0\x01\x95"


class Client(paho.Client):
    """paho for MQTT 5 with a socket already open and a keep-alive that bears not reading.

    What comes in is collected in ``arrived``. ``max_packet``: bytes of the largest packet that is taken.
    """

    ready: socket.socket
    corked = False
    """What is sent only waits, to leave with what follows."""

    def __init__(self, client_id: str, *, generation: int, max_packet: int) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self.arrived: list[Incoming] = []
        self.on_message = lambda _c, _u, message: self.arrived.append(incoming(message, generation))
        self.generation = generation
        self._max_packet = max_packet
        self._packets = 0

    def take(self, most: int) -> MQTTErrorCode:
        """Read what is there, at most about ``most`` packets. Raises ``PacketTooLarge``."""
        for _ in range(most):
            before = self._packets
            code = self.loop_read()
            if code is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._packets == before:
                return code
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def loop_write(self) -> MQTTErrorCode:
        """Write what waits, in one piece where it can be, unless more is to come first."""
        if self.corked:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        self._join()
        return super().loop_write()

    def _join(self) -> None:
        """Make one of the packets that wait, where nothing follows from having written each of them.

        Over TLS each write is a record of its own, which the other side reads by itself.
        """
        waiting = self._out_packet
        if len(waiting) < 2 or waiting[0]["pos"] or not all(_is_done_when_written(each) for each in waiting):
            return
        joined = b"".join(bytes(each["packet"]) for each in waiting)
        first = waiting[0]
        waiting.clear()
        first["packet"], first["to_process"] = joined, len(joined)
        waiting.append(first)

    def more(self) -> bool:
        """Whether bytes wait that a selector does not see."""
        sock = self._sock
        return isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending() > 0

    def _create_socket(self) -> socket.socket:
        return self.ready

    def _packet_read(self) -> MQTTErrorCode:
        code = super()._packet_read()
        self._check_coming()
        return code

    def _packet_handle(self) -> MQTTErrorCode:
        self._check_coming()
        self._packets += 1
        return super()._packet_handle()

    def _check_coming(self) -> None:
        coming = self._in_packet
        self._check_size(1 + len(coming["remaining_count"]) + coming["remaining_length"])

    def _check_size(self, size: int) -> None:
        """The broker was told what we take: one that sends more is left, and told why."""
        if size > self._max_packet:
            with suppress(OSError):
                self._sock_send(_DISCONNECT_TOO_LARGE)
            raise PacketTooLarge(size)

    def queue_encoded(self, packets: bytes) -> None:
        """Queue packets that are bytes already; all that are queued before the next write leave in one.

        paho writes, and pays a system call for, each packet by itself: half the cost of a message taken in.
        """
        if self._out_packet and (last := self._out_packet[-1])["command"] == paho.PUBACK and not last["pos"]:
            last["packet"] = last["packet"] + packets
            last["to_process"] += len(packets)
        else:
            self._packet_queue(paho.PUBACK, packets, 0, 1)

    def take_their_window(self, receive_maximum: int) -> None:
        """Keep to what the broker's CONNACK takes; paho reads it not and refuses to be told."""
        self._max_inflight_messages = min(self._max_inflight_messages, receive_maximum)

    def expect_no_pong(self) -> None:
        """While we do not read, the PINGRESP waits behind messages: the broker's silence means nothing."""
        self._ping_t = 0.0


def _is_done_when_written(packet: Any) -> bool:  # noqa: ANN401 - paho's own dictionary
    kind: int = packet["command"] & 0xF0
    return kind == paho.PUBACK or (kind == paho.PUBLISH and bool(packet["qos"]))


def puback(mid: int) -> bytes:
    """PUBACK with reason code 0 (MQTT 5, 3.4)."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def publish_qos0(topic: str, payload: bytes, expiry: int) -> bytes:
    """PUBLISH of QoS 0, not retained, with a message expiry in seconds (MQTT 5, 3.3)."""
    body = b"".join((_with_length(topic.encode()), b"\x05\x02", expiry.to_bytes(4, "big"), payload))
    return b"\x30" + _variable(len(body)) + body


class PublishProperties:
    """Properties of a PUBLISH, encoded when they are made (MQTT 5, 3.3.2.3).

    paho's own look each name up in its tables, to set it and to write it: a third of what a message costs to send.
    All that paho asks of them is ``pack``.
    """

    __slots__ = ("_encoded",)

    def __init__(self, *, expiry: int | None, response_topic: str | None, correlation: bytes | None) -> None:
        """``expiry``: seconds. Raises ``OverflowError`` for what does not fit in its field."""
        body = b"" if expiry is None else b"\x02" + expiry.to_bytes(4, "big")
        if response_topic is not None:
            body += b"\x08" + _with_length(response_topic.encode())
        if correlation is not None:
            body += b"\x09" + _with_length(correlation)
        self._encoded = _variable(len(body)) + body

    def pack(self) -> bytes:
        """Their length and themselves."""
        return self._encoded


def _with_length(data: bytes) -> bytes:
    """Two bytes of length, and the data (MQTT 5, 1.5.4 and 1.5.6)."""
    return len(data).to_bytes(2, "big") + data


def _variable(length: int) -> bytes:
    """A Variable Byte Integer (MQTT 5, 1.5.5)."""
    digits = bytearray()
    while True:
        length, digit = length >> 7, length & 0x7F
        digits.append(digit | 0x80 if length else digit)
        if not length:
            return bytes(digits)


def incoming(message: paho.MQTTMessage, generation: int) -> Incoming:
    """What paho received, in our words."""
    topic: str | bytes
    try:
        topic = message.topic
    except UnicodeDecodeError:
        topic = message._topic  # noqa: SLF001  # the only way to bytes that are not UTF-8
    extras = message.properties
    return Incoming(
        topic=topic,
        payload=bytes(message.payload),
        qos=message.qos,
        retain=message.retain,
        generation=generation,
        mid=message.mid,
        correlation=getattr(extras, "CorrelationData", None),
        response_topic=getattr(extras, "ResponseTopic", None),
        user_properties=tuple(getattr(extras, "UserProperty", ())),
    )


def properties(packet: int, **values: object) -> Properties:
    """MQTT 5 properties of a packet type; those that are None are left out."""
    made = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        if value is not None:
            setattr(made, name, value)
    return made
