"""Every duration, distance and count of a delivery's life, with its reason; settings may replace them."""

from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DeliveryLimits(BaseModel):
    """Passed in once, at composition. Defaults are those of delivery.md and keys.md 3.9."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # the order
    window_longest: timedelta = Field(
        default=timedelta(hours=24),
        description="longest window an order may name; its keys live at most 6 h each",
    )
    window_shortest: timedelta = Field(
        default=timedelta(minutes=5), description="shortest window of an order"
    )
    order_ahead: timedelta = Field(default=timedelta(days=30), description="how far ahead a window may start")
    answer_within: timedelta = Field(
        default=timedelta(hours=24),
        description="how long an owner has to answer, never past the window's end",
    )
    parcels_most: int = Field(default=50, ge=1, description="parcels of one visit")
    unusable_told_within: timedelta = Field(
        default=timedelta(minutes=10),
        description="an address that cannot be used is told at a moment drawn within this, so that waiting "
        "says nothing about whether a car exists; 0 tells at once",
    )

    # the key
    key_ahead: timedelta = Field(
        default=timedelta(hours=2),
        description="a key is made at most this long before the window (keys.md 3.9)",
    )
    key_longest: timedelta = Field(
        default=timedelta(hours=6), description="longest life of one key, from nbf"
    )
    key_shortest: timedelta = Field(
        default=timedelta(seconds=60),
        description="less than this before the window's end no key is made any more",
    )
    keys_most: int = Field(default=3, ge=1, description="one key and two replacements inside one approval")
    key_again: timedelta = Field(
        default=timedelta(seconds=30), description="when a key that could not be made is tried again"
    )
    again_within: timedelta = Field(
        default=timedelta(minutes=3),
        description="after `locked` the same device may ask for a replacement without a new approval; then "
        "the delivery settles by itself",
    )

    # the courier
    near: float = Field(default=50.0, gt=0, description="metres from the car at which a courier may open")
    near_with_reason: float = Field(default=250.0, gt=0, description="metres up to which a reason is asked")
    near_holds: timedelta = Field(
        default=timedelta(minutes=15), description="how long an arrival's position is good for an opening"
    )
    seen_ahead: timedelta = Field(
        default=timedelta(minutes=30),
        description="exact place and plate are shown this long before the window",
    )
    challenge_life: timedelta = Field(
        default=timedelta(seconds=30), description="a challenge older than this is never signed"
    )
    challenges_most: int = Field(
        default=12, ge=1, description="challenges a delivery may ask for in a minute"
    )
    flashes_most: int = Field(default=6, ge=1, description="flashes a delivery may ask for in a minute")
    openings_most: int = Field(default=20, ge=1, description="attempts to open in one delivery")
    unsure_after: timedelta = Field(
        default=timedelta(minutes=2),
        description="an opening that nothing was heard of is called unsure after this",
    )
    closed_within: timedelta = Field(
        default=timedelta(minutes=5),
        description="a boot that opened and was not heard to close and lock within this is called unsure; "
        "the car itself says `left_open` after 2 minutes",
    )
    command_life: timedelta = Field(
        default=timedelta(seconds=10), description="how long a car may take to begin what a person waits for"
    )
    wait: float = Field(default=10.0, ge=0, description="seconds a request waits for the car unless it says")
    wait_most: float = Field(
        default=25.0, ge=0, description="longest wait in seconds that `Prefer: wait=` may ask"
    )

    # what a phone brings from a car without network
    receipts_brought_most: int = Field(
        default=10, ge=1, description="how often a minute receipts may be brought for one delivery"
    )

    # the fallback
    fallback_read_for: timedelta = Field(
        default=timedelta(hours=24),
        description="carrier and courier may read the fallback place this long after a delivery ended undone",
    )

    # the question
    tokens_most: int = Field(
        default=12, ge=1, description="links of one question that are good at a time for one person"
    )

    long_after: timedelta = Field(
        default=timedelta(hours=2),
        description="a longer window needs a passkey the first time, and no standing approval allows one",
    )
    precedent_for: timedelta = Field(
        default=timedelta(days=180),
        description="an approval makes the same again a repeat for this long; then it counts as new",
    )
    precedents_most: int = Field(default=200, ge=1, description="former approvals remembered at one car")

    # standing approvals
    standing_most: int = Field(default=20, ge=1, description="standing approvals of one car")
    standing_a_day: int = Field(
        default=2, ge=1, description="deliveries at a car in any 24 hours that standing approvals let in"
    )
    standing_enrolled_for: timedelta = Field(
        default=timedelta(hours=24),
        description="a standing approval holds for couriers enrolled with their carrier at least this long",
    )

    # not to tire anybody
    prompts_most: int = Field(
        default=3,
        ge=1,
        description="mails that ask, for one car in an hour; what comes more goes into one list",
    )
    prompts_per: timedelta = Field(
        default=timedelta(hours=1),
        description="the time in which these are counted; the list comes at its end",
    )
    quiet_margin: timedelta = Field(
        default=timedelta(hours=1),
        description="in quiet hours a question is mailed all the same where it cannot wait until this long "
        "after their end",
    )
    pause_after_decline: timedelta = Field(
        default=timedelta(hours=24),
        description="after a decline the same carrier with the same courier is not put to this car again; "
        "0 for no pause",
    )
    waiting_shown: int = Field(default=20, ge=1, description="questions listed as waiting on a page or mail")

    # photos and what is remembered
    photo_bytes: int = Field(default=1_048_576, ge=1, description="largest photo")
    photos_most: int = Field(default=5, ge=1, description="photos of one delivery")
    photo_tries_most: int = Field(default=20, ge=1, description="photos that a courier may send in a minute")
    photo_looks_most: int = Field(
        default=30, ge=1, description="looks at photos of one delivery in a minute, each of which is recorded"
    )
    personal_kept: timedelta = Field(
        default=timedelta(days=30),
        description="place, positions, names and photos are erased this long after the end",
    )
    kept: timedelta = Field(
        default=timedelta(days=400), description="after this only a tombstone of the delivery is left"
    )
    unopened_most: int = Field(
        default=2,
        ge=1,
        description="deliveries that end unopened after the place was shown: the owner is told",
    )
    unopened_within: timedelta = Field(
        default=timedelta(days=7), description="the time in which these are counted"
    )

    # news
    state_news_life: timedelta = Field(
        default=timedelta(days=3), description="how long news of a delivery's state is worth sending"
    )
    alarm_life: timedelta = Field(
        default=timedelta(hours=24), description="how long `may be open` and `left open` are worth sending"
    )
    stream_beat: timedelta = Field(default=timedelta(seconds=15), description="heartbeat of an event stream")
    stream_life: timedelta = Field(
        default=timedelta(minutes=10),
        description="a stream ends after this; the client comes back with its cursor",
    )
    streams_each: int = Field(
        default=32, ge=1, description="streams of deliveries open at once, per listener and process"
    )
    streams_open: int = Field(
        default=512, ge=1, description="streams of deliveries open at once, per process"
    )

    # the test carrier
    test_step: timedelta = Field(
        default=timedelta(seconds=1), description="a test delivery takes its next step after this"
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.key_longest > timedelta(hours=6):
            raise ValueError("key_longest: a unit refuses keys longer than 6 h (keys.md 3.2)")
        if self.near > self.near_with_reason:
            raise ValueError("near must not be more than near_with_reason")
        if self.wait > self.wait_most:
            raise ValueError("wait must not be more than wait_most")
        if self.window_shortest < self.key_shortest:
            raise ValueError(
                "window_shortest must be at least key_shortest, else such an order never gets a key"
            )
        if self.kept < self.personal_kept:
            raise ValueError("kept must be at least personal_kept")
        return self
