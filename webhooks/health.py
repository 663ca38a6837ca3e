"""How an address does, from what its tries came to: its breaker, its pauses, its warnings and its end. Pure.

Numbers in order of weight: 410 or ``webhook-delivery: disable`` end it at once; days without success end it after
warnings; failures in a row, or their share of the last minute, open the breaker, which lets one try through when
its pause is over; 429, 502 and 504 slow it down to one try at a time (webhooks.md, Retries).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, Self

from webhooks.limits import WebhooksLimits

_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_BUCKET_MS: Final = 10_000
_SHARES_TOLD: Final = (0.4, 0.8)
"""Of the time without success after which it is disabled: two days and four of five."""


class Seen(StrEnum):
    """What a try says of its address."""

    TAKEN = "taken"
    """2xx."""
    REFUSED = "refused"
    """An answer that is neither: this message's trouble, or its receiver's mistake."""
    BROKEN = "broken"
    """No connection, no answer in time, or 5xx."""
    THROTTLED = "throttled"
    """429."""
    OVERLOADED = "overloaded"
    """502 and 504: broken and throttled."""
    GONE = "gone"
    """410."""
    UNWANTED = "unwanted"
    """It said ``webhook-delivery: disable``."""


BREAKS: Final = frozenset({Seen.BROKEN, Seen.OVERLOADED})
SLOWS: Final = frozenset({Seen.THROTTLED, Seen.OVERLOADED})


class Event(StrEnum):
    """What the subscriber is told of."""

    OPENED = "opened"
    CLOSED = "closed"
    FAILING = "failing"
    RECOVERED = "recovered"
    DISABLED = "disabled"


@dataclass(slots=True)
class Tried:
    """One try that ended. ``not_before_ms``: until when the receiver asked to be left alone."""

    seen: Seen
    at_ms: int
    n: int = 1
    not_before_ms: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """``reason``: a code; ``disables_at_ms``: when it will be disabled if nothing changes."""

    event: Event
    reason: str = ""
    disables_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Kept with the address in the store. Times are unix ms; 0: never, or not now."""

    taken: int = 0
    failed: int = 0
    in_a_row: int = 0
    """Failures since the last success that count for the breaker."""
    opened: int = 0
    """How often the breaker opened since the last success; 0: it is closed."""
    open_until_ms: int = 0
    slowed: int = 0
    """Answers 429, 502 and 504 since the last success."""
    hold_until_ms: int = 0
    first_failure_ms: int = 0
    """Of those since the last success."""
    last_failure_ms: int = 0
    last_taken_ms: int = 0
    told: int = 0
    """How many of the warnings were given since the last success."""
    window: tuple[tuple[int, int, int], ...] = ()
    """Of the last minute, ten seconds each: when, taken or refused, broken."""

    @classmethod
    def read(cls, text: str) -> Self:
        """From what stands in the store; of nothing, a new one."""
        if not text:
            return cls()
        found: list[Any] = json.loads(text)
        found[-1] = tuple((at, good, bad) for at, good, bad in found[-1])
        return cls(*found)

    def text(self) -> str:
        """As it stands in the store."""
        return _JSON.encode(
            [
                self.taken, self.failed, self.in_a_row, self.opened, self.open_until_ms, self.slowed,
                self.hold_until_ms, self.first_failure_ms, self.last_failure_ms, self.last_taken_ms, self.told,
                self.window,
            ]
        )  # fmt: skip

    @property
    def breaker(self) -> str:
        """``closed`` or ``open``; an open one lets one try through after ``open_until_ms``."""
        return "open" if self.opened else "closed"

    @property
    def well(self) -> bool:
        """Whether one more success changes nothing but counts."""
        return not (self.opened or self.slowed or self.told or self.in_a_row or self.first_failure_ms)

    @property
    def held_until_ms(self) -> int:
        """Until when nothing is sent to it."""
        return max(self.open_until_ms, self.hold_until_ms)

    @property
    def cap(self) -> int | None:
        """How many tries it may have on the wire; None: as many as any address."""
        return 1 if self.opened or self.slowed else None


def after(
    health: Health, tries: Sequence[Tried], *, since_ms: int, spread: float, limits: WebhooksLimits
) -> tuple[Health, list[Happened]]:
    """The health after these tries, in their order, and what is to be told.

    ``since_ms``: when the address was enabled. ``spread`` in [0, 1) draws the length of a pause (full jitter).
    """
    happened: list[Happened] = []
    if tries and all(one.seen is Seen.TAKEN for one in tries):  # nearly always: one step for all of them
        return _taken(health, tries[-1], happened, limits, count=len(tries)), happened
    for one in tries:
        if one.seen is Seen.TAKEN:
            health = _taken(health, one, happened, limits)
        else:
            health = _failed(health, one, happened, spread, limits)
            health = _warned(health, one, happened, since_ms, limits)
    return health, happened


def _taken(
    health: Health, one: Tried, happened: list[Happened], limits: WebhooksLimits, count: int = 1
) -> Health:
    within_ms = round(limits.broken_within.total_seconds() * 1000)
    if health.opened:
        happened.append(Happened(Event.CLOSED))
    if health.told:
        happened.append(Happened(Event.RECOVERED))
    return replace(
        health,
        taken=health.taken + count,
        in_a_row=0,
        opened=0,
        open_until_ms=0,
        slowed=0,
        first_failure_ms=0,
        last_taken_ms=max(health.last_taken_ms, one.at_ms),
        told=0,
        window=_counted(health.window, one.at_ms, good=count, bad=0, within_ms=within_ms),
    )


def _failed(
    health: Health, one: Tried, happened: list[Happened], spread: float, limits: WebhooksLimits
) -> Health:
    breaks = one.seen in BREAKS
    within_ms = round(limits.broken_within.total_seconds() * 1000)
    window = _counted(health.window, one.at_ms, good=not breaks, bad=breaks, within_ms=within_ms)
    health = replace(
        health,
        failed=health.failed + 1,
        in_a_row=health.in_a_row + 1 if breaks else health.in_a_row if one.seen in SLOWS else 0,
        first_failure_ms=health.first_failure_ms or one.at_ms,
        last_failure_ms=max(health.last_failure_ms, one.at_ms),
        hold_until_ms=max(health.hold_until_ms, one.not_before_ms),
        window=window,
    )
    if one.seen in (Seen.GONE, Seen.UNWANTED):
        happened.append(Happened(Event.DISABLED, one.seen.value))
        return health
    if one.seen in SLOWS:
        health = _slowed(health, one, spread, limits)
    if breaks and one.at_ms >= health.open_until_ms and (health.opened or _too_many(health, limits)):
        if not health.opened:
            happened.append(Happened(Event.OPENED))
        health = replace(
            health,
            opened=health.opened + 1,
            open_until_ms=one.at_ms + _pause_ms(health.opened, spread, limits),
        )
    return health


def _slowed(health: Health, one: Tried, spread: float, limits: WebhooksLimits) -> Health:
    if one.not_before_ms:
        return replace(health, slowed=health.slowed + 1)
    first, most = limits.throttle_first.total_seconds(), limits.throttle_most.total_seconds()
    pause = min(most, first * 2.0 ** min(health.slowed, 30)) * (0.5 + spread / 2)
    until = one.at_ms + round(pause * 1000)
    return replace(health, slowed=health.slowed + 1, hold_until_ms=max(health.hold_until_ms, until))


def _too_many(health: Health, limits: WebhooksLimits) -> bool:
    if health.in_a_row >= limits.broken_in_a_row:
        return True
    good, bad = sum(each[1] for each in health.window), sum(each[2] for each in health.window)
    return good + bad >= limits.broken_of and bad >= limits.broken_share * (good + bad)


def _pause_ms(opened: int, spread: float, limits: WebhooksLimits) -> int:
    """Full jitter between the shortest pause and one that doubles with each opening."""
    first, most = limits.open_first.total_seconds(), limits.open_most.total_seconds()
    longest = min(most, first * 2.0 ** min(opened, 30))
    return round((first + (longest - first) * spread) * 1000)


def _warned(
    health: Health, one: Tried, happened: list[Happened], since_ms: int, limits: WebhooksLimits
) -> Health:
    """Told when a message failed often enough, and when much of the time to the end has passed; then the end."""
    if happened and happened[-1].event is Event.DISABLED:
        return health
    patience = round(limits.disable_after.total_seconds() * 1000)
    without = one.at_ms - max(health.last_taken_ms, since_ms)
    failing = one.at_ms - health.first_failure_ms
    least = round(limits.disable_least.total_seconds() * 1000)
    if without >= patience and failing >= least:
        happened.append(Happened(Event.DISABLED, "failing"))
        return health
    stage = sum(without >= share * patience for share in _SHARES_TOLD) if failing >= least else 0
    stage += one.n >= limits.failing_at or stage > 0
    if stage <= health.told:
        return health
    ends = max(max(health.last_taken_ms, since_ms) + patience, health.first_failure_ms + least)
    happened.append(Happened(Event.FAILING, "message" if stage == 1 else "no_success", ends))
    return replace(health, told=stage)


def _counted(
    window: tuple[tuple[int, int, int], ...], at_ms: int, *, good: int, bad: int, within_ms: int
) -> tuple[tuple[int, int, int], ...]:
    bucket = at_ms // _BUCKET_MS * _BUCKET_MS
    kept = [each for each in window if each[0] > at_ms - within_ms]
    if kept and kept[-1][0] >= bucket:
        last = kept[-1]
        kept[-1] = (last[0], last[1] + int(good), last[2] + int(bad))
    else:
        kept.append((bucket, int(good), int(bad)))
    return tuple(kept)
