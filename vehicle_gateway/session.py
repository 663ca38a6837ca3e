"""What an MQTT link is made of and what comes from it, without a word of the library behind it."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field


class LinkLimits(BaseModel):
    """Durations and bounds of one MQTT link."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_timeout: timedelta = Field(timedelta(seconds=10), description="TCP, TLS and CONNACK together")
    retry_first: timedelta = Field(
        timedelta(milliseconds=250), description="first wait before connecting again"
    )
    retry_longest: timedelta = Field(timedelta(seconds=30), description="the wait doubles up to this")
    retry_jitter: float = Field(0.5, ge=0, le=1, description="share of the wait that is drawn by lot")
    steady_after: timedelta = Field(
        timedelta(seconds=10), description="up this long: the next wait starts small again"
    )
    misc_every: timedelta = Field(timedelta(seconds=1), description="how often keep-alive is looked at")
    max_inflight: int = Field(
        100, ge=1, le=65_535, description="QoS 1 messages out without PUBACK; fewer where the broker says so"
    )
    max_waiting: int = Field(10_000, ge=1, description="messages out and waiting together; more are refused")
    max_unacknowledged: int = Field(
        2_000, ge=1, description="messages in without our PUBACK: above it reading stops"
    )
    read_batch: int = Field(200, ge=1, description="packets taken in one turn of the loop")
    max_packet: int = Field(
        524_288,
        ge=1_024,
        description="bytes of the largest packet taken; the broker is told, and drops larger",
    )
    bulk_read: bool = Field(
        default=True, description="read many messages at once; false: leave all reading to paho"
    )


class NotConnected(Exception):
    """Nothing was sent and nothing will be: there is no connection, or too much waits on it."""


class Lost(Exception):
    """It was sent and the connection ended before the answer: it may have arrived."""


class PacketTooLarge(Exception):
    """The broker sent a packet of more bytes (the argument) than we told it we take."""


class SubscriptionRefused(Exception):
    """The broker refused a filter; its reason codes are the argument."""


class ConnectionRefused(Exception):
    """The broker answered CONNECT with a refusal; its reason code (0x87: not authorized) is the argument."""


@dataclass(frozen=True)
class Tls:
    """PEM files, read anew at each connection: the broker's CA; for mutual TLS our certificate and key."""

    ca: Path
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Broker:
    host: str
    port: int
    tls: Tls | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Will:
    """What the broker says for us when we vanish, ``delay`` seconds later."""

    topic: str
    payload: bytes
    delay: int
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True)
class Session:
    """Who we are to the broker and what it keeps for us. ``session_expiry`` and ``keepalive`` are seconds.

    ``clean_start`` stays false where anything is to survive: Mosquitto does not write other sessions to disk.
    """

    client_id: str
    session_expiry: int
    receive_maximum: int
    keepalive: int
    clean_start: bool = False
    will: Will | None = None


class Incoming(NamedTuple):
    """One message as it came.

    ``topic`` is bytes when it is not UTF-8; ``generation`` numbers the connection it came on.
    """

    topic: str | bytes
    payload: bytes
    qos: int
    retain: bool
    generation: int
    mid: int
    correlation: bytes | None = None
    response_topic: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
