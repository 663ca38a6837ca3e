"""Whom a household does not want to hear from: carriers told "that was not me", and a pause after a decline.

A carrier is not told why: its order is answered as one to an address that cannot be used. Kept in one subject
``bar_`` of the car; an owner sees it and lifts it.
"""

from datetime import datetime
from typing import Final

from pydantic import AwareDatetime

from delivery.model import Frozen
from spine.ids import CarrierId, CourierId, PersonId, VehicleId, named_after
from spine.store import Saved, Write

KEPT: Final = "kept"


class Barred(Frozen):
    """A carrier whose orders are not put to this household until an owner lifts it."""

    carrier: CarrierId
    by: PersonId
    at: AwareDatetime


class Pause(Frozen):
    """After a decline: this carrier with this courier (None: with none named) is not put before ``until``."""

    carrier: CarrierId
    courier: CourierId | None
    until: AwareDatetime


class Noted(Frozen):
    """When something became so for a carrier."""

    carrier: CarrierId
    at: AwareDatetime


class BarredBody(Frozen):
    """The subject's body.

    ``doubted``: came in vain too often, so what it was allowed beforehand rests. ``lifts``: when an owner, after
    the carrier was frozen, let that go on.
    """

    carriers: tuple[Barred, ...] = ()
    pauses: tuple[Pause, ...] = ()
    doubted: tuple[Noted, ...] = ()
    lifts: tuple[Noted, ...] = ()

    @classmethod
    def of(cls, saved: Saved) -> "BarredBody":
        """Empty where nobody is barred."""
        return cls.model_validate_json(saved.body) if saved.version and not saved.ended else cls()

    def why_not(self, carrier: CarrierId, courier: CourierId | None, now: datetime) -> str:
        """Why an order of this carrier is not put to the owner now; empty where it may be."""
        if any(one.carrier == carrier for one in self.carriers):
            return "carrier_barred"
        paused = any(
            (one.carrier, one.courier) == (carrier, courier) and now < one.until for one in self.pauses
        )
        return "pause" if paused else ""

    def rests(self, carrier: CarrierId, since: datetime, frozen_at: datetime | None) -> str:
        """Why what this carrier was allowed beforehand, ``since``, does not count until an owner lifts that.

        Empty where it counts. ``frozen_at``: when the carrier was last frozen.
        """
        if any(one.carrier == carrier for one in self.carriers):
            return "not_me"
        if any(one.carrier == carrier for one in self.doubted):
            return "doubted"
        trusted = max([since, *(one.at for one in self.lifts if one.carrier == carrier)])
        return "frozen" if frozen_at is not None and trusted <= frozen_at else ""

    def living(self, now: datetime) -> "BarredBody":
        """Without pauses that are over."""
        return self.but(pauses=tuple(one for one in self.pauses if now < one.until))

    def paused(
        self, carrier: CarrierId, courier: CourierId | None, until: datetime, now: datetime
    ) -> "BarredBody":
        """After a decline."""
        kept = [one for one in self.living(now).pauses if (one.carrier, one.courier) != (carrier, courier)]
        return self.but(pauses=(*kept, Pause(carrier=carrier, courier=courier, until=until)))

    def barred(self, carrier: CarrierId, by: PersonId, now: datetime) -> "BarredBody":
        """After "that was not me"."""
        if any(one.carrier == carrier for one in self.carriers):
            return self
        return self.but(carriers=(*self.carriers, Barred(carrier=carrier, by=by, at=now)))

    def doubts(self, carrier: CarrierId, now: datetime) -> "BarredBody":
        """After it came in vain too often."""
        if any(one.carrier == carrier for one in self.doubted):
            return self
        return self.but(doubted=(*self.doubted, Noted(carrier=carrier, at=now)))

    def lifted(self, carrier: CarrierId, now: datetime, frozen_at: datetime | None = None) -> "BarredBody":
        """The carrier may ask again, with whatever courier, and what it was allowed beforehand counts again."""
        lifts = self.lifts
        if frozen_at is not None and not any(one.carrier == carrier and one.at > frozen_at for one in lifts):
            rest = [one for one in lifts if one.carrier != carrier]
            lifts = (*rest, Noted(carrier=carrier, at=now))
        return BarredBody(
            carriers=tuple(one for one in self.carriers if one.carrier != carrier),
            pauses=tuple(one for one in self.pauses if one.carrier != carrier),
            doubted=tuple(one for one in self.doubted if one.carrier != carrier),
            lifts=lifts,
        )

    def write(self) -> Write:
        """The saved form."""
        return Write(KEPT, self.model_dump_json())


def subject_of(vehicle: VehicleId) -> str:
    """Where a car's bars are kept, in the car's partition."""
    return named_after("bar", vehicle)
