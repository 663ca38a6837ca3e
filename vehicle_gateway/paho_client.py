"""paho's client bent to our loop, and its messages in our words."""

import socket

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties

from vehicle_gateway.session import Incoming


class Client(paho.Client):
    """paho with a socket already open, a count of packets, and a keep-alive that bears not reading."""

    ready: socket.socket
    packets = 0

    def _create_socket(self) -> socket.socket:
        return self.ready

    def _packet_handle(self) -> MQTTErrorCode:
        self.packets += 1
        return super()._packet_handle()

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


def puback(mid: int) -> bytes:
    """PUBACK with reason code 0 (MQTT 5, 3.4)."""
    return b"\x40\x02" + mid.to_bytes(2, "big")


def publish_qos0(topic: str, payload: bytes, expiry: int) -> bytes:
    """PUBLISH of QoS 0, not retained, with a message expiry in seconds (MQTT 5, 3.3)."""
    name = topic.encode()
    body = b"".join((len(name).to_bytes(2, "big"), name, b"\x05\x02", expiry.to_bytes(4, "big"), payload))
    length, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        length.append(digit | 0x80 if left else digit)
        if not left:
            return b"\x30" + bytes(length) + body


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
