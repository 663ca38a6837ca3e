"""Packets we write ourselves are what paho's own reader takes them for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from vehicle_gateway.paho_client import PublishProperties, puback, publish_qos0


def read(packet: bytes) -> tuple[int, str, int, bytes]:
    """Fixed header, topic, message expiry and payload, read after MQTT 5, 3.3."""
    length, shift, at = 0, 0, 1
    while True:
        length |= (packet[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not packet[at - 1] & 0x80:
            break
    body = packet[at:]
    assert len(body) == length
    name = int.from_bytes(body[:2], "big")
    found = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    _, used = found.unpack(body[2 + name :])  # type: ignore[no-untyped-call]
    return packet[0], body[2 : 2 + name].decode(), found.MessageExpiryInterval, body[2 + name + used :]  # type: ignore[attr-defined]


@given(st.text(min_size=1, max_size=60), st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_a_publish_reads_back(topic: str, payload: bytes, expiry: int) -> None:
    topic = topic.encode("utf-8", "ignore").decode()
    assert read(publish_qos0(topic, payload, expiry)) == (0x30, topic, expiry, payload)


@pytest.mark.parametrize("size", [0, 100, 127, 128, 16_383, 16_384, 65_536])
def test_every_length_of_the_length(size: int) -> None:
    payload = b"x" * size
    assert read(publish_qos0("a/b", payload, 60)) == (0x30, "a/b", 60, payload)


def test_a_puback_is_four_bytes() -> None:
    assert puback(0x1234) == b"\x40\x02\x12\x34"


@given(
    st.none() | st.integers(0, 2**32 - 1),
    st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200),
    st.none() | st.binary(max_size=200),
)
def test_properties_are_the_bytes_that_paho_makes_of_them(
    expiry: int | None, topic: str | None, correlation: bytes | None
) -> None:
    theirs = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in (
        ("MessageExpiryInterval", expiry), ("ResponseTopic", topic), ("CorrelationData", correlation),
    ):  # fmt: skip
        if value is not None:
            setattr(theirs, name, value)
    ours = PublishProperties(expiry=expiry, response_topic=topic, correlation=correlation).pack()
    again = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    _, used = again.unpack(ours)  # type: ignore[no-untyped-call]
    assert (used, again.json()) == (len(ours), theirs.json())  # type: ignore[no-untyped-call]
    assert len(ours) == len(theirs.pack())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "wrong", [{"expiry": 2**32}, {"correlation": b"x" * 65_536}, {"response_topic": "x" * 65_536}]
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OverflowError):
        PublishProperties(**{"expiry": None, "response_topic": None, "correlation": None, **wrong})
