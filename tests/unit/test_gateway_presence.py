"""Reachability from a car's own words and its silence."""

from datetime import UTC, datetime, timedelta

import pytest

from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.presence import Reach, Word, car_state_of, fields_of, reachability, word_of
from vehicle_gateway.wire import Presence, State

NOW = datetime(2030, 5, 6, 9, tzinfo=UTC)
LIMITS = GatewayLimits()
SECOND = timedelta(seconds=1)


def word(presence: Presence, **more: object) -> Word:
    return Word(presence=presence, boot=7, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "silence", "reach"),
    [
        (None, None, Reach.NO_COVERAGE),
        (None, 0 * SECOND, Reach.NO_COVERAGE),
        (word(Presence.ONLINE), 0 * SECOND, Reach.AWAKE),
        (word(Presence.ONLINE), 60 * SECOND, Reach.AWAKE),
        (word(Presence.ONLINE), 61 * SECOND, Reach.NO_COVERAGE),
        (word(Presence.ONLINE), None, Reach.NO_COVERAGE),
        (word(Presence.OFFLINE), 1 * SECOND, Reach.NO_COVERAGE),
        (word(Presence.DOZING), 100 * SECOND, Reach.DOZING),
        (word(Presence.DOZING), 136 * SECOND, Reach.NO_COVERAGE),
        (word(Presence.DOZING, every=600 * SECOND), 700 * SECOND, Reach.DOZING),
        (word(Presence.DOZING, every=600 * SECOND), 721 * SECOND, Reach.NO_COVERAGE),
        (word(Presence.ASLEEP), timedelta(days=3), Reach.ASLEEP),
        (word(Presence.ASLEEP, wakes_at=NOW + SECOND), timedelta(days=3), Reach.ASLEEP),
        (word(Presence.ASLEEP, wakes_at=NOW - 121 * SECOND), timedelta(days=3), Reach.NO_COVERAGE),
    ],
)
def test_words_and_silence(said: Word | None, silence: timedelta | None, reach: Reach) -> None:
    last_seen = None if silence is None else NOW - silence
    found = reachability(said, last_seen, NOW, LIMITS)
    assert found.reach is reach
    assert found.last_seen == last_seen


def test_only_a_sleeping_car_says_when_it_wakes() -> None:
    wakes = NOW + timedelta(hours=6)
    assert reachability(word(Presence.ASLEEP, wakes_at=wakes), NOW, NOW, LIMITS).wakes_at == wakes
    assert reachability(word(Presence.ONLINE, wakes_at=wakes), NOW, NOW, LIMITS).wakes_at is None


@pytest.mark.parametrize("presence", list(Presence))
def test_a_word_survives_the_store(presence: Presence) -> None:
    state = State(presence=presence, boot=41, wakes_at=NOW, every=30)
    assert word_of(fields_of(state)) == Word(presence, 41, NOW, timedelta(seconds=30))
    assert word_of(fields_of(State(presence=presence, boot=41))) == Word(presence, 41)


def test_a_car_that_never_spoke_has_an_empty_state() -> None:
    state = car_state_of({})
    assert (state.last_seen, state.word, state.position, dict(state.signals)) == (None, None, None, {})


def test_position_and_signals_are_read_back_and_the_position_does_not_print() -> None:
    state = car_state_of(
        {
            "heard": NOW.isoformat(),
            "position": '{"lat": 59.32, "lon": 18.07, "acc": 4.5}',
            "s:Vehicle.Body.Trunk.Rear.IsOpen": "true",
            "s:Vehicle.TraveledDistance": "123000",
        }
    )
    assert state.last_seen == NOW
    assert state.position is not None
    assert (state.position.latitude, state.position.longitude) == (59.32, 18.07)
    assert state.signals == {"Vehicle.Body.Trunk.Rear.IsOpen": True, "Vehicle.TraveledDistance": 123000}
    assert "59.32" not in repr(state)
