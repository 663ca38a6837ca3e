"""Every duration and bound of the gateway, each with its reason; settings may replace them, code may not."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class GatewayLimits(BaseModel):
    """Passed in once, at composition. Sources: docs/vehicle-protocol.md, measured figures of its rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # certificates
    ca_life: timedelta = Field(timedelta(days=7300), description="Life of the vehicle CA and the broker CA.")
    broker_certificate_life: timedelta = Field(timedelta(days=825), description="Life of the broker's own.")
    unit_certificate_life: timedelta = Field(
        timedelta(days=90), description="Life of a unit's two certificates; renewed in the last third."
    )
    crl_life: timedelta = Field(timedelta(days=30), description="nextUpdate of the vehicle CA's list.")
    backdate: timedelta = Field(
        timedelta(minutes=5), description="notBefore lies this far back: cars' clocks are not exact."
    )
    proof_age: timedelta = Field(
        timedelta(days=7), description="Oldest proof of possession taken; a request may travel on paper."
    )
    proof_ahead: timedelta = Field(timedelta(minutes=5), description="How far ahead a proof's iat may lie.")
    request_bytes: int = Field(16_384, description="Largest enrolment request, and largest data of up/req.")

    # inbound
    batch: int = Field(200, ge=1, le=200, description="Most messages of one ingest call (rule 2).")
    waiting: int = Field(
        4_000, ge=1, description="Messages held in memory before reading from the broker pauses (rule 2)."
    )
    resume_below: int = Field(1_000, ge=0, description="Reading goes on when no more than these are left.")
    store_retry: timedelta = Field(
        timedelta(milliseconds=200), description="First wait while the store is down."
    )
    store_retry_most: timedelta = Field(timedelta(seconds=5), description="Longest such wait.")
    unit_rate: float = Field(50.0, gt=0, description="Messages a second of one unit, lasting.")
    unit_burst: float = Field(1_024.0, gt=0, description="Messages of one unit at once: two full outboxes.")
    dead_letter_bytes: int = Field(65_536, ge=256, description="Bytes kept of one poison message.")
    known_units: int = Field(100_000, ge=1, description="Units remembered between messages.")
    heard_every: timedelta = Field(
        timedelta(seconds=5), description="How exactly it is kept when a car was last heard."
    )
    gap: timedelta = Field(
        timedelta(seconds=10), description="A hole in (boot, seq) this old asks for a snapshot."
    )
    telemetry_ring: timedelta = Field(
        timedelta(minutes=15), description="What up/tel keeps besides the last."
    )

    # commands
    command_expiry: timedelta = Field(timedelta(seconds=30), description="Most of dn/cmd's message expiry.")
    command_life: timedelta = Field(timedelta(hours=24), description="Longest ttl a command may be given.")
    answer_grace: timedelta = Field(
        timedelta(seconds=10), description="After exp: how long an answer to a sent command may take."
    )
    send_patience: timedelta = Field(
        timedelta(seconds=1), description="A command that cannot leave for this long lets the next ones pass."
    )
    send_again: timedelta = Field(
        timedelta(milliseconds=50), description="Wait where too many messages are on their way already."
    )
    cars_back_within: timedelta = Field(
        timedelta(seconds=3),
        description="So long after connecting, a car unknown to the broker is waited for: it may have restarted.",
    )
    sent_after: timedelta = Field(
        timedelta(milliseconds=50),
        description="``sent`` is committed this long after it is, unless answered.",
    )
    result_kept: timedelta = Field(
        timedelta(minutes=10), description="How long an ended command's answer can be read; args go at once."
    )
    args_bytes: int = Field(12_288, description="Largest args of a command, as JSON.")

    list_patience: timedelta = Field(
        timedelta(seconds=5),
        description="A list not taken by the broker in this goes with the next connection.",
    )
    list_age: timedelta = Field(
        timedelta(hours=24), description="Revocation lists younger than this are repeated after a reconnect."
    )

    # presence
    awake: timedelta = Field(timedelta(seconds=60), description="Heard within this: awake.")
    dozing_every: timedelta = Field(timedelta(seconds=15), description="A dozing unit listens this often.")
    overdue: timedelta = Field(
        timedelta(minutes=2), description="Silent this long past its own word: no coverage."
    )

    # connection
    session: timedelta = Field(timedelta(days=7), description="Session expiry of the gateway's connection.")
    keepalive: timedelta = Field(timedelta(seconds=20), description="MQTT keep-alive of the gateway.")
    receive_maximum: int = Field(500, ge=1, le=65_535, description="QoS 1 messages in flight towards us.")
