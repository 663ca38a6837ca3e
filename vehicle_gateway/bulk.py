"""PUBLISH and PUBACK in bulk: one ``recv`` for many packets, taken apart here; all that is unusual is paho's (rule 9)."""

import time
from typing import Final

from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from vehicle_gateway.paho_client import Client
from vehicle_gateway.session import Incoming

_CHUNK: Final = 65_536
_SHORT: Final = 0x80
"""A length below this is one byte (MQTT 5, 1.5.5)."""

_PUBACK: Final = 0x40
_SUCCESS: Final = ReasonCode(PacketTypes.PUBACK)
_NO_PROPERTIES: Final = Properties(PacketTypes.PUBACK)  # type: ignore[no-untyped-call]

# Properties of PUBLISH that are read here (MQTT 5, 3.3.2.3)
_EXPIRY: Final = 2
_RESPONSE_TOPIC: Final = 8
_CORRELATION: Final = 9
_USER: Final = 38

Extras = tuple[bytes | None, str | None, tuple[tuple[str, str], ...]]
"""Correlation data, response topic, user properties."""
_NONE: Final[Extras] = (None, None, ())


class BulkClient(Client):
    """Takes many messages from one read of the socket.

    A packet that is no plain PUBLISH or PUBACK, or that has anything odd about it, is given to paho, which reads it from
    what is here instead of from the socket and decides what becomes of the connection.
    """

    def __init__(self, client_id: str, *, generation: int, max_packet: int) -> None:
        super().__init__(client_id, generation=generation, max_packet=max_packet)
        self._here = b""
        self._at = 0
        self._rest = bytearray()
        """Start of a packet that is not all here, and how many bytes it takes to go on with it."""
        self._wanted = 0

    def take(self, most: int) -> MQTTErrorCode:
        """Take at most ``most`` packets of what is here or, when nothing is, of one read of the socket."""
        if self._at == len(self._here):
            try:
                data = super()._sock_recv(_CHUNK)
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            except OSError:
                data = b""
            if not data:
                return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            with self._msgtime_mutex:
                self._last_bytes_received = time.monotonic()
            self._add(data)
        return self._take_apart(most)

    def more(self) -> bool:
        """Whether packets may wait here or in TLS, where a selector does not see them."""
        return self._at < len(self._here) or super().more()

    def _add(self, data: bytes) -> None:
        if not self._rest:
            self._here, self._at = data, 0
            return
        self._rest += data
        if len(self._rest) >= self._wanted:
            self._here, self._at = bytes(self._rest), 0
            self._rest.clear()

    def _take_apart(self, most: int) -> MQTTErrorCode:
        here, arrived, generation = self._here, self.arrived, self.generation
        for _ in range(most):
            body, end = frame(here, self._at)
            self._check_size(end - self._at)
            if end > len(here):
                self._rest += here[self._at :]
                self._wanted = end - self._at
                self._at = len(here)
                break
            message = plain_publish(here, here[self._at], body, end, generation)
            if message is not None:
                arrived.append(message)
                self._at = end
                continue
            if here[self._at] == _PUBACK and end - body == 2:
                code = self._answered(here[body] << 8 | here[body + 1])
                self._at = end
            else:
                code = self._packet_read()
            if code > MQTTErrorCode.MQTT_ERR_SUCCESS:
                return self._loop_rc_handle(code)
            if self._sock is None or self._sock.fileno() < 0:  # it was the broker's DISCONNECT
                return MQTTErrorCode.MQTT_ERR_NO_CONN
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _answered(self, mid: int) -> MQTTErrorCode:
        """A PUBACK without a reason, which means success (MQTT 5, 3.4.2.1): one for each message that we send."""
        with self._out_message_mutex:
            if mid in self._out_messages:
                return self._do_on_publish(mid, _SUCCESS, _NO_PROPERTIES)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _sock_recv(self, bufsize: int) -> bytes:
        """What paho reads is what is here."""
        piece = self._here[self._at : self._at + bufsize]
        self._at += len(piece)
        return piece


def frame(data: bytes, at: int) -> tuple[int, int]:
    """Where the body of the packet at ``at`` begins and ends (MQTT 5, 2.1.4).

    While its length is not all here: an end one byte beyond ``data``. A length of more than four bytes, which
    paho refuses at the fifth: nothing, after that byte.
    """
    length = shift = 0
    for place in range(at + 1, min(at + 5, len(data))):
        digit = data[place]
        length |= (digit & 0x7F) << shift
        if digit < _SHORT:
            return place + 1, place + 1 + length
        shift += 7
    here = min(at + 5, len(data) + 1)
    return here, here


def plain_publish(data: bytes, header: int, body: int, end: int, generation: int) -> Incoming | None:
    """The message of a PUBLISH with QoS 0 or 1 (MQTT 5, 3.3), or None: it is for paho to decode or refuse."""
    if header & 0xF4 != 0x30 or end - body < 3:  # length of topic, length of properties
        return None
    qos = header >> 1 & 1
    at = body + 2 + (data[body] << 8 | data[body + 1])
    raw = data[body + 2 : at]
    if at + 2 * qos >= end:
        return None
    mid = 0
    if qos:
        mid = data[at] << 8 | data[at + 1]
        at += 2
    size = data[at]
    at += 1
    extras = _NONE
    if size:
        # an expiry alone, as most of what cars say has, is nothing to us
        if size >= _SHORT or at + size > end:
            return None
        if size != 5 or data[at] != _EXPIRY:
            try:
                extras = _extras(data, at, at + size)
            except ValueError:
                return None
        at += size
    topic: str | bytes
    try:
        topic = raw.decode()
    except UnicodeDecodeError:
        topic = raw
    return Incoming(topic, data[at:end], qos, bool(header & 1), generation, mid, *extras)


def _extras(data: bytes, at: int, end: int) -> Extras:
    """The properties we know, each at most once but for user properties; ``ValueError``: anything else."""
    correlation: bytes | None = None
    response: str | None = None
    expires = False
    users: list[tuple[str, str]] = []
    while at < end:
        kind = data[at]
        at += 1
        if kind == _EXPIRY and not expires:
            expires = True
            at += 4
        elif kind == _CORRELATION and correlation is None:
            correlation, at = _piece(data, at, end)
        elif kind == _RESPONSE_TOPIC and response is None:
            response, at = _text(data, at, end)
        elif kind == _USER:
            name, at = _text(data, at, end)
            value, at = _text(data, at, end)
            users.append((name, value))
        else:
            raise ValueError(kind)
    if at > end:
        raise ValueError(at)
    return correlation, response, tuple(users)


def _piece(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Bytes with their length before them, and where they end."""
    if at + 2 > end:
        raise ValueError(at)
    stop = at + 2 + (data[at] << 8 | data[at + 1])
    if stop > end:
        raise ValueError(stop)
    return data[at + 2 : stop], stop


def _text(data: bytes, at: int, end: int) -> tuple[str, int]:
    raw, stop = _piece(data, at, end)
    text = raw.decode()
    if "\0" in text or "\ufeff" in text:
        raise ValueError(text)
    return text, stop
