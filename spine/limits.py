"""Every duration and size of the spine, with its default and why."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class SpineLimits(BaseModel):
    """Frozen; one object is given to every reader and timer of a process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lease: timedelta = Field(
        timedelta(seconds=5),
        description="how long a reader's lease lives without its holder; the gap after a crash",
    )
    lease_poll: timedelta = Field(
        timedelta(milliseconds=300), description="how often a standby looks whether a lease is free"
    )
    cursor_flush: timedelta = Field(
        timedelta(milliseconds=100),
        description="how late a cursor may be saved; what is read again after a crash",
    )
    batch: int = Field(200, description="entries a reader takes at once")
    handler_timeout: timedelta = Field(
        timedelta(seconds=30), description="a reaction or timer that takes longer has failed"
    )
    held_poll: timedelta = Field(
        timedelta(milliseconds=200), description="how often held and parked entries are looked at"
    )
    first_retry: timedelta = Field(
        timedelta(milliseconds=500), description="wait after the first failure; doubles with each"
    )
    last_retry: timedelta = Field(
        timedelta(minutes=1), description="longest wait between tries of a held entry"
    )
    failures: int = Field(5, description="failures after which an entry is parked")
    store_retry: timedelta = Field(
        timedelta(milliseconds=250), description="wait before the store is asked again when it was down"
    )
    ring: int = Field(2_000, description="entries of a partition a process keeps for its own readers")
    timer_poll: timedelta = Field(
        timedelta(milliseconds=200), description="how late a timer set by another process may be noticed"
    )
    timer_batch: int = Field(100, description="timers of one kind and partition in work at once")
    first_snooze: timedelta = Field(
        timedelta(seconds=1), description="wait after a timer's handler failed; doubles with each"
    )
    last_snooze: timedelta = Field(timedelta(minutes=5), description="longest wait of a failing timer")
    dead_letters: int = Field(10_000, description="unreadable messages kept a partition")
    dedupe: timedelta = Field(
        timedelta(days=7),
        description="how long a unit's receipt, scan and event ids are known (vehicle-protocol.md)",
    )
    log_keep: timedelta = Field(
        timedelta(days=30), description="facts stay in the store at least this long, archived or not"
    )
