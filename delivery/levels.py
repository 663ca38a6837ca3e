"""How sure we must be that it is the owner who says yes: which level an approval needs, as one table. Pure.

Levels rise from ``link`` (a mail's link) over ``session`` (signed in on a device that did so before) to
``passkey`` (user verification over what was shown and the decision). Seeing, declining, blocking and locking
need no more than ``link``: nobody has to prove much to keep a car shut.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Literal

from delivery.problems import LevelTooLow

Reached = Literal["link", "session", "passkey"]
ApprovesBy = Literal["passkey", "link", "nothing"]
"""How a person approves (``people.passkeys``): with a passkey, by their own choice by link, or not yet at all."""

ORDER: Final[Sequence[Reached]] = ("link", "session", "passkey")


class Ground(StrEnum):
    """Why an approval needs what it needs."""

    CABIN = "cabin"
    NEW_CARRIER = "new_carrier"
    NEW_KIND = "new_kind"
    NEW_PLACE = "new_place"
    LONG = "long"
    OFFLINE = "offline"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a ground asks of an owner who has a passkey, and of one who never had one and chose the link."""

    passkey: Reached
    link: Reached


TABLE: Final[Mapping[Ground, Needs]] = {
    Ground.CABIN: Needs(passkey="passkey", link="passkey"),
    Ground.NEW_CARRIER: Needs(passkey="passkey", link="link"),
    Ground.NEW_KIND: Needs(passkey="passkey", link="link"),
    Ground.NEW_PLACE: Needs(passkey="passkey", link="link"),
    Ground.LONG: Needs(passkey="passkey", link="link"),
    Ground.OFFLINE: Needs(passkey="passkey", link="link"),
    Ground.REPEAT: Needs(passkey="session", link="link"),
}

WORDS: Final[Mapping[Ground, str]] = {
    Ground.CABIN: "it opens the cabin too",
    Ground.NEW_CARRIER: "it is the first time for this carrier at your car",
    Ground.NEW_KIND: "this carrier brought or fetched before, and now wants the other",
    Ground.NEW_PLACE: "it is the first time for this carrier at this place",
    Ground.LONG: "it is longer than what you approved before",
    Ground.OFFLINE: "a block might not reach the car in time",
    Ground.REPEAT: "you approved the same before",
}


@dataclass(frozen=True, slots=True)
class Precedent:
    """An approval that its owner gave before, or allowed beforehand: of whom, where, for how long a window, what for.

    ``kind``: whoever may leave something may not fetch something. None: not known, and nothing is the same as that.
    """

    carrier: str
    place: str
    length: timedelta
    kind: Literal["dropoff", "pickup"] | None = "dropoff"


def grounds(
    precedents: Collection[Precedent],
    wanted: Precedent,
    *,
    cabin: bool,
    long_after: timedelta,
    offline: bool = False,
) -> tuple[Ground, ...]:
    """Why this approval needs what it needs. ``precedents``: of the same owner at the same car.

    ``offline``: it is to open with older news of revocation than by default.
    ``long_after``: up to this a window counts as short, whatever was approved before.
    """
    same_carrier = [one for one in precedents if one.carrier == wanted.carrier]
    same_kind = [one for one in same_carrier if one.kind is not None and one.kind == wanted.kind]
    same = [one for one in same_kind if one.place == wanted.place]
    found = []
    if cabin:
        found.append(Ground.CABIN)
    if not same_carrier:
        found.append(Ground.NEW_CARRIER)
    elif not same_kind:
        found.append(Ground.NEW_KIND)
    elif not same:
        found.append(Ground.NEW_PLACE)
    if wanted.length > max([long_after, *(one.length for one in same)]):
        found.append(Ground.LONG)
    if offline:
        found.append(Ground.OFFLINE)
    return tuple(found) or (Ground.REPEAT,)


def needed(why: Collection[Ground], by: ApprovesBy) -> Reached:
    """The level that these grounds ask of somebody who approves so."""
    rows = (TABLE[ground] for ground in why)
    asked = [row.link if by == "link" else row.passkey for row in rows]
    return max(asked, key=ORDER.index)


def check(why: Collection[Ground], by: ApprovesBy, reached: Reached) -> None:
    """Raises ``LevelTooLow`` unless ``reached`` is enough. Who chose nothing yet approves by nothing."""
    level = needed(why, by)
    if by == "nothing" or ORDER.index(reached) < ORDER.index(level):
        raise LevelTooLow(level, how(why, by, level), tuple(why))


def how(why: Collection[Ground], by: ApprovesBy, level: Reached) -> str:
    """What a person has to do to approve, in plain words."""
    because = " and ".join(WORDS[ground] for ground in why)
    if by == "nothing":
        return "Make a passkey first, or choose approving by mail; then answer again."
    if by == "link":
        return f"Make a passkey first ({because}); then answer again with it." if level == "passkey" else ""
    if level == "passkey":
        return f"Answer with your passkey: {because}."
    return "Sign in on a device that you used before, or answer with your passkey."
