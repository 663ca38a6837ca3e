"""Every duration, size and threshold of news out and decisions in."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


def _seconds(*values: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=value) for value in values)


def _hours(*values: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(hours=value) for value in values)


class WebhooksLimits(BaseModel):
    """Defaults are those of webhooks.md; all are checked together when built."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_waits: tuple[timedelta, ...] = Field(
        default=(*_seconds(5, 300, 1_800), *_hours(2, 5, 10, 14, 20, 24)),
        description="wait after each failed try of news about a state; the first try is at once",
    )
    interactive_waits: tuple[timedelta, ...] = Field(
        default=_seconds(2, 5, 15, 30, 60),
        description="wait after each failed try of news a person waits for; the last one repeats",
    )
    interactive_for: timedelta = Field(
        default=timedelta(minutes=10),
        description="how long the short waits are kept up before the longer ones of state news follow",
    )
    jitter: float = Field(default=0.2, ge=0, le=0.9, description="share of a wait by which it is spread")
    retry_after_most: timedelta = Field(
        default=timedelta(hours=24),
        description="longest Retry-After honoured; a longer one counts as this",
    )
    connect_timeout: timedelta = Field(default=timedelta(seconds=5), description="to connect, TLS included")
    total_timeout: timedelta = Field(
        default=timedelta(seconds=15), description="one whole try: name, connection, request and answer"
    )
    lease_margin: timedelta = Field(
        default=timedelta(seconds=15),
        ge=timedelta(seconds=15),
        description="how long after the longest possible try its message is given to another sender",
    )
    in_flight: int = Field(default=128, ge=1, description="tries on the wire at once, per process")
    in_flight_per_address: int = Field(
        default=8, ge=1, description="tries on the wire at once, per address, of all processes together"
    )
    mail_in_flight: int = Field(
        default=8, ge=1, description="mails on their way at once, per process; they take no webhook's place"
    )
    claim_ahead: int = Field(
        default=128,
        ge=0,
        description="messages a process leases before it has room for them, to waste no time",
    )
    sender_poll: timedelta = Field(
        default=timedelta(milliseconds=100), description="how late news of another process may be noticed"
    )
    settle_after: timedelta = Field(
        default=timedelta(milliseconds=5), description="how long results are gathered to be saved together"
    )
    health_after: timedelta = Field(
        default=timedelta(milliseconds=250),
        description="how long the successes of an address that does well are counted before they are saved with it",
    )
    settle_most: int = Field(default=128, ge=1, le=500, description="results saved in one step")
    beat: timedelta = Field(
        default=timedelta(seconds=2), description="how often a sender says that it is there"
    )
    beats_missed: int = Field(
        default=3, ge=2, description="beats after which what a silent sender had in hand goes to others"
    )
    backlog_most: int = Field(
        default=10_000,
        ge=1,
        description="messages that may wait for one address where a caller can be told to come later",
    )
    backlog_hard: int = Field(
        default=100_000,
        ge=1,
        description="messages that may wait for one address at all: then the log's reader waits",
    )
    rows_kept: int = Field(default=1_000, ge=10, description="newest attempt rows kept of an address")
    dead_kept: int = Field(default=10_000, ge=1, description="newest dead letters kept of an address")
    recover_most: int = Field(default=10_000, ge=1, description="dead letters tried anew by one request")
    rate: float = Field(
        default=0,
        ge=0,
        description="tries a second to one address (0: no limit); an address may ask for less",
    )
    rate_burst: int = Field(default=20, ge=1, description="tries that may come at once under a rate")
    broken_in_a_row: int = Field(
        default=5, ge=1, description="failures to connect, timeouts and 5xx in a row that open the breaker"
    )
    broken_share: float = Field(
        default=0.5, gt=0, le=1, description="share of such failures that opens the breaker"
    )
    broken_of: int = Field(default=20, ge=1, description="tries there must be for that share to count")
    broken_within: timedelta = Field(
        default=timedelta(seconds=60), description="how far back tries count for that share"
    )
    open_first: timedelta = Field(
        default=timedelta(seconds=30),
        description="shortest time a breaker stays open before one try is let through",
    )
    open_most: timedelta = Field(default=timedelta(minutes=10), description="longest time it stays open")
    throttle_first: timedelta = Field(
        default=timedelta(seconds=5),
        description="how long an address is left alone after 429, 502 or 504 without Retry-After; doubles",
    )
    throttle_most: timedelta = Field(default=timedelta(minutes=5), description="longest such pause")
    failing_at: int = Field(
        default=4, ge=1, description="failed tries of one message after which its subscriber is told"
    )
    disable_after: timedelta = Field(
        default=timedelta(days=5), description="without success an address is disabled after this"
    )
    disable_least: timedelta = Field(
        default=timedelta(hours=12), description="time between first and last failure before it is disabled"
    )
    ping_for: timedelta = Field(
        default=timedelta(minutes=10), description="how long an address may take to answer its ping"
    )
    ping_wait: timedelta = Field(
        default=timedelta(seconds=5), description="how long a request for a ping waits for what came of it"
    )
    transport: Literal["sockets", "aiohttp"] = Field(
        default="sockets", description="what sends: HTTP/1.1 of our own on asyncio, or the library"
    )
    idle_connections: int = Field(
        default=512, ge=0, description="connections kept for the next request, all addresses together"
    )
    idle_for: timedelta = Field(
        default=timedelta(seconds=30), description="how long a connection is kept for the next request"
    )
    stale_within: timedelta = Field(
        default=timedelta(seconds=1),
        description="a kept connection that ends so soon, before any answer, is replaced at once",
    )
    answer_head: int = Field(default=16_384, ge=1_024, description="bytes of an answer's status and headers")
    answer_wait: timedelta = Field(
        default=timedelta(seconds=2), description="how long after its status an answer's body is waited for"
    )
    answer_read: int = Field(default=8_192, ge=0, description="bytes of an answer that are read")
    answer_kept: int = Field(default=512, ge=0, description="bytes of an answer kept in the attempt's row")
    body_most: int = Field(default=65_536, description="bytes of a body, out and in")
    body_advised: int = Field(
        default=20_480, description="bytes above which an attempt's row warns of a body"
    )
    delivered_for: timedelta = Field(
        default=timedelta(hours=24),
        description="how long a message that was taken is known: queueing it again changes nothing, it can be resent",
    )
    addresses_known: int = Field(
        default=10_000, ge=1, description="addresses a sender keeps in memory, secrets included"
    )
    kept_for: timedelta = Field(
        default=timedelta(days=7),
        description="how long a message outlives its end, to be looked at or sent again",
    )
    overlap: timedelta = Field(
        default=timedelta(hours=24), description="how long a rotated secret stays good beside the new one"
    )
    overlap_most: timedelta = Field(default=timedelta(days=7), description="longest overlap one may ask for")
    secrets_most: int = Field(default=5, ge=2, description="active secrets of one address or source")
    endpoints_most: int = Field(default=10, ge=1, description="addresses of one subscriber")
    push_devices_most: int = Field(
        default=10, ge=1, description="browsers of one person that are notified by web push"
    )
    push_started_most: int = Field(
        default=20, ge=1, description="browsers that one person may turn notifications on in, in 24 hours"
    )
    push_token_life: timedelta = Field(
        default=timedelta(hours=12),
        gt=timedelta(),
        le=timedelta(hours=24),
        description="how long a token for push services is good (RFC 8292: 24 hours at most)",
    )
    sources_most: int = Field(default=5, ge=1, description="linked systems of one person")
    centers_most: int = Field(default=20, ge=1, description="contact centers that may report")
    jwks_most: int = Field(
        default=2_000, ge=1, description="keys in the document of all addresses' public keys"
    )
    jwks_for: timedelta = Field(
        default=timedelta(seconds=60),
        description="how old that document may be, here and in caches; a key ended at once lives on so long",
    )
    url_most: int = Field(default=2_048, description="characters of an address")
    tolerance: timedelta = Field(
        default=timedelta(seconds=300), description="how far the timestamp of a decision may lie from now"
    )
    seen_for: timedelta = Field(
        default=timedelta(hours=24),
        description="how long a decision's id and body hash are remembered",
    )
    stream_age: timedelta = Field(
        default=timedelta(days=30), description="how long a subscriber's stream keeps what was told"
    )
    stream_entries: int = Field(
        default=20_000, ge=1, le=1_000_000, description="entries of a subscriber's stream, the newest"
    )
    stream_scan: int = Field(
        default=500, ge=1, description="entries looked at for one page of events, filtered ones among them"
    )
    stream_life: timedelta = Field(
        default=timedelta(minutes=15), description="a stream of events ends and the client comes again"
    )
    stream_beat: timedelta = Field(
        default=timedelta(seconds=15), description="a sign of life in a stream in which nothing happens"
    )
    streams_each: int = Field(default=8, ge=1, description="streams open at once, per subscriber and process")
    streams_open: int = Field(default=256, ge=1, description="streams open at once, per process")
    idempotency_for: timedelta = Field(
        default=timedelta(hours=24), description="how long a repeated request is given the same answer"
    )

    @model_validator(mode="after")
    def _a_replay_is_always_remembered(self) -> Self:
        if self.seen_for < self.tolerance * 2:
            raise ValueError("seen_for must be at least twice tolerance, else a replay is taken as new")
        if self.connect_timeout > self.total_timeout:
            raise ValueError("connect_timeout must not be longer than total_timeout")
        if self.backlog_hard < self.backlog_most:
            raise ValueError("backlog_hard must not be less than backlog_most")
        if self.open_first > self.open_most or self.throttle_first > self.throttle_most:
            raise ValueError("a first pause must not be longer than the longest")
        if not self.state_waits or not self.interactive_waits:
            raise ValueError("state_waits and interactive_waits need one wait each at least")
        return self

    @property
    def lives(self) -> timedelta:
        """How long a sender counts as there after its last beat."""
        return self.beat * self.beats_missed

    @property
    def lease(self) -> timedelta:
        """How long a try owns its message: always longer than the try can last (webhooks.md, Engine)."""
        return self.total_timeout + self.lease_margin
