"""Standing approvals of a car: a carrier, a place and hours that an owner allowed beforehand with a passkey. Pure.

What a rule decides is a question like any other, answered by the rule in the commit that puts it. The record
of that answer holds the rule as it stood, so that the signer can judge the record alone (``holds``).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from pydantic import AwareDatetime, Field, ValidationError

from delivery.barred import BarredBody
from delivery.former import place_hash
from delivery.hours import Hours
from delivery.limits import DeliveryLimits
from delivery.model import Assigned, Frozen, Read, Window
from delivery.place import Place
from delivery.questions import canonical, place_in_words
from people.assertions import Assertion
from people.model import CourierView
from spine.ids import CarrierId, DeliveryId, PersonId, VehicleId, named_after
from spine.store import Saved, Write

KEPT: Final = "kept"
_CONTEXT: Final = b"trunkline.standing.v1\x00"


class Wish(Frozen):
    """What an owner allows beforehand: this carrier, while the car's rules name this very place, in these hours."""

    carrier: CarrierId = Field(pattern="^car_[0-9a-hjkmnp-tv-z]{16}$")
    place: Place = Field(repr=False)
    hours: Hours


class Standing(Frozen):
    """A standing approval: the wish, whose it is, and the passkey's assertion over it."""

    id: str
    n: int
    vehicle: VehicleId
    wish: Wish
    by: PersonId
    at: AwareDatetime
    passkey: str
    assertion: Assertion = Field(repr=False)


class Use(Frozen):
    """A delivery that a rule let in."""

    delivery: DeliveryId
    at: AwareDatetime


class StandingBody(Frozen):
    """The body of ``std_``: the rules of a car, how many were ever made, and their latest uses."""

    made: int = 0
    rules: tuple[Standing, ...] = ()
    uses: tuple[Use, ...] = ()

    @classmethod
    def of(cls, saved: Saved) -> "StandingBody":
        """Empty where there is none."""
        return cls.model_validate_json(saved.body) if saved.version and not saved.ended else cls()

    def recent(self, now: datetime) -> tuple[Use, ...]:
        """What rules let in within a day (any 24 hours: no midnight to wait for)."""
        return tuple(one for one in self.uses if one.at > now - timedelta(days=1))

    def used(self, delivery: DeliveryId, now: datetime) -> "StandingBody":
        """With one use more."""
        return self.but(uses=(*self.recent(now), Use(delivery=delivery, at=now)))

    def write(self) -> Write:
        """The saved form."""
        return Write(KEPT, self.model_dump_json())


def subject_of(vehicle: VehicleId) -> str:
    """Where a car's standing approvals are kept, in the car's partition."""
    return named_after("std", vehicle)


def challenge(vehicle: VehicleId, wish: Wish, n: int) -> bytes:
    """What a passkey signs for the car's ``n``-th rule: the count makes every assertion good for one rule only."""
    said = {"vehicle": vehicle, "n": n, "rule": _words(wish)}
    return sha256(_CONTEXT + canonical(said).encode()).digest()


@dataclass(frozen=True, slots=True)
class Trust:
    """What else a rule hangs on: its maker is an owner with that passkey, and its carrier is not doubted.

    ``passkeys``: of the makers, by person and name, as they were read; ``frozen_at``: of the delivery's carrier.
    """

    owners: Collection[PersonId]
    passkeys: Collection[tuple[PersonId, str]]
    bars: BarredBody
    frozen_at: datetime | None

    def holds(self, rule: Standing) -> bool:
        """Whether this rule counts at present."""
        made_by = rule.by in self.owners and (rule.by, rule.passkey) in self.passkeys
        return made_by and not self.bars.rests(rule.wish.carrier, rule.at, self.frozen_at)


def choose(
    body: StandingBody,
    read: Read,
    courier: CourierView | None,
    *,
    trust: Trust,
    now: datetime,
    limits: DeliveryLimits,
) -> Standing | None:
    """The rule that lets this delivery in, if one does and today's number is not used up.

    ``read``: as it will be asked, its place the one of the car's rules; ``courier``: as named to the owner.
    """
    named = read.body.courier
    if courier is None or named is None or not named.named or read.body.draft is not None:
        return None
    if len(body.recent(now)) >= limits.standing_a_day:
        return None
    return next(
        (one for one in body.rules if trust.holds(one) and _fits(one, read, courier, now, limits)), None
    )


def record(rule: Standing, courier: CourierView) -> Mapping[str, str]:
    """What is kept with the decision: the rule, and since when the courier's device is enrolled."""
    since = courier.enrolled_at.isoformat() if courier.enrolled_at else ""
    return {"rule": rule.model_dump_json(), "courier": courier.id, "enrolled_at": since}


def rule_of(kept: Mapping[str, str]) -> Standing | None:
    """The rule of a record as it stood; None where it cannot be read."""
    try:
        return Standing.model_validate_json(kept.get("rule", ""))
    except ValidationError:
        return None


def holds(
    kept: Mapping[str, str],
    content: Mapping[str, Any],
    *,
    by: str | None,
    at: datetime,
    limits: DeliveryLimits,
) -> Standing | None:
    """The rule of a record, if by that record alone it allowed what was asked (``content``); else None."""
    rule = rule_of(kept)
    if rule is None:
        return None
    try:
        window = Window.model_validate(content["window"])
        enrolled = datetime.fromisoformat(kept.get("enrolled_at", ""))
        courier = (content.get("courier") or {}).get("id")
    except (ValidationError, ValueError, KeyError, AttributeError):
        return None
    fits = (
        rule.by == by
        and rule.vehicle == content.get("vehicle")
        and rule.wish.carrier == (content.get("carrier") or {}).get("id")
        and content.get("opens") == "boot"
        and content.get("kind") == "dropoff"
        and "sign" not in content
        and place_in_words(rule.wish.place) == content.get("place")
        and courier is not None
        and courier == kept.get("courier")
        and enrolled + limits.standing_enrolled_for <= at
        and in_time(rule, window, limits)
    )
    return rule if fits else None


def in_time(rule: Standing, window: Window, limits: DeliveryLimits) -> bool:
    """Within the rule's hours, and short."""
    return rule.wish.hours.hold(window) and window.end - window.start <= limits.long_after


def _fits(rule: Standing, read: Read, courier: CourierView, now: datetime, limits: DeliveryLimits) -> bool:
    body = read.body
    named: Assigned | None = body.courier
    return (
        body.act == "boot"
        and body.kind == "dropoff"  # who may deliver may not fetch
        and rule.wish.carrier == body.carrier
        and place_hash(rule.wish.place) == place_hash(body.place)
        and courier.carrier == body.carrier
        and named is not None
        and (courier.id, courier.jkt) == (named.courier, named.jkt)
        and courier.enrolled_at is not None
        and courier.enrolled_at + limits.standing_enrolled_for <= now
        and in_time(rule, body.window, limits)
    )


def _words(wish: Wish) -> dict[str, Any]:
    hours = wish.hours.model_dump(mode="json")
    return {"carrier": wish.carrier, "place": place_in_words(wish.place), "hours": hours}


def without(rules: Iterable[Standing], rule: str) -> tuple[Standing, ...]:
    """The rules but one."""
    return tuple(one for one in rules if one.id != rule)
