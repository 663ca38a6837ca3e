"""Can we reach a car? A pure rule from its own words and its silence, and what a car's stored state says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.wire import Presence, State

SIGNAL: Final = "s:"
"""Prefix of the fields that hold a signal: ``s:Vehicle.Body.Trunk.Rear.IsOpen`` to its JSON value."""
POSITION: Final = "position"
HEARD: Final = "heard"
WHERE: Final = ("presence", "boot", "wakes_at", "every", POSITION, HEARD)
"""Fields that say whether and where a car can be reached; the others hold what its sensors said."""


class Reach(StrEnum):
    """``asleep``: it said so, we cannot wake it. ``no_coverage``: silent without a word."""

    AWAKE = "awake"
    DOZING = "dozing"
    ASLEEP = "asleep"
    NO_COVERAGE = "no_coverage"


@dataclass(frozen=True, slots=True)
class Word:
    """The last thing a car said of itself."""

    presence: Presence
    boot: int
    wakes_at: datetime | None = None
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where the car said it stands. Personal: lives in the car's state only, and is erased with it."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CarState:
    """Last values of a car: nothing here is history."""

    last_seen: datetime | None = None
    word: Word | None = None
    position: Position | None = field(default=None, repr=False)
    signals: Mapping[str, bool | int | float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reachability:
    """What a person reads before approving and setting out. ``wakes_at``: where it sleeps and said when."""

    reach: Reach
    last_seen: datetime | None
    wakes_at: datetime | None = None


def reachability(
    word: Word | None, last_seen: datetime | None, now: datetime, limits: GatewayLimits
) -> Reachability:
    """Vehicle protocol, "Reachability": its word holds until overdue; silence without one is no coverage."""
    silence = now - last_seen if last_seen is not None else timedelta.max
    reach = _reach(word, silence, now, limits)
    wakes_at = word.wakes_at if word is not None and reach is Reach.ASLEEP else None
    return Reachability(reach, last_seen, wakes_at)


def _reach(word: Word | None, silence: timedelta, now: datetime, limits: GatewayLimits) -> Reach:
    if word is None:
        return Reach.NO_COVERAGE
    match word.presence:
        case Presence.ASLEEP:
            overdue = word.wakes_at is not None and now > word.wakes_at + limits.overdue
            return Reach.NO_COVERAGE if overdue else Reach.ASLEEP
        case Presence.DOZING:
            every = max(word.every or limits.dozing_every, limits.dozing_every)
            return Reach.DOZING if silence <= every + limits.overdue else Reach.NO_COVERAGE
        case Presence.ONLINE:
            return Reach.AWAKE if silence <= limits.awake else Reach.NO_COVERAGE
        case Presence.OFFLINE:
            return Reach.NO_COVERAGE


def fields_of(state: State) -> dict[str, str]:
    """The stored form of a car's word."""
    return {
        "presence": state.presence,
        "boot": str(state.boot),
        "wakes_at": state.wakes_at.astimezone(UTC).isoformat() if state.wakes_at else "",
        "every": str(state.every or ""),
    }


def word_of(fields: Mapping[str, str]) -> Word | None:
    """The car's last word from its stored fields; None where it never spoke."""
    if not fields.get("presence"):
        return None
    return Word(
        presence=Presence(fields["presence"]),
        boot=int(fields["boot"]),
        wakes_at=_time(fields.get("wakes_at")),
        every=timedelta(seconds=int(fields["every"])) if fields.get("every") else None,
    )


def car_state_of(fields: Mapping[str, str]) -> CarState:
    """A car's stored fields as a value."""
    return CarState(
        last_seen=_time(fields.get(HEARD)),
        word=word_of(fields),
        position=_position(json.loads(fields[POSITION])) if fields.get(POSITION) else None,
        signals={
            name.removeprefix(SIGNAL): json.loads(value)
            for name, value in fields.items()
            if name.startswith(SIGNAL)
        },
    )


def _position(stored: Mapping[str, Any]) -> Position:
    return Position(
        latitude=stored["lat"],
        longitude=stored["lon"],
        accuracy_m=stored.get("acc"),
        at=_time(stored.get("at")),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
