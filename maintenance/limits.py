"""Every duration, count and size of cases, calls, slots and appointments; settings may replace them."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from maintenance.rules import FaultRules, Mode


class _Limits(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CaseLimits(_Limits):
    """Cases and their triggers. Defaults are those of the design page, "Rules"."""

    medium_to_agent: timedelta = Field(
        default=timedelta(hours=72),
        description="a medium case that its owner has not taken goes to an agent after this",
    )
    critical_told_every: timedelta = Field(
        default=timedelta(days=1),
        description="a critical case whose owner wants no calls is told again by mail this often",
    )
    critical_claimed_within: timedelta = Field(
        default=timedelta(minutes=2), description="a critical case is to be claimed within this"
    )
    high_claimed_within: timedelta = Field(
        default=timedelta(minutes=30),
        description="a high one within this, counted inside the calling window",
    )
    queue: Mode = Field(
        default="active",
        description="rule: high and critical cases whose owner wants calls go to the agents at once",
    )
    medium_queue: Mode = Field(
        default="active", description="rule: medium ones that were not taken go to an agent later"
    )
    repeat: Mode = Field(default="active", description="rule: critical ones that are offered are told again")
    pads_worn: float = Field(
        default=90, gt=0, le=100, description="wear of a brake pad, in percent, that is a fault"
    )
    pads_new: float = Field(default=50, ge=0, lt=100, description="at or below this it was replaced")
    oil_life_left: timedelta = Field(
        default=timedelta(days=14), description="engine oil that lasts no longer than this is a fault"
    )
    oil_life_new: timedelta = Field(
        default=timedelta(days=60), description="oil that lasts longer than this was changed"
    )
    battery_low: float = Field(
        default=11.8, gt=0, description="12 V battery: at or below so many volts for a while it is a fault"
    )
    battery_healthy: float = Field(
        default=12.4, gt=0, description="at or above so many volts it is well again"
    )
    battery_least: float = Field(
        default=6.0,
        ge=0,
        description="a reading below so many volts is not believed: nothing would run any more",
    )
    battery_low_for: timedelta = Field(
        default=timedelta(hours=2),
        description="how long it has to stay low: an engine that is being started pulls it down for a moment",
    )
    condition_healthy_for: timedelta = Field(
        default=timedelta(days=1),
        description="a condition without a code is mended when it stayed healthy so long",
    )
    news_life: timedelta = Field(
        default=timedelta(days=3), description="news about a case that could not be delivered ends after this"
    )
    faults_kept: int = Field(
        default=1000, ge=10, description="faults remembered of one vehicle; long mended ones make room first"
    )
    canaries: tuple[str, ...] = Field(
        default=(),
        description="vehicles that are none: their units report made-up faults (`trunkline unit --canary`)",
    )
    canary_silent_after: timedelta = Field(
        default=timedelta(minutes=15), description="`doctor` says so when no canary was heard for this long"
    )
    sweep_every: timedelta = Field(
        default=timedelta(minutes=10), description="how often all cases are compared with their faults"
    )
    sweep_grace: timedelta = Field(
        default=timedelta(minutes=5),
        description="what is overdue, or missing on a list, for longer than this is a violation",
    )
    remembered: int = Field(
        default=20_000,
        ge=1,
        description="subjects that a process keeps in memory to spare reading them again",
    )
    scan_oldest: timedelta = Field(
        default=timedelta(days=90),
        description="a scan that says it is older than this comes of a wrong clock, and counts as of its arrival",
    )
    codes_taken: int = Field(
        default=300,
        ge=1,
        description="codes taken of one scan, confirmed ones first; a longer list counts as partial",
    )


class DeskLimits(_Limits):
    """Agents, their leases and their calls."""

    lease: timedelta = Field(
        default=timedelta(seconds=60), description="an agent's lease on a case, renewed by its heartbeat"
    )
    calls_per_case: int = Field(default=3, ge=1, description="at most so many calls about one case")
    shift: timedelta = Field(
        default=timedelta(hours=12), description="an agent shows a passkey at least this often"
    )
    unanswered_again: timedelta = Field(
        default=timedelta(hours=2), description="nobody answered the first call: the next one after this"
    )
    busy_again: timedelta = Field(
        default=timedelta(minutes=15), description="the line was busy: the next call after this"
    )
    last_again_days: int = Field(
        default=3,
        ge=1,
        description="days between the third call and a fourth, or after a second message left",
    )
    help_again: timedelta = Field(
        default=timedelta(minutes=5),
        description="somebody who asked for help did not answer: again after this",
    )
    callback_most: timedelta = Field(
        default=timedelta(days=30), description="how far ahead a callback may be agreed"
    )
    quiet_critical: timedelta = Field(
        default=timedelta(days=1), description="not now: how long a critical case is left alone"
    )
    quiet_high: timedelta = Field(
        default=timedelta(days=3), description="not now: how long a high one is left alone"
    )
    quiet: timedelta = Field(
        default=timedelta(days=14),
        description="not now: how long others are left alone; also what is said to be repaired",
    )
    quiet_sold: timedelta = Field(
        default=timedelta(days=30),
        description="the car is said to be sold: how long its case waits before it is offered to its owner again",
    )
    critical_any_hour: bool = Field(
        default=True,
        description="a critical case may be called about outside the window and the one call a day; the audit says so",
    )
    dial_settled: timedelta = Field(
        default=timedelta(minutes=10),
        description="a person's call of the day that was reserved is compared with its case after this",
    )
    after_call: timedelta = Field(
        default=timedelta(minutes=2), description="time to write up a call, shown on the desk"
    )
    list_most: int = Field(default=100, ge=1, description="cases on the list of the desk's page")
    claim_pages: int = Field(
        default=40,
        ge=1,
        description="how much of the list a claim looks through at most, in pages of 25 cases",
    )
    help_per_hour: int = Field(
        default=6, ge=1, description="how often a person or courier may ask for help in an hour"
    )
    wallboard_kept: timedelta = Field(
        default=timedelta(seconds=3), description="how old what the wallboard shows may be"
    )
    signal_gap: timedelta = Field(
        default=timedelta(milliseconds=100),
        description="changes of the list within this are one signal to look again",
    )
    signal_look: timedelta = Field(
        default=timedelta(milliseconds=25),
        description="how often it is looked whether the list shows a change already",
    )
    signal_patience: timedelta = Field(
        default=timedelta(seconds=2),
        description="the signal of a change that the list does not show goes out after this all the same",
    )
    signal_beat: timedelta = Field(
        default=timedelta(seconds=15),
        description="a stream of signals shows that it lives, and whether it may, at least this often",
    )
    signal_life: timedelta = Field(
        default=timedelta(minutes=10),
        description="a stream of signals ends after this; the page comes back by itself",
    )
    signal_streams_each: int = Field(
        default=8, ge=1, description="streams of signals open at once, per agent and process"
    )
    signal_streams_open: int = Field(
        default=256, ge=1, description="streams of signals open at once, per process"
    )


class GarageLimits(_Limits):
    """Garages, slots and appointments."""

    hold: timedelta = Field(default=timedelta(minutes=10), description="how long a slot is held for a case")
    settled_within: timedelta = Field(
        default=timedelta(minutes=1),
        description="a booked slot is compared with its appointment after this, and freed if it has none",
    )
    ahead: timedelta = Field(
        default=timedelta(days=28), description="slots are made of the opening hours this far ahead"
    )
    published_ahead: timedelta = Field(
        default=timedelta(days=365), description="a slot published by hand starts at most this far ahead"
    )
    slot_shortest: timedelta = Field(default=timedelta(minutes=10), description="length of a slot at least")
    slot_longest: timedelta = Field(default=timedelta(hours=12), description="length of a slot at most")
    slot_kept: timedelta = Field(
        default=timedelta(days=7), description="a slot that is over is kept this long"
    )
    appointment_kept: timedelta = Field(
        default=timedelta(days=365), description="an appointment that is over is kept this long"
    )
    early: timedelta = Field(
        default=timedelta(hours=12),
        description="a garage can say that a car has come this long before the appointment's start at most",
    )
    unheard_booked: timedelta = Field(
        default=timedelta(days=3),
        description="an appointment of which the garage says nothing counts as missed this long after its end",
    )
    unheard_received: timedelta = Field(
        default=timedelta(days=14),
        description="a car that was received and of which nothing more is said counts as done after this",
    )
    booked_a_day: int = Field(
        default=6, ge=1, description="appointments made for one case within 24 hours at most"
    )
    moves_most: int = Field(
        default=5, ge=0, description="how often the people of a car may move one appointment"
    )
    proved_within: timedelta = Field(
        default=timedelta(days=14),
        description="the garage has finished and the car has not shown within this that it is repaired: "
        "its case waits for its owner or an agent again",
    )
    requests_most: int = Field(
        default=600, ge=1, description="requests of one garage's token in a minute, all its programs together"
    )
    bays_most: int = Field(default=20, ge=1, le=99, description="bays of one garage at most")
    slots_most: int = Field(default=2000, ge=1, description="slots that one bay has ahead at most")
    shown: int = Field(default=20, ge=1, le=200, description="free slots offered at once at most")
    visits_shown: int = Field(
        default=50, ge=1, le=200, description="appointments on one page of a garage's link at most"
    )
    alternatives: int = Field(
        default=5, ge=0, le=50, description="free slots named to whoever came too late at most"
    )
    garages_offered: int = Field(
        default=5, ge=1, le=50, description="garages whose free slots are looked through at most"
    )
    told_within: timedelta = Field(
        default=timedelta(days=2), description="a mail about an appointment is not sent later than this"
    )
    link_life: timedelta = Field(
        default=timedelta(days=14), description="how long a mail's link to the booking page is good"
    )
    links_most: int = Field(
        default=10, ge=1, description="links of a case that are good at once; newer ones replace the oldest"
    )
    garage_link_life: timedelta = Field(
        default=timedelta(days=30),
        description="a link in a garage's mail about an appointment is good this long after its start",
    )
    garage_day_link_life: timedelta = Field(
        default=timedelta(hours=12), description="a link to all of a garage's appointments is good this long"
    )


class CenterLimits(_Limits):
    """Contact centers that have a system of their own."""

    claimed_within: timedelta = Field(
        default=timedelta(minutes=2),
        description="a trigger that was handed out and is not claimed within this, or within half of what is left "
        "to its service level if that is more, falls back to the own desk",
    )
    reported_within: timedelta = Field(
        default=timedelta(minutes=20),
        description="one that was claimed and of which nothing was heard for this long falls back too",
    )
    held_most: timedelta = Field(
        default=timedelta(hours=2),
        description="claimed or not, however often a center says it works on it: at most this long, and never beyond "
        "the end of the person's calling window",
    )
    slots_offered: int = Field(
        default=10,
        ge=1,
        le=100,
        description="free slots shown at once to a center that has the case, over all garages",
    )
    vendor_timeout: timedelta = Field(
        default=timedelta(seconds=10), description="one request to Amazon Connect or Twilio"
    )
    vendor_retry: timedelta = Field(
        default=timedelta(seconds=2),
        description="the first pause before such a request is tried again; doubles",
    )
    vendor_cancels: int = Field(
        default=8, ge=1, description="tries to end a vendor's task that is no longer wanted"
    )
    sweep_every: timedelta = Field(
        default=timedelta(minutes=5), description="how often hand-outs and their cases are compared"
    )
    cancel_life: timedelta = Field(
        default=timedelta(hours=1),
        description="how long we try to tell a center that a case is not its any more",
    )


class MaintenanceLimits(_Limits):
    """Passed in once, at composition."""

    faults: FaultRules = Field(
        default_factory=FaultRules, description="Rules and thresholds of the fault policy."
    )
    cases: CaseLimits = Field(default_factory=CaseLimits, description="Cases and triggers.")
    desk: DeskLimits = Field(default_factory=DeskLimits, description="The contact center's desk.")
    garages: GarageLimits = Field(
        default_factory=GarageLimits, description="Garages, slots and appointments."
    )
    centers: CenterLimits = Field(default_factory=CenterLimits, description="Foreign contact centers.")
