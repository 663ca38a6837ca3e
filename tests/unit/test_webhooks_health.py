"""How an address does: breaker, pauses, warnings and its end, as tables."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhooks.attempts import Outcome
from webhooks.dispatch import result_of, seen_of
from webhooks.health import Event, Health, Seen, Tried, after
from webhooks.limits import WebhooksLimits
from webhooks.sender import Answer, NoAnswer

LIMITS = WebhooksLimits()
START = 1_900_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


def tried(
    health: Health, *seen: Seen, at: int = START, n: int = 1, spread: float = 0.5, each: int = 1
) -> tuple[Health, list[Event]]:
    """The health after these, a millisecond apart, and what happened."""
    tries = [Tried(one, at + i * each, n) for i, one in enumerate(seen)]
    found, happened = after(health, tries, since_ms=START, spread=spread, limits=LIMITS)
    return found, [one.event for one in happened]


@pytest.mark.parametrize(
    ("seen", "opens"),
    [
        ([Seen.BROKEN] * 4, False),
        ([Seen.BROKEN] * 5, True),
        ([Seen.OVERLOADED] * 5, True),
        ([Seen.REFUSED] * 30, False),
        ([Seen.THROTTLED] * 30, False),
        ([Seen.BROKEN] * 4 + [Seen.TAKEN] + [Seen.BROKEN] * 4, False),
        ([Seen.BROKEN] * 4 + [Seen.REFUSED] + [Seen.BROKEN] * 4, False),
        ([Seen.BROKEN] * 4 + [Seen.THROTTLED, Seen.BROKEN], True),
        ([Seen.TAKEN, Seen.BROKEN] * 9, False),
        ([Seen.TAKEN, Seen.BROKEN] * 10, True),
        ([Seen.TAKEN, Seen.TAKEN, Seen.BROKEN] * 20, False),
    ],
)
def test_what_opens_the_breaker(seen: list[Seen], opens: bool) -> None:
    health, events = tried(Health(), *seen)
    assert (Event.OPENED in events) == opens
    assert health.breaker == ("open" if opens else "closed")
    assert (health.cap == 1) == (opens or Seen.THROTTLED in seen[-1:])


def test_old_tries_do_not_count_for_the_share() -> None:
    health, events = tried(Health(), *[Seen.BROKEN, Seen.TAKEN] * 20, each=5_000)
    assert Event.OPENED not in events
    assert sum(good + bad for _, good, bad in health.window) <= 14


def test_pauses_grow_with_full_jitter_and_one_try_ends_them() -> None:
    for spread in (0.0, 0.5, 0.999):
        health, _ = tried(Health(), *[Seen.BROKEN] * 5, spread=spread)
        assert health.open_until_ms == START + 4 + 30_000
        for longest in (60, 120, 240, 480, 600, 600):
            at = health.open_until_ms
            health, events = tried(health, Seen.BROKEN, at=at, spread=spread)
            assert Event.OPENED not in events, "told once"
            assert health.open_until_ms - at == pytest.approx(30_000 + spread * (longest - 30) * 1000, abs=1)
        health, events = tried(health, Seen.TAKEN, at=health.open_until_ms)
        assert Event.CLOSED in events
        assert (health.breaker, health.cap, health.open_until_ms) == ("closed", None, 0)


def test_tries_that_were_on_the_wire_do_not_lengthen_a_pause() -> None:
    health, _ = tried(Health(), *[Seen.BROKEN] * 5)
    later, _ = tried(health, *[Seen.BROKEN] * 7, at=START + 100)
    assert (later.open_until_ms, later.opened) == (health.open_until_ms, 1)


def test_a_throttled_address_is_slowed_until_it_takes_something() -> None:
    health, _ = tried(Health(), Seen.THROTTLED, spread=0.999)
    assert 4_900 < health.hold_until_ms - START <= 5_000
    assert health.cap == 1
    again, _ = tried(health, Seen.THROTTLED, at=START + 10_000, spread=0.999)
    assert 9_900 < again.hold_until_ms - START - 10_000 <= 10_000
    for _ in range(40):
        again, _ = tried(again, Seen.OVERLOADED, at=again.held_until_ms, spread=0)
    assert tried(again, Seen.TAKEN, at=again.held_until_ms)[0].cap is None


def test_what_the_receiver_asks_for_is_the_pause() -> None:
    one = Tried(Seen.THROTTLED, START, 1, START + 7_200_000)
    health, _ = after(Health(), [one], since_ms=START, spread=0, limits=LIMITS)
    assert health.held_until_ms == START + 7_200_000


@pytest.mark.parametrize("seen", [Seen.GONE, Seen.UNWANTED])
def test_what_ends_an_address_at_once(seen: Seen) -> None:
    assert tried(Health(), seen)[1] == [Event.DISABLED]


def test_days_without_success_end_it_after_warnings() -> None:
    health, told = Health(), []
    for hour in range(6 * 24):
        health, events = tried(health, Seen.REFUSED, at=START + hour * HOUR, n=1)
        told += [(hour, event) for event in events]
    assert told[:3] == [(48, Event.FAILING), (96, Event.FAILING), (120, Event.DISABLED)]


def test_a_quiet_address_is_not_ended_by_its_first_failures() -> None:
    """No news for a week, then failures: half a day of them at least."""
    health, _ = tried(Health(), Seen.TAKEN)
    health, events = tried(health, Seen.BROKEN, at=START + 7 * DAY)
    assert events == []
    health, events = tried(health, Seen.BROKEN, at=START + 7 * DAY + 11 * HOUR)
    assert Event.DISABLED not in events
    assert tried(health, Seen.BROKEN, at=START + 7 * DAY + 12 * HOUR)[1] == [Event.DISABLED]


def test_an_enabled_address_begins_anew() -> None:
    health = Health(first_failure_ms=START - 9 * DAY, last_taken_ms=START - 9 * DAY)
    assert Event.DISABLED not in tried(health, Seen.BROKEN, at=START + HOUR)[1]


def test_the_fourth_try_of_a_message_warns_once_and_a_success_takes_it_back() -> None:
    health, events = tried(Health(), Seen.REFUSED, n=3)
    assert events == []
    health, events = tried(health, Seen.REFUSED, n=4)
    assert events == [Event.FAILING]
    assert tried(health, Seen.REFUSED, n=5)[1] == []
    health, events = tried(health, Seen.TAKEN)
    assert events == [Event.RECOVERED]
    assert tried(health, Seen.TAKEN)[1] == []


many = st.lists(
    st.builds(Tried, st.sampled_from(Seen), st.integers(START, START + 10 * DAY), st.integers(1, 12))
)


@given(many, st.floats(0, 1, exclude_max=True))
def test_any_health_reads_back_and_stays_small(tries: list[Tried], spread: float) -> None:
    tries.sort(key=lambda one: one.at_ms)
    health, _ = after(Health(), tries, since_ms=START, spread=spread, limits=LIMITS)
    assert Health.read(health.text()) == health
    assert len(health.text()) < 500
    assert health.held_until_ms <= START + 10 * DAY + 600_000
    assert health.taken + health.failed == len(tries)


def test_nothing_is_a_new_health() -> None:
    assert Health.read("") == Health()


@pytest.mark.parametrize(
    ("answer", "seen", "outcome", "reason"),
    [
        (Answer(1, 200), Seen.TAKEN, Outcome.ACCEPTED, ""),
        (Answer(1, 299), Seen.TAKEN, Outcome.ACCEPTED, ""),
        (Answer(1, 204, control="abort-message"), Seen.TAKEN, Outcome.ACCEPTED, ""),
        (Answer(1, 204, control="disable"), Seen.UNWANTED, Outcome.ACCEPTED, ""),
        (Answer(1, 301), Seen.REFUSED, Outcome.FAILED, "status"),
        (Answer(1, 400), Seen.REFUSED, Outcome.FAILED, "status"),
        (Answer(1, 400, control=" Abort-Message "), Seen.REFUSED, Outcome.HOPELESS, "aborted"),
        (Answer(1, 500, control="disable"), Seen.UNWANTED, Outcome.HOPELESS, "unwanted"),
        (Answer(1, 500, control="something"), Seen.BROKEN, Outcome.FAILED, "status"),
        (Answer(1, 410), Seen.GONE, Outcome.HOPELESS, "gone"),
        (Answer(1, 429), Seen.THROTTLED, Outcome.FAILED, "status"),
        (Answer(1, 502), Seen.OVERLOADED, Outcome.FAILED, "status"),
        (Answer(1, 503), Seen.BROKEN, Outcome.FAILED, "status"),
        (Answer(1, 504), Seen.OVERLOADED, Outcome.FAILED, "status"),
        (Answer(1, none=NoAnswer.TIMEOUT), Seen.BROKEN, Outcome.FAILED, "timeout"),
        (Answer(1, none=NoAnswer.CONNECT), Seen.BROKEN, Outcome.FAILED, "connection_failed"),
        (Answer(1, none=NoAnswer.BLOCKED), Seen.REFUSED, Outcome.FAILED, "blocked"),
    ],
)
def test_what_an_answer_means(answer: Answer, seen: Seen, outcome: Outcome, reason: str) -> None:
    result = result_of(answer, lambda: None, LIMITS)  # type: ignore[arg-type, return-value]
    assert (result.seen, result.outcome, result.reason) == (seen, outcome, reason)
    assert seen is Seen.UNWANTED or seen_of(answer) is seen


def test_a_large_body_warns() -> None:
    assert result_of(Answer(1, 200), lambda: None, LIMITS, large=True).warning == "body_large"  # type: ignore[arg-type, return-value]


def test_limits_that_contradict_each_other() -> None:
    for wrong in (
        {"backlog_hard": 1},
        {"open_first": timedelta(hours=1)},
        {"throttle_first": timedelta(hours=1)},
    ):
        with pytest.raises(ValueError, match="must not"):
            WebhooksLimits(**wrong)
