"""When to try again, and how long a receiver may ask us to wait. Pure: two tables and two functions."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from webhooks.limits import WebhooksLimits

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_HTTP_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


def wait_after(
    failures: int, *, interactive: bool, age: timedelta, limits: WebhooksLimits
) -> timedelta | None:
    """The wait before the next try, without jitter; None where the schedule is exhausted.

    ``failures``: tries that failed so far (1 or more). ``age``: since the message was queued. The interactive
    class keeps its short waits up for ``interactive_for``, the last one repeating; then the waits of the
    ``state`` schedule follow, the last one repeating until the message's deadline (webhooks.md, Retries).
    """
    if not interactive:
        return limits.state_waits[failures - 1] if failures <= len(limits.state_waits) else None
    short = limits.interactive_waits
    if age < limits.interactive_for:
        return short[min(failures, len(short)) - 1]
    # By age, not by count: tries that hang are fewer, and their number must not stretch the schedule.
    longer = [wait for wait in limits.state_waits if wait > short[-1]] or [short[-1]]
    past = age - limits.interactive_for
    return next((wait for wait in longer if wait * (1 - limits.jitter) > past), longer[-1])


def next_try(
    failures: int,
    *,
    interactive: bool,
    queued_at: datetime,
    now: datetime,
    jitter: float,
    limits: WebhooksLimits,
) -> datetime | None:
    """When to try again after ``failures`` failed tries; None when the schedule is exhausted.

    ``jitter`` in [-1, 1] spreads the wait by the share ``limits.jitter``.
    """
    wait = wait_after(failures, interactive=interactive, age=now - queued_at, limits=limits)
    return None if wait is None else now + wait * (1 + limits.jitter * jitter)


def asked_to_wait(retry_after: str | None, now: datetime, limits: WebhooksLimits) -> datetime | None:
    """Until when the receiver asks to be left alone (RFC 9110 10.2.3); None where it says nothing readable.

    Seconds or an IMF-fixdate. Never later than ``retry_after_most`` from now; one in the past is no wait.
    """
    if retry_after is None:
        return None
    if _SECONDS.fullmatch(retry_after):
        until = now + min(timedelta(seconds=int(retry_after)), limits.retry_after_most)
    elif _HTTP_DATE.fullmatch(retry_after):
        try:
            until = parsedate_to_datetime(retry_after).astimezone(UTC)
        except ValueError:
            return None
        until = min(until, now + limits.retry_after_most)
    else:
        return None
    return until if until > now else None
