"""Every duration, size and threshold of the unit, in one place."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


Span = Annotated[timedelta, Field(ge=timedelta(0))]


class UnitLimits(BaseModel):
    """What a unit holds to by itself. The verifier's own bounds stand in ``keys.car.policy``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # the boot's lock ("One key, one opening")
    latch_feedback: Span = Field(_seconds(2), description="unlatching without feedback: it may have opened")
    lift_within: Span = Field(_seconds(120), description="lid not lifted within this: locked again")
    shut_within: Span = Field(_seconds(120), description="lid up for this long: left open, alarms go out")
    lock_within: Span = Field(_seconds(2), description="no feedback of locking: stuck, tried again as often")

    # openings
    refusal_time: Span = Field(
        timedelta(milliseconds=25), description="a refusal without possession leaves this long after arrival"
    )
    link_burst: int = Field(10, ge=1, description="challenges and presentations of one link at once")
    link_every: Annotated[timedelta, Field(gt=timedelta(0))] = Field(
        _seconds(5), description="then one more of them each time this has passed"
    )
    receipts_kept: int = Field(
        4_096,
        ge=16,
        description="receipts not yet acknowledged; then nothing opens; refusals take at most half",
    )

    # clock (keys.md 3.4)
    clock_error: Span = Field(timedelta(milliseconds=100), description="error of the wall clock when set")
    drift_ppm: float = Field(100, ge=0, description="how fast a clock left alone goes wrong")
    forward_a_day: Span = Field(_seconds(60), description="how far wall time may jump ahead in a day")
    fresh_asked_every: Span = Field(
        _seconds(60), description="clock unknown or unsure, or the record lost: asks for the time as often"
    )
    clock_behind: Span = Field(_seconds(60), description="a signed time this far ahead: our clock is behind")

    # outbox (vehicle protocol, rules 3 and 4)
    outbox_items: int = Field(4_096, ge=16, description="messages that wait; signals give way first")
    in_flight: int = Field(512, ge=1, description="messages on the wire without our acknowledgement")
    resend_after: Span = Field(_seconds(15), description="no acknowledgement: sent again")
    unheard_after: Span = Field(_seconds(2), description="the broker had nobody to give it to: sent again")
    hold_after_rate: Span = Field(_seconds(30), description="refused for its rate: not before this")
    hold_after_auth: Span = Field(_seconds(300), description="refused for who we are: not before this")
    keep_events: Span = Field(timedelta(days=7), description="an event waits this long, a crash for ever")
    keep_results: Span = Field(timedelta(hours=1), description="a command's result waits this long")
    keep_signals: Span = Field(timedelta(days=1), description="signals wait this long")
    compact_after: int = Field(1_000, ge=2, description="lines of a journal before it is written anew")
    executed_most: int = Field(4_096, ge=16, description="commands remembered at once; then refused as busy")

    # presence and what is said without being asked
    will_delay: Span = Field(_seconds(20), description="vanished this long: the broker says offline")
    heartbeat: Span = Field(_seconds(30), description="awake: telemetry at least this often")
    doze_every: Span = Field(_seconds(15), description="dozing: listens this often")
    doze_listen: Span = Field(_seconds(2), description="dozing: listens this long")
    sleep_longest: Span = Field(timedelta(days=7), description="asleep at most this long")
    keepalive: Span = Field(_seconds(30), description="MQTT keep-alive")
    session: Span = Field(timedelta(days=7), description="how long the broker keeps our session")
    receive_maximum: int = Field(100, ge=1, le=65_535, description="commands in flight to us")
    message_bytes: int = Field(65_536, ge=1_024, description="a larger message to us is not read")
    list_asked_after: Span = Field(
        timedelta(hours=1), description="revocation list older than this at connecting: asked for"
    )
    trust_asked_after: Span = Field(
        timedelta(days=1), description="this long after the last time, at connecting: trust bundle asked for"
    )

    # certificates
    renew_within: float = Field(1 / 3, gt=0, lt=1, description="renewed in this last share of its life")
    renew_every: Span = Field(timedelta(hours=6), description="asked again as long as there is no answer")

    # pairing
    pair_code_life: Span = Field(timedelta(minutes=10), description="a claim code is good for this long")
