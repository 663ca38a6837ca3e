"""Reading in bulk against paho's own reading: the same bytes are the same messages, however they are cut."""

import select
import socket
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from tests.depth import deep
from vehicle_gateway.bulk import BulkClient
from vehicle_gateway.paho_client import Client
from vehicle_gateway.session import Incoming, PacketTooLarge

MOST = 5_000
NO_LIMIT = 2**29
PINGRESP = b"\xd0\x00"


def packet(header: int, body: bytes) -> bytes:
    return bytes([header]) + VariableByteIntegers.encode(len(body)) + body


def publish(
    topic: bytes, payload: bytes, *, qos: int = 1, mid: int = 7, flags: int = 0, extras: bytes = b"\0"
) -> bytes:
    """``extras``: the properties with their length."""
    number = mid.to_bytes(2, "big") if qos else b""
    return packet(0x30 | qos << 1 | flags, len(topic).to_bytes(2, "big") + topic + number + extras + payload)


def packed(**values: object) -> bytes:
    made: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(made, name, value)
    return bytes(made.pack())


class Reading:
    """A client of a kind on one end of a socket, read as the link reads it."""

    def __init__(self, kind: type[Client], *, most: int = 3, max_packet: int = MOST) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.client = kind("a", generation=4, max_packet=max_packet)
        self.client._sock = self.ours
        self.most = most
        self.failure: Exception | None = None
        self.ended = False

    def feed(self, data: bytes) -> None:
        if self.ended:
            return
        self.theirs.sendall(data)
        while not self.ended and (self.client.more() or select.select([self.ours], [], [], 0)[0]):
            try:
                code = self.client.take(self.most)
            except Exception as failed:  # the link ends the connection, whatever it was
                self.failure, self.ended = failed, True
            else:
                self.ended = code is not MQTTErrorCode.MQTT_ERR_SUCCESS or self.ours.fileno() < 0

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


def read(kind: type[Client], pieces: Iterable[bytes], *, most: int = 3) -> tuple[list[Incoming], bool]:
    """What arrived, and whether the connection ended by it."""
    reading = Reading(kind, most=most, max_packet=NO_LIMIT)
    try:
        for piece in pieces:
            reading.feed(piece)
        return reading.client.arrived, reading.ended
    finally:
        reading.close()


ORDINARY: Sequence[bytes] = [
    publish(b"tl/1/08/vu_x/up/sig", b'{"a": 1}'),
    publish(b"a", b"", qos=0),
    publish(b"a/b", b"x" * 130, mid=65_535, flags=0x09),
    publish(b"a", b"late", extras=packed(MessageExpiryInterval=86_400)),
    publish(b"a", b"asked", extras=packed(
        MessageExpiryInterval=1, CorrelationData=b"\0\xff", ResponseTopic="t/å", UserProperty=[("k", "v"), ("k", "")]
    )),
    publish(b"\xff\xfe", b"no text"),
    publish(b"", b"no topic"),
]  # fmt: skip
UNUSUAL: Sequence[bytes] = [
    PINGRESP,
    publish(b"a", b"x", extras=packed(ContentType="json", PayloadFormatIndicator=1)),
    publish(b"a", b"x", extras=packed(SubscriptionIdentifier=300)),
    publish(b"a", b"x", extras=packed(CorrelationData=b"c" * 200)),
    publish(b"a", b"x", qos=2),
]


@pytest.mark.parametrize("one", ORDINARY)
def test_an_ordinary_message_is_read_here(one: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(BulkClient, "_sock_recv")
    monkeypatch.setattr(BulkClient, "_packet_read", lambda _: pytest.fail("paho was asked"))
    (got,), ended = read(BulkClient, [one])
    assert not ended
    monkeypatch.undo()
    assert read(Client, [one]) == ([got], False)


def test_cut_at_every_byte() -> None:
    stream = b"".join([*ORDINARY, *UNUSUAL, *ORDINARY])
    whole, ended = read(Client, [stream])
    assert not ended
    assert len(whole) == 2 * len(ORDINARY) + 3
    assert read(BulkClient, [stream]) == (whole, False)
    assert read(BulkClient, [stream], most=1) == (whole, False)
    for cut in range(1, len(stream)):
        assert read(BulkClient, [stream[:cut], stream[cut:]]) == (whole, False), cut
    assert read(BulkClient, [bytes([byte]) for byte in stream]) == (whole, False)


def test_no_more_than_asked_for_is_taken_at_once() -> None:
    reading = Reading(BulkClient)
    reading.theirs.sendall(ORDINARY[0] * 7)
    seen = []
    while reading.client.take(3) is MQTTErrorCode.MQTT_ERR_SUCCESS:
        seen.append((len(reading.client.arrived), reading.client.more()))
        if not reading.client.more():
            break
    assert seen == [(3, True), (6, True), (7, False)]
    reading.close()


@pytest.mark.parametrize("kind", [BulkClient, Client])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_packet_larger_than_agreed_ends_it_as_soon_as_that_is_known(
    kind: type[Client], pieces: int
) -> None:
    reading = Reading(kind)
    fits = publish(b"a", b"x" * (MOST - 9))
    assert len(fits) == MOST
    reading.feed(fits)
    assert not reading.ended
    announced = b"\x30\xff\x7f" if pieces == 2 else publish(b"a", b"x" * (MOST - 8))
    reading.feed(announced)
    assert isinstance(reading.failure, PacketTooLarge)
    assert reading.theirs.recv(100).endswith(b"\xe0\x01\x95")
    assert len(reading.client.arrived) == 1
    reading.close()


BROKEN: Sequence[bytes] = [
    b"\x30\xff\xff\xff\xff\x00",  # a length of five bytes
    b"\x32\xff\xff\xff\xff\x7f" + b"\0" * 200,
    b"\x30\x00",
    b"\x30\x01\x00",
    b"\x30\x02\x00\x00",  # no properties
    b"\x30\x03\xff\xffa",  # a topic that ends beyond its packet
    b"\x32\x04\x00\x01a\x00",  # half a number
    b"\x36\x06\x00\x01a\x00\x01\x00",  # QoS 3
    b"\x00\x00",
    b"\xf0\x00",  # AUTH
    publish(b"a", b"", extras=b"\xff\xff\xff\xff\xff"),
    publish(b"a", b"", extras=b"\x01"),
    publish(b"a", b"", extras=b"\x02\x7f\x00"),  # no such property
    publish(b"a", b"x" * 9, extras=b"\x06\x08\x00\x01\x00xx"),  # U+0000 in a text
    publish(b"a", b"x" * 9, extras=b"\x03\x09\xff\xff"),
    publish(b"a", b"x" * 9, extras=b"\x06\x08\x00\x00\x08\x00\x00"),  # one property twice
    publish(b"a", b"x" * 9, extras=b"\x0a" + b"\x02\0\0\0\0" * 2),
    publish(b"a", b"x" * 9, extras=b"\x02\x02\x00"),  # an expiry that ends beyond its properties
]


@pytest.mark.parametrize("bad", BROKEN)
def test_what_paho_refuses_is_refused(bad: bytes) -> None:
    stream = ORDINARY[0] + bad + ORDINARY[1] * 3
    assert read(BulkClient, [stream]) == read(Client, [stream])
    assert read(BulkClient, [bytes([byte]) for byte in stream]) == read(Client, [stream])


short = st.binary(max_size=12)
text = st.text(max_size=8).map(lambda each: each.encode("utf-8", "ignore"))


def field(raw: bytes) -> bytes:
    return len(raw).to_bytes(2, "big") + raw


extra = st.one_of(
    st.binary(min_size=4, max_size=4).map(lambda raw: b"\x02" + raw),
    text.map(lambda raw: b"\x08" + field(raw)),
    short.map(lambda raw: b"\x09" + field(raw)),
    st.tuples(text, text).map(lambda pair: b"\x26" + field(pair[0]) + field(pair[1])),
    st.integers(0, 2).map(lambda value: bytes([1, value])),
    text.map(lambda raw: b"\x03" + field(raw)),
    st.integers(1, 200_000).map(lambda value: b"\x0b" + VariableByteIntegers.encode(value)),
    short,
)
extras = st.lists(extra, max_size=4).map(b"".join)
message = st.builds(
    lambda topic, payload, qos, mid, flags, own: publish(
        topic, payload, qos=qos, mid=mid, flags=flags, extras=VariableByteIntegers.encode(len(own)) + own
    ),
    st.one_of(text, short), st.binary(max_size=200), st.integers(0, 3), st.integers(0, 65_535),
    st.sampled_from([0, 1, 8, 9]), extras,
)  # fmt: skip
other = st.one_of(
    st.just(PINGRESP),
    st.builds(packet, st.sampled_from([0x40, 0x50, 0x62, 0x70, 0x90, 0xB0, 0xE0]), short),
    st.builds(packet, st.integers(0, 255), short),
    st.binary(max_size=20),
)
stream = st.lists(st.one_of(message, message, message, st.sampled_from(ORDINARY), other), max_size=12).map(
    b"".join
)


@settings(max_examples=deep(80), deadline=None)
@given(stream, st.lists(st.integers(0, 3_000), max_size=5), st.integers(1, 5))
def test_any_bytes_are_what_paho_takes_them_for(data: bytes, cuts: list[int], most: int) -> None:
    at = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(at) if stop > start]
    # in one piece: between two reads paho takes a type of 0 for a packet that has not begun
    assert read(BulkClient, pieces, most=most) == read(Client, [data])


@settings(max_examples=deep(80), deadline=None)
@given(st.lists(st.sampled_from(ORDINARY), min_size=1, max_size=4), st.data())
def test_a_flipped_byte_is_what_paho_takes_it_for(some: list[bytes], data: st.DataObject) -> None:
    stream = bytearray(b"".join(some))
    stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    assert read(BulkClient, [bytes(stream)]) == read(Client, [bytes(stream)])


def answered(kind: type[Client], data: bytes) -> tuple[list[tuple[int, int]], int, bool]:
    """What three messages that were sent hear of it: number and reason; how many still wait; whether it ended."""
    reading, heard = Reading(kind), list[tuple[int, int]]()
    client: Any = reading.client
    client.on_publish = lambda _c, _u, mid, code, _p: heard.append((mid, code.value))
    try:
        for _ in range(3):
            client.publish("t", b"x", 1)
        reading.feed(data)
        return heard, len(client._out_messages), reading.ended
    finally:
        reading.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\x40\x02\x00\x02",
        b"\x40\x02\x00\x03\x40\x02\x00\x01\x40\x02\x00\x02",
        b"\x40\x02\x00\x01\x40\x02\x00\x01",  # twice
        b"\x40\x02\x00\x09",  # nobody's
        b"\x40\x03\x00\x02\x10",  # a reason: no subscribers
        b"\x40\x04\x00\x02\x87\x00",
        b"\x40\x80\x00",
        b"\x40\x01\x00",
        b"\x41\x02\x00\x02",  # reserved bits
        b"\x40\x82\x00\x00\x02",  # a length in two bytes that needs one
    ],
)
def test_what_the_broker_answers_is_what_paho_takes_it_for(data: bytes) -> None:
    assert answered(BulkClient, data) == answered(Client, data)
