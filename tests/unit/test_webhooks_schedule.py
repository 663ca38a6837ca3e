"""When a message is tried again: both classes to their end, jitter, and what a receiver may ask for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.limits import WebhooksLimits
from webhooks.schedule import asked_to_wait, next_try, wait_after

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
LIMITS = WebhooksLimits()
HOUR = 3_600


def waits(*, interactive: bool, tries: int, took: float = 0) -> list[int | None]:
    """The waits of a message whose every try fails after ``took`` seconds."""
    age, found = timedelta(), []
    for failures in range(1, tries + 1):
        age += timedelta(seconds=took)
        wait = wait_after(failures, interactive=interactive, age=age, limits=LIMITS)
        found.append(None if wait is None else round(wait.total_seconds()))
        age += wait or timedelta()
    return found


def test_news_about_a_state() -> None:
    hours = [2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
    assert waits(interactive=False, tries=10) == [5, 300, 1_800, *hours, None]


def test_news_a_person_waits_for() -> None:
    short = [2, 5, 15, 30, *[60] * 10]
    assert waits(interactive=True, tries=17) == [*short, 300, 1_800, 2 * HOUR]


def test_tries_that_hang_do_not_stretch_the_short_waits() -> None:
    found = waits(interactive=True, tries=12, took=15)
    assert found == [2, 5, 15, 30, *[60] * 7, 300]


def test_the_interactive_class_ends_with_its_deadline_only() -> None:
    assert wait_after(99, interactive=True, age=timedelta(days=30), limits=LIMITS) == timedelta(hours=24)


@given(
    failures=st.integers(1, 200),
    jitter=st.floats(-1, 1),
    interactive=st.booleans(),
    age=st.integers(0, 10**6),
)
def test_jitter_spreads_by_a_fifth(failures: int, jitter: float, interactive: bool, age: int) -> None:
    queued = NOW - timedelta(seconds=age)
    found = next_try(
        failures, interactive=interactive, queued_at=queued, now=NOW, jitter=jitter, limits=LIMITS
    )
    wait = wait_after(failures, interactive=interactive, age=timedelta(seconds=age), limits=LIMITS)
    assert (found is None) == (wait is None)
    if found is not None and wait is not None:
        assert wait * 0.799 <= found - NOW <= wait * 1.201


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", None),
        ("1", 1),
        ("120", 120),
        ("86400", 86_400),
        ("999999999", 86_400),
        ("Mon, 06 May 2030 09:00:30 GMT", 30),
        ("Mon, 06 May 2030 08:59:30 GMT", None),
        ("Mon, 06 May 2031 09:00:00 GMT", 86_400),
        ("Mon, 99 May 2030 09:00:30 GMT", None),
        ("Mon, 06 Foo 2030 09:00:30 GMT", None),
        ("Mon, 06 May 2030 09:00:30 +0100", None),
        ("2030-05-06T09:00:30Z", None),
        ("1.5", None),
        ("-5", None),
        ("+5", None),
        (" 5", None),
        ("5s", None),
        ("1e3", None),
        ("9" * 400, None),
        ("", None),
        ("soon", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, seconds: int | None) -> None:
    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert asked_to_wait(text, NOW, LIMITS) == expected


@given(text=st.text(max_size=40))
def test_retry_after_is_never_an_error(text: str) -> None:
    found = asked_to_wait(text, NOW, LIMITS)
    assert found is None or NOW < found <= NOW + timedelta(hours=24)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seen_for": timedelta(minutes=9)},
        {"connect_timeout": timedelta(seconds=16)},
        {"state_waits": ()},
        {"interactive_waits": ()},
        {"unknown": 1},
    ],
)
def test_limits_are_checked_together(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        WebhooksLimits.model_validate(wrong)


def test_a_lease_always_outlasts_a_try() -> None:
    limits = WebhooksLimits(total_timeout=timedelta(seconds=40))
    assert limits.lease > limits.total_timeout
